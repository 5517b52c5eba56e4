// Which Pelton this is.
#pragma once

namespace pelton {

inline constexpr const char* kVersion = "0.1.0";  // project(… VERSION) in CMakeLists.txt; a test compares them

}  // namespace pelton
