#include "io/hub/model_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/version.h"
#include "io/gguf.h"
#include "io/path_exists.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kGguf = ".gguf";
constexpr uint64_t kManifestBytesMax = 1 << 20;
constexpr uint64_t kCardBytesMax = 4 << 20;

int64_t size_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    const uintmax_t size = fs::file_size(path, error);
    return error ? 0 : static_cast<int64_t>(size);
  }
  int64_t bytes = 0;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    const uintmax_t size = entry->is_regular_file(ignored) ? entry->file_size(ignored) : 0;
    bytes += ignored ? 0 : static_cast<int64_t>(size);
  }
  return bytes;
}

License license_in(const fs::path& path) {
  try {
    if (path.extension() == kGguf) return {.id = GgufFile::open_part(path)->string("general.license").value_or("")};
    if (path_exists(path / "README.md")) return license_of_card(read_file(path / "README.md", kCardBytesMax));
  } catch (const Error&) {  // a file that is no model is listed too, so that it can be removed
  }
  return {};
}

void remove_path(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw Error(ErrorCode::kIo, fmt::format("cannot remove {}: {}", path.string(), error.message()));
}

}  // namespace

bool is_short_name(std::string_view name) {
  const auto is_allowed = [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '-' || letter == '_' || letter == '.';
  };
  return !name.empty() && name.size() <= 200 && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), is_allowed);
}

StoredModel ModelStore::examine(const fs::path& path) const {
  StoredModel model{.path = path, .size_bytes = size_of(path)};
  model.name = (path.extension() == kGguf ? path.stem() : path.filename()).string();
  try {
    const json::value root = parse_json(read_file(manifest_path(model.name), kManifestBytesMax), "manifest");
    const JsonReader fields = JsonReader::of(root, "manifest");
    model.url = fields.string("url").value_or("");
    model.etag = fields.string("etag").value_or("");
    model.sha256 = fields.string("sha256").value_or("");
    model.license = license_of_json(root.get_object());
  } catch (const Error&) {  // none, or none that can be read
  }
  if (!model.license.is_stated()) model.license = license_in(path);
  return model;
}

std::vector<StoredModel> ModelStore::list() const {
  std::vector<StoredModel> models;
  std::error_code error;
  for (fs::directory_iterator entry(models_folder(), error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    const bool is_hidden = entry->path().filename().string().starts_with('.');
    const bool is_model = entry->path().extension() == kGguf || entry->is_directory(ignored);
    if (is_model && !is_hidden) models.push_back(examine(entry->path()));
  }
  std::sort(models.begin(), models.end(), [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; });
  return models;
}

std::optional<StoredModel> ModelStore::find(const std::string& name) const {
  if (!is_short_name(name)) return std::nullopt;
  for (const fs::path& path : {gguf_path(name), models_folder() / name}) {
    if (path_exists(path)) return examine(path);
  }
  return std::nullopt;
}

void ModelStore::write_manifest(const StoredModel& model) const {
  json::object object = {{"format", 1},
                         {"program", std::string("pelton ") + kVersion},
                         {"file", model.path.filename().string()},
                         {"bytes", model.size_bytes},
                         {"sha256", model.sha256},
                         {"url", model.url},
                         {"etag", model.etag}};
  for (const auto& field : to_json(model.license)) object.insert(field);
  std::error_code ignored;
  fs::create_directories(manifest_path(model.name).parent_path(), ignored);
  replace_file(manifest_path(model.name), to_json_text(object) + "\n");
}

void ModelStore::remove(const StoredModel& model) const {
  remove_path(model.path);
  remove_path(manifest_path(model.name));
  // scripts/fetch-demo-model leaves a stamp beside the file that it checked.
  remove_path(models_folder() / fmt::format(".{}.checked", model.path.filename().string()));
}

}  // namespace pelton
