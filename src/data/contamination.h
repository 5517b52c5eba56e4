// Records that hold items of an evaluation set: what a model has been trained on cannot measure it any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pelton::data {

struct ContaminationOptions {
  // Words in a row; an item with fewer, but words_min of them, must be there as a whole. Brown et al. 2020 (GPT-3)
  // took 13.
  int ngram = 13;
  int words_min = 8;
  // The least share of an item's n-grams that makes it contained; 0: any. Boilerplate that items share with half the
  // web is a few of an item's n-grams, a copy is all of them.
  double overlap_min = 0.5;
  // N-grams that more items than this share count for nothing: they are the words of a template, and tell no item. 0:
  // all count.
  uint32_t sharing_items_max = 0;
};

struct Contamination {
  std::string_view item;   // its id; lives as long as the index
  double overlap;          // share of its n-grams
  std::string_view match;  // in the text: from the first n-gram found to the last, within the longest stretch of them
};

// Case, punctuation and white space do not count (WordNormalization::kWords). After the last add(), any thread.
class ContaminationIndex {
 public:
  explicit ContaminationIndex(const ContaminationOptions& options) : options_(options) {}

  // An item with fewer than words_min words says too little and is left out: false.
  bool add(std::string id, std::string_view text);
  size_t item_count() const { return items_.size(); }

  // The item of which the text holds most; of equal ones, the first.
  std::optional<Contamination> find(std::string_view text) const;

 private:
  struct Item {
    std::string id;
    uint32_t ngram_count;  // different ones that count
  };

  bool counts(const std::vector<uint32_t>& holders) const {
    return options_.sharing_items_max == 0 || holders.size() <= options_.sharing_items_max;
  }

  ContaminationOptions options_;
  std::vector<Item> items_;
  // N-grams by their size, as items with few words have one of their own.
  std::unordered_map<size_t, std::unordered_map<uint64_t, std::vector<uint32_t>>> items_of_;
};

}  // namespace pelton::data
