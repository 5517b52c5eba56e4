// What `pelton pull` fetched, from where, under which licence: .pelton/COMMIT.json in the repository's folder of the
// cache. The same pull writes the same bytes; it has no time in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/hub/hub_name.h"
#include "io/hub/license.h"

namespace pelton {

struct PulledFile {
  std::string path;
  int64_t size_bytes = 0;
  std::string blob;  // its SHA-256, or git's SHA-1 of it (40 digits)
};

struct PullManifest {
  HubName name;  // kind, repository, revision
  std::string commit;
  std::string endpoint;
  License license;
  std::vector<PulledFile> files;  // by path
};

json::object to_json(const PullManifest& manifest);

// Adds to what is there for the same commit (another glob's files, another revision's name). Error kIo.
void write_manifest(const std::filesystem::path& path, const PullManifest& manifest);

// The files that the manifest at `path` names; nothing: there is none, or none that can be read.
std::optional<std::vector<PulledFile>> read_manifest_files(const std::filesystem::path& path);

}  // namespace pelton
