#include "bench/model_bench.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/available_memory.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/energy_meter.h"
#include "base/error.h"
#include "bench/bench_sequences.h"
#include "bench/compute_path.h"
#include "bench/limit_probe.h"
#include "model/decoder.h"
#include "model/model.h"
#include "plan/work.h"

namespace pelton {
namespace {

constexpr int64_t kChunkRows = 512;
// A repetition of decoding is cut into so many bursts, each between two probes: bandwidth does not wait for its end.
constexpr int64_t kDecodeBursts = 4;

// The steps of one phase, built before the clock runs, and what was measured of them.
struct Phase {
  bool is_decode;
  int64_t batch;
  int64_t token_count;
  std::vector<BenchStep> steps;
  int64_t steps_per_burst;
  CallWork work;  // of all steps

  std::vector<double> tokens_per_second;
  std::vector<double> limit_shares;
  std::vector<double> bandwidth_shares;
  std::vector<double> bandwidths;
  std::vector<double> operation_rates;
  double joules = 0;
  int64_t repetition_count = 0;

  double tokens() const { return static_cast<double>(token_count * batch); }
  std::string name() const { return is_decode ? fmt::format("decode, batch {}", batch) : "prefill"; }
};

// Everything with one number of threads.
class ThreadCountBench {
 public:
  ThreadCountBench(const ModelBundle& bundle, const ModelBenchOptions& options, int thread_count)
      : bundle_(bundle),
        options_(options),
        executor_(thread_count),
        prompt_({.sequence_count = options.prompt_token_count > 0 ? 1 : 0,
                 .length = options.prompt_token_count,
                 .vocabulary_size = bundle.model->spec.vocabulary_size}),
        streams_({.sequence_count = options.decode_token_count > 0 ? largest_batch(options) : 0,
                  .length = options.context_token_count + options.decode_token_count,
                  .vocabulary_size = bundle.model->spec.vocabulary_size,
                  .first_page = prompt_.page_count()}),
        decoder_(executor_, bundle.model,
                 {.activations = options.activations, .kv_type = options.kv_type, .page_count = checked_page_count()}) {
  }

  std::vector<PhaseResult> run() {
    std::vector<Phase> phases = this->phases();
    fill_contexts();
    for (Phase& phase : phases) {  // buffers grow, pages come, caches fill
      report(phase, "warming up");
      decoder_.step(phase.steps.front().batch);
    }
    // Phases take turns, so that drift of the machine meets all alike.
    for (int repetition = 0; repetition < options_.repeat_count; ++repetition) {
      for (Phase& phase : phases) {
        report(phase, fmt::format("{} of {}", repetition + 1, options_.repeat_count));
        repeat(phase);
      }
    }
    std::vector<PhaseResult> results;
    for (const Phase& phase : phases) results.push_back(result_of(phase));
    return results;
  }

 private:
  static int64_t largest_batch(const ModelBenchOptions& options) {
    return options.batches.empty() ? 0 : *std::max_element(options.batches.begin(), options.batches.end());
  }

  // Before the decoder is made: the pages that all sequences need, if there is memory for them.
  int64_t checked_page_count() const {
    const int64_t page_count = prompt_.page_count() + streams_.page_count();
    const int64_t bytes = page_count * Decoder::kv_page_bytes(*bundle_.model, options_.kv_type).total();
    const int64_t available = available_memory_bytes();
    if (available > 0 && bytes > available) {
      throw Error(ErrorCode::kResourceExhausted,
                  fmt::format("keys and values of {} sequences of {} tokens take {} MiB, and {} MiB are free; try "
                              "smaller batches or a shorter context",
                              largest_batch(options_), options_.context_token_count + options_.decode_token_count,
                              bytes >> 20, available >> 20));
    }
    return page_count;
  }

  std::vector<Phase> phases() {
    std::vector<Phase> phases;
    if (options_.prompt_token_count > 0) phases.push_back(prefill_phase());
    if (options_.decode_token_count > 0) {
      for (const int64_t batch : options_.batches) phases.push_back(decode_phase(batch));
    }
    for (Phase& phase : phases) {
      const WorkModel model = {bundle_.model->graph, options_.kv_type,
                               [&](std::string_view weight) { return bundle_.model->weights.at(weight).size_bytes(); }};
      for (const BenchStep& step : phase.steps) phase.work += total(step_work(model, step.rows));
    }
    return phases;
  }

  Phase prefill_phase() const {
    Phase phase{.is_decode = false, .batch = 1, .token_count = options_.prompt_token_count};
    for (int64_t position = 0; position < phase.token_count; position += kChunkRows) {
      const int64_t row_count = std::min(kChunkRows, phase.token_count - position);
      phase.steps.push_back(prompt_.chunk(0, position, row_count, position + row_count == phase.token_count));
    }
    phase.steps_per_burst = static_cast<int64_t>(phase.steps.size());
    return phase;
  }

  Phase decode_phase(int64_t batch) const {
    Phase phase{.is_decode = true, .batch = batch, .token_count = options_.decode_token_count};
    for (int64_t i = 0; i < phase.token_count; ++i) {
      phase.steps.push_back(streams_.next_tokens(batch, options_.context_token_count + i));
    }
    phase.steps_per_burst = (phase.token_count + kDecodeBursts - 1) / kDecodeBursts;
    return phase;
  }

  void fill_contexts() {
    if (options_.decode_token_count == 0) return;
    for (int64_t sequence = 0; sequence < largest_batch(options_); ++sequence) {
      options_.on_progress(fmt::format("filling the context of sequence {}", sequence + 1));
      for (int64_t position = 0; position < options_.context_token_count; position += kChunkRows) {
        const int64_t row_count = std::min(kChunkRows, options_.context_token_count - position);
        decoder_.step(streams_.chunk(sequence, position, row_count, false).batch);
      }
    }
  }

