// `pelton bench`: how fast are this machine, a model on it, and the model's parts? One subcommand each.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/energy_meter.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "bench/bench_report.h"
#include "bench/linear_bench.h"
#include "bench/peer.h"
#include "cli/bench_progress.h"
#include "cli/bench_simulate.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/text_scoring.h"
#include "plan/hardware_probe.h"

namespace pelton::cli {
namespace {

constexpr const char* kModelNotes =
    "Prefill reads a prompt of -p tokens; decode continues -b sequences of --context tokens each by -n tokens. The "
    "limit "
    "is\n"
    "what the machine gives beside each burst of work: bytes streamed, and multiplications, by the same threads. Bytes "
    "and\n"
    "operations are those that a token must cost: each weight once a step, each sequence's keys and values once. "
    "--text\n"
    "prints perplexity and KL divergence (from float32 on the same weights) beside each speed.\n"
    "\n"
    "--json prints one object with a list `results` of model, threads, batch, phase (\"prefill\", \"decode\"), tokens "
    "(of one\n"
    "sequence), tokens_per_second (of all together: median, min, max), bytes_per_token, operations_per_token,\n"
    "achieved_gb_per_second, achieved_gop_per_second, limit_gb_per_second, limit_gop_per_second, limit_share (of the\n"
    "roofline), bandwidth_share, bound, verdict, joules_per_token (null: unknown), quality (null without --text).\n"
    "\n"
    "Examples:\n"
    "  pelton bench model -m model.gguf\n"
    "  pelton bench model -m model.gguf -b 1,8,32 -t 1,2 --plot roofline.svg\n"
    "  pelton bench model -m model.gguf --text novel.txt\n"
    "  pelton bench model -m model.gguf --peer llama.cpp\n";

constexpr const char* kHardwareNotes =
    "Measured once for each processor, number of cores and instruction set, and kept in the cache folder; --again "
    "measures\n"
    "anew. Wants a quiet machine: the fastest of seven bursts counts.\n"
    "\n"
    "Examples:\n"
    "  pelton bench hardware\n"
    "  pelton bench hardware --json --plot roofline.svg\n";

constexpr const char* kKernelsNotes =
    "A step's layer calls by kind and shape. The first matrix that reads a value also pays for its INT8 form. The "
    "limit "
    "is\n"
    "the longest of reading weights, keys and values from memory, passing activations through L2, and multiplying; "
    "what "
    "a\n"
    "cache still holds from the call before can beat it.\n"
    "\n"
    "Examples:\n"
    "  pelton bench kernels -m model.gguf\n"
    "  pelton bench kernels -m model.gguf -b 32 --context 1000\n"
    "  pelton bench kernels -m model.gguf -p 512 -t 1 --json\n";

constexpr const char* kLinearNotes =
    "Every way of multiplying that a matrix allows, by number of rows: its packed tiles (int8, or bf16 for BF16 "
    "weights),\n"
    "dot products of decoded rows, decoded panels and a GEMM.\n"
    "\n"
    "Examples:\n"
    "  pelton bench linear -m model.gguf\n"
    "  pelton bench linear -m model.gguf -r 8,32,512 -t 1 --json\n";

constexpr int64_t kTokensMax = int64_t{1} << 24;
constexpr int64_t kBatchMax = 512;
constexpr int kThreadsMax = 1024;
constexpr int kRepeatsMax = 10'000;

template <typename OnProgress>
Hardware hardware(OnProgress on_progress, bool measures_again) {
  const std::filesystem::path cache = cache_folder();
  if (!measures_again) {
    if (const std::optional<Hardware> known = load_hardware(cache, this_hardware())) return *known;
  }
  HardwareProbeOptions options;
  options.on_progress = on_progress;
  const Hardware measured = measure_hardware(options);
  try {
    store_hardware(cache, measured);
  } catch (const Error& error) {  // the numbers are there all the same
    log::warning(fmt::format("not kept for the next time: {}", error.message()));
  }
  return measured;
}

// --- pelton bench model

struct ModelCommandOptions {
  std::string model;
  ModelBenchOptions bench;
  std::string activations = "int8";
  std::optional<std::string> kv_type;
  std::optional<std::string> peer;
  std::optional<std::string> plot_path;
  std::optional<std::string> text_path;
  ChunkOptions text_chunks = {.chunk_count_max = 8};
  bool as_json = false;
};

std::string comma_separated(const auto& values) { return fmt::format("{}", fmt::join(values, ",")); }

void compare_with_peer(const ModelCommandOptions& options) {
  const std::filesystem::path model = resolve_model_path(options.model);
  if (!std::filesystem::is_regular_file(model)) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} is no GGUF file, which the peers read", model.string()));
  }
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  const ModelBenchOptions& bench = options.bench;
  std::vector<std::string> arguments = {"--pelton",  program.string(),
                                        "--peer",    *options.peer,
                                        "-m",        std::filesystem::absolute(model).string(),
                                        "-p",        std::to_string(bench.prompt_token_count),
                                        "-n",        std::to_string(bench.decode_token_count),
                                        "-b",        comma_separated(bench.batches),
                                        "-t",        comma_separated(bench.thread_counts),
                                        "--context", std::to_string(bench.context_token_count),
                                        "--repeat",  std::to_string(bench.repeat_count)};
  if (options.text_path) {
    const std::string text = std::filesystem::absolute(*options.text_path).string();
    arguments.insert(arguments.end(),
                     {"--text", text, "--chunks", std::to_string(*options.text_chunks.chunk_count_max)});
  }
  if (options.as_json) arguments.push_back("--json");
  run_peer_comparison(find_peer_comparison(program), arguments);
}

