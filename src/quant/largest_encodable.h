// What each element type can hold, for whoever encodes numbers from outside.
#pragma once

#include "tensor/element_type.h"

namespace pelton {

// Values up to this magnitude encode as the format's rounding has it. Larger ones do not fit into F16 or BF16, or into
// a block's FP16 scale or minimum, and would become infinite or be cut.
inline float largest_encodable(ElementType type) {
  switch (type) {
    case ElementType::kF32:
      return 0x1.FFFFFEp127f;
    case ElementType::kBF16:
      return 0x1.FEp127f;
    default:
      return 65504.0f;
  }
}

}  // namespace pelton
