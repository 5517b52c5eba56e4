// The small files of a Hugging Face model folder, read and parsed; weights are safetensors.h's business.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"

namespace pelton {

struct HfFolder {
  std::filesystem::path path;
  json::object config;  // config.json
  std::optional<json::object> generation_config;
  std::optional<json::object> tokenizer_config;
  // chat_template.jinja, else chat_template.json, else tokenizer_config.json's `chat_template` (of several named ones:
  // "default").
  std::optional<std::string> chat_template;
};

// Errors: kNotFound (no config.json), kCorruptFile (broken JSON: names the file and the place), kIo.
HfFolder read_hf_folder(const std::filesystem::path& folder);

}  // namespace pelton
