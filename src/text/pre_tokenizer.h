// How byte-level BPE cuts a text into words before it merges: the one table of the names in `tokenizer.ggml.pre`.
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"

namespace pelton {

struct PreTokenizer {
  std::string_view names[3];  // as llama.cpp's converter writes them
  json::value (*make)();      // the `pre_tokenizer` of a tokenizer.json
  bool normalizes_nfc;        // Unicode's canonical composition goes first
  bool ignores_merges;        // a word that is a token as a whole is never split
  bool adds_bos;              // where the file does not say
};

// All that are known, for whoever has a pre-tokenizer and wants its name.
std::span<const PreTokenizer> pre_tokenizers();

// The component that spells bytes as printable characters, as pre-tokenizer or decoder. `use_regex`: it cuts by GPT-2's
// expression too.
json::object byte_level(bool use_regex);

// Error kUnsupported: names the unknown one, and those that are known.
const PreTokenizer& pre_tokenizer(std::string_view name);

}  // namespace pelton
