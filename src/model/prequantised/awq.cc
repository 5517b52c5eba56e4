// AWQ (Lin et al. 2023, arXiv 2306.00978) in AutoAWQ's "gemm" layout: qweight [K, N/8] and qzeros [groups, N/8], each
// word with eight neighbouring columns in the order 0 2 4 6 1 3 5 7; scales [groups, N]. w = scale · (code − zero).
#include <fmt/format.h>

#include <array>

#include "io/in_quotes.h"
#include "model/prequantised/method.h"

namespace pelton::prequantised {
namespace {

constexpr int kBits = 4;
constexpr int64_t kEach = 32 / kBits;
// Where in its word column i of eight stands.
constexpr std::array<int64_t, kEach> kPlace = {0, 4, 1, 5, 2, 6, 3, 7};

std::optional<int64_t> group_size_in(const json::object& config) {
  const JsonReader reader = reader_of(config);
  supported_bits(reader.integer("bits", 1, 64), {kBits});
  const std::string version = reader.string("version").value_or("gemm");
  if (version != "gemm" && version != "GEMM") refuse(fmt::format("AWQ's version {}", in_quotes(version)));
  const auto size = reader.integer("group_size", -1, 1 << 30);
  if (size == 0) refuse("a group_size of 0");
  return size;
}

std::string describe(const json::object& config) {
  const int64_t size = group_size_in(config).value_or(-1);
  return fmt::format("{} bits, {}", kBits, size == -1 ? "whole rows" : fmt::format("groups of {}", size));
}

Tensor decode(const json::object& config, const ModuleTensors& tensors) {
  const Shape packed = tensors.at("qweight").shape();
  if (packed.rank() != 2 || packed[0] < 1 || packed[1] < 1) {
    tensors.fail("qweight", fmt::format("has the shape {}", packed.to_string()));
  }
  const int64_t k = packed[0], n = packed[1] * kEach;
  GroupedIntegers weights{n, k, group_size_of(group_size_in(config), k), {}, {}};
  const int64_t groups = weights.group_count();
  const std::vector<int32_t> words = tensors.integers("qweight", packed);
  const std::vector<int32_t> zeros = tensors.integers("qzeros", {groups, n / kEach});
  const std::vector<float> scales = tensors.floats("scales", {groups, n});
  const auto code_of = [&](const std::vector<int32_t>& all, int64_t row, int64_t column) {
    return packed_at(&all[static_cast<size_t>(row * (n / kEach) + column / kEach)],
                     kPlace[static_cast<size_t>(column % kEach)], kBits);
  };
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t i = 0; i < groups; ++i) weights.scales.push_back(scales[static_cast<size_t>(i * n + row)]);
    for (int64_t i = 0; i < k; ++i) {
      const int32_t zero = code_of(zeros, i / weights.group_size, row);
      weights.values.push_back(static_cast<int16_t>(code_of(words, i, row) - zero));
    }
  }
  return exact_tensor(weights);
}

}  // namespace

const Method kAwq = {"awq", {"qweight", "qzeros", "scales"}, describe, decode};

}  // namespace pelton::prequantised
