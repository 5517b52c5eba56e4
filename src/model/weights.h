// A model's weights by canonical name: views into the files, checked against what the graph needs.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "io/tensor_source.h"
#include "model/arch.h"
#include "model/graph.h"
#include "tensor/tensor.h"

namespace pelton {

enum class WeightNaming { kHuggingFace, kGguf };

// Immutable; keeps the files mapped.
class WeightSet {
 public:
  // Errors: kCorruptFile (a weight is missing or has another shape than the configuration says: both are named),
  // kUnsupported (an element type that cannot hold weights; a tensor that the graph does not use, such as a bias or a
  // layer too many: without it this would be another model).
  WeightSet(const Graph& graph, std::span<const WeightName> names, WeightNaming naming, const TensorSource& source);

  // As it lies in the file.
  const Tensor& at(std::string_view canonical) const;
  // Decoded to float32: for vectors, which are small.
  Tensor decoded(std::string_view canonical) const;

 private:
  std::map<std::string, Tensor, std::less<>> tensors_;
};

// "layers.3.attention.query" → "model.layers.3.self_attn.q_proj.weight". CHECKs that the table has it.
struct FileWeightName {
  std::string name;
  bool is_interleaved_in_gguf;
};
FileWeightName file_weight_name(std::span<const WeightName> names, WeightNaming naming, std::string_view canonical);

}  // namespace pelton
