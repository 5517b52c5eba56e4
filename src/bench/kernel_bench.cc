#include "bench/kernel_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <type_traits>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "bench/bench_sequences.h"
#include "bench/compute_path.h"
#include "bench/limit_probe.h"
#include "model/decoder.h"
#include "model/model.h"
#include "plan/work.h"

namespace pelton {
namespace {

// A working set for each thread that leaves L1 and stays in L2 everywhere.
constexpr int64_t kL2BytesPerThread = 256 << 10;

// What a call is, in words; one overload a kind.
class CallDescriber {
 public:
  CallDescriber(const Model& model, ActivationType activations, ElementType kv_type)
      : model_(model), activations_(activations), kv_type_(kv_type) {}

  std::string describe(const LayerCall& call) const {
    return fmt::format("{} {}", layer_kind_name(call.kind),
                       std::visit([&](const auto& kind) { return (*this)(call, kind); }, call.kind));
  }

  // The type in which a call multiplies.
  std::string_view multiplication(const LayerCall& call) const {
    for (const LayerCall& part : call.parts) {
      if (std::holds_alternative<LinearCall>(part.kind)) return multiplication(part);
    }
    if (std::holds_alternative<LinearCall>(call.kind)) {
      return multiplication_type(model_.weights.at(call.weight).type(), activations_);
    }
    const bool is_attention =
        std::holds_alternative<AttentionCall>(call.kind) || std::holds_alternative<PagedAttentionCall>(call.kind);
    return is_attention && kv_type_ == ElementType::kI8 ? "int8" : "f32";
  }

 private:
  template <typename Kind>
    requires(!std::is_base_of_v<FusedCall, Kind>)
  std::string operator()(const LayerCall& call, const Kind&) const { return fmt::format("{}", width(call.output)); }
  std::string operator()(const LayerCall& call, const LinearCall&) const {
    return fmt::format("{} → {}, {}", width(call.inputs[0]), width(call.output),
                       element_type_name(model_.weights.at(call.weight).type()));
  }
  // As its parts with a matrix, else by its width: "576 → 576, q4_1 + 576 → 192, q4_1".
  std::string operator()(const LayerCall& call, const FusedCall&) const {
    std::string text;
    for (const LayerCall& part : call.parts) {
      if (!std::holds_alternative<LinearCall>(part.kind)) continue;
      text += (text.empty() ? "" : " + ") + (*this)(part, LinearCall{});
    }
    return text.empty() ? fmt::format("{}", width(call.output)) : text;
  }
  std::string operator()(const LayerCall&, const RopeCall& kind) const {
    return fmt::format("{} × {}", kind.shape.head_count, kind.shape.head_width);
  }
  std::string operator()(const LayerCall&, const AttentionCall& kind) const {
    return fmt::format("{} on {} × {}", kind.shape.query_head_count, kind.shape.key_value_head_count,
                       kind.shape.head_width);
  }

  int64_t width(ValueId value) const { return model_.graph.value_widths[index_of(value)]; }

  const Model& model_;
  ActivationType activations_;
  ElementType kv_type_;
};

struct CallGroup {
  std::string call;
  std::string_view multiplication;
  int64_t call_count = 0;
  CallWork work;
  std::vector<double> seconds;  // by step
};

class KernelBench {
 public:
  KernelBench(const ModelBundle& bundle, const KernelBenchOptions& options)
      : model_(*bundle.model),
        options_(options),
        executor_(options.thread_count),
        sequences_({.sequence_count = is_decode() ? options.batch : 1,
                    .length = is_decode() ? options.context_token_count + 1 : options.prompt_token_count,
                    .vocabulary_size = model_.spec.vocabulary_size}),
        decoder_(
            executor_, bundle.model,
            {.activations = options.activations, .kv_type = options.kv_type, .page_count = sequences_.page_count()}) {}

  KernelBenchResult run() {
    if (is_decode()) fill_contexts();
    const BenchStep step = is_decode() ? sequences_.next_tokens(options_.batch, options_.context_token_count)
                                       : sequences_.chunk(0, 0, options_.prompt_token_count, true);
    group_calls(step.rows);
    decoder_.step(step.batch);
    const std::vector<Limits> limits = measure(step);
    return result(middle(limits.front(), limits.back()));
  }

 private:
  bool is_decode() const { return options_.prompt_token_count == 0; }

  void fill_contexts() {
    constexpr int64_t kChunkRows = 512;
    for (int64_t sequence = 0; sequence < options_.batch; ++sequence) {
      options_.on_progress("filling contexts");
      for (int64_t position = 0; position < options_.context_token_count; position += kChunkRows) {
        const int64_t row_count = std::min(kChunkRows, options_.context_token_count - position);
        decoder_.step(sequences_.chunk(sequence, position, row_count, false).batch);
      }
    }
  }

