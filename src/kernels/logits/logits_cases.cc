#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/rng.h"
#include "kernels/logits/logits.h"

namespace pelton {

void append_logits_cases(std::vector<OpCase>& cases) {
  for (const int64_t count : {1, 7, 8, 15, 16, 17, 33, 1023, 1024}) {
    Rng rng(static_cast<uint64_t>(count));
    auto x = std::make_shared<std::vector<float>>();
    for (int64_t i = 0; i < count; ++i) x->push_back(60 * rng.next_symmetric());  // exponents down to -120 and below
    const double elements = static_cast<double>(count);
    for (const float inverse_temperature : {1.0f, 1.43f}) {
      OpCase weigh;
      weigh.name = fmt::format("logits_weigh/V={},1/T={}", count, inverse_temperature);
      weigh.output_count = count + 1;
      weigh.tolerance = 0;  // the same bits
      weigh.flops = 24 * elements;
      weigh.bytes = 8 * elements;
      weigh.run = [=](Isa isa, std::span<float> output) {
        const float peak = *std::max_element(x->begin(), x->end());
        output.back() =
            static_cast<float>(logits_kernels(isa).weigh(x->data(), peak, inverse_temperature, count, output.data()));
      };
      cases.push_back(std::move(weigh));
    }
    OpCase search;
    search.name = fmt::format("logits_search/V={}", count);
    search.output_count = count + 3;
    search.tolerance = 0;
    search.flops = 3 * elements;
    search.bytes = 8 * elements;
    search.run = [=](Isa isa, std::span<float> output) {
      const LogitsKernels& kernels = logits_kernels(isa);
      std::vector<int32_t> indices(static_cast<size_t>(count));
      // A value that is there: it is at least itself.
      const int64_t found = kernels.at_least(x->data(), x->front(), count, indices.data());
      std::fill(output.begin(), output.end(), -1.0f);
      std::copy_n(indices.begin(), found, output.begin());
      const LogitsRange range = kernels.range(x->data(), count);
      output[static_cast<size_t>(count)] = range.maximum;
      output[static_cast<size_t>(count) + 1] = range.is_finite ? 1.0f : 0.0f;
      output[static_cast<size_t>(count) + 2] = static_cast<float>(found);
    };
    cases.push_back(std::move(search));
  }
}

}  // namespace pelton
