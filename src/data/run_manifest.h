// What a run has left beside its output: OUTPUT-STEM.manifest.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace pelton::data {

struct RunManifest {
  json::object object;  // as data/run.cc writes it: "inputs", "outputs", "counts", "steps", …
  // Of "output", "dropped", "lineage", "quarantine"; empty: the run has written no such file.
  std::string path_of(std::string_view role) const;
};

// nullopt: no run has written `output`. Error kCorruptFile: a file of that name that is no manifest.
std::optional<RunManifest> read_run_manifest(const std::string& output);

}  // namespace pelton::data
