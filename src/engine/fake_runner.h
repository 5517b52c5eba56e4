// A model that costs nothing, for tests of everything above StepRunner: what it says next depends on every token
// before, and on its row's adapter, as its own pages hold them, so that a row lost, doubled, read from a foreign page
// or computed with a foreign adapter changes the whole answer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "engine/runner.h"
#include "model/prepared_adapter.h"

namespace pelton {

class FakeRunner final : public StepRunner {
 public:
  struct Options {
    RunnerLimits limits{.vocabulary_size = 64, .context_length = 128, .page_count = 32};
    std::function<void(const StepBatch&)> before_step;  // may throw, as a failing step would
    std::function<void(std::span<float>)> after_step;   // may spoil the logits
    int thread_count = 1;
  };
  explicit FakeRunner(Options options)
      : options_(std::move(options)),
        executor_(options_.thread_count),
        cells_(static_cast<size_t>((options_.limits.page_count + options_.limits.embedding.page_count) *
                                   options_.limits.page_token_count),
               -1) {}

  RunnerLimits limits() const override { return options_.limits; }
  void copy_pages(std::span<const PageCopy> global, std::span<const PageCopy>) override {
    for (const PageCopy& copy : global) {
      const auto page_token_count = static_cast<std::ptrdiff_t>(options_.limits.page_token_count);
      std::copy_n(cells_.begin() + index_of(copy.from) * page_token_count, page_token_count,
                  cells_.begin() + index_of(copy.to) * page_token_count);
    }
  }

  std::span<const float> step(const StepBatch& batch) override {
    if (options_.before_step) options_.before_step(batch);
    logits_.clear();
    auto wanted = batch.logit_rows.begin();
    for (size_t i = 0; i < batch.sequences.size(); ++i) {
      const AttentionSequence& sequence = batch.sequences[i];
      const PreparedAdapter* adapter = batch.adapters.empty() ? nullptr : batch.adapters[i];
      for (int64_t row = sequence.row_begin; row < sequence.row_begin + sequence.row_count; ++row) {
        const int64_t position = sequence.first_position + row - sequence.row_begin;
        cell(sequence, position) =
            adapted(batch.tokens[static_cast<size_t>(row)], adapter == nullptr ? 0 : adapter->number());
        if (wanted == batch.logit_rows.end() || *wanted != row) continue;
        ++wanted;
        append_logits(history_state(sequence, position + 1), options_.limits.vocabulary_size, logits_);
      }
    }
    CHECK(wanted == batch.logit_rows.end());
    if (options_.after_step) options_.after_step(logits_);
    return logits_;
  }

  const LargestRows& step_largest(const StepBatch& batch, int64_t count, const RowMaskSource& masks) override {
    step(batch);
    largest_.set_masks(masks ? &masks : nullptr);
    const auto row_count = static_cast<int64_t>(batch.logit_rows.size());
    largest_of_rows(executor_, {logits_.data(), row_count, options_.limits.vocabulary_size}, count, largest_);
    ++largest_step_count_;
    return largest_;
  }
  int64_t largest_step_count() const { return largest_step_count_; }

