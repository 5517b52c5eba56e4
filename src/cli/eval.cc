// `pelton eval`: how good is this model? One subcommand a measure.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/text_scoring.h"

namespace pelton::cli {
namespace {

constexpr const char* kPerplexityNotes =
    "The text is cut into chunks as llama.cpp's llama-perplexity does it: each is run alone, and the tokens of its "
    "second\n"
    "half are scored. --reference f32 also runs the model in float32 on the weights as they lie in the file, and says "
    "how\n"
    "far the fast path is from it (Kullback-Leibler divergence in nats for each scored token); --reference MODEL runs\n"
    "another model so, such as the one that this one was quantised from.\n"
    "\n"
    "--json prints one object: perplexity, stderr, bits_per_byte, chunks, chunk_tokens, tokens (those scored), "
    "seconds,\n"
    "tokens_per_second (all that were run), activations, model; with --reference also reference (model, perplexity, "
    "stderr) and\n"
    "kl (mean, median, p99, max) and top1_agreement (0 to 1).\n"
    "\n"
    "Examples:\n"
    "  pelton eval perplexity -m model.gguf novel.txt\n"
    "  pelton eval perplexity -m model.gguf novel.txt --activations f32 --chunks 10 --json\n"
    "  pelton eval perplexity -m model.gguf novel.txt --reference f32\n"
    "  pelton eval perplexity -m model-q4_0.gguf novel.txt --reference model-bf16.gguf\n";

struct PerplexityOptions {
  ModelOptions model;
  std::string text_path;
  ChunkOptions chunks;
  std::optional<std::string> reference;
  bool as_json = false;
};

// Rate and time left, on standard error: one line that is written over in a terminal, else a line now and then.
class ProgressNote {
 public:
  ProgressNote(const Clock& clock, int64_t tokens_per_chunk)
      : clock_(clock), tokens_per_chunk_(tokens_per_chunk), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

  void update(const EvaluationProgress& progress) {
    const bool is_last = progress.chunks_done == progress.chunk_count;
    const TimePoint now = clock_.now();
    if (!is_last && now - written_ < (is_terminal_ ? kTerminalInterval : kLogInterval)) return;
    written_ = now;
    const double elapsed_s = seconds(now - start_);
    const double chunk_s = elapsed_s / static_cast<double>(progress.chunks_done);
    const std::string line =
        fmt::format("{}/{} chunks, {:.0f} tokens/s, {:.0f} s left, perplexity {:.2f}", progress.chunks_done,
                    progress.chunk_count, static_cast<double>(tokens_per_chunk_) / std::max(chunk_s, 1e-9),
                    chunk_s * static_cast<double>(progress.chunk_count - progress.chunks_done), progress.perplexity);
    if (!is_terminal_) return print_note(line);
    fmt::print(stderr, "\r{}\x1b[K{}", line, is_last ? "\n" : "");
  }

  double elapsed_s() const { return seconds(clock_.now() - start_); }

 private:
  static constexpr Duration kTerminalInterval = std::chrono::milliseconds(200);
  static constexpr Duration kLogInterval = std::chrono::seconds(2);

  const Clock& clock_;
  int64_t tokens_per_chunk_;
  bool is_terminal_;
  TimePoint start_ = clock_.now();
  TimePoint written_ = start_;
};

struct PerplexityReport {
  std::string model;
  std::string activations;
  std::string reference;  // the model's name; empty: none
  int64_t chunk_count = 0;
  int64_t chunk_token_count = 0;
  double elapsed_s = 0;
  TextEvaluation evaluation;

