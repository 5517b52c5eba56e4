#include "bench/limit_probe.h"

namespace pelton {
namespace {

const PeakProbe& peak_probe_or_f32(std::string_view type) {
  const PeakProbe* probe = find_peak_probe(type);
  return probe != nullptr ? *probe : *find_peak_probe("f32");
}

}  // namespace

LimitProbe::LimitProbe(Executor& executor, const Options& options)
    : executor_(executor),
      reading_(executor, options.bytes),
      multiplying_(peak_probe_or_f32(options.type)),
      seconds_(options.seconds) {}

Limits LimitProbe::measure() {
  const double bytes = reading_.bytes_per_second(seconds_);
  return {bytes, operations_per_second(executor_, multiplying_, seconds_ / 5)};
}

}  // namespace pelton
