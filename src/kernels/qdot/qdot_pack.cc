// Rearranges rows of GGUF's block formats into tiles. Integers and scales are copied, never rounded.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/qdot/qdot_layout.h"
#include "quant/half.h"

namespace pelton {
namespace {

// One block of one row. In 4 bits `bytes` holds 16 pairs (k = i in the low nibble, k = 16 + i in the high one), as GGUF
// has them too; in 8 bits 32 values.
template <typename Scale>
struct RowBlock {
  uint8_t bytes[kQdotBlockValues];
  Scale scale;
  Scale minimum;
};
using F16 = uint16_t;

template <typename T>
T read(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// --- GGUF's blocks (ggml's specification). `row` is the start of the row, `block` counts blocks of 32 values.

RowBlock<F16> read_q4_0(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 18;
  RowBlock<F16> result{.scale = read<F16>(source)};
  std::memcpy(result.bytes, source + 2, 16);
  return result;
}

RowBlock<F16> read_q4_1(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 20;
  RowBlock<F16> result{.scale = read<F16>(source), .minimum = read<F16>(source + 2)};
  std::memcpy(result.bytes, source + 4, 16);
  return result;
}

// Value i: nibble i of `nibbles` (16 low ones, then 16 high ones) and, as its fifth bit, bit i of `high_bits`.
void read_five_bits(const std::byte* high_bits, const std::byte* nibbles, uint8_t* values) {
  const uint32_t high = read<uint32_t>(high_bits);
  for (int i = 0; i < 16; ++i) {
    const uint8_t pair = static_cast<uint8_t>(nibbles[i]);
    values[i] = static_cast<uint8_t>((pair & 15u) | ((high >> i) & 1u) << 4);
    values[i + 16] = static_cast<uint8_t>((pair >> 4) | ((high >> (i + 16)) & 1u) << 4);
  }
}

RowBlock<F16> read_q5_0(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 22;
  RowBlock<F16> result{.scale = read<F16>(source)};
  read_five_bits(source + 2, source + 6, result.bytes);
  for (uint8_t& value : result.bytes) value = static_cast<uint8_t>(value + 128 - 16);  // its offset is 16, ours 128
  return result;
}

RowBlock<F16> read_q5_1(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 24;
  RowBlock<F16> result{.scale = read<F16>(source), .minimum = read<F16>(source + 2)};
  read_five_bits(source + 4, source + 8, result.bytes);
  return result;
}

RowBlock<F16> read_q8_0(const std::byte* row, int64_t block) {
  const std::byte* source = row + block * 34;
  RowBlock<F16> result{.scale = read<F16>(source)};
  std::memcpy(result.bytes, source + 2, 32);
  for (uint8_t& value : result.bytes) value ^= 0x80u;  // signed to offset 128
  return result;
}

// Scale and minimum of sub-block `part` (0 to 7) of a Q4_K or Q5_K super-block: 6 bits each in 12 bytes after two F16.
// Products of an F16 and 6 bits are exact in F32.
void read_k_scales(const std::byte* super_block, int part, RowBlock<float>& result) {
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
  result.scale = f32_from_f16(read<F16>(super_block)) * static_cast<float>(scale);
  result.minimum = -f32_from_f16(read<F16>(super_block + 2)) * static_cast<float>(minimum);
}

// Sub-blocks 2p and 2p + 1 are the low and high nibbles of the same 32 bytes.
uint8_t k_nibble(const std::byte* nibbles, int part, int i) {
  return static_cast<uint8_t>(static_cast<uint8_t>(nibbles[part / 2 * 32 + i]) >> (part % 2 * 4) & 15u);
}

RowBlock<float> read_q4_k(const std::byte* row, int64_t block) {
  const std::byte* super_block = row + block / 8 * 144;
  const int part = static_cast<int>(block % 8);
  RowBlock<float> result{};
  read_k_scales(super_block, part, result);
  const std::byte* nibbles = super_block + 16;
  for (int i = 0; i < 16; ++i) {
    result.bytes[i] = static_cast<uint8_t>(k_nibble(nibbles, part, i) | k_nibble(nibbles, part, i + 16) << 4);
  }
  return result;
}

RowBlock<float> read_q5_k(const std::byte* row, int64_t block) {
  const std::byte* super_block = row + block / 8 * 176;
  const int part = static_cast<int>(block % 8);
  RowBlock<float> result{};
  read_k_scales(super_block, part, result);
  const std::byte* high_bits = super_block + 16;
  const std::byte* nibbles = super_block + 48;
  for (int i = 0; i < 32; ++i) {
    const uint32_t high = static_cast<uint32_t>(high_bits[i]) >> part & 1u;
    result.bytes[i] = static_cast<uint8_t>(k_nibble(nibbles, part, i) | high << 4);
  }
  return result;
}

// --- Tiles.

template <typename Layout, auto read_block>
void pack_tile(const std::byte* rows, int64_t row_count, int64_t row_bytes, int64_t block_count, std::byte* tile) {
  // Half of an odd row's last unit, and rows past the matrix, are zeros.
  if (row_count < kQdotTileRows || block_count % 2 != 0) {
    std::memset(tile, 0, static_cast<size_t>(Layout::tile_bytes(block_count)));
  }
  for (int64_t block = 0; block < block_count; ++block) {
    std::byte* integers = tile + Layout::integers_at(block);
    std::byte* scales = tile + Layout::scales_at(block);
    std::byte* minima = tile + Layout::minima_at(block);
    for (int64_t row = 0; row < row_count; ++row) {
      const auto source = read_block(rows + row * row_bytes, block);
      static_assert(sizeof(source.scale) == Layout::kScaleBytes);
      for (int slice = 0; slice < Layout::kBits; ++slice) {
        std::memcpy(integers + 64 * slice + 4 * row, source.bytes + 4 * slice, 4);
      }
      std::memcpy(scales + row * Layout::kScaleBytes, &source.scale, Layout::kScaleBytes);
      if constexpr (Layout::kHasMinimum) {
        std::memcpy(minima + row * Layout::kScaleBytes, &source.minimum, Layout::kScaleBytes);
      }
    }
  }
}

#define PELTON_X(name, bits, offset, has_minimum, scale_bytes) \
  using name##Layout = QdotLayout<bits, offset, has_minimum, scale_bytes>;
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
    {ElementType::kQ5_0, QdotFormat::kU8, pack_tile<kU8Layout, read_q5_0>},
    {ElementType::kQ5_1, QdotFormat::kU8Min, pack_tile<kU8MinLayout, read_q5_1>},
    {ElementType::kQ8_0, QdotFormat::kU8, pack_tile<kU8Layout, read_q8_0>},
    {ElementType::kQ4_K, QdotFormat::kU4MinF32, pack_tile<kU4MinF32Layout, read_q4_k>},
    {ElementType::kQ5_K, QdotFormat::kU8MinF32, pack_tile<kU8MinF32Layout, read_q5_k>},
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
