#include "model/prequantised/fp8.h"

#include <fmt/format.h>

#include <cmath>

#include "quant/blocks.h"

namespace pelton::prequantised {
namespace {

// Of DeepSeek, Qwen and MiniMax: `weight_scale_inv` [rows of blocks, columns of blocks], by which weights are
// multiplied in spite of its name.
std::optional<BlockSize> blocks_of(const json::object& config) {
  const JsonReader reader = reader_of(config);
  if (const auto format = reader.string("fmt"); format && *format != "e4m3") refuse("fmt " + *format);
  const json::array* size = reader.array("weight_block_size");
  if (size == nullptr) return std::nullopt;
  const auto is_size = [](const json::value& value) {
    return value.is_int64() && value.get_int64() >= 1 && value.get_int64() <= 1 << 20;
  };
  if (size->size() != 2 || !is_size((*size)[0]) || !is_size((*size)[1])) {
    reader.fail("weight_block_size", "two sizes");
  }
  return BlockSize{(*size)[0].get_int64(), (*size)[1].get_int64()};
}

std::string describe(const json::object& config) {
  const std::optional<BlockSize> blocks = blocks_of(config);
  return blocks ? fmt::format("e4m3, blocks of {} by {}", blocks->rows, blocks->columns) : "e4m3";
}

Tensor decode(const json::object& config, const ModuleTensors& tensors) {
  return scaled_fp8(tensors, "weight_scale_inv", blocks_of(config));
}

}  // namespace

Tensor scaled_fp8(const ModuleTensors& tensors, std::string_view scale, std::optional<BlockSize> blocks) {
  const Tensor weight = tensors.at("weight");
  if (weight.type() != ElementType::kF8E4M3 || weight.shape().rank() != 2 || weight.shape().element_count() == 0) {
    tensors.fail("weight", fmt::format("is {} {}; expected f8_e4m3 with two dimensions",
                                       element_type_name(weight.type()), weight.shape().to_string()));
  }
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  const Shape shape = tensors.at(scale).shape();
  if (shape.element_count() == 1) {
    blocks = {rows, columns};
  } else if (shape == Shape{rows, 1} || shape == Shape{rows}) {
    blocks = {1, columns};
  } else if (!blocks || shape != Shape{(rows + blocks->rows - 1) / blocks->rows,
                                       (columns + blocks->columns - 1) / blocks->columns}) {
    tensors.fail(scale,
                 fmt::format("of shape {} does not fit a weight {}", shape.to_string(), weight.shape().to_string()));
  }
  const std::vector<float> scales = tensors.floats(scale, shape);
  const int64_t blocks_in_row = (columns + blocks->columns - 1) / blocks->columns;
  Tensor floats = Tensor::f32(weight.shape());
  decode_function(weight.type())(weight.data(), floats.mutable_floats(), weight.shape().element_count());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      float& value = floats.mutable_floats()[row * columns + column];
      value *= scales[static_cast<size_t>(row / blocks->rows * blocks_in_row + column / blocks->columns)];
      if (!std::isfinite(value)) tensors.fail("weight", "holds a value that is not finite");
    }
  }
  return exact_tensor(floats);
}

const Method kFp8 = {"fp8", {"weight_scale_inv", "weight", "input_scale", "activation_scale"}, describe, decode};

}  // namespace pelton::prequantised
