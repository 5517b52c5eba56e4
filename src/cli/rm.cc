// `pelton rm`: out of the caches.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "io/hub/hub_cache.h"
#include "io/hub/hub_environment.h"
#include "io/hub/model_store.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "NAME is what `pelton list` shows. With @REVISION only that revision goes, with :FILE only the files that it "
    "matches; "
    "blobs\nthat another revision needs stay. It asks first; --yes does not.\n"
    "\n"
    "Examples:\n"
    "  pelton rm hf:HuggingFaceTB/SmolLM2-135M-Instruct\n"
    "  pelton rm 'hf:bartowski/SmolLM2-135M-Instruct-GGUF:*Q8_0.gguf' --yes\n"
    "  pelton rm dataset:hf:openai/gsm8k smollm2-135m-instruct-q4_1\n";

struct RmOptions {
  std::vector<std::string> names;
  bool is_sure = false;
  bool as_json = false;
};

// One name's share of the work.
struct Removal {
  std::string name;
  std::optional<StoredModel> model;    // of Pelton's own cache, or
  std::optional<CacheRemoval> in_hub;  // of the hub's
  int64_t freed_bytes() const { return model ? model->size_bytes : in_hub->freed_bytes; }
};

Removal plan(const std::string& name, const ModelStore& own, const HubCache& hub) {
  if (auto model = own.find(name)) return {.name = name, .model = std::move(model)};
  if (const auto hub_name = parse_hub_name(name)) return {.name = name, .in_hub = hub.plan_removal(*hub_name)};
  throw Error(ErrorCode::kNotFound,
              fmt::format("\"{}\" is in neither cache; `pelton list` shows what is", one_line(name, 200)));
}

std::string describe(const Removal& removal) {
  constexpr size_t kPathBytesMax = 300;
  if (removal.model) return one_line(removal.model->path.string(), kPathBytesMax);
  const std::string folder = one_line(removal.in_hub->repository_folder.string(), kPathBytesMax);
  return removal.in_hub->is_whole_repository ? folder
                                             : fmt::format("{} paths in {}", removal.in_hub->paths.size(), folder);
}

// Error kUsage: there is nobody to ask.
bool ask(const std::vector<Removal>& removals, int64_t freed_bytes) {
  for (const Removal& removal : removals) {
    print_note(fmt::format("{:>10}  {}", format_byte_size(removal.freed_bytes()), describe(removal)));
  }
  if (!stdin_is_terminal())
    throw Error(ErrorCode::kUsage, "nothing was removed: there is nobody to ask; --yes removes it");
  fmt::print(stderr, "Remove {}? [y/N] ", format_byte_size(freed_bytes));
  std::fflush(stderr);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int rm(const RmOptions& options) {
  const ModelStore own(cache_folder());
  const HubCache hub(read_hub_environment().cache);
  std::vector<Removal> removals;
  int64_t freed_bytes = 0;
  int64_t shared_bytes = 0;
  for (const std::string& name : options.names) {
    removals.push_back(plan(name, own, hub));
    freed_bytes += removals.back().freed_bytes();
    if (removals.back().in_hub) shared_bytes += removals.back().in_hub->shared_bytes;
  }
  if (!options.is_sure && !ask(removals, freed_bytes)) {
    throw Error(ErrorCode::kCancelled, "nothing was removed");
  }
  json::array removed;
  for (const Removal& removal : removals) {
    removal.model ? own.remove(*removal.model) : hub.remove(*removal.in_hub);
    removed.push_back({{"name", valid_utf8(removal.name)}, {"bytes", removal.freed_bytes()}});
  }
  if (options.as_json) {
    print_json({{"removed", std::move(removed)}, {"freed_bytes", freed_bytes}, {"shared_bytes", shared_bytes}});
  } else {
    print_text(fmt::format("removed {}\n", format_byte_size(freed_bytes)));
    if (shared_bytes > 0) {
      print_text(
          fmt::format("{} stay in the blobs that huggingface_hub shares between repositories; its own `hf cache prune` "
                      "frees what nobody uses\n",
                      format_byte_size(shared_bytes)));
    }
  }
  return 0;
}

}  // namespace

std::function<int()> add_rm(CLI::App& app) {
  const auto options = std::make_shared<RmOptions>();
  app.add_option("names", options->names, "What to remove")->required()->type_name("NAME");
  app.add_flag("-y,--yes", options->is_sure, "Do not ask");
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [options] { return rm(*options); };
}

}  // namespace pelton::cli
