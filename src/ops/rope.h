// Rotary position embedding (Su et al. 2021, arXiv 2104.09864).
#pragma once

#include <cstdint>
#include <vector>

#include "ops/executor.h"

namespace pelton {

// Which two dimensions form a pair: (2i, 2i+1) as in Llama's own code and llama.cpp's converted files, or (i, i + R/2) as
// in Hugging Face's.
enum class RopePairing { kInterleaved, kHalves };

struct RopeParameters {
  std::vector<float> inverse_frequencies;  // [R/2], radians per position; R = rotated dimensions, R <= head width
  float magnitude = 1.0f;                  // YaRN's attention factor, on cos and sin alike
  RopePairing pairing = RopePairing::kHalves;
};

enum class RopeDirection { kForward, kBackward };  // backward: the gradient, i.e. the inverse rotation times magnitude

// Rotates x [T, heads, head_width] in place; row t stands at positions[t]. Dimensions from R on stay as they are.
// Angles are computed in double precision, so that long contexts stay exact.
struct RopeShape {
  int64_t row_count, head_count, head_width;
};
void rope(Executor& executor, const RopeParameters& parameters, RopeDirection direction, const int32_t* positions,
          const RopeShape& shape, float* x);

}  // namespace pelton
