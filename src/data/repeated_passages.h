// Passages that a collection of texts has more than once, as Lee et al. (2022) remove them: any run of `length` words
// or more that came before, wherever it begins.
//
// They find them by a suffix array; here each run of `length` words is hashed as it rolls by. A passage of at least
// that length is repeated exactly if all runs of `length` words in it are, so both find the same. The difference is
// memory: runs that are there once (nearly all) end in a table of two bits each, and only the others are sorted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

namespace pelton::data {

struct PassageSearch {
  size_t length = 50;  // words
  std::filesystem::path scratch_folder;
  size_t memory_bytes_max = size_t{256} << 20;
};

// Of one text: words [begin, end) that an earlier text, or this one before them, has too.
struct RepeatedPassage {
  uint64_t begin;
  uint64_t end;
  uint64_t original;  // the text where the passage's first run stood first
};

// `words`: of all texts one after the other, as hashes; `counts`: of each text. Calls visit(text, passages) for each
// text that has any, in order; passages ascend and do not touch. Of a run that overlaps itself ("ha ha ha …") the first
// `length` words stay.
void find_repeated_passages(
    std::span<const uint64_t> words, std::span<const uint64_t> counts, const PassageSearch& search,
    const std::function<void(uint64_t text, const std::vector<RepeatedPassage>& passages)>& visit);

}  // namespace pelton::data