// Of the computation that is timed, from float32 on the same weights.
template <typename OnProgress>
ModelQuality measure_quality(const ModelCommandOptions& options, const ScoringJob& job, const std::string& text,
                             OnProgress on_progress) {
  on_progress("quality: arranging weights");
  const TextChunks chunks = chunks_to_score(job, text, options.text_chunks);
  const TextEvaluation evaluation = TextScorer(job, chunks).score([&](const EvaluationProgress& progress) {
    on_progress(fmt::format("quality: {} of {} chunks", progress.chunks_done, progress.chunk_count));
  });
  const Divergence& divergence = evaluation.reference->divergence;
  return {.perplexity = evaluation.perplexity.value,
          .standard_error = evaluation.perplexity.standard_error,
          .mean_kl = divergence.mean,
          .top1_agreement = divergence.top1_agreement,
          .scored_token_count = evaluation.perplexity.token_count};
}

EngineOptions compute_of(const ModelBenchOptions& bench) {
  EngineOptions options;
  options.activations = bench.activations;
  options.kv_type = bench.kv_type;
  return options;
}

int bench_model(ModelCommandOptions options) {
  if (options.bench.thread_counts.empty()) options.bench.thread_counts = {usable_core_count()};
  const bool is_f32 = options.activations == "f32";
  options.bench.activations = is_f32 ? ActivationType::kF32 : ActivationType::kInt8;
  options.bench.kv_type =
      options.kv_type ? parse_kv_type(*options.kv_type).value() : default_kv_type(options.bench.activations);
  const std::optional<std::string> text =
      options.text_path ? std::optional(read_text_to_score(*options.text_path)) : std::nullopt;
  if (options.peer) compare_with_peer(options);

  const std::shared_ptr<const ModelBundle> bundle = require_generator(load_bundle(options.model));
  return until_interrupted([&](auto on_progress) {
    options.bench.on_progress = on_progress;
    std::optional<ModelQuality> quality;
    if (text) {
      const ScoringJob job = {bundle, load_scoring_reference("f32", bundle), compute_of(options.bench)};
      quality = measure_quality(options, job, *text, on_progress);
    }
    const std::vector<PhaseResult> results = run_model_bench(*bundle, options.bench);
    if (options.plot_path) {
      replace_file(*options.plot_path, to_svg(roofline_plot(hardware(on_progress, false), results)));
    }
    if (options.as_json) {
      print_json(to_json(results, quality));
    } else {
      print_text(to_text(results, quality));
    }
  });
}

