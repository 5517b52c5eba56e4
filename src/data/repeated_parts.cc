#include "data/repeated_parts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "base/check.h"
#include "data/character_class.h"
#include "data/mix_hash.h"

namespace pelton::data {
namespace {

// Counts 64-bit hashes; open addressing, cleared for each use.
class HashCounts {
 public:
  void reset(size_t items) {
    size_t size = 16;
    while (size < 2 * items) size *= 2;
    slots_.assign(size, {});
  }
  // Its slot stays the same until reset().
  size_t add(uint64_t hash) {
    hash |= 1;  // 0 is an empty slot
    size_t slot = hash >> 1 & (slots_.size() - 1);
    while (slots_[slot].hash != 0 && slots_[slot].hash != hash) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot].hash = hash;
    ++slots_[slot].count;
    return slot;
  }
  uint32_t count_in(size_t slot) const { return slots_[slot].count; }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t count = 0;
  };
  std::vector<Slot> slots_;
};

HashCounts& workspace(size_t items) {
  thread_local HashCounts counts;
  counts.reset(items);
  return counts;
}

uint64_t hash_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

}  // namespace

RepeatedParts find_repeated(std::span<const std::string_view> parts) {
  HashCounts& counts = workspace(parts.size());
  RepeatedParts repeated;
  for (const std::string_view part : parts) {
    if (counts.count_in(counts.add(hash_of(part))) == 1) continue;
    ++repeated.count;
    repeated.characters += count_characters(part);
  }
  return repeated;
}

RepeatedNgrams::RepeatedNgrams(std::span<const std::string_view> words) {
  hashes_.reserve(words.size());
  lengths_.reserve(words.size());
  places_.reserve(words.size());
  uint32_t length = 0;
  for (const std::string_view word : words) {
    hashes_.push_back(hash_of(word));
    length += static_cast<uint32_t>(count_characters(word));
    lengths_.push_back(length);
    places_.push_back({static_cast<uint32_t>(places_.size()), hashes_.back(), 2});
  }
}

size_t RepeatedNgrams::characters_of(size_t word) const {
  return lengths_[word + static_cast<size_t>(n_) - 1] - (word == 0 ? 0 : lengths_[word - 1]);
}

void RepeatedNgrams::advance(int n) {
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15u;
  CHECK(n > n_);
  HashCounts& counts = workspace(places_.size());
  size_t kept = 0;
  std::vector<size_t> slots;
  slots.reserve(places_.size());
  for (Place place : places_) {
    if (place.word + static_cast<size_t>(n) > hashes_.size()) continue;
    for (int i = n_; i < n; ++i) {
      // A product, because the exclusive or of a word with itself is the same for all words.
      place.hash = mix_hash(place.hash * kFactor + hashes_[place.word + static_cast<size_t>(i)]);
    }
    places_[kept++] = place;
    slots.push_back(counts.add(place.hash));
  }
  places_.resize(kept);
  n_ = n;
  // One that is there once is the first of all, where none is there twice.
  top_characters_ = has_any() ? characters_of(0) + static_cast<size_t>(n - 1) : 0;
  uint32_t top_count = 1;
  kept = 0;
  for (size_t i = 0; i < places_.size(); ++i) {
    Place place = places_[i];
    place.count = counts.count_in(slots[i]);
    if (place.count == 1) continue;
    if (place.count > top_count) {
      top_count = place.count;
      top_characters_ = (characters_of(place.word) + static_cast<size_t>(n - 1)) * place.count;
    }
    places_[kept++] = place;
  }
  places_.resize(kept);
}

size_t RepeatedNgrams::duplicate_characters() const {
  HashCounts& seen = workspace(places_.size());
  size_t characters = 0;
  size_t next_word = 0;
  for (const Place& place : places_) {
    if (place.word < next_word) continue;
    if (seen.count_in(seen.add(place.hash)) == 1) continue;
    characters += characters_of(place.word);
    next_word = place.word + static_cast<size_t>(n_);
  }
  return characters;
}

}  // namespace pelton::data
