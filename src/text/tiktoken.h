// tiktoken's files of ranks, *.tiktoken: a line a token, its bytes in base64 and its rank, which is its id. The file
// says nothing of the expression that cuts texts nor of special tokens: its name does.
#pragma once

#include <string_view>

#include "base/json.h"

namespace pelton {

// As a tokenizer.json. `name`: the file's without its extension, "qwen", "cl100k_base" or "o200k_base".
// Errors: kUnsupported (another name), kCorruptFile (a line that is none, a byte without a token, a rank twice).
json::object tiktoken_tokenizer_json(std::string_view file, std::string_view name);

}  // namespace pelton
