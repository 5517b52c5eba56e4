// The 16 levels of ggml's "NL" formats: denser around zero, where the values of trained weights are.
#pragma once

#include <array>
#include <cstdint>

namespace pelton::format {

inline constexpr std::array<int8_t, 16> kNonlinearLevels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                            1,    13,   25,  38,  53,  69,  89,  113};

}  // namespace pelton::format
