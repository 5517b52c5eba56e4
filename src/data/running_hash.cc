#include "data/running_hash.h"

#include <cstdint>
#include <new>

#include "base/check.h"
#include "data/record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pelton::data {
namespace {

static_assert(sizeof(XXH3_state_t) == 576 && alignof(XXH3_state_t) == 64);

XXH3_state_t* state_of(std::array<char, 576>& bytes) { return reinterpret_cast<XXH3_state_t*>(bytes.data()); }
const XXH3_state_t* state_of(const std::array<char, 576>& bytes) {
  return reinterpret_cast<const XXH3_state_t*>(bytes.data());
}

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

RunningHash::RunningHash() : state_{} {
  new (state_.data()) XXH3_state_t;
  XXH3_128bits_reset(state_of(state_));
}

void RunningHash::add(std::string_view bytes) { XXH3_128bits_update(state_of(state_), bytes.data(), bytes.size()); }

std::string RunningHash::to_hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_of(state_));
  return ContentHash{hash.high64, hash.low64}.to_hex();
}

std::string RunningHash::save() const {
  std::string hex;
  for (const char byte : state_) {
    hex += kDigits[static_cast<unsigned char>(byte) >> 4];
    hex += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return hex;
}

void RunningHash::restore(std::string_view saved) {
  CHECK(saved.size() == 2 * state_.size());
  for (size_t i = 0; i < state_.size(); ++i) {
    state_[i] = static_cast<char>(kDigits.find(saved[2 * i]) * 16 + kDigits.find(saved[2 * i + 1]));
  }
  // Its one pointer leads to a table of this process, which lay elsewhere in the one that saved it.
  const RunningHash fresh;
  state_of(state_)->extSecret = state_of(fresh.state_)->extSecret;
}

}  // namespace pelton::data
