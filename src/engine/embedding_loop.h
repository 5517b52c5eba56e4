// Embeddings, step by step, on one thread: plan, run the model, pool. The counterpart of StepLoop, with a scheduler and
// pages of its own; texts of several requests share a step.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/embedding_request.h"
#include "engine/request.h"
#include "engine/runner.h"
#include "engine/scheduler.h"
#include "engine/statistics.h"

namespace pelton {

// A request that was checked and has its number.
struct EmbeddingSubmission {
  RequestId id;
  EmbeddingRequest request;
  std::shared_ptr<EmbeddingSink> sink;
};

class EmbeddingLoop {
 public:
  struct Environment {
    StepRunner& runner;
    int64_t step_token_count_max = 512;
    int64_t sequence_count_max = 64;
    // Called when a request has ended, before its sink hears of it. May be empty.
    std::function<void()> on_release = {};
  };
  explicit EmbeddingLoop(Environment environment);
  ~EmbeddingLoop();
  EmbeddingLoop(const EmbeddingLoop&) = delete;
  EmbeddingLoop& operator=(const EmbeddingLoop&) = delete;

  // Nothing here throws, as in StepLoop.
  void add(EmbeddingSubmission submission) noexcept;
  // Unknown or finished: nothing.
  void cancel(RequestId id) noexcept;
  // A runner that throws fails the requests of the step with kInternal and no others.
  void step() noexcept;
  void fail_all(const Error& error) noexcept;

  bool is_idle() const { return active_.empty(); }
  // Adds what this loop does to `statistics`.
  void add_to(EngineStatistics& statistics) const;

 private:
  struct Active;
  struct Text;

  void step_or_throw();
  std::span<const float> run_model();
  // The rows of `hidden`, which it moves on, that belong to these of a text.
  void pool(const ScheduledRows& rows, std::span<const float>& hidden);
  void finish(Active& active);
  void fail(RequestId id, const Error& error) noexcept;
  std::shared_ptr<EmbeddingSink> release(RequestId id);

  Environment environment_;
  RunnerLimits limits_;
  Scheduler scheduler_;
  std::unordered_map<RequestId, std::unique_ptr<Active>> active_;
  std::unordered_map<SequenceId, Text> texts_;  // by the number that the scheduler knows
  uint64_t text_count_ = 0;
  StepPlan plan_;
  StepBatch batch_;
  std::vector<std::vector<int32_t>> pages_;        // of the step's sequences, in the runner's numbers
  std::vector<std::vector<int32_t>> local_pages_;  // likewise in layers with a window
  int64_t step_count_ = 0;
  int64_t step_row_count_ = 0;
};

// Which of a text's rows [first_position, first_position + row_count) count for its embedding, from the first on:
// pure, for tests.
struct PooledRows {
  int64_t first;
  int64_t count;
};
PooledRows pooled_rows(Pooling pooling, const ScheduledRows& rows);

// Sums of rows → an embedding.
std::vector<float> finish_embedding(std::vector<double> sums, int64_t row_count, const EmbeddingRequest& request);

}  // namespace pelton
