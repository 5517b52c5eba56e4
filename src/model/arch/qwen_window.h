// The sliding window of Qwen 2 and 3 in config.json.
#pragma once

#include "model/config.h"

namespace pelton {

// Local are the layers from `max_window_layers` on, where `use_sliding_window` says so.
inline void read_qwen_window(const HuggingFaceConfig& reader, ModelSpec& spec) {
  if (!reader.flag("use_sliding_window", false)) return;
  const int64_t full_layer_count = reader.size("max_window_layers", 28);
  reader.read_window(spec, [&](int64_t layer) { return layer >= full_layer_count; });
}

}  // namespace pelton
