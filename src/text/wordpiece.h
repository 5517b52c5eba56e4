// BERT's vocabulary as a tokenizer.json: WordPiece (Schuster, Nakajima 2012; Devlin et al. 2018, arXiv 1810.04805)
// after BERT's normaliser, for files that hold the vocabulary alone (vocab.txt, GGUF).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton {

struct WordPieceVocabulary {
  std::vector<std::string> tokens;  // by id; what goes on within a word begins with "##"
  std::vector<size_t> special;      // ids of those that a text may spell, and that are never shown
  std::string unknown = "[UNK]";
  std::string begin = "[CLS]";  // before a text
  std::string end = "[SEP]";    // after it, and after each of a pair
  bool lowercases = true;
  std::optional<bool> strips_accents;  // absent: as lowercases
  bool splits_chinese = true;          // each character a word
};

// One token a line, and what tokenizer_config.json (may be absent) says beside it.
WordPieceVocabulary read_wordpiece_file(std::string_view vocab_txt,
                                        const std::optional<json::object>& tokenizer_config);

// Error kCorruptFile: a token twice, or one of the named ones is missing.
json::object wordpiece_tokenizer_json(const WordPieceVocabulary& vocabulary);

}  // namespace pelton
