// What config.json and GGUF metadata may say alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/rope_scaling.h"
#include "model/spec.h"

namespace pelton {

// No published model comes near; a file that says more is corrupt, and nothing is allocated by it.
inline constexpr int64_t kSizeMax = int64_t{1} << 24;

// Errors kCorruptFile, beginning with `source`.
void check_experts(const ModelSpec& spec, std::string_view source);
void check_rotated_width(int64_t rotated_width, int64_t head_width);

// ModelSpec::rope_scaling.
std::string scaling_name(const RopeScaling& scaling);

}  // namespace pelton
