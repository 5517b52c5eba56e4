// Does a model here compute what a reference computed elsewhere? Logits three ways, greedy continuation, loss,
// gradients.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "io/tensor_source.h"
#include "model/decoder.h"
#include "model/model.h"

namespace pelton {

struct VerifyOptions {
  double tolerance = 1e-3;
  ActivationType activations = ActivationType::kF32;
  ElementType kv_type = ElementType::kF32;
};

// Relative differences are the largest absolute difference divided by the largest magnitude of the reference tensor.
struct LogitsComparison {
  std::string way;  // "whole", "chunks of 7", "token by token"
  double max_abs_diff = 0;
  double max_rel_diff = 0;
  double kl = 0;  // mean over positions of KL(reference ‖ ours), nats
  struct Place {
    int64_t row, position, token;
    double got, expected;
  };
  std::optional<Place> first_disagreement;  // the first logit off by more than the tolerance
};

struct GreedyComparison {
  int64_t compared = 0;  // steps until our two best logits were too close to call
  bool passed = true;
};

struct LossComparison {
  double got = 0;
  double expected = 0;
  double rel_diff = 0;
};

struct GradientsComparison {
  int64_t compared = 0;
  bool passed = true;
  std::string worst_name;  // of the largest relative difference
  double worst_rel_diff = 0;
};

struct VerifyReport {
  bool passed = false;
  std::vector<LogitsComparison> logits;    // one a way
  std::optional<GreedyComparison> greedy;  // where the reference has it
  std::optional<LossComparison> loss;
  std::optional<GradientsComparison> gradients;

  // Over all ways.
  double max_abs_diff() const;
  double max_rel_diff() const;
  double kl() const;
};

// `expected` holds `input_ids` and `logits`, and may hold `loss`, `grad.NAME`, `greedy`, in the format of the project's
// reference files: I64 ids [B, T], F32 logits [B, T, V].
// Errors: kCorruptFile (a tensor missing, of a wrong type or shape, an id out of range); kInvalidArgument (another
// vocabulary than the model's; more positions than it has).
VerifyReport verify_model(Executor& executor, const std::shared_ptr<const Model>& model, const TensorSource& expected,
                          const VerifyOptions& options);

}  // namespace pelton
