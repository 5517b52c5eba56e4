// Folders of models that read more than text: the language model in them, as a folder of its own would have it.
#pragma once

#include <memory>

#include "base/json.h"
#include "io/tensor_source.h"

namespace pelton {

// config.json of the language model: `config` itself, unless it is of a kind of several parts that Pelton knows the
// text part of (Gemma 3 with vision). Then its `text_config`, with what that leaves to the family's defaults, and the
// whole's `quantization_config`. Error kCorruptFile: `text_config` is no object.
json::object text_config(const json::object& config);

// The weights of that model under the names that it has alone; what belongs to other parts is left out, which a line of
// the log says. `source` itself where the folder has one part. The result keeps it.
std::shared_ptr<const TensorSource> text_tensors(const json::object& config,
                                                 std::shared_ptr<const TensorSource> source);

}  // namespace pelton
