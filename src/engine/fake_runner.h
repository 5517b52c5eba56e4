// A model that costs nothing, for tests of everything above StepRunner: what it says next depends on every token before,
// as its own pages hold them, so that a row lost, doubled or read from a foreign page changes the whole answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "engine/runner.h"
#include "model/bundle.h"
#include "text/tokenizer.h"

namespace pelton {

class FakeRunner final : public StepRunner {
 public:
  struct Options {
    RunnerLimits limits{.vocabulary_size = 64, .context_length = 128, .page_count = 32};
    std::function<void(const StepBatch&)> before_step;  // may throw, as a failing step would
    std::function<void(std::span<float>)> after_step;   // may spoil the logits
  };
  explicit FakeRunner(Options options)
      : options_(std::move(options)),
        cells_(static_cast<size_t>(options_.limits.page_count * options_.limits.page_token_count), -1) {}

  RunnerLimits limits() const override { return options_.limits; }

  std::span<const float> step(const StepBatch& batch) override {
    if (options_.before_step) options_.before_step(batch);
    logits_.clear();
    auto wanted = batch.logit_rows.begin();
    for (const AttentionSequence& sequence : batch.sequences) {
      for (int64_t row = sequence.row_begin; row < sequence.row_begin + sequence.row_count; ++row) {
        const int64_t position = sequence.first_position + row - sequence.row_begin;
        cell(sequence, position) = batch.tokens[static_cast<size_t>(row)];
        if (wanted == batch.logit_rows.end() || *wanted != row) continue;
        ++wanted;
        append_logits(history_state(sequence, position + 1));
      }
    }
    CHECK(wanted == batch.logit_rows.end());
    if (options_.after_step) options_.after_step(logits_);
    return logits_;
  }

  // The most likely token after `history`.
  static int32_t next_token(const std::vector<int32_t>& history, int64_t vocabulary_size) {
    uint64_t state = 0;
    for (const int32_t token : history) state = advance(state, token);
    return favourite(state, vocabulary_size);
  }

 private:
  static uint64_t advance(uint64_t state, int32_t token) { return Rng(state + static_cast<uint64_t>(token) + 1).next(); }
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

  void append_logits(uint64_t state) {
    const int64_t vocabulary_size = options_.limits.vocabulary_size;
    const int32_t best = favourite(state, vocabulary_size);
    Rng noise(state + 1);
    for (int32_t token = 0; token < vocabulary_size; ++token) {
      logits_.push_back(noise.next_symmetric() + (token == best ? 4.0f : 0.0f));
    }
  }

  Options options_;
  std::vector<int32_t> cells_;  // by page and place: the token that was written there
  std::vector<float> logits_;
};

// Tokens 0, 1, 2, … stand for the given strings.
class FakeTokenizer final : public Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  // "a0 " to "z0 ", "a1 ", …
  static std::shared_ptr<const FakeTokenizer> with_size(int64_t vocabulary_size) {
    std::vector<std::string> tokens;
    for (int64_t i = 0; i < vocabulary_size; ++i) {
      tokens.push_back(std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i / 26) + ' ');
    }
    return std::make_shared<FakeTokenizer>(std::move(tokens));
  }

  std::vector<TokenId> encode(std::string_view, const EncodeOptions&) const override { return {}; }
  std::string_view token_bytes(TokenId token) const override {
    const auto index = static_cast<size_t>(index_of(token));
    return index < tokens_.size() ? std::string_view(tokens_[index]) : std::string_view();
  }
  int32_t vocabulary_size() const override { return static_cast<int32_t>(tokens_.size()); }
  bool is_special(TokenId) const override { return false; }
  bool strips_first_space() const override { return false; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  std::span<const AddedToken> added_tokens() const override { return {}; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return std::nullopt; }
  std::string_view kind() const override { return "fake"; }

 private:
  std::vector<std::string> tokens_;
};

// A bundle without a model, for an Engine on a FakeRunner.
inline std::shared_ptr<const ModelBundle> fake_bundle(std::shared_ptr<const Tokenizer> tokenizer,
                                                      std::vector<TokenId> end_tokens) {
  auto bundle = std::make_shared<ModelBundle>();
  bundle->name = "fake";
  bundle->tokenizer = std::move(tokenizer);
  bundle->end_tokens = std::move(end_tokens);
  return bundle;
}

}  // namespace pelton
