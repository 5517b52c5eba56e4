// The MinHash kernel against the compilers' vectors (GCC and Clang both have them), as wide as the instruction set's.
// Included once by each of min_hash_avx2.cc, min_hash_avx512.cc and min_hash_neon.cc.
#pragma once

#include <cstring>

#include "data/min_hash.h"

namespace pelton::data {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif
static_assert(kMinHashLanes % kLanes == 0);
using Lanes = uint32_t __attribute__((vector_size(kLanes * sizeof(uint32_t))));

inline __attribute__((always_inline)) Lanes load_lanes(const uint32_t* source) {
  Lanes lanes;
  std::memcpy(&lanes, source, sizeof(lanes));
  return lanes;
}

// `kVectors` vectors of functions at a time: their masks, factors and minima stay in registers.
template <int kVectors>
inline __attribute__((always_inline)) void min_hash_block(const uint32_t* shingles, int64_t shingle_count,
                                                          const uint32_t* masks, const uint32_t* factors,
                                                          uint32_t* minima) {
  Lanes mask[kVectors];
  Lanes factor[kVectors];
  Lanes least[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    mask[v] = load_lanes(masks + v * kLanes);
    factor[v] = load_lanes(factors + v * kLanes);
    least[v] = load_lanes(minima + v * kLanes);
  }
  for (int64_t i = 0; i < shingle_count; ++i) {
    const Lanes shingle = shingles[i] - Lanes{};
    for (int v = 0; v < kVectors; ++v) {
      Lanes hash = (shingle ^ mask[v]) * factor[v];
      hash = (hash ^ (hash >> 15)) * kMinHashScramble;
      least[v] = hash < least[v] ? hash : least[v];
    }
  }
  for (int v = 0; v < kVectors; ++v) std::memcpy(minima + v * kLanes, &least[v], sizeof(Lanes));
}

template <int kVectors>
inline __attribute__((always_inline)) void min_hash(const uint32_t* shingles, int64_t shingle_count,
                                                    const MinHashFunctions& functions, uint32_t* minima) {
  constexpr int64_t kStep = kVectors * kLanes;
  int64_t i = 0;
  for (; i + kStep <= functions.count; i += kStep) {
    min_hash_block<kVectors>(shingles, shingle_count, functions.masks + i, functions.factors + i, minima + i);
  }
  for (; i < functions.count; i += kLanes) {
    min_hash_block<1>(shingles, shingle_count, functions.masks + i, functions.factors + i, minima + i);
  }
}

}  // namespace
}  // namespace pelton::data
