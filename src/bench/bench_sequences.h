// Sequences of random tokens in pages of their own, as steps for a Decoder.
#pragma once

#include <cstdint>
#include <vector>

#include "model/decoder.h"
#include "plan/work.h"

namespace pelton {

// A step, and what plan/work.h wants to know of it.
struct BenchStep {
  StepBatch batch;
  StepRows rows;
};

class BenchSequences {
 public:
  struct Options {
    int64_t sequence_count = 1;
    int64_t length = 0;  // positions that each has room for
    int64_t vocabulary_size = 1;
    int64_t first_page = 0;
  };
  explicit BenchSequences(const Options& options);

  int64_t page_count() const;

  // Rows [position, position + row_count) of one sequence; logits of its last row at most. `this` must outlive the
  // step.
  BenchStep chunk(int64_t sequence, int64_t position, int64_t row_count, bool has_logits) const;
  // One row of each of the first `sequence_count` sequences, with logits.
  BenchStep next_tokens(int64_t sequence_count, int64_t position) const;

 private:
  std::span<const int32_t> pages_of(int64_t sequence) const;
  int32_t token(int64_t sequence, int64_t position) const;

  Options options_;
  int64_t pages_each_;
  std::vector<int32_t> pages_;
};

}  // namespace pelton
