// What every encoder refuses, in the same words.
#pragma once

#include <string_view>

#include "base/error.h"

namespace pelton {

// Error kInvalidArgument: says at which byte `text` stops being valid UTF-8.
void check_utf8(std::string_view text);

// kInvalidArgument: ordinary text became a special token.
Error spelled_special_token_error();

}  // namespace pelton
