#include "eval/text_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "eval/next_token_distribution.h"

namespace pelton {
namespace {

// A row of a step's logits: what chunk `chunk` says after its token `row`.
struct ScoredRow {
  int64_t chunk;
  int64_t row;
};

NextTokenDistribution distribution_of(std::span<const float> logits, const ScoredRow& place, std::string_view who) {
  const std::optional<NextTokenDistribution> distribution = NextTokenDistribution::of(logits);
  if (!distribution) {
    throw Error(ErrorCode::kInternal,
                fmt::format("{} computed logits that are no finite numbers, in chunk {} after token {}; its weights "
                            "may be damaged (--activations f32 tells whether fast arithmetic is to blame)",
                            who, place.chunk, place.row));
  }
  return *distribution;
}

class TextEvaluator {
 public:
  TextEvaluator(const TextChunks& chunks, const EvaluatedModels& models)
      : chunks_(chunks), models_(models), vocabulary_size_(models.model.limits().vocabulary_size) {
    check_tokens();
    const int64_t page_token_count = models.model.limits().page_token_count;
    page_count_ = (chunks.token_count() + page_token_count - 1) / page_token_count;
    rows_per_chunk_ = std::min(chunks.token_count(), kEvaluationStepRows);
    group_size_ = kEvaluationStepRows / rows_per_chunk_;
    fit_to(models.model.limits());
    if (models.reference != nullptr) {
      CHECK(models.reference->limits().page_token_count == page_token_count);
      fit_to(models.reference->limits());
    }
    pages_.resize(static_cast<size_t>(group_size_ * page_count_));
    std::iota(pages_.begin(), pages_.end(), 0);
  }

  void run(const std::function<void(const EvaluationProgress&)>& on_progress) {
    for (int64_t begin = 0; begin < chunks_.count();) {
      const int64_t end = std::min(begin + group_size_, chunks_.count());
      for (int64_t row = 0; row < chunks_.token_count(); row += rows_per_chunk_) {
        run_step({begin, end}, {row, std::min(row + rows_per_chunk_, chunks_.token_count())});
      }
      begin = end;
      on_progress({.chunks_done = end, .chunk_count = chunks_.count(), .perplexity = perplexity_.result().value});
    }
  }

  TextEvaluation result() const {
    TextEvaluation evaluation;
    evaluation.perplexity = perplexity_.result();
    evaluation.bits_per_byte = bits_per_byte(evaluation.perplexity, chunks_.scored_bytes());
    if (models_.reference != nullptr) evaluation.reference = {reference_perplexity_.result(), divergence_.result()};
    return evaluation;
  }

 private:
  // A tokenizer may know more tokens than the model has rows for.
  void check_tokens() const {
    for (const int32_t token : chunks_.all_tokens()) {
      if (token >= 0 && token < vocabulary_size_) continue;
      throw Error(ErrorCode::kCorruptFile,
                  fmt::format("the tokenizer gives token {} for this text, but the model has only {} tokens", token,
                              vocabulary_size_));
    }
  }

  void fit_to(const RunnerLimits& limits) {
    CHECK(limits.vocabulary_size == vocabulary_size_ && limits.context_length >= chunks_.token_count());
    // The same pages serve layers of both kinds.
    if (limits.page_count > 0) group_size_ = std::min(group_size_, limits.page_count / page_count_);
    if (limits.local_pages) group_size_ = std::min(group_size_, limits.local_pages->page_count / page_count_);
    if (group_size_ < 1) {
      throw Error(
          ErrorCode::kResourceExhausted,
          fmt::format("keys and values of a chunk of {} tokens do not fit into their memory; choose shorter chunks "
                      "or give them more memory",
                      chunks_.token_count()));
    }
  }

  // Rows `rows` of each of the chunks `group`.
  void run_step(Range group, Range rows) {
    batch_.tokens.clear();
    batch_.sequences.clear();
    batch_.logit_rows.clear();
    scored_rows_.clear();
    for (int64_t chunk = group.begin; chunk < group.end; ++chunk) {
      append(chunk, rows,
             std::span(pages_).subspan(static_cast<size_t>((chunk - group.begin) * page_count_),
                                       static_cast<size_t>(page_count_)));
    }
    const std::span<const float> logits = models_.model.step(batch_);
    const std::span<const float> reference =
        models_.reference == nullptr ? std::span<const float>() : models_.reference->step(batch_);
    score(logits, reference);
  }

  void append(int64_t chunk, Range rows, std::span<const int32_t> pages) {
    const auto row_begin = static_cast<int64_t>(batch_.tokens.size());
    const std::span<const int32_t> tokens = chunks_[chunk];
    batch_.tokens.insert(batch_.tokens.end(), tokens.begin() + rows.begin, tokens.begin() + rows.end);
    batch_.sequences.push_back(
        {.row_begin = row_begin, .row_count = rows.end - rows.begin, .first_position = rows.begin, .pages = pages});
    const int64_t scored_end = std::min(rows.end, chunks_.token_count() - 1);
    for (int64_t row = std::max(rows.begin, chunks_.first_scored_row()); row < scored_end; ++row) {
      batch_.logit_rows.push_back(static_cast<int32_t>(row_begin + row - rows.begin));
      scored_rows_.push_back({chunk, row});
    }
  }

  // Both [scored_rows_.size(), V], or no reference.
  void score(std::span<const float> logits, std::span<const float> reference) {
    const auto vocabulary_size = static_cast<size_t>(vocabulary_size_);
    for (size_t i = 0; i < scored_rows_.size(); ++i) {
      const ScoredRow& place = scored_rows_[i];
      const int32_t next = chunks_[place.chunk][static_cast<size_t>(place.row + 1)];
      const NextTokenDistribution model =
          distribution_of(logits.subspan(i * vocabulary_size, vocabulary_size), place, "the model");
      perplexity_.add(model.nll(next));
      if (reference.empty()) continue;
      const NextTokenDistribution exact =
          distribution_of(reference.subspan(i * vocabulary_size, vocabulary_size), place, "the reference");
      reference_perplexity_.add(exact.nll(next));
      divergence_.add(exact, model);
    }
  }

  const TextChunks& chunks_;
  EvaluatedModels models_;
  int64_t vocabulary_size_;
  int64_t page_count_ = 0;      // of each chunk
  int64_t rows_per_chunk_ = 0;  // in a step
  int64_t group_size_ = 0;      // chunks that share steps
  std::vector<int32_t> pages_;  // [group_size, page_count]
  StepBatch batch_;
  std::vector<ScoredRow> scored_rows_;  // of the step under way
  PerplexityAccumulator perplexity_;
  PerplexityAccumulator reference_perplexity_;
  DivergenceAccumulator divergence_;
};

}  // namespace

TextEvaluation evaluate_text(const TextChunks& chunks, const EvaluatedModels& models,
                             const std::function<void(const EvaluationProgress&)>& on_progress) {
  TextEvaluator evaluator(chunks, models);
  evaluator.run(on_progress);
  return evaluator.result();
}

}  // namespace pelton
