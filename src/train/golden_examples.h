// For tests: the rows that PEFT was given in tests/golden, as examples, and what a model computes of them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "io/safetensors.h"
#include "model/differentiable.h"
#include "train/example.h"

namespace pelton {

// Of "input_ids": every token but a row's first is learnt.
inline std::vector<Example> golden_examples(const SafetensorsFile& expected) {
  const Tensor ids = *expected.find("input_ids");
  std::vector<Example> examples;
  for (int64_t row = 0; row < ids.shape()[0]; ++row) {
    TrainingSequence sequence;
    for (int64_t i = 0; i < ids.shape()[1]; ++i) {
      sequence.tokens.push_back(
          static_cast<int32_t>(reinterpret_cast<const int64_t*>(ids.data())[row * ids.shape()[1] + i]));
      sequence.is_learnt.push_back(i > 0);
    }
    examples.push_back({.place = "row", .sequences = {sequence}});
  }
  return examples;
}

inline std::vector<float> golden_logits(Executor& executor, std::shared_ptr<const Model> model,
                                        const std::vector<Example>& examples) {
  TrainingBatch batch{.tokens = {}, .offsets = {0}};
  for (const Example& example : examples) {
    const std::vector<int32_t>& tokens = example.sequences.front().tokens;
    batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
    batch.offsets.push_back(static_cast<int64_t>(batch.tokens.size()));
  }
  batch.targets.assign(batch.tokens.size(), 0);
  DifferentiableModel computed(executor, std::move(model));
  const std::span<const float> logits = computed.forward(batch);
  return {logits.begin(), logits.end()};
}

}  // namespace pelton
