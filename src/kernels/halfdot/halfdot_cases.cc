#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/aligned.h"
#include "base/rng.h"
#include "kernels/halfdot/halfdot.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

struct Inputs {
  ElementType type;
  int64_t m, n, k;
  AlignedArray<std::byte> tiles;
  std::vector<float> x;  // [m, k]
};

Inputs make_inputs(ElementType type, int64_t m, int64_t n, int64_t k) {
  Rng rng(static_cast<uint64_t>(m * 1000003 + n * 1009 + k));
  std::vector<float> values(static_cast<size_t>(n * k));
  for (float& value : values) value = rng.next_symmetric();
  std::vector<std::byte> rows(static_cast<size_t>(bytes_of(type, n * k)));
  encode_function(type)(values.data(), rows.data(), n * k);

  const int64_t tile_count = (n + kHalfTileRows - 1) / kHalfTileRows;
  Inputs inputs{type, m, n, k, AlignedArray<std::byte>(static_cast<size_t>(tile_count * half_tile_bytes(k))), {}};
  for (int64_t tile = 0; tile < tile_count; ++tile) {
    const int64_t first_row = tile * kHalfTileRows;
    half_pack_tile(type, rows.data() + bytes_of(type, first_row * k), std::min(kHalfTileRows, n - first_row), k,
                   inputs.tiles.data() + tile * half_tile_bytes(k));
  }
  inputs.x.resize(static_cast<size_t>(m * k));
  for (float& value : inputs.x) value = rng.next_symmetric();
  return inputs;
}

template <typename Activation>
HalfProduct<Activation> product_of(const Inputs& inputs, const Activation* activations, float* y) {
  return {
      .tiles = inputs.tiles.data(),
      .input_size = inputs.k,
      .tile_begin = 0,
      .tile_end = (inputs.n + kHalfTileRows - 1) / kHalfTileRows,
      .activations = activations,
      .row_count = inputs.m,
      .y = y,
      .column_count = inputs.n,
  };
}

void run_case(const Inputs& inputs, Isa isa, std::span<float> output) {
  const HalfKernels& kernels = half_kernels(isa);
  if (inputs.type == ElementType::kF16) {
    return kernels.multiply_f16(product_of(inputs, inputs.x.data(), output.data()));
  }
  const int64_t stride = (inputs.k + 1) / 2 * 2;
  std::vector<uint16_t> rounded(static_cast<size_t>(inputs.m * stride));
  for (int64_t row = 0; row < inputs.m; ++row) {
    kernels.round(inputs.x.data() + row * inputs.k, inputs.k, rounded.data() + row * stride);
  }
  kernels.multiply_bf16(product_of<uint16_t>(inputs, rounded.data(), output.data()));
}

OpCase make_case(ElementType type, int64_t m, int64_t n, int64_t k) {
  OpCase result;
  result.name = fmt::format("halfdot/{}/M={},N={},K={}", element_type_name(type), m, n, k);
  result.output_count = m * n;
  result.tolerance = 0;  // halfdot.h: one order of sums, and nothing here is below 2^-126
  result.flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  result.bytes = 2.0 * static_cast<double>(n) * static_cast<double>(k) + 4.0 * static_cast<double>(m * (k + n));
  auto inputs = std::make_shared<const Inputs>(make_inputs(type, m, n, k));
  result.run = [inputs](Isa isa, std::span<float> output) { run_case(*inputs, isa, output); };
  return result;
}

}  // namespace

void append_half_cases(std::vector<OpCase>& cases) {
  for (ElementType type : {ElementType::kBF16, ElementType::kF16}) {
    // Part of a tile, a tile alone; K odd, of an odd number of pairs, and of one value.
    for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 33}) cases.push_back(make_case(type, m, 55, 97));
    cases.push_back(make_case(type, 3, 9, 98));
    cases.push_back(make_case(type, 1, 1, 1));
    // A layer of SmolLM2-135M.
    for (int64_t m : {1, 8, 32}) cases.push_back(make_case(type, m, 1536, 576));
  }
}

}  // namespace pelton
