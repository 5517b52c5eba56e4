// The tokens of a vocabulary by their bytes. Immutable after construction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/token_id.h"

namespace pelton {

class TokenIndex {
 public:
  explicit TokenIndex(size_t token_count);

  // False: these bytes are there already. At most `token_count` in all.
  bool insert(std::string_view bytes, TokenId token);
  std::optional<TokenId> find(std::string_view bytes) const;

 private:
  struct Slot {
    uint32_t begin = 0;
    uint32_t size = kFree;
    TokenId token = {};
    uint32_t hash = 0;
  };
  static constexpr uint32_t kFree = UINT32_MAX;

  size_t slot_of(std::string_view bytes, uint32_t hash) const;

  std::string bytes_;        // of all tokens, one after the other
  std::vector<Slot> slots_;  // open addressing, at most two thirds full
};

}  // namespace pelton
