// A GGUF vocabulary as a tokenizer.json, so that there is one way to encode: the reference library's.
#pragma once

#include "base/json.h"
#include "text/tokenizer.h"

namespace pelton {

// Errors: as Tokenizer::from_gguf().
json::object gguf_tokenizer_json(const GgufVocabulary& vocabulary);

}  // namespace pelton
