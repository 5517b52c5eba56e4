#include "ops/largest_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/cpu.h"
#include "kernels/logits/logits.h"
#include "ops/grain.h"
#include "ops/logits_row.h"

namespace pelton {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The `count` first in rank order come to the front, in any order.
void cut_to(RankedLogit* entries, int64_t size, int64_t count) {
  std::nth_element(entries, entries + count - 1, entries + size, ranks_before);
}

}  // namespace

void LargestRows::start(int64_t row_count, int64_t count, int part_count) {
  CHECK(count >= 1 && part_count >= 1);
  constexpr int64_t kCapacityMin = 64;
  masks_ = mask_source_ != nullptr && row_count > 0 ? (*mask_source_)() : std::span<const RowMask>();
  CHECK(masks_.empty() || static_cast<int64_t>(masks_.size()) == row_count);
  row_count_ = row_count;
  count_ = count;
  part_count_ = part_count;
  capacity_ = std::max(2 * count, kCapacityMin);
  kept_ = kept_memory_.reserve(row_count * part_count_);
  entries_ = entry_memory_.reserve(row_count * part_count_ * capacity_);
  std::fill_n(kept_, row_count * part_count_, Kept{0, -kInfinity, true});
}

void LargestRows::add(int part, const float* values, int64_t row_stride, Range ids) {
  for (int64_t row = 0; row < row_count_; ++row) {
    const std::span<const float> logits(values + row * row_stride, static_cast<size_t>(ids.end - ids.begin));
    Kept& mine = kept(row, part);
    const LogitsRange range = logits_kernels(active_isa()).range(logits.data(), ids.end - ids.begin);
    mine.is_finite = mine.is_finite && range.is_finite;
    if (range.maximum < mine.threshold) continue;
    if (masks_.empty() || masks_[static_cast<size_t>(row)].counts_all()) {
      for_each_at_least(logits, mine.threshold, [&](size_t i) {
        keep(part, row, static_cast<int32_t>(ids.begin + static_cast<int64_t>(i)), logits[i]);
      });
    } else {
      masks_[static_cast<size_t>(row)].for_each(ids, [&](int64_t id) {
        const float value = logits[static_cast<size_t>(id - ids.begin)];
        if (value >= mine.threshold) keep(part, row, static_cast<int32_t>(id), value);
      });
    }
  }
}

void LargestRows::keep(int part, int64_t row, int32_t id, float value) {
  Kept& mine = kept(row, part);
  RankedLogit* kept_entries = entries(row, part);
  kept_entries[mine.count++] = {value, id};
  if (mine.count < capacity_) return;
  cut_to(kept_entries, mine.count, count_);
  mine.count = count_;
  // Ids ascend: an equal value would come after the last that is kept.
  mine.threshold = std::nextafter(kept_entries[count_ - 1].value, kInfinity);
}

void LargestRows::finish(Executor& executor) {
  executor.parallel_for(row_count_, parallel_grain(row_count_, part_count_ * count_ * 8), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      Kept& all = kept(row, 0);
      RankedLogit* all_entries = entries(row, 0);
      for (int part = 1; part < static_cast<int>(part_count_); ++part) {
        const Kept& one = kept(row, part);
        std::copy_n(entries(row, part), one.count, all_entries + all.count);  // never behind where it lies
        all.count += one.count;
        all.is_finite = all.is_finite && one.is_finite;
      }
      const int64_t count = std::min(count_, all.count);
      std::partial_sort(all_entries, all_entries + count, all_entries + all.count, ranks_before);
      all.count = count;
    }
  });
}

std::span<const RankedLogit> LargestRows::row(int64_t row) const {
  DCHECK(row < row_count_);
  return {entries(row, 0), static_cast<size_t>(kept(row, 0).count)};
}

bool LargestRows::is_finite(int64_t row) const {
  DCHECK(row < row_count_);
  return kept(row, 0).is_finite;
}

void largest_of_rows(Executor& executor, const LogitRows& rows, int64_t count, LargestRows& largest) {
  largest.start(rows.row_count, count, executor.thread_count());
  const auto add_columns = [&](int part, int part_count) {
    const Range ids = split_range(rows.width, 16, part, part_count);
    if (ids.begin < ids.end) largest.add(part, rows.values + ids.begin, rows.width, ids);
  };
  if (rows.row_count * rows.width < kParallelOperationsMin) {
    add_columns(0, 1);
  } else {
    executor.parallel(add_columns);
  }
  largest.finish(executor);
}

}  // namespace pelton
