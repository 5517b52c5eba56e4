#include "kernels/attention/attention.h"
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

}  // namespace pelton
