// The number of a token in a model's vocabulary.
#pragma once

#include <cstdint>

namespace pelton {

enum class TokenId : int32_t {};

constexpr int32_t index_of(TokenId token) { return static_cast<int32_t>(token); }

}  // namespace pelton