  void repeat(Phase& phase) {
    const auto step_count = static_cast<int64_t>(phase.steps.size());
    const double per_step = 1 / static_cast<double>(step_count);
    const Work step_work = {phase.work.memory().bytes * per_step, phase.work.operations * per_step};
    LimitProbe probe(executor_, {.bytes = static_cast<int64_t>(step_work.bytes),
                                 .type = multiplication_type(*bundle_.model, options_.activations),
                                 .seconds = options_.probe_seconds});
    double elapsed = 0;
    Limits before = probe.measure();
    for (int64_t first = 0; first < step_count; first += phase.steps_per_burst) {
      const int64_t count = std::min(phase.steps_per_burst, step_count - first);
      const double burst = run_burst(phase, first, count);
      const Limits after = probe.measure();
      const double seconds_per_step = burst / static_cast<double>(count);
      const Limits limits = middle(before, after);
      phase.limit_shares.push_back(roofline(step_work, limits).limit_seconds / seconds_per_step);
      phase.bandwidth_shares.push_back(step_work.bytes / limits.bytes_per_second / seconds_per_step);
      phase.bandwidths.push_back(after.bytes_per_second);
      phase.operation_rates.push_back(after.operations_per_second);
      before = after;
      elapsed += burst;
      report(phase, "measuring");
    }
    phase.tokens_per_second.push_back(phase.tokens() / elapsed);
    ++phase.repetition_count;
  }

  double run_burst(Phase& phase, int64_t first, int64_t count) {
    energy_.start();
    const TimePoint start = clock_.now();
    for (int64_t i = first; i < first + count; ++i) decoder_.step(phase.steps[static_cast<size_t>(i)].batch);
    const double elapsed = seconds(clock_.now() - start);
    phase.joules += energy_.joules().value_or(0);
    return elapsed;
  }

  PhaseResult result_of(const Phase& phase) const {
    PhaseResult result;
    result.model = bundle_.name;
    result.thread_count = executor_.thread_count();
    result.batch = phase.batch;
    result.is_decode = phase.is_decode;
    result.token_count = phase.token_count;
    result.tokens_per_second = spread_of(phase.tokens_per_second);
    result.bytes_per_token = phase.work.memory().bytes / phase.tokens();
    result.operations_per_token = phase.work.operations / phase.tokens();
    result.limits = {spread_of(phase.bandwidths).median, spread_of(phase.operation_rates).median};
    result.limit_share = spread_of(phase.limit_shares).median;
    result.bandwidth_share = spread_of(phase.bandwidth_shares).median;
    const Roofline of_token = roofline({result.bytes_per_token, result.operations_per_token}, result.limits);
    result.bound = of_token.bound;
    if (energy_.is_readable()) {
      result.joules_per_token = phase.joules / (phase.tokens() * static_cast<double>(phase.repetition_count));
    }
    result.verdict = verdict({.bound = of_token.bound,
                              .limit_share = result.limit_share,
                              .limit_tokens_per_second = 1 / of_token.limit_seconds,
                              .is_decode = phase.is_decode,
                              .row_count = phase.is_decode ? phase.batch : std::min(kChunkRows, phase.token_count),
                              .thread_count = executor_.thread_count(),
                              .core_count = usable_core_count(),
                              .kv_outweighs_weights = phase.work.kv_bytes > phase.work.weight_bytes,
                              .weight_bits = weight_bits(),
                              .has_int8_activations = options_.activations == ActivationType::kInt8});
    return result;
  }

  // Of a parameter that a step reads, on average.
  double weight_bits() const {
    const Model& model = *bundle_.model;
    double bytes = 0;
    double parameters = 0;
    for (const LayerCall& call : model.graph.calls) {
      if (!std::holds_alternative<LinearCall>(call.kind) && !std::holds_alternative<ExpertsCall>(call.kind)) continue;
      for (const std::string& name : call.weights()) {
        const Tensor& weight = model.weights.at(name);
        if (weight.shape().rank() < 2) continue;
        bytes += static_cast<double>(weight.size_bytes());
        parameters += static_cast<double>(weight.shape().element_count());
      }
    }
    return parameters > 0 ? 8 * bytes / parameters : 0;
  }

  void report(const Phase& phase, std::string_view what) const {
    options_.on_progress(fmt::format("threads {}, {}: {}", executor_.thread_count(), phase.name(), what));
  }

  const ModelBundle& bundle_;
  const ModelBenchOptions& options_;
  SteadyClock clock_;
  EnergyMeter energy_;
  Executor executor_;
  BenchSequences prompt_;
  BenchSequences streams_;
  Decoder decoder_;
};

void check_lengths(const ModelBundle& bundle, const ModelBenchOptions& options) {
  const int64_t decode_length =
      options.decode_token_count > 0 ? options.context_token_count + options.decode_token_count : 0;
  const int64_t longest = std::max(options.prompt_token_count, decode_length);
  const int64_t context_length = bundle.model->spec.context_length;
  if (longest > context_length) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} was made for {} tokens; this benchmark needs {}",
                                                         bundle.name, context_length, longest));
  }
}

}  // namespace

std::vector<PhaseResult> run_model_bench(const ModelBundle& bundle, const ModelBenchOptions& options) {
  check_lengths(bundle, options);
  std::vector<PhaseResult> results;
  for (const int thread_count : options.thread_counts) {
    options.on_progress(fmt::format("threads {}: arranging weights", thread_count));
    const std::vector<PhaseResult> some = ThreadCountBench(bundle, options, thread_count).run();
    results.insert(results.end(), some.begin(), some.end());
  }
  return results;
}

}  // namespace pelton
