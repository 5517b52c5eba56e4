// A vocabulary in a GGUF file's metadata (`tokenizer.ggml.*`), read and written.
#pragma once

#include "io/gguf.h"
#include "io/gguf_metadata.h"
#include "text/tokenizer.h"

namespace pelton {

// Empty where the file has none. Error kCorruptFile: a key of another type than it should have.
GgufVocabulary read_gguf_vocabulary(const GgufFile& file);

void add_gguf_vocabulary(const GgufVocabulary& vocabulary, GgufMetadata& metadata);
// Says that the model takes token ids only.
void add_no_gguf_vocabulary(GgufMetadata& metadata);

}  // namespace pelton
