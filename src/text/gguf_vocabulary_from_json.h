// A tokenizer.json as a GGUF vocabulary: the way back of gguf_tokenizer_json.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace pelton {

struct GgufVocabularyOptions {
  int64_t token_count = 0;  // rows of the model's embedding: ids that no token has become unused tokens
  std::optional<int64_t> bos, eos, unknown, padding;
};

struct ConvertedVocabulary {
  GgufVocabulary vocabulary;
  std::vector<std::string> notes;  // what GGUF cannot say of this tokenizer, for people
};

// GGUF names a pre-tokenizer and gives scores where a tokenizer.json has rules and merges, so the result is proven: its
// own tokenizer must give the same ids as `tokenizer`, which was made from the same text, for a set of texts that tell
// the known pre-tokenizers apart. Errors: kUnsupported (a model other than BPE, options of BPE that GGUF lacks, a
// pre-tokenizer that has no name there, a post-processor that adds other tokens than BOS and EOS), kCorruptFile,
// kInvalidArgument (a special token outside of the vocabulary).
ConvertedVocabulary gguf_vocabulary_from_json(std::string_view tokenizer_json, const Tokenizer& tokenizer,
                                              const GgufVocabularyOptions& options);

}  // namespace pelton
