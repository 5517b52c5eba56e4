// Pelton's own cache of models under short names: CACHE/models/NAME.gguf or a folder CACHE/models/NAME, and what is
// known of where one came from in CACHE/manifests/NAME.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/hub/license.h"

namespace pelton {

struct StoredModel {
  std::string name;
  std::filesystem::path path;
  int64_t size_bytes = 0;
  std::string url;  // empty: not pulled from an address
  std::string etag;
  std::string sha256;
  License license;  // of the manifest, a GGUF file's general.license, or a folder's card
};

class ModelStore {
 public:
  // base/file.h: cache_folder().
  explicit ModelStore(std::filesystem::path cache) : cache_(std::move(cache)) {}

  std::filesystem::path models_folder() const { return cache_ / "models"; }
  std::filesystem::path downloads_folder() const { return cache_ / "downloads"; }
  std::filesystem::path gguf_path(const std::string& name) const { return models_folder() / (name + ".gguf"); }

  std::vector<StoredModel> list() const;  // by name
  std::optional<StoredModel> find(const std::string& name) const;
  // Error kIo.
  void write_manifest(const StoredModel& model) const;
  // The file or folder, and what was known of it. Error kIo.
  void remove(const StoredModel& model) const;

 private:
  std::filesystem::path manifest_path(const std::string& name) const { return cache_ / "manifests" / (name + ".json"); }
  StoredModel examine(const std::filesystem::path& path) const;

  std::filesystem::path cache_;
};

// Letters, digits, '-', '_', '.'; no '.' in front.
bool is_short_name(std::string_view name);

}  // namespace pelton
