// Random numbers that are the same on every machine for the same seed.
#pragma once

#include <cstdint>

namespace pelton {

// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, passes BigCrush, cheap to seed. Not for secrets.
__extension__ using Wide = unsigned __int128;

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Uniform in [0, 1), 53 bits.
  double next_double() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  // Uniform in [-1, 1).
  float next_symmetric() { return static_cast<float>(2.0 * next_double() - 1.0); }
  // Uniform in [0, bound); bound > 0. The bias is below bound / 2^64.
  uint64_t next_below(uint64_t bound) { return static_cast<uint64_t>((static_cast<Wide>(next()) * bound) >> 64); }

 private:
  uint64_t state_;
};

}  // namespace pelton
