// compressed-tensors (vLLM's llm-compressor). Formats:
//   pack-quantized   weight_packed [N, K·bits/32] of codes with 2^(bits−1) added, packed along K; weight_scale
//                    [N, groups]; weight_zero_point [N·bits/32, groups], packed along N likewise, or absent: 0;
//                    weight_shape [2]. w = scale · (code − zero).
//   int-quantized    weight I8 [N, K], weight_scale.
//   float-quantized  weight F8_E4M3 [N, K], weight_scale of the tensor, of rows or of blocks.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "io/in_quotes.h"
#include "model/prequantised/fp8.h"
#include "model/prequantised/method.h"

namespace pelton::prequantised {
namespace {

// What `config_groups` says of weights. Groups of layers may differ in anything but what decoding needs to know.
struct Scheme {
  int bits = 0;
  bool is_float = false;
  std::optional<BlockSize> blocks;
};

Scheme scheme_of(const json::object& config) {
  const JsonReader reader = reader_of(config);
  const std::string status = reader.string("quantization_status").value_or("compressed");
  if (status != "compressed" && status != "frozen") refuse(fmt::format("quantization_status {}", in_quotes(status)));
  if (reader.value("sparsity_config") != nullptr) {
    const JsonReader sparsity = JsonReader::of(*reader.value("sparsity_config"), "sparsity_config");
    const std::string format = sparsity.string("format").value_or("dense");
    if (format != "dense") refuse(fmt::format("the sparsity format {}", in_quotes(format)));
  }
  if (reader.value("transform_config") != nullptr && !reader.object("transform_config")->empty()) {
    refuse("a transform_config (rotated weights)");
  }
  const json::object* groups = reader.object("config_groups");
  if (groups == nullptr || groups->empty()) refuse("a configuration without config_groups");
  std::optional<Scheme> scheme;
  for (const auto& [name, group] : *groups) {
    const JsonReader group_reader = JsonReader::of(group, "config.json: config_groups");
    const json::object* weights = group_reader.object("weights");
    if (weights == nullptr) refuse("a group without weights");
    const JsonReader weight_reader(*weights, "config.json: config_groups: weights");
    const std::string format = group_reader.string("format").value_or(reader.string("format").value_or("missing"));
    Scheme found;
    found.bits = supported_bits(weight_reader.integer("num_bits", 1, 64), {4, 8});
    found.is_float = weight_reader.string("type").value_or("int") == "float";
    const bool is_known = found.is_float
                              ? found.bits == 8 && (format == "float-quantized" || format == "naive-quantized")
                              : format == "pack-quantized" ||
                                    (found.bits == 8 && (format == "int-quantized" || format == "naive-quantized"));
    if (!is_known) {
      refuse(fmt::format("the format {} with {} bits of type {}", in_quotes(format), found.bits,
                         found.is_float ? "float" : "int"));
    }
    if (const json::array* block = weight_reader.array("block_structure")) {
      const auto is_size = [](const json::value& value) {
        return value.is_int64() && value.get_int64() >= 1 && value.get_int64() <= 1 << 20;
      };
      if (block->size() != 2 || !is_size((*block)[0]) || !is_size((*block)[1])) {
        weight_reader.fail("block_structure", "two sizes");
      }
      found.blocks = BlockSize{(*block)[0].get_int64(), (*block)[1].get_int64()};
    }
    if (scheme && scheme->bits != found.bits) refuse("groups of layers with different widths");
    scheme = found;
  }
  return *scheme;
}

std::string describe(const json::object& config) {
  const Scheme scheme = scheme_of(config);
  return scheme.is_float ? "e4m3" : fmt::format("{} bits", scheme.bits);
}

// Columns a group, by the shape of the scales.
int64_t group_size_by(const ModuleTensors& tensors, const Shape& scales, int64_t rows, int64_t columns) {
  const bool is_whole = scales.element_count() == 1;
  const int64_t groups = is_whole ? 1 : scales.rank() == 2 ? scales[1] : 1;
  const bool fits = is_whole || (scales.rank() >= 1 && scales.rank() <= 2 && scales[0] == rows);
  if (!fits || groups < 1 || columns % groups != 0) {
    tensors.fail("weight_scale",
                 fmt::format("of shape {} does not fit a weight [{}, {}]", scales.to_string(), rows, columns));
  }
  return columns / groups;
}

// Scales [rows, groups], one for all spread over the rows.
std::vector<float> row_scales(const ModuleTensors& tensors, const Shape& shape, int64_t count) {
  std::vector<float> scales = tensors.floats("weight_scale", shape);
  if (scales.size() == 1) scales.resize(static_cast<size_t>(count), scales[0]);
  return scales;
}

Tensor decode_packed(const Scheme& scheme, const ModuleTensors& tensors) {
  const int bits = scheme.bits;
  const int64_t each = 32 / bits;
  const Tensor shape = tensors.at("weight_shape");
  if (shape.type() != ElementType::kI64 || shape.shape() != Shape{2}) tensors.fail("weight_shape", "is no pair of i64");
  int64_t sizes[2];
  std::memcpy(sizes, shape.data(), sizeof sizes);
  const int64_t n = sizes[0], k = sizes[1];
  if (n < 1 || k < 1 || n > 1 << 28 || k > 1 << 28) tensors.fail("weight_shape", fmt::format("is [{}, {}]", n, k));
  const int64_t words_in_row = (k + each - 1) / each;
  const std::vector<int32_t> words = tensors.integers("weight_packed", {n, words_in_row});
  const Shape scale_shape = tensors.at("weight_scale").shape();
  GroupedIntegers weights{n, k, group_size_by(tensors, scale_shape, n, k), {}, {}};
  const int64_t groups = weights.group_count();
  weights.scales = row_scales(tensors, scale_shape, n * groups);
  std::vector<int32_t> group_of(static_cast<size_t>(k));
  for (int64_t i = 0; i < k; ++i) group_of[static_cast<size_t>(i)] = static_cast<int32_t>(i / weights.group_size);
  bool is_ordered = true;
  if (tensors.has("weight_g_idx")) {
    const std::vector<int32_t> given = tensors.integers("weight_g_idx", {k});
    const bool is_unset = std::all_of(given.begin(), given.end(), [](int32_t group) { return group == -1; });
    for (const int32_t group : given) {
      if (!is_unset && (group < 0 || group >= groups)) {
        tensors.fail("weight_g_idx", fmt::format("names group {} of {}", group, groups));
      }
    }
    is_ordered = is_unset || given == group_of;
    if (!is_unset) group_of = given;
  }
  const int32_t half = 1 << (bits - 1);
  std::vector<int32_t> zeros(static_cast<size_t>(n * groups), 0);
  if (tensors.has("weight_zero_point")) {
    const std::vector<int32_t> packed = tensors.integers("weight_zero_point", {(n + each - 1) / each, groups});
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t group = 0; group < groups; ++group) {
        zeros[static_cast<size_t>(row * groups + group)] =
            packed_at(&packed[static_cast<size_t>(row / each * groups + group)], row % each, bits) - half;
      }
    }
  }
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t i = 0; i < k; ++i) {
      const int32_t code = packed_at(&words[static_cast<size_t>(row * words_in_row)], i, bits) - half;
      const int32_t zero = zeros[static_cast<size_t>(row * groups + group_of[static_cast<size_t>(i)])];
      weights.values.push_back(static_cast<int16_t>(code - zero));
    }
  }
  if (is_ordered) return exact_tensor(weights);
  Tensor floats = Tensor::f32({n, k});
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t i = 0; i < k; ++i) {
      floats.mutable_floats()[row * k + i] =
          weights.scales[static_cast<size_t>(row * groups + group_of[static_cast<size_t>(i)])] *
          static_cast<float>(weights.values[static_cast<size_t>(row * k + i)]);
    }
  }
  return exact_tensor(floats);
}

