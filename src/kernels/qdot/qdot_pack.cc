// Rearranges rows of GGUF's block formats into tiles. Integers and scales are copied, never rounded.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/qdot/qdot_layout.h"

namespace pelton {
namespace {

// One block of one row: values in the order of k, from 0 to 2^bits - 1. Factors of the super-block are 0 where the
// format has none.
struct RowBlock {
  uint8_t values[kQdotBlockValues];
  uint16_t scale;    // F16, of the block or the super-block
  uint16_t minimum;  // likewise
  int8_t super_scales[2];
  int8_t super_minimum;
};
using F16 = uint16_t;

template <typename T>
T read(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// --- GGUF's blocks (ggml's specification). `row` is the start of the row, `block` counts blocks of 32 values.

// 16 low nibbles, then 16 high ones.
void read_nibbles(const std::byte* nibbles, uint8_t* values) {
  for (int i = 0; i < 16; ++i) {
    values[i] = static_cast<uint8_t>(nibbles[i]) & 15u;
    values[i + 16] = static_cast<uint8_t>(nibbles[i]) >> 4;
  }
}

// Bit i of `high_bits` is the fifth bit of value i.
void read_five_bits(const std::byte* high_bits, const std::byte* nibbles, uint8_t* values) {
  read_nibbles(nibbles, values);
  const uint32_t high = read<uint32_t>(high_bits);
  for (int i = 0; i < 32; ++i) values[i] = static_cast<uint8_t>(values[i] | (high >> i & 1u) << 4);
}

RowBlock read_q4_0(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 18;
  RowBlock result{.scale = read<F16>(source)};
  read_nibbles(source + 2, result.values);
  return result;
}

RowBlock read_q4_1(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 20;
  RowBlock result{.scale = read<F16>(source), .minimum = read<F16>(source + 2)};
  read_nibbles(source + 4, result.values);
  return result;
}

RowBlock read_q5_0(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 22;
  RowBlock result{.scale = read<F16>(source)};
  read_five_bits(source + 2, source + 6, result.values);
  return result;
}

RowBlock read_q5_1(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 24;
  RowBlock result{.scale = read<F16>(source), .minimum = read<F16>(source + 2)};
  read_five_bits(source + 4, source + 8, result.values);
  return result;
}

RowBlock read_q8_0(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 34;
  RowBlock result{.scale = read<F16>(source)};
  std::memcpy(result.values, source + 2, 32);
  for (uint8_t& value : result.values) value ^= 0x80u;  // signed to offset 128
  return result;
}

// Of sub-block `part` (0 to 7) of a Q4_K or Q5_K super-block: 6 bits each in 12 bytes after two F16. GGUF subtracts the
// minimum, we add it.
void read_k_scales(const std::byte* super_block, int part, RowBlock& result) {
  const auto packed = [super_block](int i) { return static_cast<uint32_t>(super_block[4 + i]); };
  uint32_t scale = 0;
  uint32_t minimum = 0;
  if (part < 4) {
    scale = packed(part) & 63u;
    minimum = packed(part + 4) & 63u;
  } else {
    scale = (packed(part + 4) & 15u) | (packed(part - 4) >> 6) << 4;
    minimum = (packed(part + 4) >> 4) | (packed(part) >> 6) << 4;
  }
  result.scale = read<F16>(super_block);
  result.minimum = read<F16>(super_block + 2) ^ 0x8000u;
  result.super_scales[0] = static_cast<int8_t>(scale);
  result.super_minimum = static_cast<int8_t>(minimum);
}

// Sub-blocks 2p and 2p + 1 are the low and high nibbles of the same 32 bytes.
void read_k_nibbles(const std::byte* nibbles, int part, uint8_t* values) {
  const std::byte* source = nibbles + part / 2 * 32;
  for (int i = 0; i < 32; ++i) values[i] = static_cast<uint8_t>(source[i]) >> (part % 2 * 4) & 15u;
}

RowBlock read_q4_k(const std::byte* row, int64_t block) {
  const std::byte* super_block = row + block / 8 * 144;
  const int part = static_cast<int>(block % 8);
  RowBlock result{};
  read_k_scales(super_block, part, result);
  read_k_nibbles(super_block + 16, part, result.values);
  return result;
}

RowBlock read_q5_k(const std::byte* row, int64_t block) {
  const std::byte* super_block = row + block / 8 * 176;
  const int part = static_cast<int>(block % 8);
  RowBlock result{};
  read_k_scales(super_block, part, result);
  read_k_nibbles(super_block + 48, part, result.values);
  for (int i = 0; i < 32; ++i) {
    const uint32_t high = static_cast<uint32_t>(super_block[16 + i]) >> part & 1u;
    result.values[i] = static_cast<uint8_t>(result.values[i] | high << 4);
  }
  return result;
}

// 128 bytes of nibbles, 64 of bit pairs, 16 of scales, an F16. Each half of the super-block is four blocks: 0 and 1 are
// the low nibbles of its 64 bytes, 2 and 3 the high ones; block p is bit pair p of its 32 bytes of pairs.
RowBlock read_q6_k(const std::byte* row, int64_t block) {
  const std::byte* super_block = row + block / 8 * 210;
  const int64_t half = block % 8 / 4;
  const int part = static_cast<int>(block % 4);
  const std::byte* nibbles = super_block + half * 64 + part % 2 * 32;
  const std::byte* pairs = super_block + 128 + half * 32;
  RowBlock result{.scale = read<F16>(super_block + 208)};
  std::memcpy(result.super_scales, super_block + 192 + block % 8 * 2, 2);
  for (int i = 0; i < 32; ++i) {
    const uint32_t low = static_cast<uint32_t>(nibbles[i]) >> (part / 2 * 4) & 15u;
    const uint32_t high = static_cast<uint32_t>(pairs[i]) >> (part * 2) & 3u;
    result.values[i] = static_cast<uint8_t>(low | high << 4);
  }
  return result;
}

// --- Tiles.

// `integers`: where the row's bytes of slice 0 go.
template <typename Layout>
void pack_integers(const uint8_t (&values)[kQdotBlockValues], std::byte* integers) {
  constexpr int kHalf = kQdotBlockValues / 2;
  constexpr int kVectorBytes = 64;
  if constexpr (Layout::kBits == 8) {
    for (int slice = 0; slice < 8; ++slice) std::memcpy(integers + kVectorBytes * slice, values + 4 * slice, 4);
    return;
  }
  uint8_t nibbles[kHalf];
  for (int i = 0; i < kHalf; ++i) nibbles[i] = static_cast<uint8_t>((values[i] & 15u) | values[i + kHalf] << 4);
  for (int slice = 0; slice < 4; ++slice) std::memcpy(integers + kVectorBytes * slice, nibbles + 4 * slice, 4);
  if constexpr (Layout::kBits > 4) {
    constexpr int kHighBits = Layout::kBits - 4;
    constexpr int kTogether = 8 / kHighBits;  // slices whose high bits share a vector
    for (int first = 0; first < 8; first += kTogether) {
      uint8_t high[4] = {};
      for (int slice = 0; slice < kTogether; ++slice) {
        for (int i = 0; i < 4; ++i) {
          const int bits = values[4 * (first + slice) + i] >> 4 << (slice * kHighBits);
          high[i] = static_cast<uint8_t>(high[i] | bits);
        }
      }
      std::memcpy(integers + Layout::kHighBitsAt + kVectorBytes * (first / kTogether), high, 4);
    }
  }
}

template <typename Layout, auto read_block>
void pack_tile(const std::byte* rows, int64_t row_count, int64_t row_bytes, int64_t block_count, std::byte* tile) {
  // Half of an odd row's last unit, and rows past the matrix, are zeros.
  if (row_count < kQdotTileRows || block_count % Layout::kUnitBlocks != 0) {
    std::memset(tile, 0, static_cast<size_t>(Layout::tile_bytes(block_count)));
  }
  for (int64_t block = 0; block < block_count; ++block) {
    std::byte* integers = tile + Layout::integers_at(block);
    std::byte* scales = tile + Layout::scales_at(block);
    std::byte* minima = tile + Layout::minima_at(block);
    std::byte* f16_scales = Layout::kIsSuper ? tile + Layout::super_scales_at(block) : scales;
    std::byte* f16_minima = Layout::kIsSuper ? tile + Layout::super_minima_at(block) : minima;
    for (int64_t row = 0; row < row_count; ++row) {
      const RowBlock source = read_block(rows + row * row_bytes, block);
      pack_integers<Layout>(source.values, integers + 4 * row);
      if constexpr (Layout::kIsSuper) {
        for (int i = 0; i < Layout::kScaleCount; ++i) {
          scales[kQdotTileRows * i + row] = static_cast<std::byte>(source.super_scales[i]);
        }
        if constexpr (Layout::kHasMinimum) minima[row] = static_cast<std::byte>(source.super_minimum);
      }
      std::memcpy(f16_scales + row * 2, &source.scale, 2);
      if constexpr (Layout::kHasMinimum || Layout::kIsSuper) std::memcpy(f16_minima + row * 2, &source.minimum, 2);
    }
  }
}

#define PELTON_X(name, bits, offset, has_minimum, scales) \
  using name##Layout = QdotLayout<bits, offset, has_minimum, scales>;
PELTON_QDOT_FORMATS(PELTON_X)
#undef PELTON_X

struct Packer {
  ElementType type;
  QdotFormat format;
  void (*pack)(const std::byte* rows, int64_t row_count, int64_t row_bytes, int64_t block_count, std::byte* tile);
};

constexpr Packer kPackers[] = {
    {ElementType::kQ4_0, QdotFormat::kU4, pack_tile<kU4Layout, read_q4_0>},
    {ElementType::kQ4_1, QdotFormat::kU4Min, pack_tile<kU4MinLayout, read_q4_1>},
    {ElementType::kQ5_0, QdotFormat::kU5, pack_tile<kU5Layout, read_q5_0>},
    {ElementType::kQ5_1, QdotFormat::kU5Min, pack_tile<kU5MinLayout, read_q5_1>},
    {ElementType::kQ8_0, QdotFormat::kU8, pack_tile<kU8Layout, read_q8_0>},
    {ElementType::kQ4_K, QdotFormat::kU4Super, pack_tile<kU4SuperLayout, read_q4_k>},
    {ElementType::kQ5_K, QdotFormat::kU5Super, pack_tile<kU5SuperLayout, read_q5_k>},
    {ElementType::kQ6_K, QdotFormat::kU6Super, pack_tile<kU6SuperLayout, read_q6_k>},
};

const Packer* find_packer(ElementType type) {
  const auto* found = std::find_if(std::begin(kPackers), std::end(kPackers),
                                   [type](const Packer& packer) { return packer.type == type; });
  return found == std::end(kPackers) ? nullptr : found;
}

}  // namespace

std::optional<QdotFormat> qdot_format(ElementType type) {
  const Packer* packer = find_packer(type);
  if (packer == nullptr) return std::nullopt;
  return packer->format;
}

void qdot_pack_tile(ElementType type, const std::byte* rows, int64_t row_count, int64_t block_count, std::byte* tile) {
  const Packer* packer = find_packer(type);
  CHECK(packer != nullptr && row_count >= 1 && row_count <= kQdotTileRows);
  packer->pack(rows, row_count, bytes_of(type, block_count * kQdotBlockValues), block_count, tile);
}

}  // namespace pelton
