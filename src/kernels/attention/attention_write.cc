#include "base/check.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_int8_layout.h"
#include "quant/half.h"

namespace pelton {
namespace {

void convert(float value, float& target) { target = value; }
void convert(float value, uint16_t& target) { target = bf16_from_f32(value); }

template <typename Element>
void write_keys(const AttentionPageWrite& write, const float* source, Element* keys) {
  for (int64_t d = 0; d < write.head_width; ++d) {
    Element* slots = keys + d * kAttentionPageTokens + write.first_slot;
    for (int64_t t = 0; t < write.token_count; ++t) convert(source[t * write.token_stride + d], slots[t]);
  }
}

template <typename Element>
void write_values(const AttentionPageWrite& write, const float* source, Element* values) {
  for (int64_t t = 0; t < write.token_count; ++t) {
    Element* value = values + (write.first_slot + t) * write.head_width;
    for (int64_t d = 0; d < write.head_width; ++d) convert(source[t * write.token_stride + d], value[d]);
  }
}

template <typename Element>
void write_page(const AttentionPageWrite& write) {
  const int64_t width = write.head_width;
  for (int64_t head = 0; head < write.head_count; ++head) {
    Element* keys = reinterpret_cast<Element*>(write.page) + 2 * head * kAttentionPageTokens * width;
    if (write.keys != nullptr) write_keys(write, write.keys + head * width, keys);
    if (write.values != nullptr) write_values(write, write.values + head * width, keys + kAttentionPageTokens * width);
  }
}

// What is done with the keys, or with the values, of one head: each token's row apart.
struct Int8Rows {
  const AttentionPageWrite& write;
  const AttentionKernels& kernels;
  std::byte* block;

  void write_keys(const float* source) const {
    int8_t row[kAttentionInt8WidthMax];
    const KvInt8Layout layout{write.head_width};
    float* scales = reinterpret_cast<float*>(block + layout.key_scales_at());
    for (int64_t t = 0; t < write.token_count; ++t) {
      const int64_t slot = write.first_slot + t;
      scales[slot] = kernels.quantise_row(source + t * write.token_stride, write.head_width, row).scale;
      for (int64_t d = 0; d < write.head_width; ++d) {
        block[d / 4 * 64 + slot * 4 + d % 4] = static_cast<std::byte>(row[d] + 128);
      }
    }
  }

  void write_values(const float* source) const {
    int8_t row[kAttentionInt8WidthMax];
    const KvInt8Layout layout{write.head_width};
    float* scales = reinterpret_cast<float*>(block + layout.value_scales_at());
    for (int64_t t = 0; t < write.token_count; ++t) {
      const int64_t slot = write.first_slot + t;
      scales[slot] = kernels.quantise_row(source + t * write.token_stride, write.head_width, row).scale;
      std::byte* values = block + layout.values_at() + slot / 4 * layout.value_width() * 4 + slot % 4;
      for (int64_t d = 0; d < write.head_width; ++d) values[4 * d] = static_cast<std::byte>(row[d]);
      for (int64_t d = write.head_width; d < layout.value_width(); ++d) values[4 * d] = std::byte{0};
    }
  }
};

}  // namespace

void write_page_f32(const AttentionPageWrite& write) { write_page<float>(write); }
void write_page_bf16(const AttentionPageWrite& write) { write_page<uint16_t>(write); }

int64_t attention_int8_block_bytes(int64_t head_width) { return KvInt8Layout{head_width}.bytes(); }

void write_page_int8(const AttentionPageWrite& write, const AttentionKernels& kernels) {
  DCHECK(write.head_width <= kAttentionInt8WidthMax);
  for (int64_t head = 0; head < write.head_count; ++head) {
    const Int8Rows rows{write, kernels, write.page + head * attention_int8_block_bytes(write.head_width)};
    if (write.keys != nullptr) rows.write_keys(write.keys + head * write.head_width);
    if (write.values != nullptr) rows.write_values(write.values + head * write.head_width);
  }
}

}  // namespace pelton
