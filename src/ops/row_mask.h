// Which columns of a row of logits count: the tokens that may be chosen.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <span>

#include "ops/executor.h"

namespace pelton {

// Column i is bit i % 32 of words[i / 32]. Without words all count.
class RowMask {
 public:
  RowMask() = default;
  explicit RowMask(std::span<const uint32_t> words) : words_(words.data()) {}

  bool counts_all() const { return words_ == nullptr; }

  // Calls visit(column) for those of `columns` that count, ascending; fast where these are few.
  template <typename Visit>
  void for_each(Range columns, const Visit& visit) const {
    for (int64_t begin = columns.begin; begin < columns.end;) {
      const int64_t word_begin = begin & ~int64_t{31};
      const int64_t end = std::min(word_begin + 32, columns.end);
      uint32_t bits = words_ == nullptr ? ~uint32_t{0} : words_[word_begin / 32];
      bits &= ~uint32_t{0} << (begin - word_begin);
      if (end - word_begin < 32) bits &= (uint32_t{1} << (end - word_begin)) - 1;
      for (; bits != 0; bits &= bits - 1) visit(word_begin + std::countr_zero(bits));
      begin = end;
    }
  }

 private:
  const uint32_t* words_ = nullptr;
};

// Gives the masks of a step's rows when they are about to be looked at, so that others can make them until then. Empty:
// all rows count whole.
using RowMaskSource = std::function<std::span<const RowMask>()>;

}  // namespace pelton
