// Decoding on Vec; compiled once per ISA. Block layouts: the structs in quant/NAME.cc.
//
// Codes are cut out of 16 bytes at a time on every ISA and widened to floats from there: what costs is the widening and
// the stores, not the bits.
#pragma once

#include "kernels/decode/decode.h"
#include "kernels/decode/decode_codes.h"

namespace pelton {
namespace {

// step · integer. Not the sum below with offset 0: that would lose the sign of −0.
inline void store_products(float* values, Codes integers, float step) {
  store16(values, integers, [step](Vec v) { return splat(step) * v; });
}

// step · integer + offset
inline void store_sums(float* values, Codes integers, float step, float offset) {
  store16(values, integers, [step, offset](Vec v) { return fma(splat(step), v, splat(offset)); });
}

// --- blocks of 32 values

constexpr int64_t kBlockValues = 32;

template <int kBlockBytes, typename DecodeBlock>
inline void for_each_block(const std::byte* blocks, float* values, int64_t count, DecodeBlock decode_block) {
  for (int64_t i = 0; i < count; i += kBlockValues, blocks += kBlockBytes) decode_block(blocks, values + i);
}

void decode_q4_0(const std::byte* blocks, float* values, int64_t count) {
  for_each_block<18>(blocks, values, count, [](const std::byte* block, float* target) {
    const float scale = load_f16(block);
    const Codes codes = load16(block + 2);
    store_products(target, less(low_nibbles(codes), 8), scale);
    store_products(target + 16, less(high_nibbles(codes), 8), scale);
  });
}

void decode_q4_1(const std::byte* blocks, float* values, int64_t count) {
  for_each_block<20>(blocks, values, count, [](const std::byte* block, float* target) {
    const float scale = load_f16(block);
    const float minimum = load_f16(block + 2);
    const Codes codes = load16(block + 4);
    store_sums(target, low_nibbles(codes), scale, minimum);
    store_sums(target + 16, high_nibbles(codes), scale, minimum);
  });
}

void decode_q5_0(const std::byte* blocks, float* values, int64_t count) {
  for_each_block<22>(blocks, values, count, [](const std::byte* block, float* target) {
    const float scale = load_f16(block);
    const Codes nibbles = load16(block + 6);
    const Codes low = both(low_nibbles(nibbles), load_fifth_bits(block + 2));
    const Codes high = both(high_nibbles(nibbles), load_fifth_bits(block + 4));
    store_products(target, less(low, 16), scale);
    store_products(target + 16, less(high, 16), scale);
  });
}

void decode_q5_1(const std::byte* blocks, float* values, int64_t count) {
  for_each_block<24>(blocks, values, count, [](const std::byte* block, float* target) {
    const float scale = load_f16(block);
    const float minimum = load_f16(block + 2);
    const Codes nibbles = load16(block + 8);
    store_sums(target, both(low_nibbles(nibbles), load_fifth_bits(block + 4)), scale, minimum);
    store_sums(target + 16, both(high_nibbles(nibbles), load_fifth_bits(block + 6)), scale, minimum);
  });
}

void decode_q8_0(const std::byte* blocks, float* values, int64_t count) {
  for_each_block<34>(blocks, values, count, [](const std::byte* block, float* target) {
    const float scale = load_f16(block);
    store_products(target, load16(block + 2), scale);
    store_products(target + 16, load16(block + 18), scale);
  });
}

// --- super-blocks of 256 values

constexpr int64_t kSuperBlockValues = 256;

// The steps and negated offsets of the 8 sub-blocks of 32 values that open a block of Q4_K or Q5_K.
struct SubScales {
  explicit SubScales(const std::byte* block) {
    const float scale = load_f16(block);
    const float offset = load_f16(block + 2);
    uint32_t packed[3];  // quant/affine_super_block.h; four 6-bit numbers are worked on at once, one a byte
    __builtin_memcpy(packed, block + 4, sizeof(packed));
    constexpr uint32_t kSixBits = 0x3F3F3F3F, kFourBits = 0x0F0F0F0F, kTopBits = 0x30303030;
    store_products(steps, codes_of(packed[0] & kSixBits, (packed[2] & kFourBits) | (packed[0] >> 2 & kTopBits)), scale);
    store_products(negated_offsets,
                   codes_of(packed[1] & kSixBits, (packed[2] >> 4 & kFourBits) | (packed[1] >> 2 & kTopBits)), -offset);
  }

