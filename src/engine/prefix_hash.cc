#include "engine/prefix_hash.h"

namespace pelton {

PrefixHash PrefixHasher::root(std::string_view salt, uint64_t adapter) const {
  const PrefixHash of_salt = sip_hash_128(secret_, std::as_bytes(std::span(salt)));
  if (adapter == 0) return of_salt;
  return sip_hash_128({secret_.low ^ of_salt.low, secret_.high ^ of_salt.high}, std::as_bytes(std::span(&adapter, 1)));
}

// The name before becomes half of the key: a chain without a copy of the tokens.
PrefixHash PrefixHasher::extend(const PrefixHash& before, std::span<const TokenId> page) const {
  return sip_hash_128({secret_.low ^ before.low, secret_.high ^ before.high}, std::as_bytes(page));
}

}  // namespace pelton
