// The cache of models and data sets in huggingface_hub's layout, so that both programs find what either fetched:
//
//   CACHE/models--ORG--NAME/          (datasets--ORG--NAME)
//     blobs/ETAG                      a file's bytes, named by its SHA-256 (LFS) or git's SHA-1
//     blobs/ETAG.pelton.incomplete    what has come of it so far, with ETAG.pelton.ranges beside it
//     snapshots/COMMIT/PATH           relative links to blobs
//     refs/REVISION                   the commit that a branch or tag stood for
//     .pelton/COMMIT.json             what `pelton pull` fetched, with the licence
//   CACHE/.locks/models--ORG--NAME/ETAG.lock
//
// Nothing here reaches the network. Others may write to the cache at any time: what is read here may be gone at the
// next moment, and what breaks the layout is left out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/hub/hub_name.h"
#include "io/hub/license.h"

namespace pelton {

struct CachedFile {
  std::string path;                   // inside of the repository
  std::filesystem::path link;         // in the snapshot
  std::filesystem::path blob;         // what the link leads to; `link` itself where that is a plain file
  std::optional<int64_t> size_bytes;  // nothing: the blob is missing
};

struct CachedRevision {
  std::string commit;
  std::vector<std::string> refs;  // the branches and tags that lead here
  std::vector<CachedFile> files;  // by path
  License license;                // of the manifest, else of README.md

  bool is_damaged() const;
  int64_t size_bytes() const;  // each blob once
};

struct CachedRepository {
  HubKind kind = HubKind::kModel;
  std::string name;  // "ORG/NAME"
  std::filesystem::path folder;
  std::vector<CachedRevision> revisions;  // by commit
  int64_t size_bytes = 0;                 // each blob once, all revisions
  int64_t incomplete_bytes = 0;           // of downloads that did not end, ours or huggingface_hub's
};

// What `remove()` is to do.
struct CacheRemoval {
  std::filesystem::path repository_folder;
  std::vector<std::filesystem::path> paths;  // links, blobs, refs, manifests; folders that they leave empty go too
  bool is_whole_repository = false;          // the folder with all that is in it
  int64_t freed_bytes = 0;
  int64_t shared_bytes = 0;  // stays: in huggingface_hub's store of blobs that several repositories share
};

class HubCache {
 public:
  explicit HubCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path repository_folder(const HubName& name) const;
  std::filesystem::path blob_path(const HubName& name, std::string_view etag) const;
  std::filesystem::path snapshot_folder(const HubName& name, std::string_view commit) const;
  std::filesystem::path manifest_path(const HubName& name, std::string_view commit) const;
  std::filesystem::path lock_folder(const HubName& name) const;

  // The commit that the name's revision means here; nothing: not in the cache.
  std::optional<std::string> find_commit(const HubName& name) const;
  // Nothing: there is no such repository in the cache.
  std::optional<CachedRepository> find(const HubName& name) const;
  std::vector<CachedRepository> list() const;  // by kind and name

  // The link in the snapshot (relative, replaced as a whole) to a blob that is there. On a file system without symbolic
  // links the blob itself moves, as huggingface_hub does it. Error kIo.
  void link(const HubName& name, std::string_view commit, std::string_view path, std::string_view etag) const;
  // refs/REVISION, unless the revision is the commit. Error kIo.
  void set_ref(const HubName& name, std::string_view commit) const;

  // Everything, or one revision's (where the name has one), or the files that the name's glob matches. Blobs that
  // another link needs stay. Error kNotFound: nothing of that is in the cache (says what there is).
  CacheRemoval plan_removal(const HubName& name) const;
  // Errors: kUnavailable (a download into the repository is under way), kIo.
  void remove(const CacheRemoval& removal) const;

 private:
  std::filesystem::path folder_;
};

// "ORG/NAME" for a path inside of a repository's snapshot, by the names of its folders alone.
std::optional<std::string> repository_of_snapshot_path(const std::filesystem::path& path);

}  // namespace pelton