  // A row's hidden state: what tells its own history from any other, or, of a model that sees both directions, its
  // sequence's.
  std::span<const float> step_hidden(const StepBatch& batch) override {
    if (options_.before_step) options_.before_step(batch);
    hidden_.clear();
    auto wanted = batch.logit_rows.begin();
    for (const AttentionSequence& sequence : batch.sequences) {
      std::vector<int32_t> whole;
      for (int64_t row = sequence.row_begin; row < sequence.row_begin + sequence.row_count; ++row) {
        const int32_t token = batch.tokens[static_cast<size_t>(row)];
        whole.push_back(token);
        if (!options_.limits.embedding.is_bidirectional) {
          cell(sequence, sequence.first_position + row - sequence.row_begin) = token;
        }
      }
      for (int64_t row = sequence.row_begin; row < sequence.row_begin + sequence.row_count; ++row) {
        if (wanted == batch.logit_rows.end() || *wanted != row) continue;
        ++wanted;
        const int64_t position = sequence.first_position + row - sequence.row_begin;
        append_hidden(options_.limits.embedding.is_bidirectional ? hidden_seed(whole) + static_cast<uint64_t>(position)
                                                                 : history_state(sequence, position + 1));
      }
    }
    CHECK(wanted == batch.logit_rows.end());
    return hidden_;
  }
  // The same for a whole sequence: [tokens, D].
  static std::vector<float> hidden_of(const std::vector<int32_t>& tokens, const EmbeddingLimits& limits) {
    std::vector<float> rows;
    uint64_t state = 0;
    for (size_t position = 0; position < tokens.size(); ++position) {
      state = advance(state, tokens[position]);
      Rng rng(limits.is_bidirectional ? hidden_seed(tokens) + position : state);
      for (int64_t i = 0; i < limits.width; ++i) rows.push_back(rng.next_symmetric());
    }
    return rows;
  }

  Executor& executor() override { return executor_; }

  // The logits [V] after `history`, all of which was computed without an adapter.
  static std::vector<float> logits_after(const std::vector<int32_t>& history, int64_t vocabulary_size) {
    uint64_t state = 0;
    for (const int32_t token : history) state = advance(state, token);
    std::vector<float> logits;
    append_logits(state, vocabulary_size, logits);
    return logits;
  }
  // The most likely token after `history`, all of which was computed with this adapter.
  static int32_t next_token(const std::vector<int32_t>& history, int64_t vocabulary_size, uint64_t adapter = 0) {
    uint64_t state = 0;
    for (const int32_t token : history) state = advance(state, adapted(token, adapter));
    return favourite(state, vocabulary_size);
  }

 private:
  // What a row leaves in its page.
  static int32_t adapted(int32_t token, uint64_t adapter) { return token + (static_cast<int32_t>(adapter) << 16); }
  static uint64_t hidden_seed(const std::vector<int32_t>& tokens) {
    uint64_t state = 0;
    for (const int32_t token : tokens) state = advance(state, token);
    return state;
  }
  void append_hidden(uint64_t seed) {
    Rng rng(seed);
    for (int64_t i = 0; i < options_.limits.embedding.width; ++i) hidden_.push_back(rng.next_symmetric());
  }
  static uint64_t advance(uint64_t state, int32_t token) {
    return Rng(state + static_cast<uint64_t>(token) + 1).next();
  }
  static int32_t favourite(uint64_t state, int64_t vocabulary_size) {
    return static_cast<int32_t>(Rng(state).next_below(static_cast<uint64_t>(vocabulary_size)));
  }

  int32_t& cell(const AttentionSequence& sequence, int64_t position) {
    const int64_t page_token_count = options_.limits.page_token_count;
    const int64_t page = sequence.pages[static_cast<size_t>(position / page_token_count)];
    return cells_[static_cast<size_t>(page * page_token_count + position % page_token_count)];
  }

  uint64_t history_state(const AttentionSequence& sequence, int64_t position_count) {
    uint64_t state = 0;
    for (int64_t position = 0; position < position_count; ++position) {
      CHECK(cell(sequence, position) >= 0);  // never written
      state = advance(state, cell(sequence, position));
    }
    return state;
  }

  static void append_logits(uint64_t state, int64_t vocabulary_size, std::vector<float>& logits) {
    const int32_t best = favourite(state, vocabulary_size);
    Rng noise(state + 1);
    for (int32_t token = 0; token < vocabulary_size; ++token) {
      logits.push_back(noise.next_symmetric() + (token == best ? 4.0f : 0.0f));
    }
  }

  Options options_;
  Executor executor_;
  LargestRows largest_;
  int64_t largest_step_count_ = 0;
  std::vector<int32_t> cells_;  // by page and place: the token that was written there
  std::vector<float> logits_;
  std::vector<float> hidden_;
};

}  // namespace pelton
