// Rotary position embedding (Su et al. 2021, arXiv 2104.09864).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ops/executor.h"

namespace pelton {

// Which two dimensions form a pair: (2i, 2i+1) as in Llama's own code and llama.cpp's converted files, or (i, i + R/2)
// as in Hugging Face's.
enum class RopePairing { kInterleaved, kHalves };

// NTK-aware scaling (bloc97 2023; Peng et al. 2023, arXiv 2309.00071, B.1), called "dynamic": a base that grows with
// the length by which a sequence exceeds `short_length`.
struct RopeGrowth {
  double theta;   // the base of shorter ones
  double factor;  // how fast

  friend bool operator==(const RopeGrowth&, const RopeGrowth&) = default;
};

struct RopeParameters {
  std::vector<float> inverse_frequencies;  // [R/2], radians per position; R = rotated dimensions, R <= head width
  float magnitude = 1.0f;                  // YaRN's attention factor, on cos and sin alike
  RopePairing pairing = RopePairing::kHalves;

  // LongRoPE (arXiv 2402.13753) has other frequencies, so many again, for sequences of more than `short_length` tokens.
  std::vector<float> long_inverse_frequencies = {};  // empty: the same for all
  int64_t short_length = 0;
  std::optional<RopeGrowth> growth = {};

  // What all rows of sequences of up to `length` tokens are rotated by, without what others would be. One choice for
  // all that a paged cache ever holds: a key is rotated once, so it cannot follow its sequence's growth.
  RopeParameters for_length(int64_t length) const;

  friend bool operator==(const RopeParameters&, const RopeParameters&) = default;
};

// The cosines and sines of a step's rows: prepared once, read by every layer, head, query and key (a model whose layers
// have different parameters keeps one table for each). Angles are computed in double precision, so that long contexts
// stay exact. Reused from step to step: grows once, then allocates nothing.
class RopeTable {
 public:
  // Row t stands at positions[t] >= 0.
  void prepare(Executor& executor, const RopeParameters& parameters, std::span<const int32_t> positions);

  int64_t row_count() const { return row_count_; }
  int64_t pair_count() const { return pair_count_; }  // R/2
  RopePairing pairing() const { return pairing_; }
  // [R/2], times the magnitude.
  const float* cosines(int64_t row) const { return values_.data() + 2 * row * pair_count_; }
  const float* sines(int64_t row) const { return cosines(row) + pair_count_; }

 private:
  int64_t row_count_ = 0;
  int64_t pair_count_ = 0;
  RopePairing pairing_ = RopePairing::kHalves;
  std::vector<float> values_;  // [rows, 2, R/2]: a row's cosines, then its sines
};

enum class RopeDirection { kForward, kBackward };  // backward: the gradient, i.e. the inverse rotation times magnitude

// Rotates x [T, heads, head_width] in place by the table's T rows. Dimensions from R on stay as they are.
struct RopeShape {
  int64_t head_count, head_width;
};
void rope(Executor& executor, const RopeTable& table, RopeDirection direction, const RopeShape& shape, float* x);
// One head of x forwards, by the calling thread: for whoever has just made it.
void rope_head(const RopeTable& table, const RopeShape& shape, int64_t head, float* x);

}  // namespace pelton
