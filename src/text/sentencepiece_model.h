// SentencePiece's own file, `tokenizer.model`: a ModelProto of sentencepiece_model.proto, read without a protobuf
// library.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tokenizer.h"

namespace pelton {

struct SentencePieceModel {
  // Pieces, scores, types and special tokens; `model` is "llama" (BPE) or "t5" (Unigram).
  GgufVocabulary vocabulary;
  std::string character_map;  // precompiled_charsmap, empty: identity
  bool removes_extra_spaces = true;
};

// Errors: kCorruptFile; kUnsupported (a model type other than Unigram and BPE, options that change how text is cut).
SentencePieceModel read_sentencepiece_model(std::string_view bytes);
// The same as a tokenizer.json. Errors: as above.
json::object sentencepiece_tokenizer_json(const SentencePieceModel& model);

}  // namespace pelton
