// `pelton merge adapter`: a model with an adapter in its weights.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "model/adapter.h"
#include "model/bundle.h"
#include "model/convert.h"
#include "model/model.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "MODEL is a GGUF file, a Hugging Face folder or a name in the cache; ADAPTER a LoRA or IA³ adapter, PEFT's "
    "folder, or a GGUF file of LoRA. "
    "OUT is a GGUF file where it ends in .gguf, else a folder. Element types stay, unless --type says otherwise: "
    "quantised matrices are decoded, changed and quantised again, which rounds. How much is printed, beside how much "
    "the adapter changes: where the two are near each other, take the weights before they were quantised, or leave the "
    "adapter unmerged (--adapter).\n"
    "\n"
    "Examples:\n"
    "  pelton merge adapter folder/ my-adapter -o merged/\n"
    "  pelton merge adapter model.gguf my-adapter -o merged.gguf --type q8_0\n";

struct MergeOptions {
  std::string model;
  std::string adapter;
  std::string output;
  std::string type;
  bool replaces = false;
  int thread_count = 0;
  bool as_json = false;
};

int merge(const MergeOptions& options) {
  const std::shared_ptr<const ModelBundle> bundle = load_bundle(options.model);
  const Adapter adapter = read_adapter(options.adapter, *bundle->model);
  Executor executor(options.thread_count);
  MergedWeights merged = merged_weights(executor, *bundle->model, adapter);
  const InterruptScope interrupt;
  ConvertOptions work;
  work.source = bundle->path;
  work.destination = options.output;
  work.type = options.type;
  work.replaces = options.replaces;
  work.changed = with_weights(*bundle->model, std::move(merged.weights));
  work.is_cancelled = [&] { return interrupt.signal() != 0; };
  ConvertReport report;
  try {
    report = convert_model(executor, work);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
    print_note("pelton: stopped; nothing was written");
    return InterruptScope::exit_code(interrupt.signal());
  }
  if (options.as_json) {
    print_json({{"output", options.output},
                {"matrices", adapter.changed_count()},
                {"change", json_number(merged.change)},
                {"rounding", json_number(report.changed_error)}});
  } else {
    print_text(fmt::format(
        "{} matrices merged: the adapter changes them by {:.3g} of their size, rounding by {:.2g}\n{} is "
        "there: {}\n",
        adapter.changed_count(), merged.change, report.changed_error, options.output, report.destination_format));
  }
  return 0;
}

std::function<int()> add_merge_adapter(CLI::App& app) {
  const auto options = std::make_shared<MergeOptions>();
  app.add_option("model", options->model, "What the adapter was trained on")->required()->type_name("MODEL");
  app.add_option("adapter", options->adapter, "The adapter")->required()->type_name("ADAPTER");
  app.add_option("-o,--output", options->output, "What to write")->required()->type_name("OUT");
  app.add_option("--type", options->type, "Element type, or mix of them, of the matrices (default: as they are)");
  app.add_flag("--force", options->replaces, "Replace OUT where it is there already");
  app.add_option("-t,--threads", options->thread_count, "Threads (default: one for each usable core)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [options] { return merge(*options); };
}

}  // namespace

std::function<int()> add_merge(CLI::App& app) {
  app.require_subcommand(1);
  CLI::App* adapter = app.add_subcommand("adapter", "Write a model with an adapter in its weights");
  return add_merge_adapter(*adapter);
}

}  // namespace pelton::cli
