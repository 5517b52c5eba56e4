// The log-probabilities of prompts' own tokens that one step tells: which of its rows tell which, and what they say.
#pragma once

#include <cstdint>
#include <exception>
#include <span>
#include <vector>

#include "engine/request.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "ops/executor.h"

namespace pelton {

class PromptScores {
 public:
  // Logits of prompts in one step, which are all there at once: 64 MB.
  static constexpr int64_t kLogitsMax = int64_t{16} << 20;

  struct Row {
    SequenceId sequence;
    int64_t row;  // of the step's logits
    TokenId token;
    int alternative_count;
    SampledToken scored = {};
    std::exception_ptr error = {};  // null: none
  };

  void clear() { rows_.clear(); }
  void add(const Row& row) { rows_.push_back(row); }
  bool is_empty() const { return rows_.empty(); }
  // Fills `scored`, or `error`, by all threads. logits: [rows, vocabulary_size]. scratch: one a thread.
  void score(Executor& executor, std::span<const float> logits, int64_t vocabulary_size,
             std::span<SamplerScratch> scratch);
  // In the order in which they were added.
  std::span<Row> rows() { return rows_; }

 private:
  std::vector<Row> rows_;
};

}  // namespace pelton
