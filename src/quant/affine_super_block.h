// What Q4_K and Q5_K share: 256 values in 8 sub-blocks of 32,
//     value = (scale · sub_scale) · code − (offset · sub_offset),
// with FP16 scale and offset and 6-bit sub_scale and sub_offset. Offsets are not negative: a sub-block's range always
// includes zero.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pelton::format {

inline constexpr size_t kSuperElements = 256;
inline constexpr size_t kSubBlocks = 8;
inline constexpr size_t kSubElements = kSuperElements / kSubBlocks;

struct SubScales {
  std::array<uint8_t, kSubBlocks> scale;   // 0 .. 63
  std::array<uint8_t, kSubBlocks> offset;  // 0 .. 63
};

// The eight pairs of 6-bit numbers in 12 bytes: the first four lie whole in the low bits of bytes 0–3 (scales) and 4–7
// (offsets), whose top two bits complete the last four; their low nibbles share bytes 8–11.
SubScales unpack_sub_scales(std::span<const uint8_t, 12> packed);
void pack_sub_scales(const SubScales& scales, std::span<uint8_t, 12> packed);

struct AffineSuperBlock {
  uint16_t scale;   // FP16
  uint16_t offset;  // FP16
  SubScales sub_scales;
  std::array<uint8_t, kSuperElements> codes;  // 0 .. code_max
};

// Searches for the scales with the least squared error. Plain squares, because for inputs of equal variance the error
// of a layer's output is the sum of the squared errors of its weights. Finite values only; what FP16 scales cannot
// reach saturates.
AffineSuperBlock encode_affine_super_block(std::span<const float, kSuperElements> values, int code_max);

}  // namespace pelton::format
