#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "base/file.h"
#include "hub/file_choice.h"
#include "hub/hub_api.h"
#include "hub/pull.h"
#include "hub/pull_access.h"
#include "io/hub/cached_model.h"
#include "io/hub/hub_cache.h"
#include "io/path_exists.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

int64_t allocated_bytes(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<int64_t>(status.st_blocks) * 512 : 0;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot make {}: {} (HF_HOME puts the cache elsewhere)", folder.string(), error.message()));
  }
}

// The folder, or where it is missing the one above that would hold it.
fs::path existing_part(fs::path folder) {
  while (!path_exists(folder) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

bool has_size(const fs::path& path, int64_t size_bytes) {
  std::error_code error;
  return fs::file_size(path, error) == static_cast<uintmax_t>(size_bytes) && !error;
}

// The file to run where it is one; else the folder.
fs::path path_to_use(const fs::path& snapshot, const std::vector<PulledFile>& files) {
  std::vector<std::string> ggufs;
  for (const PulledFile& file : files) {
    if (file.path.ends_with(".safetensors")) return snapshot;
    if (file.path.ends_with(".gguf") && gguf_part_number(file.path).value_or(1) == 1) ggufs.push_back(file.path);
  }
  return ggufs.size() == 1 ? snapshot / ggufs.front() : snapshot;
}

class Pull {
 public:
  Pull(const HubName& name, const HubEnvironment& environment, const PullOptions& options, PullObserver& observer)
      : name_(name), environment_(environment), options_(options), observer_(observer), cache_(environment.cache) {}

  PullResult run() {
    const HubAccess access = make_access(environment_, options_, observer_, stops_);
    HttpClient client(access.http);
    HubApi api(client, access);
    const HubRevision revision = api.revision(name_);
    FileChoice choice = choose_files(name_, api.files(name_, revision.commit));
    for (const std::string& note : choice.notes) observer_.on_note(note);
    commit_ = revision.commit;
    license_ = revision.license;
    plan(access, choice.files);
    PullResult result{.plan = plan_, .files = files_, .path = path_to_use(snapshot(), files_)};
    observer_.on_plan(plan_);
    if (options_.is_dry_run) return result;
    check_free_space(existing_part(cache_.folder()), needed_bytes_);
    fetch_items(access, result);
    // The revision means the new commit once all of it is here: a pull that breaks off leaves the old one usable.
    cache_.set_ref(name_, commit_);
    if (!license_.is_stated()) license_ = license_of_readme();
    result.plan.license = license_;
    write_manifest(
        cache_.manifest_path(name_, commit_),
        {.name = name_, .commit = commit_, .endpoint = environment_.endpoint, .license = license_, .files = files_});
    return result;
  }

 private:
  fs::path snapshot() const { return cache_.snapshot_folder(name_, commit_); }

  void plan(const HubAccess& access, const std::vector<HubFile>& files) {
    plan_ = {.source = to_string(name_), .commit = commit_, .license = license_, .file_count = files.size()};
    const fs::path locks = cache_.lock_folder(name_);
    std::map<std::string, bool> has_blob;
    for (const HubFile& file : files) {
      const std::string& etag = file.checksum.hex;
      files_.push_back({.path = file.path, .size_bytes = file.size_bytes, .blob = etag});
      plan_.total_bytes += file.size_bytes;
      const fs::path blob = cache_.blob_path(name_, etag);
      // A snapshot without links (file systems that have none) holds the file itself.
      if (has_size(snapshot() / file.path, file.size_bytes)) continue;
      unlinked_[etag].push_back(file.path);
      if (!has_blob.emplace(etag, true).second || has_size(blob, file.size_bytes)) continue;
      fs::path partial = blob;
      partial += ".pelton.incomplete";
      fs::path foreign = blob;
      foreign += ".incomplete";
      plan_.missing_bytes += file.size_bytes;
      needed_bytes_ += std::max<int64_t>(0, file.size_bytes - allocated_bytes(partial));
      items_.push_back({.name = file.path,
                        .url = file_url(access, name_, commit_, file.path),
                        .size_bytes = file.size_bytes,
                        .checksum = file.checksum,
                        .identity = etag,
                        .target = blob,
                        .partial = partial,
                        .foreign_partial = foreign,
                        .lock = locks / (etag + ".lock")});
    }
  }

  void fetch_items(const HubAccess& access, PullResult& result) {
    for (const fs::path& folder : {cache_.repository_folder(name_) / "blobs", snapshot()}) make_folder(folder);
    for (const auto& [etag, paths] : unlinked_) {
      if (path_exists(cache_.blob_path(name_, etag)) && !is_missing(etag)) link_all(etag);
    }
    const DownloadOptions download_options{
        .connection_count = options_.connection_count,
        .error_of_status = [&](const DownloadItem& item,
                               const HttpHead& head) { return error_of_status(access, name_, item.name, head); },
        .on_done = [&](const DownloadItem& item) { link_all(item.identity); },
    };
    if (items_.empty()) return;
    download(items_, access, download_options, [&](const DownloadProgress& progress) {
      result.transferred_bytes = progress.transferred_bytes;
      observer_.on_progress(progress);
    });
  }

  bool is_missing(const std::string& etag) const {
    return std::any_of(items_.begin(), items_.end(), [&](const DownloadItem& item) { return item.identity == etag; });
  }

  void link_all(const std::string& etag) {
    for (const std::string& path : unlinked_.at(etag)) cache_.link(name_, commit_, path, etag);
  }

  License license_of_readme() const {
    constexpr uint64_t kCardBytesMax = 4 << 20;
    const fs::path card = snapshot() / "README.md";
    if (!path_exists(card)) return {};
    try {
      return license_of_card(read_file(card, kCardBytesMax));
    } catch (const Error&) {  // a card of many megabytes states no licence that anybody reads
      return {};
    }
  }

  const HubName& name_;
  const HubEnvironment& environment_;
  const PullOptions& options_;
  PullObserver& observer_;
  const HubCache cache_;
  std::atomic<bool> stops_{false};
  std::string commit_;
  License license_;
  PullPlan plan_;
  std::vector<PulledFile> files_;
  std::vector<DownloadItem> items_;                           // blobs that are missing
  std::map<std::string, std::vector<std::string>> unlinked_;  // etag → paths that have no link
  int64_t needed_bytes_ = 0;
};

// What the cache has, without a word to anybody.
PullResult find_offline(const HubName& name, const HubEnvironment& environment, PullObserver& observer) {
  const HubCache cache(environment.cache);
  const auto fail = [&](const std::string& why) {
    return Error(ErrorCode::kUnavailable, fmt::format("HF_HUB_OFFLINE is set, and {}", why));
  };
  const std::optional<std::string> commit = cache.find_commit(name);
  const auto repository = commit ? cache.find(name) : std::nullopt;
  if (!repository) throw fail(fmt::format("{} is not in the cache {}", to_string(name), cache.folder().string()));
  PullResult result{.plan = {.source = to_string(name), .commit = *commit}, .is_offline = true};
  std::vector<std::string> paths;
  for (const CachedRevision& revision : repository->revisions) {
    if (revision.commit != *commit) continue;
    result.plan.license = revision.license;
    for (const CachedFile& file : revision.files) {
      if (!file.size_bytes) throw fail(fmt::format("the cache has lost {} of {}", file.path, repository->name));
      paths.push_back(file.path);
      result.files.push_back(
          {.path = file.path, .size_bytes = *file.size_bytes, .blob = file.blob.filename().string()});
    }
  }
  std::vector<std::string> pulled;
  for (const PulledFile& file :
       read_manifest_files(cache.manifest_path(name, *commit)).value_or(std::vector<PulledFile>())) {
    pulled.push_back(file.path);
  }
  for (const std::string& path : name.glob.empty() ? pulled : matching_paths(name.glob, pulled)) {
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
      throw fail(fmt::format("the cache lacks {} of {}", path, repository->name));
    }
  }
  if (!name.glob.empty()) {
    const std::vector<std::string> matches = matching_paths(name.glob, paths);
    std::erase_if(result.files, [&](const PulledFile& file) {
      return std::find(matches.begin(), matches.end(), file.path) == matches.end();
    });
  }
  if (result.files.empty()) throw fail(fmt::format("the cache has no file of {}", to_string(name)));
  result.plan.file_count = result.files.size();
  for (const PulledFile& file : result.files) result.plan.total_bytes += file.size_bytes;
  result.path = path_to_use(cache.snapshot_folder(name, *commit), result.files);
  observer.on_plan(result.plan);
  return result;
}

}  // namespace

PullResult pull_from_hub(const HubName& name, const HubEnvironment& environment, const PullOptions& options,
                         PullObserver& observer) {
  if (environment.is_offline) return find_offline(name, environment, observer);
  return Pull(name, environment, options, observer).run();
}

}  // namespace pelton
