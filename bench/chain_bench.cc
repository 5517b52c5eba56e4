#include "chain_bench.h"

#include <fmt/core.h>

#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/rng.h"
#include "quant/blocks.h"
#include "stopwatch.h"

namespace pelton {
namespace {

// SmolLM2-135M.
constexpr int64_t kLayerCount = 30;
constexpr int64_t kWidth = 576;
constexpr int64_t kKeyValueWidth = 192;
constexpr int64_t kFeedForwardWidth = 1536;
constexpr int64_t kVocabularySize = 49152;

ElementType type_of(const std::string& name) {
  for (int id = 0; id < 32; ++id) {
    const std::optional<ElementType> type = element_type_from_gguf(static_cast<uint32_t>(id));
    if (type.has_value() && element_type_name(*type) == name && can_decode(*type)) return *type;
  }
  throw Error(ErrorCode::kUsage, fmt::format("unknown weight type '{}'", name));
}

// One encoded row, repeated: values do not matter to the time, and encoding is slow.
Tensor make_weight(ElementType type, int64_t n, int64_t k, Rng& rng) {
  std::vector<float> row(static_cast<size_t>(k));
  for (float& value : row) value = rng.next_symmetric();
  Tensor weight(type, {n, k});
  encode_function(type)(row.data(), weight.mutable_data(), k);
  for (int64_t i = 1; i < n; ++i)
    std::memcpy(weight.mutable_data() + i * weight.row_bytes(), weight.data(), static_cast<size_t>(weight.row_bytes()));
  return weight;
}

struct Layer {
  LinearWeight q, k, v, o, gate, up, down;
};

struct Chain {
  std::vector<Layer> layers;
  LinearWeight output;
  int64_t traffic_bytes = 0;
};

Chain make_chain(Executor& executor, ElementType type, ActivationType activations) {
  Rng rng(1);
  Chain chain;
  const auto make = [&](ElementType element_type, int64_t n, int64_t k) {
    LinearWeight weight(executor, make_weight(element_type, n, k, rng), activations);
    chain.traffic_bytes += weight.traffic_bytes();
    return weight;
  };
  for (int64_t layer = 0; layer < kLayerCount; ++layer) {
    chain.layers.push_back({make(type, kWidth, kWidth), make(type, kKeyValueWidth, kWidth),
                            make(type, kKeyValueWidth, kWidth), make(type, kWidth, kWidth),
                            make(type, kFeedForwardWidth, kWidth), make(type, kFeedForwardWidth, kWidth),
                            make(type, kWidth, kFeedForwardWidth)});
  }
  chain.output = make(ElementType::kQ8_0, kVocabularySize, kWidth);
  return chain;
}

// A prompt needs logits for its last row only; a batch of decoding sequences for all rows.
constexpr int64_t kDecodeRowsMax = 32;

class Step {
 public:
  Step(Executor& executor, const Chain& chain, int64_t rows)
      : executor_(executor), chain_(chain), rows_(rows), output_rows_(rows <= kDecodeRowsMax ? rows : 1) {
    Rng rng(2);
    x_.resize(static_cast<size_t>(rows * kFeedForwardWidth));
    for (float& value : x_) value = rng.next_symmetric();
    y_.resize(static_cast<size_t>(std::max(rows * kFeedForwardWidth, output_rows_ * kVocabularySize)));
  }

  // Inputs are set anew for each group of matrices that shares one, so that quantising them is part of the time.
  void run() {
    for (const Layer& layer : chain_.layers) {
      input_.set(x_.data(), rows_, kWidth);
      for (const LinearWeight* weight : {&layer.q, &layer.k, &layer.v}) linear(executor_, input_, *weight, y_.data());
      input_.set(x_.data(), rows_, kWidth);
      linear(executor_, input_, layer.o, y_.data());
      input_.set(x_.data(), rows_, kWidth);
      for (const LinearWeight* weight : {&layer.gate, &layer.up}) linear(executor_, input_, *weight, y_.data());
      input_.set(x_.data(), rows_, kFeedForwardWidth);
      linear(executor_, input_, layer.down, y_.data());
    }
    input_.set(x_.data(), output_rows_, kWidth);
    linear(executor_, input_, chain_.output, y_.data());
  }

  double operations() const {
    const double layer = static_cast<double>(kWidth) * (2 * kWidth + 2 * kKeyValueWidth + 3 * kFeedForwardWidth);
    return 2 * (static_cast<double>(rows_ * kLayerCount) * layer +
                static_cast<double>(output_rows_) * kWidth * kVocabularySize);
  }

 private:
  Executor& executor_;
  const Chain& chain_;
  int64_t rows_;
  int64_t output_rows_;
  LinearInput input_;
  std::vector<float> x_, y_;
};

}  // namespace

void run_chain_bench(const ChainOptions& options) {
  fmt::print("SmolLM2-135M, all matrices of a step (logits of every row up to {} rows, of one row beyond)\n",
             kDecodeRowsMax);
  fmt::print("{:<6} {:>7} {:>6} {:>10} {:>10} {:>8} {:>8}\n", "type", "threads", "rows", "ms", "rows/s", "GB/s",
             "GOP/s");
  for (const std::string& name : options.types) {
    for (int threads : options.threads) {
      Executor executor(threads);
      const Chain chain = make_chain(executor, type_of(name), options.activations);
      for (int rows : options.rows) {
        Step step(executor, chain, rows);
        const double seconds = seconds_of({.burst_count = 25, .burst_seconds = 0.01}, [&] { step.run(); });
        fmt::print("{:<6} {:>7} {:>6} {:>10.3f} {:>10.0f} {:>8.1f} {:>8.0f}\n", name, threads, rows, seconds * 1e3,
                   rows / seconds, static_cast<double>(chain.traffic_bytes) / seconds / 1e9,
                   step.operations() / seconds / 1e9);
      }
    }
  }
}

}  // namespace pelton
