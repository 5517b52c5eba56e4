// A hash of 128 bits under a secret key: who does not know the key can neither make two inputs collide nor tell which
// inputs were hashed. Accidental collisions: of n inputs, with probability n² / 2^129.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pelton {

struct SipKey {
  uint64_t low = 0;
  uint64_t high = 0;
};

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;

  friend bool operator==(const Hash128&, const Hash128&) = default;
};

// SipHash-2-4 with the long result (Aumasson, Bernstein 2012), on a little-endian machine.
Hash128 sip_hash_128(const SipKey& key, std::span<const std::byte> bytes);

}  // namespace pelton
