#include "data/run_manifest.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "data/recipe.h"

namespace pelton::data {

std::string RunManifest::path_of(std::string_view role) const {
  for (const json::value& output : object.at("outputs").as_array()) {
    if (output.at("role").as_string() == role) return std::string(output.at("path").as_string());
  }
  return {};
}

std::optional<RunManifest> read_run_manifest(const std::string& output) {
  constexpr size_t kBytesMax = size_t{1} << 30;
  const std::string path = output_stem(output) + ".manifest.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  json::value value = parse_json(read_file(path, kBytesMax), path, {.depth_max = 64, .bytes_max = kBytesMax});
  if (!value.is_object() || !value.get_object().contains("outputs") || !value.get_object().contains("inputs")) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: no manifest of a run", path));
  }
  return RunManifest{std::move(value.get_object())};
}

}  // namespace pelton::data
