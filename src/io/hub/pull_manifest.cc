#include "io/hub/pull_manifest.h"

#include <limits>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/version.h"

namespace pelton {
namespace {

constexpr uint64_t kManifestBytesMax = 64 << 20;
constexpr int64_t kFormat = 1;

bool is_blob(const std::string& text) {
  return (text.size() == 40 || text.size() == 64) && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

json::object to_json(const PullManifest& manifest) {
  json::array files;
  for (const PulledFile& file : manifest.files) {
    files.push_back({{"path", file.path}, {"bytes", file.size_bytes}, {"blob", file.blob}});
  }
  json::object object = {{"format", kFormat},
                         {"program", std::string("pelton ") + kVersion},
                         {"kind", manifest.name.kind == HubKind::kDataset ? "dataset" : "model"},
                         {"repository", manifest.name.repository},
                         {"revision", manifest.name.revision_or_main()},
                         {"commit", manifest.commit},
                         {"endpoint", manifest.endpoint}};
  for (const auto& field : to_json(manifest.license)) object.insert(field);
  object["files"] = std::move(files);
  return object;
}

void write_manifest(const std::filesystem::path& path, const PullManifest& manifest) {
  std::map<std::string, PulledFile> files;
  for (PulledFile& file : read_manifest_files(path).value_or(std::vector<PulledFile>())) files[file.path] = file;
  for (const PulledFile& file : manifest.files) files[file.path] = file;
  PullManifest whole = manifest;
  whole.files.clear();
  for (auto& [file_path, file] : files) whole.files.push_back(std::move(file));
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  replace_file(path, to_json_text(to_json(whole)) + "\n");
}

std::optional<std::vector<PulledFile>> read_manifest_files(const std::filesystem::path& path) {
  try {
    const json::value root = parse_json(read_file(path, kManifestBytesMax), path.string());
    const JsonReader reader = JsonReader::of(root, "manifest");
    const json::array* list = reader.array("files");
    if (list == nullptr) return std::nullopt;
    std::vector<PulledFile> files;
    for (const json::value& value : *list) {
      const JsonReader fields = JsonReader::of(value, "file");
      PulledFile file{.path = fields.string("path").value_or(""),
                      .size_bytes = fields.integer("bytes", 0, std::numeric_limits<int64_t>::max()).value_or(0),
                      .blob = fields.string("blob").value_or("")};
      if (!is_repository_path(file.path) || !is_blob(file.blob)) return std::nullopt;
      files.push_back(std::move(file));
    }
    return files;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace pelton