  // The first 8 count: 16 integers are the least that is widened.
  float steps[16];
  float negated_offsets[16];
};

void decode_q4_k(const std::byte* blocks, float* values, int64_t count) {
  for (int64_t start = 0; start < count; start += kSuperBlockValues, blocks += 144) {
    const SubScales scales(blocks);
    for (int pair = 0; pair < 4; ++pair) {
      for (int half = 0; half < 2; ++half) {
        const Codes codes = load16(blocks + 16 + pair * 32 + half * 16);
        float* target = values + start + pair * 64 + half * 16;
        store_sums(target, low_nibbles(codes), scales.steps[2 * pair], scales.negated_offsets[2 * pair]);
        store_sums(target + 32, high_nibbles(codes), scales.steps[2 * pair + 1], scales.negated_offsets[2 * pair + 1]);
      }
    }
  }
}

void decode_q5_k(const std::byte* blocks, float* values, int64_t count) {
  for (int64_t start = 0; start < count; start += kSuperBlockValues, blocks += 176) {
    const SubScales scales(blocks);
#pragma GCC unroll 8  // shifts by constants: 1.15 times as fast with AVX-512
    for (int sub = 0; sub < 8; ++sub) {
      for (int half = 0; half < 2; ++half) {
        const Codes nibbles = load16(blocks + 48 + sub / 2 * 32 + half * 16);
        const Codes low = sub % 2 == 0 ? low_nibbles(nibbles) : high_nibbles(nibbles);
        const Codes high = high_bits(load16(blocks + 16 + half * 16), sub, 1);
        store_sums(values + start + sub * 32 + half * 16, both(low, high), scales.steps[sub],
                   scales.negated_offsets[sub]);
      }
    }
  }
}

void decode_q6_k(const std::byte* blocks, float* values, int64_t count) {
  for (int64_t start = 0; start < count; start += kSuperBlockValues, blocks += 210) {
    const std::byte* high_pairs = blocks + 128;
    float steps[16];
    store_products(steps, load16(blocks + 192), load_f16(blocks + 208));
#pragma GCC unroll 16  // shifts by constants: 1.5 to 1.8 times as fast
    for (int sub = 0; sub < 16; ++sub) {
      const int half = sub / 8;
      const int run = sub / 2 % 4;  // of 32 values, two sub-blocks
      const int at = sub % 2 * 16;
      const Codes nibbles = load16(blocks + half * 64 + run % 2 * 32 + at);
      const Codes low = run < 2 ? low_nibbles(nibbles) : high_nibbles(nibbles);
      const Codes high = high_bits(load16(high_pairs + half * 32 + at), run * 2, 3);
      store_products(values + start + sub * 16, less(both(low, high), 32), steps[sub]);
    }
  }
}

// --- single values of two bytes

template <typename Widen>
inline void decode_halves(const std::byte* halves, float* values, int64_t count, Widen widen) {
  constexpr int64_t kBytes = 2;
  int64_t i = 0;
  for (; i + Vec::kWidth <= count; i += Vec::kWidth) store(values + i, widen(halves + i * kBytes));
  if (i == count) return;
  std::byte rest[Vec::kWidth * kBytes] = {};
  __builtin_memcpy(rest, halves + i * kBytes, static_cast<size_t>((count - i) * kBytes));
  store_first(values + i, widen(rest), count - i);
}

void decode_f16(const std::byte* halves, float* values, int64_t count) {
  decode_halves(halves, values, count, [](const std::byte* source) { return load_f16_vec(source); });
}

void decode_bf16(const std::byte* halves, float* values, int64_t count) {
  decode_halves(halves, values, count,
                [](const std::byte* source) { return load(reinterpret_cast<const uint16_t*>(source)); });
}

// --- the list

struct Decoder {
  ElementType type;
  DecodeFunction decode;
};

constexpr Decoder kDecoders[] = {
    {ElementType::kF16, decode_f16},   {ElementType::kBF16, decode_bf16}, {ElementType::kQ4_0, decode_q4_0},
    {ElementType::kQ4_1, decode_q4_1}, {ElementType::kQ5_0, decode_q5_0}, {ElementType::kQ5_1, decode_q5_1},
    {ElementType::kQ8_0, decode_q8_0}, {ElementType::kQ4_K, decode_q4_k}, {ElementType::kQ5_K, decode_q5_k},
    {ElementType::kQ6_K, decode_q6_k},
};

inline DecodeFunction find_decoder(ElementType type) {
  for (const Decoder& decoder : kDecoders) {
    if (decoder.type == type) return decoder.decode;
  }
  return nullptr;
}

}  // namespace
}  // namespace pelton
