// The words of a text as duplicate detection compares them: each as a 64-bit hash of its normalised characters, so that
// no normalised copy of the text is made. Immutable tables, any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/mix_hash.h"

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
// The same, and where each word ends in `text`.
void hash_words(std::string_view text, WordNormalization normalization, std::vector<uint64_t>& hashes,
                std::vector<size_t>& ends);

// Calls visit(first_word, hash) for each `ngram` words in a row.
template <typename Visit>
void for_each_ngram(const std::vector<uint64_t>& word_hashes, size_t ngram, const Visit& visit) {
  // Of words w: w_0 p^(n-1) + … + w_(n-1) modulo 2^64, rolled from one to the next.
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15u;
  uint64_t leading = 1;
  for (size_t i = 0; i < ngram; ++i) leading *= kFactor;
  uint64_t sum = 0;
  for (size_t i = 0; i < word_hashes.size(); ++i) {
    sum = sum * kFactor + word_hashes[i];
    if (i >= ngram) sum -= word_hashes[i - ngram] * leading;
    if (i + 1 >= ngram) visit(i + 1 - ngram, mix_hash(sum));
  }
}

// Replaces `shingles` by one hash of each `ngram` words in a row; of a text with fewer words, but any, by one of all.
void hash_shingles(const std::vector<uint64_t>& word_hashes, int ngram, std::vector<uint32_t>& shingles);

// Sorted, each once: a set, for jaccard_similarity.
void make_set(std::vector<uint32_t>& shingles);

// |a ∩ b| / |a ∪ b| of two sets; 1 where both are empty.
double jaccard_similarity(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b);

}  // namespace pelton::data
