// Which element type each tensor of a file gets: "q4_k_m" is no type of a tensor but a mix of types over a model.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "io/tensor_source.h"
#include "tensor/element_type.h"

namespace pelton {

struct TypeMix {
  std::string_view name;    // "q4_k_m"
  ElementType base;         // of most matrices
  uint32_t gguf_file_type;  // `general.file_type` (llama.cpp's llama_ftype)
};

std::span<const TypeMix> type_mixes();
// Error kInvalidArgument: names the unknown one and those that there are.
const TypeMix& type_mix(std::string_view name);
// The mix whose base is `type`; null: none, so no file consists of it.
const TypeMix* plain_type_mix(ElementType type);

// What the choice for a tensor depends on beside itself.
struct ModelTensors {
  int64_t layer_count = 0;
  bool has_tied_output = false;  // the embedding table is the output matrix
};
ModelTensors describe_tensors(const std::vector<TensorEntry>& gguf_tensors);

struct TypeChoice {
  ElementType type;
  std::optional<ElementType> wanted;  // set where its rows cannot hold blocks of that type
};
// For a tensor by its GGUF name. Norms, biases and whatever has one dimension, and the small matrices that steer (a
// router's), are F32. Where the base has fewer bits than Q6_K the output matrix is Q6_K, as llama.cpp has it.
TypeChoice choose_type(const TypeMix& mix, const TensorEntry& tensor, const ModelTensors& model);

// True for tensors that hold numbers of the model, false for I8 and the like, which stay as they are.
bool is_floating(ElementType type);
// Two or more dimensions and a weight: what a mix may change.
bool is_matrix(const TensorEntry& gguf_tensor);

}  // namespace pelton
