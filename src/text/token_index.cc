#include "text/token_index.h"

#include <bit>
#include <functional>

#include "base/check.h"

namespace pelton {
namespace {

uint32_t hash_of(std::string_view bytes) {
  const auto hash = static_cast<uint64_t>(std::hash<std::string_view>{}(bytes));
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

}  // namespace

TokenIndex::TokenIndex(size_t token_count) : slots_(std::bit_ceil(token_count + token_count / 2 + 1)) {}

size_t TokenIndex::slot_of(std::string_view bytes, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t index = hash & mask;; index = (index + 1) & mask) {
    const Slot& slot = slots_[index];
    if (slot.size == kFree) return index;
    if (slot.hash == hash && std::string_view(bytes_).substr(slot.begin, slot.size) == bytes) return index;
  }
}

bool TokenIndex::insert(std::string_view bytes, TokenId token) {
  const uint32_t hash = hash_of(bytes);
  Slot& slot = slots_[slot_of(bytes, hash)];
  if (slot.size != kFree) return false;
  CHECK(bytes_.size() + bytes.size() < kFree);
  slot = {static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(bytes.size()), token, hash};
  bytes_ += bytes;
  return true;
}

std::optional<TokenId> TokenIndex::find(std::string_view bytes) const {
  const Slot& slot = slots_[slot_of(bytes, hash_of(bytes))];
  return slot.size == kFree ? std::nullopt : std::optional(slot.token);
}

}  // namespace pelton
