// Names of prefixes: the hash of a page of tokens and of all that comes before it.
//
// A chain: the name of page i is made of that of page i - 1 and of the page's tokens, so equal names mean equal
// positions, tokens and roots. The root is the tenant's salt and the request's adapter: requests of different salts
// never share a page, so that no answer comes sooner because of what a stranger asked, and another adapter makes other
// keys and values. The key is secret and new in each process: nobody outside can make two prefixes collide.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/sip_hash.h"
#include "text/token_id.h"

namespace pelton {

using PrefixHash = Hash128;

class PrefixHasher {
 public:
  explicit PrefixHasher(const SipKey& secret) : secret_(secret) {}

  // What stands before the first page. adapter: PreparedAdapter::number(); 0: none.
  PrefixHash root(std::string_view salt, uint64_t adapter = 0) const;
  // `page`: a full page of tokens that comes after `before`.
  PrefixHash extend(const PrefixHash& before, std::span<const TokenId> page) const;

 private:
  SipKey secret_;
};

}  // namespace pelton