Tensor decode_bytes(const ModuleTensors& tensors) {
  const Tensor weight = tensors.at("weight");
  if (weight.type() != ElementType::kI8 || weight.shape().rank() != 2 || weight.shape().element_count() == 0) {
    tensors.fail("weight", fmt::format("is {} {}; expected i8 with two dimensions", element_type_name(weight.type()),
                                       weight.shape().to_string()));
  }
  if (tensors.has("weight_zero_point")) refuse("int-quantized weights with zero points");
  const int64_t n = weight.shape()[0], k = weight.shape()[1];
  const Shape scale_shape = tensors.at("weight_scale").shape();
  GroupedIntegers weights{n, k, group_size_by(tensors, scale_shape, n, k), {}, {}};
  weights.scales = row_scales(tensors, scale_shape, n * weights.group_count());
  const auto* bytes = reinterpret_cast<const int8_t*>(weight.data());
  weights.values.assign(bytes, bytes + n * k);
  return exact_tensor(weights);
}

Tensor decode(const json::object& config, const ModuleTensors& tensors) {
  const Scheme scheme = scheme_of(config);
  if (scheme.is_float) return scaled_fp8(tensors, "weight_scale", scheme.blocks);
  return tensors.has("weight_packed") ? decode_packed(scheme, tensors) : decode_bytes(tensors);
}

}  // namespace

const Method kCompressedTensors = {
    "compressed-tensors",
    {"weight_scale", "weight", "weight_packed", "weight_shape", "weight_zero_point", "weight_g_idx", "input_scale",
     "input_zero_point", "output_scale", "output_zero_point"},
    describe,
    decode};

}  // namespace pelton::prequantised