  double tokens_per_second() const {
    return static_cast<double>(chunk_count * chunk_token_count) / std::max(elapsed_s, 1e-9);
  }
};

json::object report_to_json(const PerplexityReport& report) {
  const TextEvaluation& evaluation = report.evaluation;
  json::object object = {{"perplexity", json_number(evaluation.perplexity.value)},
                         {"stderr", json_number(evaluation.perplexity.standard_error)},
                         {"bits_per_byte", json_number(evaluation.bits_per_byte)},
                         {"chunks", report.chunk_count},
                         {"chunk_tokens", report.chunk_token_count},
                         {"tokens", evaluation.perplexity.token_count},
                         {"seconds", json_number(report.elapsed_s)},
                         {"tokens_per_second", json_number(report.tokens_per_second())},
                         {"activations", report.activations},
                         {"model", report.model}};
  if (const auto& reference = evaluation.reference) {
    const Divergence& divergence = reference->divergence;
    object["reference"] = {{"activations", "f32"},
                           {"model", report.reference},
                           {"perplexity", json_number(reference->perplexity.value)},
                           {"stderr", json_number(reference->perplexity.standard_error)}};
    object["kl"] = {{"mean", json_number(divergence.mean)},
                    {"median", json_number(divergence.median)},
                    {"p99", json_number(divergence.p99)},
                    {"max", json_number(divergence.max)}};
    object["top1_agreement"] = divergence.top1_agreement;
  }
  return object;
}

std::string perplexity_to_text(const Perplexity& perplexity) {
  return fmt::format("{:.4f} ± {:.4f}", perplexity.value, perplexity.standard_error);
}

std::string report_to_text(const PerplexityReport& report) {
  const TextEvaluation& evaluation = report.evaluation;
  std::string text = fmt::format(
      "Perplexity       {} ({} activations)\n"
      "Bits per byte    {:.4f}\n"
      "Text             {} chunks of {} tokens, {} tokens scored\n"
      "Time             {:.1f} s, {:.0f} tokens/s\n",
      perplexity_to_text(evaluation.perplexity), report.activations, evaluation.bits_per_byte, report.chunk_count,
      report.chunk_token_count, evaluation.perplexity.token_count, report.elapsed_s, report.tokens_per_second());
  if (const auto& reference = evaluation.reference) {
    const Divergence& divergence = reference->divergence;
    text += fmt::format(
        "Reference        {} (f32 activations{})\n"
        "KL divergence    mean {:.6f}, median {:.6f}, 99 % {:.6f}, max {:.6f}\n"
        "Same top token   {:.2f} %\n",
        perplexity_to_text(reference->perplexity), report.reference == report.model ? "" : ", " + report.reference,
        divergence.mean, divergence.median, divergence.p99, divergence.max, 100 * divergence.top1_agreement);
  }
  return text;
}

int measure_perplexity(const PerplexityOptions& options) {
  const EngineOptions compute = options.model.engine_options();
  // What can be read is read before the model is loaded: mistakes show at once.
  const std::string text = read_text_to_score(options.text_path);
  const std::shared_ptr<const ModelBundle> bundle = require_generator(options.model.bundle());
  ScoringJob job = {.model = bundle, .reference = std::nullopt, .compute = compute};
  if (options.reference) job.reference = load_scoring_reference(*options.reference, bundle);
  const TextChunks chunks = chunks_to_score(job, text, options.chunks);

  TextScorer scorer(job, chunks);

  const SteadyClock clock;
  ProgressNote note(clock, chunks.token_count());
  PerplexityReport report;
  report.evaluation = scorer.score([&note](const EvaluationProgress& progress) { note.update(progress); });
  report.elapsed_s = note.elapsed_s();
  report.model = bundle->name;
  if (job.reference) report.reference = job.reference->bundle->name;
  report.activations = compute.activations == ActivationType::kF32 ? "f32" : "int8";
  report.chunk_count = chunks.count();
  report.chunk_token_count = chunks.token_count();
  if (options.as_json) {
    print_json(report_to_json(report));
  } else {
    print_text(report_to_text(report));
  }
  return 0;
}

std::function<int()> add_perplexity(CLI::App& app) {
  constexpr int64_t kCountMax = int64_t{1} << 30;
  const auto options = std::make_shared<PerplexityOptions>();
  app.add_option("text", options->text_path, "The text, UTF-8")->required()->type_name("TEXTFILE");
  app.add_option("--chunk", options->chunks.token_count, "Tokens of a chunk; numbers compare only at the same length")
      ->check(CLI::Range(ChunkOptions::kTokensMin, kCountMax))
      ->capture_default_str();
  app.add_option("--chunks", options->chunks.chunk_count_max, "Stop after so many chunks (default: the whole text)")
      ->check(CLI::Range(int64_t{1}, kCountMax));
  app.add_option("--reference", options->reference,
                 "Also measure the distance to a more exact computation: f32, or a model with the same tokens")
      ->type_name("f32|MODEL");
  app.add_flag("--json", options->as_json, "Print one JSON object");
  options->model.add_compute_to(app, ActivationType::kInt8);
  app.footer(kPerplexityNotes);
  return [options] { return measure_perplexity(*options); };
}

constexpr Command kMeasures[] = {
    {"perplexity", "How well the model predicts a text", add_perplexity},
};

}  // namespace

std::function<int()> add_eval(CLI::App& app) {
  app.require_subcommand(1);
  app.footer("Example:\n  pelton eval perplexity -m model.gguf novel.txt\n");
  std::vector<std::pair<const CLI::App*, std::function<int()>>> works;
  for (const Command& measure : kMeasures) {
    CLI::App* subcommand = app.add_subcommand(measure.name, measure.summary);
    works.emplace_back(subcommand, measure.add(*subcommand));
  }
  return [works = std::move(works)] {
    const auto chosen = std::find_if(works.begin(), works.end(), [](const auto& work) { return work.first->parsed(); });
    return chosen->second();
  };
}

}  // namespace pelton::cli
