// What may go from the cache, and its going.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "base/error.h"
#include "io/hub/file_lock.h"
#include "io/hub/glob.h"
#include "io/hub/hub_cache.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    paths.push_back(entry->path());
  }
  return paths;
}

std::string describe(const CachedRepository& repository) {
  std::vector<std::string> names;
  for (const CachedRevision& revision : repository.revisions) {
    names.insert(names.end(), revision.refs.begin(), revision.refs.end());
    if (revision.refs.empty()) names.push_back(revision.commit);
  }
  return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
}

// Counts a blob's bytes as freed, or as staying where it is a link into the store that repositories share.
void count(const fs::path& blob, int64_t size_bytes, CacheRemoval& removal) {
  std::error_code ignored;
  (fs::is_symlink(blob, ignored) ? removal.shared_bytes : removal.freed_bytes) += size_bytes;
}

CacheRemoval whole_repository(const CachedRepository& repository) {
  CacheRemoval removal{.repository_folder = repository.folder, .is_whole_repository = true};
  removal.freed_bytes = repository.incomplete_bytes;
  std::set<fs::path> blobs;
  for (const CachedRevision& revision : repository.revisions) {
    for (const CachedFile& file : revision.files) {
      if (blobs.insert(file.blob).second) count(file.blob, file.size_bytes.value_or(0), removal);
    }
  }
  return removal;
}

void remove_path(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw Error(ErrorCode::kIo, fmt::format("cannot remove {}: {}", path.string(), error.message()));
}

// From where `path` was up to `top`, which stays.
void remove_empty_folders(fs::path path, const fs::path& top) {
  std::error_code error;
  while (path.string().size() > top.string().size() && fs::is_empty(path, error) && !error) {
    fs::remove(path, error);
    path = path.parent_path();
  }
}

}  // namespace

CacheRemoval HubCache::plan_removal(const HubName& name) const {
  const std::optional<CachedRepository> repository = find(name);
  if (!repository) {
    throw Error(ErrorCode::kNotFound, fmt::format("{} is not in the cache {}; `pelton list` shows what is",
                                                  to_string(name), folder_.string()));
  }
  const std::optional<std::string> commit = name.revision ? find_commit(name) : std::nullopt;
  if (name.revision && !commit) {
    throw Error(ErrorCode::kNotFound, fmt::format("the cache has no revision {} of {}; it has {}", *name.revision,
                                                  repository->name, describe(*repository)));
  }
  const auto is_chosen_revision = [&](const CachedRevision& revision) { return !commit || revision.commit == *commit; };
  const auto is_chosen = [&](const CachedFile& file) {
    return name.glob.empty() || glob_matches(name.glob, file.path);
  };

  CacheRemoval removal{.repository_folder = repository->folder};
  std::set<fs::path> needed;  // blobs that stay
  std::set<fs::path> blobs;
  size_t chosen_count = 0;
  size_t kept_count = 0;
  for (const CachedRevision& revision : repository->revisions) {
    const bool is_here = is_chosen_revision(revision);
    size_t kept_here = 0;
    for (const CachedFile& file : revision.files) {
      if (is_here && is_chosen(file)) {
        ++chosen_count;
        removal.paths.push_back(file.link);
        if (blobs.insert(file.blob).second && file.blob == file.link)
          count(file.blob, file.size_bytes.value_or(0), removal);
      } else {
        ++kept_here;
        needed.insert(file.blob);
      }
    }
    kept_count += kept_here;
    if (!is_here || kept_here > 0) {
      if (!is_here && kept_here == 0) ++kept_count;  // an empty snapshot of another revision
      continue;
    }
    for (const std::string& ref : revision.refs) removal.paths.push_back(repository->folder / "refs" / ref);
    for (const fs::path& path :
         {repository->folder / "snapshots" / revision.commit, repository->folder / ".no_exist" / revision.commit,
          repository->folder / "trees" / (revision.commit + ".json"), manifest_path(name, revision.commit)}) {
      removal.paths.push_back(path);
    }
  }
  if (!name.glob.empty() && chosen_count == 0) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("no file of {} in the cache matches {}", repository->name, name.glob));
  }
  if (kept_count == 0) return whole_repository(*repository);
  for (const fs::path& blob : blobs) {
    // Never follows a link to anything but a blob of this repository.
    if (needed.contains(blob) || blob.parent_path() != repository->folder / "blobs") continue;
    removal.paths.push_back(blob);
    std::error_code error;
    const uintmax_t size = fs::file_size(blob, error);
    count(blob, error ? 0 : static_cast<int64_t>(size), removal);
  }
  return removal;
}

void HubCache::remove(const CacheRemoval& removal) const {
  std::vector<FileLock> locks;
  for (const fs::path& path : entries(folder_ / ".locks" / removal.repository_folder.filename())) {
    if (path.extension() != ".lock") continue;
    auto lock = FileLock::try_acquire(path);
    if (!lock) {
      throw Error(ErrorCode::kUnavailable, fmt::format("a download into {} is under way; try again when it has ended",
                                                       removal.repository_folder.string()));
    }
    locks.push_back(std::move(*lock));
  }
  if (removal.is_whole_repository) {
    // What leads to a thing goes before the thing: whoever looks meanwhile, or after a crash, finds nothing broken.
    for (const char* part : {"refs", "snapshots"}) remove_path(removal.repository_folder / part);
    remove_path(removal.repository_folder);
    return;
  }
  for (const fs::path& path : removal.paths) {  // links and refs stand before blobs
    remove_path(path);
    remove_empty_folders(path.parent_path(), removal.repository_folder);
  }
}

}  // namespace pelton
