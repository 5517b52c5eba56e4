// The order of doubles as an order of integers, for keys that are sorted.
#pragma once

#include <bit>
#include <cstdint>

namespace pelton::data {

// The sign bit of the positive is set, all bits of the negative flip. No NaN: JSON has none.
inline uint64_t ordered_bits(double number) {
  const auto bits = std::bit_cast<uint64_t>(number);
  constexpr uint64_t kSign = uint64_t{1} << 63;
  return (bits & kSign) == 0 ? bits | kSign : ~bits;
}

}  // namespace pelton::data
