// GPTQ (Frantar et al. 2022, arXiv 2210.17323) as AutoGPTQ and GPTQModel write it: qweight [K·bits/32, N], packed along
// K; qzeros [groups, N·bits/32], packed along N; scales [groups, N]; g_idx [K], the group of each column.
// w = scale · (code − zero), where files of the first convention ("gptq") hold the zero less 1, of the second
// ("gptq_v2") as it is.
#include <fmt/format.h>

#include "io/in_quotes.h"
#include "model/prequantised/method.h"

namespace pelton::prequantised {
namespace {

struct Options {
  int bits;
  std::optional<int64_t> group_size;
  int zero_offset;  // what the file's zeros lack
};

Options options_of(const json::object& config) {
  const JsonReader reader = reader_of(config);
  Options options{};
  options.bits = supported_bits(reader.integer("bits", 1, 64), {2, 4, 8});
  options.group_size = reader.integer("group_size", -1, 1 << 30);
  if (options.group_size == 0) refuse("a group_size of 0");
  const std::string format = reader.string("checkpoint_format").value_or("gptq");
  if (format != "gptq" && format != "gptq_v2") refuse(fmt::format("checkpoint_format {}", in_quotes(format)));
  if (reader.boolean("is_marlin_format").value_or(false)) refuse("is_marlin_format");
  options.zero_offset = format == "gptq" ? 1 : 0;
  return options;
}

std::string describe(const json::object& config) {
  const Options options = options_of(config);
  const int64_t size = options.group_size.value_or(-1);
  return fmt::format("{} bits, {}", options.bits, size == -1 ? "whole rows" : fmt::format("groups of {}", size));
}

Tensor decode(const json::object& config, const ModuleTensors& tensors) {
  const Options options = options_of(config);
  const int bits = options.bits;
  const int64_t each = 32 / bits;
  const Shape packed = tensors.at("qweight").shape();
  if (packed.rank() != 2 || packed[0] < 1 || packed[1] < 1 || packed[1] % each != 0) {
    tensors.fail("qweight", fmt::format("has the shape {}", packed.to_string()));
  }
  const int64_t n = packed[1], k = packed[0] * each;
  const int64_t group_size = group_size_of(options.group_size, k);
  const int64_t groups = (k + group_size - 1) / group_size;
  const std::vector<int32_t> words = tensors.integers("qweight", packed);
  const std::vector<int32_t> zeros = tensors.integers("qzeros", {groups, n / each});
  const std::vector<float> scales = tensors.floats("scales", {groups, n});
  std::vector<int32_t> group_of(static_cast<size_t>(k));
  for (int64_t i = 0; i < k; ++i) group_of[static_cast<size_t>(i)] = static_cast<int32_t>(i / group_size);
  bool is_ordered = true;
  if (tensors.has("g_idx")) {
    const std::vector<int32_t> given = tensors.integers("g_idx", {k});
    for (const int32_t group : given) {
      if (group < 0 || group >= groups) tensors.fail("g_idx", fmt::format("names group {} of {}", group, groups));
    }
    is_ordered = given == group_of;
    group_of = given;
  }
  const auto value_of = [&](int64_t row, int64_t column) {
    const int32_t code = packed_at(&words[static_cast<size_t>(column / each * n + row)], column % each, bits);
    const int64_t group = group_of[static_cast<size_t>(column)];
    const int32_t zero = packed_at(&zeros[static_cast<size_t>(group * (n / each))], row, bits) + options.zero_offset;
    return code - zero;
  };
  if (is_ordered) {
    GroupedIntegers weights{n, k, group_size, {}, {}};
    weights.values.reserve(static_cast<size_t>(n * k));
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t i = 0; i < groups; ++i) weights.scales.push_back(scales[static_cast<size_t>(i * n + row)]);
      for (int64_t i = 0; i < k; ++i) weights.values.push_back(static_cast<int16_t>(value_of(row, i)));
    }
    return exact_tensor(weights);
  }
  // Neighbours have different scales: no block format holds them.
  Tensor floats = Tensor::f32({n, k});
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t i = 0; i < k; ++i) {
      const float scale = scales[static_cast<size_t>(int64_t{group_of[static_cast<size_t>(i)]} * n + row)];
      floats.mutable_floats()[row * k + i] = scale * static_cast<float>(value_of(row, i));
    }
  }
  return exact_tensor(floats);
}

}  // namespace

const Method kGptq = {"gptq", {"qweight", "qzeros", "scales", "g_idx"}, describe, decode};

}  // namespace pelton::prequantised
