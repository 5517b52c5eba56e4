// A JSON file of a model folder.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/json.h"

namespace pelton {

// Errors: kNotFound, kIo; kCorruptFile (broken JSON, or no object: names file, line and column);
// kResourceExhausted (larger than `bytes_max`).
json::object read_json_object(const std::filesystem::path& path, uint64_t bytes_max);

}  // namespace pelton
