#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/aligned.h"
#include "base/rng.h"
#include "kernels/qdot/qdot.h"
#include "quant/half.h"

namespace pelton {
namespace {

struct Sizes {
  int64_t m, n, k;
};

// Random bytes are valid weights as long as the scales are finite.
AlignedArray<std::byte> random_rows(ElementType type, Sizes sizes, Rng& rng) {
  AlignedArray<std::byte> rows(static_cast<size_t>(sizes.n * bytes_of(type, sizes.k)));
  for (std::byte& byte : rows) byte = static_cast<std::byte>(rng.next_below(256));
  const int64_t block_bytes = info(type).block_bytes;
  const bool has_minimum = type == ElementType::kQ4_1 || type == ElementType::kQ5_1 || type == ElementType::kQ4_K ||
                           type == ElementType::kQ5_K;
  // Q6_K ends with its scale, all others start a block with it; those with a minimum have it next. Values below 2 keep
  // sums small.
  const size_t first = type == ElementType::kQ6_K ? static_cast<size_t>(block_bytes) - 2 : 0;
  for (size_t at = first; at < rows.size(); at += static_cast<size_t>(block_bytes)) {
    for (size_t field = 0; field < (has_minimum ? 2u : 1u); ++field) {
      const uint16_t bits = f16_from_f32(rng.next_symmetric());
      std::copy_n(reinterpret_cast<const std::byte*>(&bits), 2, rows.data() + at + 2 * field);
    }
  }
  return rows;
}

struct Inputs {
  QdotFormat format;
  Sizes sizes;
  AlignedArray<std::byte> tiles;
  std::vector<float> x;
};

Inputs make_inputs(ElementType type, Sizes sizes) {
  Rng rng(static_cast<uint64_t>(sizes.m * 1000003 + sizes.n * 1009 + sizes.k));
  const QdotFormat format = qdot_format(type).value();
  const int64_t block_count = sizes.k / kQdotBlockValues;
  const int64_t tile_bytes = qdot_tile_bytes(format, block_count);
  const int64_t tile_count = (sizes.n + kQdotTileRows - 1) / kQdotTileRows;
  const AlignedArray<std::byte> rows = random_rows(type, sizes, rng);
  Inputs inputs{format, sizes, AlignedArray<std::byte>(static_cast<size_t>(tile_count * tile_bytes)), {}};
  for (int64_t tile = 0; tile < tile_count; ++tile) {
    const int64_t first_row = tile * kQdotTileRows;
    qdot_pack_tile(type, rows.data() + first_row * bytes_of(type, sizes.k),
                   std::min(kQdotTileRows, sizes.n - first_row), block_count, inputs.tiles.data() + tile * tile_bytes);
  }
  inputs.x.resize(static_cast<size_t>(sizes.m * sizes.k));
  for (float& value : inputs.x) value = rng.next_symmetric();
  return inputs;
}

void run_case(const Inputs& inputs, Isa isa, std::span<float> output) {
  const auto [m, n, k] = inputs.sizes;
  const QdotKernels& kernels = qdot_kernels(isa);
  const int64_t block_count = k / kQdotBlockValues;
  std::vector<QdotActivation> activations(static_cast<size_t>(m * block_count));
  kernels.quantise(inputs.x.data(), m * k, activations.data());
  const QdotProduct product = {
      .tiles = inputs.tiles.data(),
      .block_count = block_count,
      .tile_begin = 0,
      .tile_end = (n + kQdotTileRows - 1) / kQdotTileRows,
      .activations = activations.data(),
      .row_count = m,
      .y = output.data(),
      .column_count = n,
  };
  kernels.multiply[static_cast<size_t>(inputs.format)](product);
}

OpCase make_case(ElementType type, Sizes sizes) {
  const double m = static_cast<double>(sizes.m);
  const double n = static_cast<double>(sizes.n);
  const double k = static_cast<double>(sizes.k);
  OpCase result;
  result.name = fmt::format("qdot/{}/M={},N={},K={}", element_type_name(type), sizes.m, sizes.n, sizes.k);
  result.output_count = sizes.m * sizes.n;
  result.tolerance = 0;  // qdot.h: one order of sums, integers are exact
  result.flops = 2 * m * n * k;
  result.bytes = static_cast<double>(bytes_of(type, sizes.k)) * n + 4 * m * (k + n);
  auto inputs = std::make_shared<const Inputs>(make_inputs(type, sizes));
  result.run = [inputs](Isa isa, std::span<float> output) { run_case(*inputs, isa, output); };
  return result;
}

}  // namespace

void append_qdot_cases(std::vector<OpCase>& cases) {
  // Odd N (part of a tile, a tile alone); K of 288 and 32: an odd number of blocks (half a unit).
  for (ElementType type : {ElementType::kQ4_0, ElementType::kQ4_1, ElementType::kQ8_0, ElementType::kQ5_0,
                           ElementType::kQ5_1, ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K}) {
    const bool is_super_block = info(type).block_elements == 256;
    const int64_t k = is_super_block ? 512 : 288;
    for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 33, 70}) cases.push_back(make_case(type, {m, 55, k}));
    cases.push_back(make_case(type, {1, 1, is_super_block ? 256 : 32}));
  }
  // A layer of SmolLM2-135M.
  for (ElementType type : {ElementType::kQ4_0, ElementType::kQ4_1, ElementType::kQ8_0}) {
    for (int64_t m : {1, 8, 32}) cases.push_back(make_case(type, {m, 1536, 576}));
  }
  // The same for those whose rows must be whole super-blocks.
  for (ElementType type : {ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K}) {
    for (int64_t m : {1, 8, 32}) cases.push_back(make_case(type, {m, 576, 1536}));
  }
}

}  // namespace pelton
