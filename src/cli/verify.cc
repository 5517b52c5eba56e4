// `pelton verify`: does this model compute what a reference computed?
#include "model/verify.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "io/safetensors.h"
#include "model/decoder.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "FILE holds, as safetensors: input_ids I64 [B, T] and logits F32 [B, T, V]; where present also loss F32 [], "
    "greedy\n"
    "I64 [1, N] and grad.NAME F32 for weights by their Hugging Face names, for GGUF files too. Logits are compared for "
    "the\n"
    "whole sequence at once, in chunks of 7, and token by token. The exit code is 0 where all agree, else 1.\n"
    "\n"
    "Examples:\n"
    "  pelton verify --model converted.gguf --expected expected.safetensors\n"
    "  pelton verify --model folder/ --expected expected.safetensors --tolerance 1e-4 --json\n"
    "  pelton verify --model model.gguf --expected expected.safetensors --activations int8 --tolerance 0.5\n"
    "  pelton verify --model base.gguf --adapter adapter/ --expected expected.safetensors\n";

struct VerifyCommandOptions {
  ModelOptions model;
  std::string expected_path;
  double tolerance = VerifyOptions{}.tolerance;
  bool as_json = false;
};

json::value place_to_json(const std::optional<LogitsComparison::Place>& place) {
  if (!place) return nullptr;
  return {{"row", place->row},
          {"position", place->position},
          {"token", place->token},
          {"got", json_number(place->got)},
          {"expected", json_number(place->expected)}};
}

json::object report_to_json(const VerifyReport& report) {
  json::array ways;
  for (const LogitsComparison& way : report.logits) {
    ways.push_back({{"way", way.way},
                    {"max_abs_diff", json_number(way.max_abs_diff)},
                    {"max_rel_diff", json_number(way.max_rel_diff)},
                    {"kl", json_number(way.kl)},
                    {"first_disagreement", place_to_json(way.first_disagreement)}});
  }
  json::object object = {{"passed", report.passed},
                         {"max_abs_diff", json_number(report.max_abs_diff())},
                         {"max_rel_diff", json_number(report.max_rel_diff())},
                         {"kl", json_number(report.kl())},
                         {"logits", std::move(ways)}};
  if (report.greedy) object["greedy"] = {{"compared", report.greedy->compared}, {"passed", report.greedy->passed}};
  if (report.loss) {
    object["loss"] = {{"got", json_number(report.loss->got)},
                      {"expected", json_number(report.loss->expected)},
                      {"rel_diff", json_number(report.loss->rel_diff)}};
  }
  if (report.gradients) {
    object["gradients"] = {{"compared", report.gradients->compared},
                           {"passed", report.gradients->passed},
                           {"worst", json_number(report.gradients->worst_rel_diff)},
                           {"worst_name", report.gradients->worst_name}};
  }
  return object;
}

std::string passed_or_failed(bool passed) { return passed ? "passed" : "FAILED"; }

std::string report_to_text(const VerifyReport& report, double tolerance) {
  std::string text = fmt::format("{:<16} {:>12} {:>12} {:>12}\n", "logits", "max abs", "max rel", "KL");
  for (const LogitsComparison& way : report.logits) {
    text += fmt::format("{:<16} {:>12.3g} {:>12.3g} {:>12.3g}\n", way.way, way.max_abs_diff, way.max_rel_diff, way.kl);
    if (const auto& place = way.first_disagreement) {
      text += fmt::format("  first off by more than {}: row {}, position {}, token {}: got {:.6g}, expected {:.6g}\n",
                          tolerance, place->row, place->position, place->token, place->got, place->expected);
    }
  }
  if (report.greedy) {
    text += fmt::format("greedy           {}, {} tokens compared\n", passed_or_failed(report.greedy->passed),
                        report.greedy->compared);
  }
  if (report.loss) {
    text += fmt::format("loss             got {:.6g}, expected {:.6g}, relative difference {:.3g}\n", report.loss->got,
                        report.loss->expected, report.loss->rel_diff);
  }
  if (report.gradients) {
    text += fmt::format("gradients        {}, {} compared; worst {}: relative difference {:.3g}\n",
                        passed_or_failed(report.gradients->passed), report.gradients->compared,
                        report.gradients->worst_name, report.gradients->worst_rel_diff);
  }
  return text + passed_or_failed(report.passed) + "\n";
}

int verify(const VerifyCommandOptions& options) {
  const EngineOptions compute = options.model.engine_options();
  VerifyOptions verify_options;
  verify_options.tolerance = options.tolerance;
  verify_options.activations = compute.activations;
  verify_options.kv_type = compute.kv_type.value_or(default_kv_type(compute.activations));

  const std::shared_ptr<const SafetensorsFile> expected = SafetensorsFile::open(options.expected_path);
  const std::shared_ptr<const ModelBundle> bundle = require_generator(options.model.bundle());
  Executor executor(compute.thread_count);
  const VerifyReport report = verify_model(executor, bundle->model, *expected, verify_options);
  if (options.as_json) {
    print_json(report_to_json(report));
  } else {
    print_text(report_to_text(report, options.tolerance));
  }
  return report.passed ? 0 : 1;
}

}  // namespace

std::function<int()> add_verify(CLI::App& app) {
  const auto options = std::make_shared<VerifyCommandOptions>();
  app.add_option("--expected", options->expected_path, "What the reference computed")->required()->type_name("FILE");
  app.add_option("--tolerance", options->tolerance, "Largest difference that counts as agreement")
      ->check(positive_number_problem)
      ->capture_default_str();
  app.add_flag("--json", options->as_json, "Print one JSON object");
  options->model.add_compute_to(app, VerifyOptions{}.activations);
  app.footer(kNotes);
  return [options] { return verify(*options); };
}

}  // namespace pelton::cli
