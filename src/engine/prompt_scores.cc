#include "engine/prompt_scores.h"

#include "base/check.h"

namespace pelton {

void PromptScores::score(Executor& executor, std::span<const float> logits, int64_t vocabulary_size,
                         std::span<SamplerScratch> scratch) {
  if (rows_.empty()) return;
  CHECK(scratch.size() >= static_cast<size_t>(executor.thread_count()));
  const auto width = static_cast<size_t>(vocabulary_size);
  executor.parallel([&](int thread, int thread_count) {
    const Range part = split_range(static_cast<int64_t>(rows_.size()), 1, thread, thread_count);
    for (int64_t i = part.begin; i < part.end; ++i) {
      Row& row = rows_[static_cast<size_t>(i)];
      try {
        row.scored = score_token(logits.subspan(static_cast<size_t>(row.row) * width, width), row.token,
                                 row.alternative_count, scratch[static_cast<size_t>(thread)]);
      } catch (...) {
        row.error = std::current_exception();  // nothing may leave a region
      }
    }
  });
}

}  // namespace pelton
