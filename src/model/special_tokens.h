// What the small files of a Hugging Face folder say of special tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton {

// `bos_token` and its kin in tokenizer_config.json: a string, or an object with the string as `content`. "": none.
std::string special_token_text(const std::optional<json::object>& tokenizer_config, std::string_view key);

// `eos_token_id` in config.json or generation_config.json: a number or a list of them, in its order. Error
// kCorruptFile: anything else.
std::vector<int64_t> end_token_ids(const json::object& config);

}  // namespace pelton
