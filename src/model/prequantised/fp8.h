// FP8 E4M3 weights with scales beside them: of the tensor, of each row, or of blocks of rows and columns.
#pragma once

#include <optional>
#include <string_view>

#include "model/prequantised/method.h"

namespace pelton::prequantised {

struct BlockSize {
  int64_t rows, columns;
};
// `weight` times `scale`. Errors: kCorruptFile. `blocks`: what config.json says of them; none: the scale's shape says
// all.
Tensor scaled_fp8(const ModuleTensors& tensors, std::string_view scale, std::optional<BlockSize> blocks);

}  // namespace pelton::prequantised
