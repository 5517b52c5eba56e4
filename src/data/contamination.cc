#include "data/contamination.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "data/character_class.h"
#include "data/comparable_words.h"

namespace pelton::data {
namespace {

// Without what stands before the first word.
std::string_view from_word(std::string_view text) {
  while (!text.empty()) {
    const EndCharacter first = first_character(text);
    if ((first.classes & (kLetter | kAsciiDigit)) != 0) break;
    text.remove_prefix(first.size);
  }
  return text;
}

}  // namespace

bool ContaminationIndex::add(std::string id, std::string_view text) {
  std::vector<uint64_t> words;
  hash_words(text, WordNormalization::kWords, words);
  if (words.empty() || words.size() < static_cast<size_t>(options_.words_min)) return false;
  const size_t width = std::min(words.size(), static_cast<size_t>(options_.ngram));
  const auto number = static_cast<uint32_t>(items_.size());
  auto& items_of_hash = items_of_[width];
  uint32_t count = 0;
  for_each_ngram(words, width, [&](size_t, uint64_t hash) {
    std::vector<uint32_t>& holders = items_of_hash[hash];
    if (!holders.empty() && holders.back() == number) return;
    const bool counted = counts(holders);
    holders.push_back(number);
    if (counts(holders)) {
      ++count;
    } else if (counted) {
      for (size_t i = 0; i + 1 < holders.size(); ++i) --items_[holders[i]].ngram_count;
    }
  });
  items_.push_back({std::move(id), count});
  return true;
}

std::optional<Contamination> ContaminationIndex::find(std::string_view text) const {
  thread_local std::vector<uint64_t> words;
  thread_local std::vector<size_t> ends;
  hash_words(text, WordNormalization::kWords, words, ends);
  struct Found {
    std::unordered_set<uint64_t> ngrams;
    size_t first_word;  // of the stretch that is being followed
    size_t end_word;
    size_t best_first;
    size_t best_end;
  };
  std::map<uint32_t, Found> found;
  for (const auto& [width, items_of_hash] : items_of_) {
    for_each_ngram(words, width, [&, width = width, &items_of_hash = items_of_hash](size_t word, uint64_t hash) {
      const auto holders = items_of_hash.find(hash);
      if (holders == items_of_hash.end() || !counts(holders->second)) return;
      for (const uint32_t item : holders->second) {
        auto [place, is_new] = found.try_emplace(item, Found{{}, word, word, word, word});
        Found& hit = place->second;
        hit.ngrams.insert(hash);
        if (word > hit.end_word) hit.first_word = word;
        hit.end_word = word + width;
        if (hit.end_word - hit.first_word > hit.best_end - hit.best_first) {
          hit.best_first = hit.first_word;
          hit.best_end = hit.end_word;
        }
      }
    });
  }
  std::optional<Contamination> worst;
  for (const auto& [item, hit] : found) {
    const double overlap = static_cast<double>(hit.ngrams.size()) / items_[item].ngram_count;
    if (overlap < options_.overlap_min || (worst && overlap <= worst->overlap)) continue;
    const size_t begin = hit.best_first == 0 ? 0 : ends[hit.best_first - 1];
    worst = Contamination{items_[item].id, overlap, from_word(text.substr(begin, ends[hit.best_end - 1] - begin))};
  }
  return worst;
}

}  // namespace pelton::data
