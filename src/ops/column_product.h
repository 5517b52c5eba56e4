// What the products of ops/linear.h and ops/adapter_terms.h share: a product that threads compute by columns. Of this
// folder only.
#pragma once

#include <algorithm>
#include <optional>

#include "base/aligned.h"
#include "kernels/halfdot/halfdot.h"
#include "kernels/qdot/qdot.h"
#include "ops/executor.h"
#include "ops/linear.h"
#include "ops/scratch.h"

namespace pelton {

struct LinearWeight::Packed {
  std::optional<QdotFormat> format;  // none: tiles of halfdot
  int64_t tile_count;                // N / 16, rounded up
  AlignedArray<std::byte> tiles;
};
static_assert(kHalfTileRows == kQdotTileRows);

struct LinearInput::Quantised {
  AlignedArray<QdotActivation> blocks;  // [M, K / 32]
};

struct LinearInput::Rounded {
  AlignedArray<uint16_t> values;  // [M, K], rows padded to an even K with zeros
};

// Below so many multiplications a parallel region costs more than it saves.
inline constexpr int64_t kParallelWorkMin = 32 * 1024;

inline int64_t padded_to_cache_line(int64_t floats) {
  constexpr int64_t kLineFloats = kCacheLineBytes / sizeof(float);
  return (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
}

// Of a row in BF16: K, made even.
inline int64_t rounded_stride(int64_t column_count) { return (column_count + 1) / 2 * 2; }

inline constexpr int64_t kColumnGrain = kQdotTileRows;

// What a product needs before its region opens.
struct ColumnProduct {
  const float* x;     // [M, K]
  int64_t row_count;  // M
  const LinearWeight* weight;
  float* y;                                // [M, y_stride]
  int64_t y_stride;                        // N, or fewer columns where y is a part of the product
  int64_t first_column = 0;                // which column of the product is y's first; a multiple of kColumnGrain
  const QdotActivation* blocks = nullptr;  // of x, where the weight reads kInt8
  const uint16_t* rounded = nullptr;       // of x, where it reads kBF16
};

ColumnProduct column_product(Executor& executor, LinearInput& x, const LinearWeight& weight, float* y);
// The same product of some of the rows. y moves with them where there is one.
ColumnProduct rows_of(const ColumnProduct& product, Range rows);
// The same product, some columns of it, into rows of their own.
ColumnProduct block_of(const ColumnProduct& product, Range columns, float* y);

// What a thread needs to decode what it multiplies next.
int64_t decoded_floats(const LinearWeight& weight);

// Room for so many floats a thread.
class DecodedRows {
 public:
  DecodedRows(const Executor& executor, int64_t floats_each) : floats_each_(padded_to_cache_line(floats_each)) {
    static thread_local Scratch<float> scratch;
    rows_ = scratch.reserve(floats_each_ * executor.thread_count());
  }
  float* of(int thread) const { return rows_ + thread * floats_each_; }

 private:
  int64_t floats_each_;
  float* rows_;
};

// The weight itself where it is already in F32. Files do not promise alignment.
const float* floats_in_place(const Tensor& weight);

// Columns [begin, end) of y by the calling thread; `begin` is a multiple of kColumnGrain, `end` too or N.
void multiply_columns(const ColumnProduct& product, Range columns, float* decoded);

// Columns of so many values, all rows together, stay in the L2 cache until they have been looked at again.
inline constexpr int64_t kBlockFloats = 32 * 1024;

inline int64_t block_columns(int64_t row_count, int64_t grain) {
  constexpr int64_t kBlockColumnsMax = 1024;
  return std::clamp<int64_t>(kBlockFloats / row_count / grain * grain, grain, kBlockColumnsMax);
}

// Runs body(thread, thread_count) in a region, or as a plain call where the work is not worth one.
template <typename Body>
void parallel_if_worth(Executor& executor, int64_t multiplications, Body body) {
  if (multiplications < kParallelWorkMin) {
    body(0, 1);
  } else {
    executor.parallel(body);
  }
}

}  // namespace pelton
