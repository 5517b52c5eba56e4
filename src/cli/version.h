// What `pelton --version` says.
#pragma once

namespace pelton::cli {

inline constexpr const char* kVersion = "0.1.0";  // project(… VERSION) in CMakeLists.txt; a test compares them

}  // namespace pelton::cli
