// qdot on NEON with dot products (sdot): a vector of 16 bytes holds 4 values of k for 4 of a tile's 16 rows, and is
// multiplied with 4 of the 16 activations that another vector holds.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/qdot/qdot_layout.h"

namespace pelton {

const QdotKernels* qdot_kernels_neon();

namespace {

constexpr int kSlices = 8;
constexpr int kHalfSlices = kSlices / 2;
constexpr int kPartRows = 4;  // of a tile: a vector's lanes
constexpr int kParts = kQdotTileRows / kPartRows;

void quantise(const float* x, int64_t count, QdotActivation* blocks) {
  constexpr int kVectors = kQdotBlockValues / 4;
  for (int64_t start = 0; start < count; start += kQdotBlockValues, ++blocks) {
    float32x4_t vectors[kVectors];
    float32x4_t magnitudes = vdupq_n_f32(0);
    for (int i = 0; i < kVectors; ++i) {
      vectors[i] = vld1q_f32(x + start + 4 * i);
      magnitudes = vmaxq_f32(magnitudes, vabsq_f32(vectors[i]));
    }
    const float largest = vmaxvq_f32(magnitudes);
    const bool is_zero = largest < 1e-30f;
    const float inverse = is_zero ? 0.0f : 127.0f / largest;
    int32_t half_sums[2];
    for (int half = 0; half < 2; ++half) {
      int32x4_t integers[kVectors / 2];
      for (int i = 0; i < kVectors / 2; ++i) {
        integers[i] = vcvtnq_s32_f32(vmulq_n_f32(vectors[half * kVectors / 2 + i], inverse));
      }
      const int16x8_t low = vcombine_s16(vqmovn_s32(integers[0]), vqmovn_s32(integers[1]));
      const int16x8_t high = vcombine_s16(vqmovn_s32(integers[2]), vqmovn_s32(integers[3]));
      const int8x16_t bytes = vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
      vst1q_s8(blocks->values + half * kQdotBlockValues / 2, bytes);
      half_sums[half] = vaddvq_s32(vdotq_s32(vdupq_n_s32(0), bytes, vdupq_n_s8(1)));
    }
    const int32_t sum = half_sums[0] + half_sums[1];
    blocks->scale = is_zero ? 0.0f : largest / 127.0f;
    blocks->scaled_sum = blocks->scale * static_cast<float>(sum);
    blocks->sum = sum;
    blocks->half_sum = half_sums[0];
  }
}

inline uint8x16_t load16(const std::byte* source) { return vld1q_u8(reinterpret_cast<const uint8_t*>(source)); }

// Bits 4 and up of a value are the bits of `mask` in `bits` shifted by kShift, to the left where it is positive.
template <int kShift>
inline void or_high_bits(int8x16_t& slice, uint8x16_t bits, uint8x16_t mask) {
  if constexpr (kShift > 0) bits = vshlq_n_u8(bits, kShift);
  if constexpr (kShift < 0) bits = vshrq_n_u8(bits, -kShift);
  slice = vorrq_s8(slice, vreinterpretq_s8_u8(vandq_u8(bits, mask)));
}

template <typename Layout>
inline void load_high_bits(const std::byte* source, int8x16_t (&slices)[kSlices]) {
  if constexpr (Layout::kBits == 5) {
    const uint8x16_t mask = vdupq_n_u8(16);
    const uint8x16_t bits = load16(source);
    or_high_bits<4>(slices[0], bits, mask);
    or_high_bits<3>(slices[1], bits, mask);
    or_high_bits<2>(slices[2], bits, mask);
    or_high_bits<1>(slices[3], bits, mask);
    or_high_bits<0>(slices[4], bits, mask);
    or_high_bits<-1>(slices[5], bits, mask);
    or_high_bits<-2>(slices[6], bits, mask);
    or_high_bits<-3>(slices[7], bits, mask);
  } else {
    static_assert(Layout::kBits == 6);
    const uint8x16_t mask = vdupq_n_u8(48);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const uint8x16_t bits = load16(source + 64 * half);
      int8x16_t* four = slices + kHalfSlices * half;
      or_high_bits<4>(four[0], bits, mask);
      or_high_bits<2>(four[1], bits, mask);
      or_high_bits<0>(four[2], bits, mask);
      or_high_bits<-2>(four[3], bits, mask);
    }
  }
}

// What must still be subtracted from a weight's signed bytes: in 8 bits load_integers has taken the offset from them.
template <typename Layout>
constexpr int kOffsetLeft = Layout::kBits == 8 ? 0 : Layout::kOffset;

// The slices of 4 rows, as signed bytes: fewer than 8 bits are positive numbers there too.
template <typename Layout>
inline void load_integers(const std::byte* source, int8x16_t (&slices)[kSlices]) {
  if constexpr (Layout::kBits == 8) {
    static_assert(Layout::kOffset == 128);
    const uint8x16_t top_bit = vdupq_n_u8(128);  // u - 128 as a signed byte is u with the top bit flipped
#pragma GCC unroll 8
    for (int slice = 0; slice < kSlices; ++slice) {
      slices[slice] = vreinterpretq_s8_u8(veorq_u8(load16(source + 64 * slice), top_bit));
    }
  } else {
#pragma GCC unroll 4
    for (int slice = 0; slice < kHalfSlices; ++slice) {
      const uint8x16_t pairs = load16(source + 64 * slice);
      slices[slice] = vreinterpretq_s8_u8(vandq_u8(pairs, vdupq_n_u8(15)));
      slices[slice + kHalfSlices] = vreinterpretq_s8_u8(vshrq_n_u8(pairs, 4));
    }
    if constexpr (Layout::kBits > 4) load_high_bits<Layout>(source + Layout::kHighBitsAt, slices);
  }
}

inline float32x4_t load_f16(const std::byte* source) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(source))));
}