  void group_calls(const StepRows& rows) {
    const CallDescriber describer(model_, options_.activations, options_.kv_type);
    const WorkModel work_model = {decoder_.graph(), options_.kv_type,
                                  [&](std::string_view weight) { return model_.weights.at(weight).size_bytes(); }};
    const std::vector<CallWork> work = step_work(work_model, rows);
    std::map<std::string, size_t> found;
    for (size_t i = 0; i < work.size(); ++i) {
      const LayerCall& call = decoder_.graph().calls[i];
      const auto [place, is_new] = found.emplace(describer.describe(call), groups_.size());
      if (is_new) groups_.push_back({.call = place->first, .multiplication = describer.multiplication(call)});
      group_of_call_.push_back(place->second);
      ++groups_[place->second].call_count;
      groups_[place->second].work += work[i];
    }
  }

  // The limits before and after.
  std::vector<Limits> measure(const BenchStep& step) {
    CallWork all;
    for (const CallGroup& group : groups_) all += group.work;
    LimitProbe probe(executor_, {.bytes = static_cast<int64_t>(all.memory().bytes), .seconds = options_.probe_seconds});
    const Limits before = probe.measure();
    std::vector<double> sums(groups_.size());
    decoder_.set_observer([&](size_t call, Duration duration) { sums[group_of_call_[call]] += seconds(duration); });
    const SteadyClock clock;
    for (int i = 0; i < options_.step_count; ++i) {
      options_.on_progress(fmt::format("step {} of {}", i + 1, options_.step_count));
      std::fill(sums.begin(), sums.end(), 0);
      const TimePoint start = clock.now();
      decoder_.step(step.batch);
      step_seconds_.push_back(seconds(clock.now() - start));
      between_seconds_.push_back(step_seconds_.back() - std::accumulate(sums.begin(), sums.end(), 0.0));
      for (size_t group = 0; group < groups_.size(); ++group) groups_[group].seconds.push_back(sums[group]);
    }
    decoder_.set_observer({});
    return {before, probe.measure()};
  }

  KernelBenchResult result(const Limits& limits) {
    const double l2_bytes_per_second =
        ReadProbe(executor_, kL2BytesPerThread * executor_.thread_count()).bytes_per_second(options_.probe_seconds / 5);
    KernelBenchResult result;
    result.step_seconds = spread_of(step_seconds_);
    result.between_calls_share = spread_of(between_seconds_).median / result.step_seconds.median;
    for (const CallGroup& group : groups_) {
      result.kernels.push_back(kernel_result(group, limits, l2_bytes_per_second, result.step_seconds.median));
    }
    std::stable_sort(result.kernels.begin(), result.kernels.end(),
                     [](const KernelResult& a, const KernelResult& b) { return a.seconds.median > b.seconds.median; });
    return result;
  }

  KernelResult kernel_result(const CallGroup& group, const Limits& limits, double l2_bytes_per_second,
                             double step_seconds) {
    KernelResult kernel{.call = group.call,
                        .kernel = fmt::format("{}, {}", group.multiplication, isa_name(active_isa())),
                        .call_count = group.call_count,
                        .seconds = spread_of(group.seconds)};
    kernel.share = kernel.seconds.median / step_seconds;
    const Work memory = group.work.memory();
    const double rate = kernel.seconds.median > 0 ? 1e-9 / kernel.seconds.median : 0;
    kernel.gb_per_second = memory.bytes * rate;
    kernel.gop_per_second = memory.operations * rate;
    const std::pair<double, std::string_view> limit =
        std::max({std::pair<double, std::string_view>{memory.bytes / limits.bytes_per_second, "memory"},
                  {group.work.activation_bytes / l2_bytes_per_second, "L2"},
                  {memory.operations / peak(group.multiplication), "compute"}});
    kernel.limit_seconds = limit.first;
    kernel.bound = limit.second;
    return kernel;
  }

  double peak(std::string_view type) {
    auto found = peaks_.find(type);
    if (found == peaks_.end()) {
      const PeakProbe* probe = find_peak_probe(type);
      if (probe == nullptr) probe = find_peak_probe("f32");
      found = peaks_.emplace(type, operations_per_second(executor_, *probe, options_.probe_seconds / 5)).first;
    }
    return found->second;
  }

  const Model& model_;
  const KernelBenchOptions& options_;
  Executor executor_;
  BenchSequences sequences_;
  Decoder decoder_;
  std::vector<CallGroup> groups_;
  std::vector<size_t> group_of_call_;
  std::vector<double> step_seconds_;
  std::vector<double> between_seconds_;
  std::map<std::string_view, double> peaks_;
};

}  // namespace

KernelBenchResult run_kernel_bench(const ModelBundle& bundle, const KernelBenchOptions& options) {
  const int64_t length = options.prompt_token_count > 0 ? options.prompt_token_count : options.context_token_count + 1;
  if (length > bundle.model->spec.context_length) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} was made for {} tokens; this benchmark needs {}",
                                                         bundle.name, bundle.model->spec.context_length, length));
  }
  return KernelBench(bundle, options).run();
}

}  // namespace pelton
