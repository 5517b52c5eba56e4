#include <fmt/format.h>

#include <memory>

#include "base/rng.h"
#include "kernels/decode/decode.h"

namespace pelton {

void append_decode_cases(std::vector<OpCase>& cases) {
  for (ElementType type : {ElementType::kF32, ElementType::kF16, ElementType::kBF16, ElementType::kQ4_0,
                           ElementType::kQ4_1, ElementType::kQ5_0, ElementType::kQ5_1, ElementType::kQ8_0,
                           ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K}) {
    for (int64_t block_count : {1, 3, 18}) {
      const int64_t count = block_count * info(type).block_elements;
      Rng rng(static_cast<uint64_t>(count));
      std::vector<float> values(static_cast<size_t>(count));
      for (float& value : values) value = rng.next_symmetric();
      auto blocks = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(type, count)));
      encode_function(type)(values.data(), blocks->data(), count);

      OpCase result;
      result.name = fmt::format("decode_{}/count={}", element_type_name(type), count);
      result.output_count = count;
      result.tolerance = 0;  // at most one operation rounds
      result.flops = 2.0 * static_cast<double>(count);
      result.bytes = static_cast<double>(bytes_of(type, count) + 4 * count);
      result.run = [blocks, type, count](Isa isa, std::span<float> output) {
        decode_kernel(isa, type)(blocks->data(), output.data(), count);
      };
      cases.push_back(std::move(result));
    }
  }
}

}  // namespace pelton
