// Activations kept in BF16.
#pragma once

#include <cstdint>

#include "ops/executor.h"

namespace pelton {

// To nearest even. x: finite.
void round_to_bf16(Executor& executor, const float* x, int64_t count, uint16_t* rounded);
// Exact.
void widen_bf16(Executor& executor, const uint16_t* rounded, int64_t count, float* x);

}  // namespace pelton