// 4 of 16 factors at `source`: F16, or where there are super-blocks int8 to be multiplied with the F16 at `super`.
template <typename Layout>
inline float32x4_t load_scales(const std::byte* source, const std::byte* super, int64_t first_row) {
  if constexpr (!Layout::kIsSuper) return load_f16(source + 2 * first_row);
  uint32_t four;
  __builtin_memcpy(&four, source + first_row, sizeof(four));
  const int16x8_t integers = vmovl_s8(vcreate_s8(four));
  return vmulq_f32(load_f16(super + 2 * first_row), vcvtq_f32_s32(vmovl_s16(vget_low_s16(integers))));
}

// Minus `offset`, plus the dot of four slices with 16 activations.
inline int32x4_t dot_half(const int8x16_t* slices, int8x16_t activations, int32_t offset) {
  int32x4_t dot = vdupq_n_s32(-offset);
  dot = vdotq_laneq_s32(dot, slices[0], activations, 0);
  dot = vdotq_laneq_s32(dot, slices[1], activations, 1);
  dot = vdotq_laneq_s32(dot, slices[2], activations, 2);
  return vdotq_laneq_s32(dot, slices[3], activations, 3);
}

// 4 rows of a tile in one block, ready to be multiplied.
struct Part {
  int8x16_t slices[kSlices];
  float32x4_t scales;
  float32x4_t scales_high;  // only where a block has two
  float32x4_t minima;       // only where it has them
};

template <typename Layout>
inline Part load_part(const std::byte* tile, int64_t block, int64_t first_row) {
  Part part;
  load_integers<Layout>(tile + Layout::integers_at(block) + 4 * first_row, part.slices);
  const std::byte* scales = tile + Layout::scales_at(block);
  const std::byte* super_scales = tile + Layout::super_scales_at(block);
  part.scales = load_scales<Layout>(scales, super_scales, first_row);
  if constexpr (Layout::kScaleCount == 2) {
    part.scales_high = load_scales<Layout>(scales + kQdotTileRows, super_scales, first_row);
  }
  if constexpr (Layout::kHasMinimum) {
    part.minima =
        load_scales<Layout>(tile + Layout::minima_at(block), tile + Layout::super_minima_at(block), first_row);
  }
  return part;
}

template <typename Layout>
inline float32x4_t add_part(const Part& part, const QdotActivation& activation, float32x4_t total) {
  constexpr int32_t kOffset = kOffsetLeft<Layout>;
  const int8x16_t first_half = vld1q_s8(activation.values);
  const int8x16_t second_half = vld1q_s8(activation.values + kQdotBlockValues / 2);
  const int32x4_t low = dot_half(part.slices, first_half, kOffset * activation.half_sum);
  const int32x4_t high =
      dot_half(part.slices + kHalfSlices, second_half, kOffset * (activation.sum - activation.half_sum));
  if constexpr (Layout::kScaleCount == 2) {
    const float32x4_t scaled_high = vmulq_f32(part.scales_high, vcvtq_f32_s32(high));
    return vfmaq_n_f32(total, vfmaq_f32(scaled_high, part.scales, vcvtq_f32_s32(low)), activation.scale);
  }
  const float32x4_t scales = vmulq_n_f32(part.scales, activation.scale);
  total = vfmaq_f32(total, scales, vcvtq_f32_s32(vaddq_s32(low, high)));
  if constexpr (Layout::kHasMinimum) total = vfmaq_n_f32(total, part.minima, activation.scaled_sum);
  return total;
}

// kRows rows of activations times one tile.
template <typename Layout, int kRows>
void multiply_tile(const std::byte* tile, int64_t block_count, const QdotActivation* activations,
                   float (*sums)[kQdotTileRows]) {
  float32x4_t totals[kRows][kParts];
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part) totals[row][part] = vdupq_n_f32(0);
  }
  for (int64_t block = 0; block < block_count; ++block) {
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part) {
      const Part weights = load_part<Layout>(tile, block, part * kPartRows);
#pragma GCC unroll 4
      for (int row = 0; row < kRows; ++row) {
        totals[row][part] = add_part<Layout>(weights, activations[row * block_count + block], totals[row][part]);
      }
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part) vst1q_f32(sums[row] + part * kPartRows, totals[row][part]);
  }
}

template <typename Layout>
void multiply_tile(int64_t row_count, const std::byte* tile, int64_t block_count, const QdotActivation* activations,
                   float (*sums)[kQdotTileRows]) {
  switch (row_count) {
    case 1:
      return multiply_tile<Layout, 1>(tile, block_count, activations, sums);
    case 2:
      return multiply_tile<Layout, 2>(tile, block_count, activations, sums);
    case 3:
      return multiply_tile<Layout, 3>(tile, block_count, activations, sums);
    case 4:
      return multiply_tile<Layout, 4>(tile, block_count, activations, sums);
  }
}

template <typename Layout>
void multiply(const QdotProduct& product) {
  constexpr int64_t kGroupRows = 4;  // 16 registers of totals and 8 of slices, of 32
  multiply_in_groups<Layout, kGroupRows>(product, [&](const std::byte* tile, int64_t row_count,
                                                      const QdotActivation* activations, float(*sums)[kQdotTileRows]) {
    multiply_tile<Layout>(row_count, tile, product.block_count, activations, sums);
  });
}

constexpr QdotKernels kKernels = {
    .quantise = quantise,
    .multiply =
        {
#define PELTON_X(name, bits, offset, has_minimum, scales) multiply<QdotLayout<bits, offset, has_minimum, scales>>,
            PELTON_QDOT_FORMATS(PELTON_X)
#undef PELTON_X
        },
};

}  // namespace

const QdotKernels* qdot_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
