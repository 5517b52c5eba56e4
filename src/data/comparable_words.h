// The words of a text as duplicate detection compares them: each as a 64-bit hash of its normalised characters, so that
// no normalised copy of the text is made. Immutable tables, any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace pelton::data {

enum class WordNormalization {
  // Lower case; a word is a run of letters, marks, numbers and underscores.
  kWords,
  // FineWeb's (datatrove, `simplify_text`): lower case, each number (with one decimal part) as 0, its punctuation as
  // space, diacritics dropped. Differs where Python's lower case depends on the neighbours (Greek's final sigma) and
  // where spaCy would cut a word again ("cannot").
  kFineWeb,
};

// Replaces `hashes` by those of the words of `text` in their order. In both normalisations a character of a script
// written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar) is a word of its own. Bytes that are no UTF-8 separate.
void hash_words(std::string_view text, WordNormalization normalization, std::vector<uint64_t>& hashes);

// Replaces `shingles` by one hash of each `ngram` words in a row; of a text with fewer words, but any, by one of all.
void hash_shingles(const std::vector<uint64_t>& word_hashes, int ngram, std::vector<uint32_t>& shingles);

// Sorted, each once: a set, for jaccard_similarity.
void make_set(std::vector<uint32_t>& shingles);

// |a ∩ b| / |a ∪ b| of two sets; 1 where both are empty.
double jaccard_similarity(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b);

}  // namespace pelton::data
