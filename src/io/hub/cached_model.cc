#include "io/hub/cached_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "base/error.h"
#include "io/gguf_part_name.h"
#include "io/hub/glob.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kGguf = ".gguf";
constexpr size_t kNamesShownMax = 20;

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// A part of a vision model that is no model of its own.
bool is_projector(std::string_view path) { return file_name(path).starts_with("mmproj"); }

bool is_bare_word(std::string_view glob) {
  return !glob.empty() && std::all_of(glob.begin(), glob.end(), [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '_' || letter == '-';
  });
}

std::string listed(const std::vector<std::string>& names) {
  const size_t count = std::min(names.size(), kNamesShownMax);
  std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<ptrdiff_t>(count), ", "));
  if (names.size() > count) text += fmt::format(", … ({} in all)", names.size());
  return text;
}

std::string pull_command(const HubName& name) { return fmt::format("`pelton pull {}`", to_string(name)); }

const CachedRevision& find_revision(const CachedRepository& repository, const std::string& commit) {
  const auto found = std::find_if(repository.revisions.begin(), repository.revisions.end(),
                                  [&](const CachedRevision& revision) { return revision.commit == commit; });
  if (found == repository.revisions.end()) {
    throw Error(ErrorCode::kNotFound, fmt::format("{} has just gone from the cache", repository.name));
  }
  return *found;
}

[[noreturn]] void fail_not_cached(const HubCache& cache, const HubName& name) {
  std::vector<std::string> refs;
  if (const auto repository = cache.find(name)) {
    for (const CachedRevision& revision : repository->revisions) {
      refs.insert(refs.end(), revision.refs.begin(), revision.refs.end());
      if (revision.refs.empty()) refs.push_back(revision.commit);
    }
  }
  const std::string others = refs.empty() ? "" : fmt::format(" (it has revision {})", listed(refs));
  throw Error(ErrorCode::kNotFound, fmt::format("{} is not in the cache {}{}; {} fetches it", to_string(name),
                                                cache.folder().string(), others, pull_command(name)));
}

}  // namespace

std::optional<int> gguf_part_number(std::string_view path) {
  const std::optional<GgufPartName> name = parse_gguf_part_name(path);
  return name ? std::optional(name->number) : std::nullopt;
}

std::vector<std::string> matching_paths(std::string_view glob, const std::vector<std::string>& paths) {
  std::vector<std::string> matches;
  for (const std::string& path : paths) {
    if (glob_matches(glob, path)) matches.push_back(path);
  }
  if (!matches.empty() || !is_bare_word(glob)) return matches;
  const std::string pattern = fmt::format("*{}*{}", ascii_lower(glob), kGguf);
  for (const std::string& path : paths) {
    if (glob_matches(pattern, ascii_lower(path))) matches.push_back(path);
  }
  return matches;
}

fs::path find_cached_model(const HubCache& cache, const HubName& name) {
  if (name.kind == HubKind::kDataset) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} is a data set, not a model", to_string(name)));
  }
  const std::optional<std::string> commit = cache.find_commit(name);
  const auto repository = commit ? cache.find(name) : std::nullopt;
  if (!repository) fail_not_cached(cache, name);
  const CachedRevision& revision = find_revision(*repository, *commit);
  std::vector<std::string> paths;
  for (const CachedFile& file : revision.files) {
    if (file.size_bytes) paths.push_back(file.path);
  }
  std::sort(paths.begin(), paths.end());  // the parts of a split model in order
  const auto has = [&](const char* glob) { return !matching_paths(glob, paths).empty(); };
  const fs::path snapshot = cache.snapshot_folder(name, *commit);
  const bool is_folder = std::find(paths.begin(), paths.end(), "config.json") != paths.end() && has("*.safetensors");
  if (name.glob.empty() && is_folder) return snapshot;

  std::vector<std::string> models;
  std::set<std::string, std::less<>> split_stems;
  for (const std::string& path : matching_paths(name.glob.empty() ? "*.gguf" : name.glob, paths)) {
    const bool is_wanted = !name.glob.empty() || !is_projector(path);
    if (!path.ends_with(kGguf) || !is_wanted) continue;
    const auto part = parse_gguf_part_name(path);
    if (!part || split_stems.emplace(part->stem).second) models.push_back(path);  // any part opens its model
  }
  if (models.size() == 1) return snapshot / models.front();
  if (models.size() > 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} has several models in the cache; choose one, as in hf:{}:{}. "
                            "There are: {}",
                            to_string(name), name.repository, file_name(models.front()), listed(models)));
  }
  if (!name.glob.empty()) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("the cache has no GGUF file of {} that matches {} (it has {}); {} fetches it",
                            name.repository, name.glob, paths.empty() ? "nothing" : listed(paths), pull_command(name)));
  }
  throw Error(
      ErrorCode::kNotFound,
      fmt::format("what the cache has of {} is no model that can be loaded: neither config.json with safetensors "
                  "nor a GGUF file (it has {}); {} fetches what is missing",
                  name.repository, paths.empty() ? "nothing" : listed(paths), pull_command(name)));
}

}  // namespace pelton
