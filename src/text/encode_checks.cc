#include "text/encode_checks.h"

#include <fmt/format.h>

#include "text/utf8.h"

namespace pelton {

void check_utf8(std::string_view text) {
  if (const auto position = find_invalid_utf8(text)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("the text is not valid UTF-8 at byte {}", *position));
  }
}

Error spelled_special_token_error() {
  return Error(ErrorCode::kInvalidArgument,
               "the text spells a special token, and this vocabulary has no other way to encode it as ordinary text");
}

}  // namespace pelton
