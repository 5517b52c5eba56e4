// Makes tokens that were already used less (or more) likely.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "engine/request.h"

namespace pelton {

// One for each request: remembers which tokens its prompt and answer hold.
class Penalties {
 public:
  Penalties(const SamplingParameters& sampling, std::span<const TokenId> prompt);

  // Without effect, everything here is skipped.
  bool is_active() const { return is_active_; }
  // A token of the answer.
  void record(TokenId token);
  // Changes the logits [V] of the recorded tokens; results are finite where the logits are.
  void apply(std::span<float> logits) const;

 private:
  double repetition_;
  double frequency_;
  double presence_;
  bool is_active_;
  std::unordered_map<TokenId, int64_t> answer_counts_;  // 0: only in the prompt
};

}  // namespace pelton
