// `pelton pull`: from a name to files in a cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hub/download.h"
#include "io/hub/hub_environment.h"
#include "io/hub/pull_manifest.h"

namespace pelton {

struct PullOptions {
  int connection_count = 8;
  int retries_max = 8;
  bool is_dry_run = false;            // looks up and plans; writes nothing
  std::optional<std::string> sha256;  // what the file of pull_address() must have
  std::optional<std::string> name;    // how pull_address() calls the model; else the file's own name
};

// What there is to do, before the first byte.
struct PullPlan {
  std::string source;  // "hf:ORG/NAME" or an address
  std::string commit;  // empty for an address
  License license;
  size_t file_count = 0;
  int64_t total_bytes = 0;
  int64_t missing_bytes = 0;  // that are not in the cache as whole files
};

// How a pull tells what it does. Only on_note() is called from several threads, one call at a time.
class PullObserver {
 public:
  virtual ~PullObserver() = default;
  virtual void on_plan(const PullPlan& plan) = 0;
  virtual void on_progress(const DownloadProgress& progress) = 0;  // may throw: the pull ends with that
  virtual void on_note(const std::string& note) = 0;
};

struct PullResult {
  PullPlan plan;
  std::vector<PulledFile> files;
  std::filesystem::path path;  // the snapshot's folder, or the one GGUF file
  int64_t transferred_bytes = 0;
  bool is_offline = false;  // HF_HUB_OFFLINE: the cache had it
};

// Into huggingface_hub's cache. Errors: those of HubApi, choose_files() and download(); kUnavailable: HF_HUB_OFFLINE is
// set and the cache has not all of it.
PullResult pull_from_hub(const HubName& name, const HubEnvironment& environment, const PullOptions& options,
                         PullObserver& observer);

// A GGUF file by its address, into Pelton's own cache under its short name. Errors besides those: kUnsupported (another
// kind of file, plain http, a size that the server does not tell), kInvalidArgument (the name is taken by another
// file), kCorruptFile (what came is no GGUF file).
PullResult pull_address(const Url& url, const HubEnvironment& environment, const PullOptions& options,
                        PullObserver& observer);

// The repository, or the file of it, that an address on the hub itself shows: …/ORG/NAME, …/ORG/NAME/resolve/REV/PATH
// (blob, raw, tree too), after "datasets/" for a data set. Nothing: another address.
std::optional<HubName> hub_name_of_address(const Url& url, const Url& endpoint);

}  // namespace pelton
