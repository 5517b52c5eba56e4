#include "base/sip_hash.h"

#include <array>
#include <bit>
#include <cstring>

namespace pelton {
namespace {

static_assert(std::endian::native == std::endian::little);

class State {
 public:
  explicit State(const SipKey& key)
      : v_{0x736f6d6570736575 ^ key.low, 0x646f72616e646f6d ^ key.high ^ kLongResult, 0x6c7967656e657261 ^ key.low,
           0x7465646279746573 ^ key.high} {}

  void absorb(uint64_t word) {
    v_[3] ^= word;
    rounds(2);
    v_[0] ^= word;
  }
  Hash128 finish() {
    Hash128 hash;
    v_[2] ^= kLongResult;
    rounds(4);
    hash.low = v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
    v_[1] ^= 0xdd;
    rounds(4);
    hash.high = v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
    return hash;
  }

 private:
  static constexpr uint64_t kLongResult = 0xee;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v_[0] += v_[1];
      v_[1] = std::rotl(v_[1], 13) ^ v_[0];
      v_[0] = std::rotl(v_[0], 32);
      v_[2] += v_[3];
      v_[3] = std::rotl(v_[3], 16) ^ v_[2];
      v_[0] += v_[3];
      v_[3] = std::rotl(v_[3], 21) ^ v_[0];
      v_[2] += v_[1];
      v_[1] = std::rotl(v_[1], 17) ^ v_[2];
      v_[2] = std::rotl(v_[2], 32);
    }
  }

  std::array<uint64_t, 4> v_;
};

}  // namespace

Hash128 sip_hash_128(const SipKey& key, std::span<const std::byte> bytes) {
  State state(key);
  const size_t size = bytes.size();
  for (; bytes.size() >= sizeof(uint64_t); bytes = bytes.subspan(sizeof(uint64_t))) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof word);
    state.absorb(word);
  }
  uint64_t last = static_cast<uint64_t>(size) << 56;  // the length, and the bytes that filled no word
  for (size_t i = 0; i < bytes.size(); ++i) last |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  state.absorb(last);
  return state.finish();
}

}  // namespace pelton
