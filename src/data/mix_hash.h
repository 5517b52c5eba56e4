// Spreads each bit of a 64-bit value over all others (the finaliser of MurmurHash3, Appleby 2011). Not for secrets.
#pragma once

#include <cstdint>

namespace pelton::data {

constexpr uint64_t mix_hash(uint64_t value) {
  value = (value ^ (value >> 33)) * 0xFF51AFD7ED558CCDu;
  value = (value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53u;
  return value ^ (value >> 33);
}

}  // namespace pelton::data