std::function<int()> add_bench_model(CLI::App& app) {
  const auto options = std::make_shared<ModelCommandOptions>();
  ModelBenchOptions& bench = options->bench;
  bench.thread_counts.clear();
  app.add_option("-m,--model", options->model,
                 "A GGUF file, a Hugging Face folder, or the short name of a model in the cache")
      ->required();
  app.add_option("-p,--prompt-tokens", bench.prompt_token_count, "Tokens of a prompt; 0: no prefill")
      ->check(CLI::Range(int64_t{0}, kTokensMax))
      ->capture_default_str();
  app.add_option("-n,--tokens", bench.decode_token_count, "Tokens that follow; 0: no decode")
      ->check(CLI::Range(int64_t{0}, kTokensMax))
      ->capture_default_str();
  app.add_option("-b,--batch", bench.batches, "Sequences that are continued together, as in 1,8,32")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, kBatchMax))
      ->default_str("1");
  app.add_option("-t,--threads", bench.thread_counts, "Threads that compute, as in 1,2 (default: one for each core)")
      ->delimiter(',')
      ->check(CLI::Range(1, kThreadsMax));
  app.add_option("--context", bench.context_token_count, "Tokens before the first one that is decoded")
      ->check(CLI::Range(int64_t{0}, kTokensMax))
      ->capture_default_str();
  app.add_option("--repeat", bench.repeat_count, "Repetitions of each phase")
      ->check(CLI::Range(1, kRepeatsMax))
      ->capture_default_str();
  app.add_option("--activations", options->activations, "How activations meet weights")
      ->check(CLI::IsMember({"int8", "f32"}))
      ->capture_default_str();
  app.add_option("--kv-type", options->kv_type,
                 "How keys and values are kept (default: int8 with int8 activations, f32 with f32)")
      ->check(CLI::IsMember(kv_type_names()));
  add_deterministic_to(app);
  app.add_option("--text", options->text_path, "Also say how good the timed computation is, on this text (UTF-8)")
      ->type_name("TEXTFILE");
  app.add_option("--chunks", *options->text_chunks.chunk_count_max, "Chunks of 512 tokens of the text that are scored")
      ->check(CLI::Range(int64_t{1}, kTokensMax))
      ->capture_default_str();
  CLI::Option* plot = app.add_option("--plot", options->plot_path, "Draw the roofline with the phases on it, as SVG");
  plot->type_name("FILE");
  app.add_option("--peer", options->peer, "Run another engine on the same file, in turns")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kPeers), std::end(kPeers))))
      ->excludes(plot);
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kModelNotes);
  return [options] { return bench_model(*options); };
}

// --- pelton bench hardware

struct HardwareCommandOptions {
  std::optional<std::string> plot_path;
  bool measures_again = false;
  bool as_json = false;
};

int bench_hardware(const HardwareCommandOptions& options) {
  return until_interrupted([&](auto on_progress) {
    const Hardware measured = hardware(on_progress, options.measures_again);
    const bool knows_energy = EnergyMeter().is_readable();
    if (options.plot_path) replace_file(*options.plot_path, to_svg(roofline_plot(measured, {})));
    if (options.as_json) {
      json::object object = to_json(measured);
      object["energy"] = knows_energy ? "rapl" : "unknown";
      print_json(object);
    } else {
      print_text(to_text(measured) + fmt::format("\nenergy: {}\n", knows_energy
                                                                       ? "readable (RAPL)"
                                                                       : "unknown (no RAPL counter that can be read)"));
    }
  });
}

std::function<int()> add_bench_hardware(CLI::App& app) {
  const auto options = std::make_shared<HardwareCommandOptions>();
  app.add_flag("--again", options->measures_again, "Measure, whatever the cache folder knows");
  app.add_option("--plot", options->plot_path, "Draw the roofline, as SVG")->type_name("FILE");
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kHardwareNotes);
  return [options] { return bench_hardware(*options); };
}

// --- pelton bench kernels

struct KernelsCommandOptions {
  ModelOptions model;
  KernelBenchOptions bench;
  bool as_json = false;
};

int bench_kernels(KernelsCommandOptions& options) {
  const EngineOptions compute = options.model.engine_options();
  options.bench.activations = compute.activations;
  options.bench.kv_type = compute.kv_type.value_or(default_kv_type(options.bench.activations));
  options.bench.thread_count = compute.thread_count > 0 ? compute.thread_count : usable_core_count();

  const std::shared_ptr<const ModelBundle> bundle = require_generator(options.model.bundle());
  return until_interrupted([&](auto on_progress) {
    options.bench.on_progress = on_progress;
    const KernelBenchResult result = run_kernel_bench(*bundle, options.bench);
    if (options.as_json) {
      json::object object = to_json(result);
      object["model"] = bundle->name;
      object["threads"] = options.bench.thread_count;
      print_json(object);
    } else {
      print_text(to_text(result));
    }
  });
}

