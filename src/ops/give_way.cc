#include "ops/give_way.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace pelton {
namespace {

thread_local const GiveWay* of_thread = nullptr;

}  // namespace

GiveWay::GiveWay(GiveWayOptions options) : options_(std::move(options)) {
  CHECK(of_thread == nullptr);
  of_thread = this;
}

GiveWay::~GiveWay() { of_thread = nullptr; }

const GiveWay* GiveWay::current() { return of_thread; }

Duration GiveWay::pause_after(Duration time) const {
  if (!options_.is_busy()) return Duration::zero();
  return std::min(std::chrono::duration_cast<Duration>(time * options_.pause_share), options_.pause_max);
}

}  // namespace pelton
