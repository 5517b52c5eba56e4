// A sink for tests: remembers everything, and lets another thread wait for the end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "engine/request.h"

namespace pelton {

class RecordingSink final : public GenerationSink {
 public:
  void on_prompt(const std::vector<SampledToken>& tokens) override {
    const std::lock_guard lock(mutex_);
    CHECK(prompt_.empty() && tokens_.empty());
    prompt_ = tokens;
  }
  void on_tokens(std::string text, std::vector<SampledToken> tokens) override {
    const std::lock_guard lock(mutex_);
    CHECK(!has_ended_locked());
    text_ += text;
    for (const SampledToken& token : tokens) tokens_.push_back(index_of(token.token));
    changed_.notify_all();
  }
  void on_finish(const GenerationSummary& summary) override {
    const std::lock_guard lock(mutex_);
    CHECK(!has_ended_locked());
    summary_ = summary;
    changed_.notify_all();
  }
  void on_error(const Error& error) override {
    const std::lock_guard lock(mutex_);
    CHECK(!has_ended_locked());
    error_ = error;
    changed_.notify_all();
  }

  // False: nothing for half a minute, which is a hang.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [this] { return has_ended_locked(); });
  }
  bool wait_for_tokens(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return has_ended_locked() || tokens_.size() >= count; });
  }

  std::vector<SampledToken> prompt() const { return locked(prompt_); }
  std::string text() const { return locked(text_); }
  std::vector<int32_t> tokens() const { return locked(tokens_); }
  std::optional<GenerationSummary> summary() const { return locked(summary_); }
  std::optional<ErrorCode> error_code() const {
    const std::optional<Error> error = locked(error_);
    return error ? std::optional(error->code()) : std::nullopt;
  }

 private:
  bool has_ended_locked() const { return summary_ || error_; }
  template <typename T>
  T locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SampledToken> prompt_;
  std::string text_;
  std::vector<int32_t> tokens_;
  std::optional<GenerationSummary> summary_;
  std::optional<Error> error_;
};

}  // namespace pelton
