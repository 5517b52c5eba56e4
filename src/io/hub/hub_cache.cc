#include "io/hub/hub_cache.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "io/path_exists.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kKindFolders[] = {"models", "datasets"};  // by HubKind
constexpr std::string_view kSeparator = "--";
constexpr uint64_t kSmallFileBytesMax = 1 << 20;

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string folder_name(const HubName& name) {
  return fmt::format("{}{}{}", kKindFolders[static_cast<size_t>(name.kind)], kSeparator,
                     replace_all(name.repository, "/", kSeparator));
}

std::optional<HubName> name_of_folder(const std::string& folder) {
  for (const HubKind kind : {HubKind::kModel, HubKind::kDataset}) {
    const std::string prefix = fmt::format("{}{}", kKindFolders[static_cast<size_t>(kind)], kSeparator);
    if (!folder.starts_with(prefix)) continue;
    HubName name{.kind = kind, .repository = replace_all(folder.substr(prefix.size()), kSeparator, "/")};
    if (is_repository_name(name.repository)) return name;
  }
  return std::nullopt;
}

// Nothing where it is missing, too large or unreadable.
std::optional<std::string> try_read(const fs::path& path) {
  try {
    return read_file(path, kSmallFileBytesMax);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<std::string> read_ref(const fs::path& path) {
  std::optional<std::string> commit = try_read(path);
  while (commit && !commit->empty() && (commit->back() == '\n' || commit->back() == '\r')) commit->pop_back();
  return commit && is_commit(*commit) ? commit : std::nullopt;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    paths.push_back(entry->path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// Of files and links at any depth; links to folders are not followed.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_symlink(ignored) || entry->is_regular_file(ignored)) paths.push_back(entry->path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

CachedFile examine(const fs::path& snapshot, const fs::path& link) {
  CachedFile file{.path = link.lexically_relative(snapshot).generic_string(), .link = link, .blob = link};
  std::error_code error;
  const fs::path target = fs::read_symlink(link, error);
  if (!error) file.blob = (link.parent_path() / target).lexically_normal();
  const uintmax_t size = fs::file_size(file.blob, error);
  if (!error) file.size_bytes = static_cast<int64_t>(size);
  return file;
}

License find_license(const fs::path& manifest, const CachedRevision& revision) {
  if (const auto text = try_read(manifest)) {
    try {
      const json::value fields = parse_json(*text, manifest.string());
      if (fields.is_object()) return license_of_json(fields.get_object());
    } catch (const Error&) {  // half of it is no use: the card says it too
    }
  }
  for (const CachedFile& file : revision.files) {
    if (file.path != "README.md") continue;
    if (const auto card = try_read(file.link)) return license_of_card(*card);
  }
  return {};
}

int64_t allocated_bytes(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<int64_t>(status.st_blocks) * 512 : 0;
}

int64_t incomplete_bytes(const fs::path& blobs) {
  int64_t bytes = 0;
  for (const fs::path& path : entries(blobs)) {
    if (path.extension() == ".incomplete") bytes += allocated_bytes(path);
  }
  return bytes;
}

int64_t unique_bytes(const std::vector<const CachedFile*>& files) {
  std::set<fs::path> seen;
  int64_t bytes = 0;
  for (const CachedFile* file : files) {
    if (seen.insert(file->blob).second) bytes += file->size_bytes.value_or(0);
  }
  return bytes;
}

CachedRepository scan(const HubCache& cache, const HubName& name) {
  CachedRepository repository{.kind = name.kind, .name = name.repository, .folder = cache.repository_folder(name)};
  std::map<std::string, std::vector<std::string>> refs;
  for (const fs::path& path : files_below(repository.folder / "refs")) {
    if (const auto commit = read_ref(path)) {
      refs[*commit].push_back(path.lexically_relative(repository.folder / "refs").generic_string());
    }
  }
  std::vector<const CachedFile*> all_files;
  for (const fs::path& snapshot : entries(repository.folder / "snapshots")) {
    CachedRevision revision{.commit = snapshot.filename().string()};
    if (!is_commit(revision.commit) || !fs::is_directory(snapshot)) continue;
    revision.refs = refs[revision.commit];
    for (const fs::path& link : files_below(snapshot)) revision.files.push_back(examine(snapshot, link));
    revision.license = find_license(cache.manifest_path(name, revision.commit), revision);
    repository.revisions.push_back(std::move(revision));
  }
  for (const CachedRevision& revision : repository.revisions) {
    for (const CachedFile& file : revision.files) all_files.push_back(&file);
  }
  repository.size_bytes = unique_bytes(all_files);
  repository.incomplete_bytes = incomplete_bytes(repository.folder / "blobs");
  return repository;
}

[[noreturn]] void fail(std::string_view doing, const fs::path& path, const std::error_code& error) {
  throw Error(ErrorCode::kIo, fmt::format("cannot {} {}: {}", doing, path.string(), error.message()));
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("make", folder, error);
}

}  // namespace

bool CachedRevision::is_damaged() const {
  return std::any_of(files.begin(), files.end(), [](const CachedFile& file) { return !file.size_bytes; });
}

int64_t CachedRevision::size_bytes() const {
  std::vector<const CachedFile*> pointers;
  for (const CachedFile& file : files) pointers.push_back(&file);
  return unique_bytes(pointers);
}

fs::path HubCache::repository_folder(const HubName& name) const { return folder_ / folder_name(name); }

fs::path HubCache::blob_path(const HubName& name, std::string_view etag) const {
  return repository_folder(name) / "blobs" / etag;
}

fs::path HubCache::snapshot_folder(const HubName& name, std::string_view commit) const {
  return repository_folder(name) / "snapshots" / commit;
}

fs::path HubCache::manifest_path(const HubName& name, std::string_view commit) const {
  return repository_folder(name) / ".pelton" / fmt::format("{}.json", commit);
}

fs::path HubCache::lock_folder(const HubName& name) const { return folder_ / ".locks" / folder_name(name); }

std::optional<std::string> HubCache::find_commit(const HubName& name) const {
  const std::string revision = name.revision_or_main();
  const auto commit = is_commit(revision) ? revision : read_ref(repository_folder(name) / "refs" / revision);
  std::error_code ignored;
  return commit && fs::is_directory(snapshot_folder(name, *commit), ignored) ? commit : std::nullopt;
}

std::optional<CachedRepository> HubCache::find(const HubName& name) const {
  std::error_code ignored;
  if (!fs::is_directory(repository_folder(name), ignored)) return std::nullopt;
  return scan(*this, name);
}

std::vector<CachedRepository> HubCache::list() const {
  std::vector<CachedRepository> repositories;
  for (const fs::path& path : entries(folder_)) {
    std::error_code ignored;
    const auto name = name_of_folder(path.filename().string());
    if (name && fs::is_directory(path, ignored)) repositories.push_back(scan(*this, *name));
  }
  std::sort(repositories.begin(), repositories.end(), [](const CachedRepository& a, const CachedRepository& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.name < b.name;
  });
  return repositories;
}

void HubCache::link(const HubName& name, std::string_view commit, std::string_view path, std::string_view etag) const {
  const fs::path blob = blob_path(name, etag);
  const fs::path snapshot = snapshot_folder(name, commit);
  const fs::path link = snapshot / path;
  make_folder(link.parent_path());
  const fs::path target = blob.lexically_relative(link.parent_path());
  // Beside the snapshot, not in it: whoever lists the snapshot meets only whole files.
  const fs::path temporary = repository_folder(name) / "blobs" / fmt::format(".{}.{}.link", etag, ::getpid());
  std::error_code error;
  fs::remove(temporary, error);
  if (::symlink(target.c_str(), temporary.c_str()) == 0) {
    fs::rename(temporary, link, error);
  } else if (errno == EPERM || errno == EOPNOTSUPP) {
    fs::rename(blob, link, error);
  } else {
    error = std::error_code(errno, std::generic_category());
  }
  if (error) fail("make the link", link, error);
}

void HubCache::set_ref(const HubName& name, std::string_view commit) const {
  const std::string revision = name.revision_or_main();
  if (revision == commit) return;
  const fs::path path = repository_folder(name) / "refs" / revision;
  if (read_ref(path) == commit) return;
  make_folder(path.parent_path());
  replace_file(path, commit);
}

std::optional<std::string> repository_of_snapshot_path(const fs::path& path) {
  std::vector<std::string> parts;
  for (const fs::path& part : path.lexically_normal()) parts.push_back(part.string());
  for (size_t i = 2; i < parts.size(); ++i) {
    if (!is_commit(parts[i]) || parts[i - 1] != "snapshots") continue;
    if (const auto name = name_of_folder(parts[i - 2])) return name->repository;
  }
  return std::nullopt;
}

}  // namespace pelton