std::function<int()> add_bench_kernels(CLI::App& app) {
  const auto options = std::make_shared<KernelsCommandOptions>();
  KernelBenchOptions& bench = options->bench;
  options->model.add_compute_to(app, ActivationType::kInt8);
  app.add_option("-p,--prompt-tokens", bench.prompt_token_count, "Tokens of a prompt; 0: a step of decode instead")
      ->check(CLI::Range(int64_t{0}, int64_t{512}))
      ->capture_default_str();
  app.add_option("-b,--batch", bench.batch, "Sequences that are continued together")
      ->check(CLI::Range(int64_t{1}, kBatchMax))
      ->capture_default_str();
  app.add_option("--context", bench.context_token_count, "Tokens before the one that is decoded")
      ->check(CLI::Range(int64_t{0}, kTokensMax))
      ->capture_default_str();
  app.add_option("--steps", bench.step_count, "Steps to measure")
      ->check(CLI::Range(1, kRepeatsMax))
      ->capture_default_str();
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kKernelsNotes);
  return [options] { return bench_kernels(*options); };
}

// --- pelton bench linear

struct LinearCommandOptions {
  std::string model;
  LinearBenchOptions bench;
  bool as_json = false;
};

int bench_linear(LinearCommandOptions& options) {
  if (options.bench.thread_count == 0) options.bench.thread_count = usable_core_count();
  const std::shared_ptr<const ModelBundle> bundle = require_generator(load_bundle(options.model));
  return until_interrupted([&](auto on_progress) {
    options.bench.on_progress = on_progress;
    const std::vector<LinearBenchResult> results = run_linear_bench(*bundle, options.bench);
    if (options.as_json) {
      json::object object = to_json(results);
      object["model"] = bundle->name;
      object["threads"] = options.bench.thread_count;
      print_json(object);
    } else {
      print_text(to_text(results));
    }
  });
}

std::function<int()> add_bench_linear(CLI::App& app) {
  constexpr int64_t kRowsMax = 4096;
  const auto options = std::make_shared<LinearCommandOptions>();
  LinearBenchOptions& bench = options->bench;
  bench.thread_count = 0;
  app.add_option("-m,--model", options->model,
                 "A GGUF file, a Hugging Face folder, or the short name of a model in the cache")
      ->required();
  app.add_option("-r,--rows", bench.row_counts, "Rows that are multiplied together, as in 1,8,32")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, kRowsMax))
      ->default_str(comma_separated(bench.row_counts));
  app.add_option("-t,--threads", bench.thread_count, "Threads that compute (default: one for each core)")
      ->check(CLI::Range(1, kThreadsMax));
  app.add_option("--repeat", bench.repeat_count, "Repetitions of each path, in turns")
      ->check(CLI::Range(1, kRepeatsMax))
      ->capture_default_str();
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kLinearNotes);
  return [options] { return bench_linear(*options); };
}

}  // namespace

std::function<int()> add_bench_serve(CLI::App& app);  // cli/bench_serve.cc

namespace {

constexpr Command kSubcommands[] = {
    {"model", "Prefill and decode: speed, and how near the limit it is", add_bench_model},
    {"hardware", "What this machine can do at most", add_bench_hardware},
    {"kernels", "Where the time of a model's step goes", add_bench_kernels},
    {"linear", "Which way of multiplying is the fastest for a model's matrices", add_bench_linear},
    {"serve", "A server of OpenAI's API under load", add_bench_serve},
    {"simulate", "What each way of scheduling would make of a load, on paper", add_bench_simulate},
};

}  // namespace

std::function<int()> add_bench(CLI::App& app) {
  app.require_subcommand(1);
  std::vector<std::pair<const CLI::App*, std::function<int()>>> works;
  for (const Command& command : kSubcommands) {
    CLI::App* subcommand = app.add_subcommand(command.name, command.summary);
    works.emplace_back(subcommand, command.add(*subcommand));
  }
  return [works] {
    for (const auto& [subcommand, work] : works) {
      if (subcommand->parsed()) return work();
    }
    PELTON_UNREACHABLE();
  };
}

}  // namespace pelton::cli
