#pragma once

namespace pelton {

// Tests only: the folder tests/golden of these sources, without a slash at its end.
extern const char* const kGoldenDir;

}  // namespace pelton
