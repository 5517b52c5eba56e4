// The largest logits of each row, in rank order: all that sampling needs to know where it draws from few candidates.
#pragma once

#include <cstdint>
#include <span>

#include "ops/executor.h"
#include "ops/row_mask.h"
#include "ops/scratch.h"

namespace pelton {

struct RankedLogit {
  float value;
  int32_t id;
};
// Larger values first, of equal ones the lower id.
inline bool ranks_before(const RankedLogit& a, const RankedLogit& b) {
  return a.value != b.value ? a.value > b.value : a.id < b.id;
}

// Reused from step to step: grows once, then allocates nothing. Order of use: start(), add() by the threads of a
// region, finish(), then the results. They depend on the rows alone, not on how these were cut into parts.
class LargestRows {
 public:
  // Only what `masks` let through is among the largest from now on. The source is asked by each start() with rows, and
  // must give one mask a row, or none; it and the masks must outlive their use.
  void set_masks(const RowMaskSource* masks) { mask_source_ = masks; }
  // `count` >= 1 of each row. At most part_count threads add.
  void start(int64_t row_count, int64_t count, int part_count);
  // Columns `ids` of all rows: value i of a row is the logit of ids.begin + i. Each part sees its ids ascending, and
  // nobody else's.
  void add(int part, const float* values, int64_t row_stride, Range ids);
  void finish(Executor& executor);

  int64_t row_count() const { return row_count_; }
  // The `count` first in rank order, or all of a row that has fewer: of a mask that lets none through, none. Valid
  // until the next start().
  std::span<const RankedLogit> row(int64_t row) const;
  // Whether all logits of the row are finite, not only its largest, nor those that a mask lets through.
  bool is_finite(int64_t row) const;

 private:
  // Of one part of one row.
  struct Kept {
    int64_t count;
    float threshold;  // what is below it has no chance
    bool is_finite;
  };
  Kept& kept(int64_t row, int part) const { return kept_[row * part_count_ + part]; }
  RankedLogit* entries(int64_t row, int part) const { return entries_ + (row * part_count_ + part) * capacity_; }

  void keep(int part, int64_t row, int32_t id, float value);

  const RowMaskSource* mask_source_ = nullptr;
  std::span<const RowMask> masks_;
  int64_t row_count_ = 0;
  int64_t count_ = 0;
  int64_t part_count_ = 0;
  int64_t capacity_ = 0;            // of a part: more than count, so that it is cut back seldom
  Kept* kept_ = nullptr;            // [rows, parts]; results: the row's first
  RankedLogit* entries_ = nullptr;  // [rows, parts, capacity]; results: in the row's first part
  Scratch<Kept> kept_memory_;
  Scratch<RankedLogit> entry_memory_;
};

// Of whole rows [row_count, width].
struct LogitRows {
  const float* values;
  int64_t row_count;
  int64_t width;
};
void largest_of_rows(Executor& executor, const LogitRows& rows, int64_t count, LargestRows& largest);

}  // namespace pelton
