#include "base/check.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_int8_layout.h"
#include "quant/half.h"

namespace pelton {
namespace {

void convert(float value, float& target) { target = value; }
void convert(float value, uint16_t& target) { target = bf16_from_f32(value); }

template <typename Element>
void write_page(const AttentionPageWrite& write) {
  const int64_t width = write.head_width;
  for (int64_t head = 0; head < write.head_count; ++head) {
    Element* keys = reinterpret_cast<Element*>(write.page) + 2 * head * kAttentionPageTokens * width;
    Element* values = keys + kAttentionPageTokens * width;
    const float* new_keys = write.keys + head * width;
    const float* new_values = write.values + head * width;
    for (int64_t d = 0; d < width; ++d) {
      Element* slots = keys + d * kAttentionPageTokens + write.first_slot;
      for (int64_t t = 0; t < write.token_count; ++t) convert(new_keys[t * write.token_stride + d], slots[t]);
    }
    for (int64_t t = 0; t < write.token_count; ++t) {
      Element* value = values + (write.first_slot + t) * width;
      for (int64_t d = 0; d < width; ++d) convert(new_values[t * write.token_stride + d], value[d]);
    }
  }
}

}  // namespace

void write_page_f32(const AttentionPageWrite& write) { write_page<float>(write); }
void write_page_bf16(const AttentionPageWrite& write) { write_page<uint16_t>(write); }

int64_t attention_int8_block_bytes(int64_t head_width) { return KvInt8Layout{head_width}.bytes(); }

void write_page_int8(const AttentionPageWrite& write, const AttentionKernels& kernels) {
  DCHECK(write.head_width <= kAttentionInt8WidthMax);
  const KvInt8Layout layout{write.head_width};
  int8_t row[kAttentionInt8WidthMax];
  for (int64_t head = 0; head < write.head_count; ++head) {
    std::byte* block = write.page + head * layout.bytes();
    float* key_scales = reinterpret_cast<float*>(block + layout.key_scales_at());
    float* value_scales = reinterpret_cast<float*>(block + layout.value_scales_at());
    for (int64_t t = 0; t < write.token_count; ++t) {
      const int64_t slot = write.first_slot + t;
      const int64_t source = t * write.token_stride + head * write.head_width;
      key_scales[slot] = kernels.quantise_row(write.keys + source, write.head_width, row).scale;
      for (int64_t d = 0; d < write.head_width; ++d) {
        block[d / 4 * 64 + slot * 4 + d % 4] = static_cast<std::byte>(row[d] + 128);
      }
      value_scales[slot] = kernels.quantise_row(write.values + source, write.head_width, row).scale;
      std::byte* values = block + layout.values_at() + slot / 4 * layout.value_width() * 4 + slot % 4;
      for (int64_t d = 0; d < write.head_width; ++d) values[4 * d] = static_cast<std::byte>(row[d]);
      for (int64_t d = write.head_width; d < layout.value_width(); ++d) values[4 * d] = std::byte{0};
    }
  }
}

}  // namespace pelton
