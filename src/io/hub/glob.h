// Patterns for file names, as huggingface_hub's `allow_patterns` reads them (Python's fnmatch).
#pragma once

#include <string_view>

namespace pelton {

// `*` any characters, `/` too; `?` one; `[abc]`, `[a-z]`, `[!abc]` one of a set, or not of it; a `[` without its `]` is
// itself. Bytes, in the exact case. The time is at most the product of both lengths.
bool glob_matches(std::string_view pattern, std::string_view text);

// Whether the pattern can match more than one text.
bool has_wildcard(std::string_view pattern);

}  // namespace pelton
