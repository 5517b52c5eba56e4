// bitsandbytes' 4-bit weights (NF4: Dettmers et al. 2023, arXiv 2305.14314): `weight` U8, two codes a byte, the first
// in the high half; weight.quant_map [16], what each code stands for; weight.absmax, the scale of each block of the
// flattened matrix: F32, or U8 codes of weight.nested_quant_map [256] times weight.nested_absmax, plus an offset; and
// weight.quant_state.bitsandbytes__nf4, JSON with sizes. The result has the type that bitsandbytes computes it in.
#include <fmt/format.h>

#include <cmath>

#include "io/in_quotes.h"
#include "model/prequantised/method.h"
#include "quant/blocks.h"

namespace pelton::prequantised {
namespace {

constexpr int64_t kSizeMax = 1 << 28;

std::string type_of(const json::object& config) {
  const JsonReader reader = reader_of(config);
  if (reader.boolean("load_in_8bit").value_or(reader.boolean("_load_in_8bit").value_or(false))) {
    refuse("bitsandbytes with 8 bits");
  }
  const std::string type = reader.string("bnb_4bit_quant_type").value_or("fp4");
  if (type != "nf4" && type != "fp4") refuse(fmt::format("bnb_4bit_quant_type {}", in_quotes(type)));
  return type;
}

std::string describe(const json::object& config) { return type_of(config) + ", 4 bits"; }

// The JSON text that a tensor of bytes holds.
json::object state_of(const ModuleTensors& tensors, const std::string& part) {
  const Tensor tensor = tensors.at(part);
  if (tensor.type() != ElementType::kU8) tensors.fail(part, "is not of bytes");
  const std::string_view text(reinterpret_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.size_bytes()));
  const json::value value = parse_json(text, tensors.module() + "." + part, {.depth_max = 8, .bytes_max = 1 << 16});
  if (!value.is_object()) tensors.fail(part, "holds no JSON object");
  return value.get_object();
}

ElementType computed_type(const std::string& name) {
  if (name == "bfloat16") return ElementType::kBF16;
  if (name == "float16") return ElementType::kF16;
  if (name == "float32") return ElementType::kF32;
  refuse(fmt::format("bitsandbytes' dtype {}", in_quotes(name)));
}

std::vector<uint8_t> bytes_of_tensor(const ModuleTensors& tensors, std::string_view part, int64_t count) {
  const Tensor tensor = tensors.at(part);
  if (tensor.type() != ElementType::kU8 || tensor.shape().element_count() != count) {
    tensors.fail(part, fmt::format("is {} {}; expected {} bytes", element_type_name(tensor.type()),
                                   tensor.shape().to_string(), count));
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(tensor.data());
  return {bytes, bytes + count};
}

std::vector<float> block_scales(const ModuleTensors& tensors, const JsonReader& state, int64_t block_count) {
  if (!tensors.has("weight.nested_absmax")) return tensors.floats("weight.absmax", {block_count});
  const int64_t nested_size = state.integer("nested_blocksize", 1, kSizeMax).value_or(256);
  const double offset = state.number("nested_offset", -1e30, 1e30).value_or(0);
  const std::vector<uint8_t> codes = bytes_of_tensor(tensors, "weight.absmax", block_count);
  const std::vector<float> map = tensors.floats("weight.nested_quant_map", {256});
  const std::vector<float> outer =
      tensors.floats("weight.nested_absmax", {(block_count + nested_size - 1) / nested_size});
  std::vector<float> scales;
  for (int64_t i = 0; i < block_count; ++i) {
    scales.push_back(map[codes[static_cast<size_t>(i)]] * outer[static_cast<size_t>(i / nested_size)] +
                     static_cast<float>(offset));
  }
  return scales;
}

Tensor decode(const json::object& config, const ModuleTensors& tensors) {
  const std::string type = type_of(config);
  const json::object object = state_of(tensors, "weight.quant_state.bitsandbytes__" + type);
  const JsonReader state(object, tensors.module() + ".weight.quant_state");
  const json::array* sizes = state.array("shape");
  const auto is_size = [](const json::value& value) {
    return value.is_int64() && value.get_int64() >= 1 && value.get_int64() <= kSizeMax;
  };
  if (sizes == nullptr || sizes->size() != 2 || !is_size((*sizes)[0]) || !is_size((*sizes)[1])) {
    state.fail("shape", "two sizes");
  }
  const Shape shape{(*sizes)[0].get_int64(), (*sizes)[1].get_int64()};
  const int64_t count = shape.element_count();
  const int64_t block_size = state.integer("blocksize", 1, kSizeMax).value_or(64);
  const ElementType result_type = computed_type(state.string("dtype").value_or("float32"));
  const std::vector<uint8_t> codes = bytes_of_tensor(tensors, "weight", (count + 1) / 2);
  const std::vector<float> map = tensors.floats("weight.quant_map", {16});
  const std::vector<float> scales = block_scales(tensors, state, (count + block_size - 1) / block_size);
  Tensor floats = Tensor::f32(shape);
  for (int64_t i = 0; i < count; ++i) {
    const int code = codes[static_cast<size_t>(i / 2)] >> (i % 2 == 0 ? 4 : 0) & 15;
    const float value = map[static_cast<size_t>(code)] * scales[static_cast<size_t>(i / block_size)];
    if (!(std::abs(value) <= 65504.0f)) tensors.fail("weight", fmt::format("holds a value of {}", value));
    floats.mutable_floats()[i] = value;
  }
  if (result_type == ElementType::kF32) return floats;
  Tensor result(result_type, shape);
  encode_function(result_type)(floats.floats(), result.mutable_data(), count);
  return result;
}

}  // namespace

const Method kBitsAndBytes = {
    "bitsandbytes",
    {"weight.quant_map", "weight", "weight.absmax", "weight.nested_absmax", "weight.nested_quant_map",
     "weight.quant_state.bitsandbytes__nf4", "weight.quant_state.bitsandbytes__fp4"},
    describe,
    decode};

}  // namespace pelton::prequantised
