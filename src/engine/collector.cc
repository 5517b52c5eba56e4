#include "engine/collector.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace pelton {

// Between the engine's thread and the reader. Pieces that nobody has fetched yet grow into one.
class GenerationStream::Queue final : public GenerationSink {
 public:
  void on_tokens(std::string text, std::vector<SampledToken> tokens) override {
    const std::lock_guard lock(mutex_);
    if (!piece_) piece_.emplace();
    piece_->text += text;
    for (SampledToken& token : tokens) piece_->tokens.push_back(std::move(token));
    changed_.notify_one();
  }
  void on_finish(const GenerationSummary& summary) override {
    const std::lock_guard lock(mutex_);
    summary_ = summary;
    changed_.notify_one();
  }
  void on_error(const Error& error) override {
    const std::lock_guard lock(mutex_);
    error_ = error;
    changed_.notify_one();
  }

  std::optional<Piece> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_ready(); });
    if (piece_) return std::exchange(piece_, std::nullopt);
    if (error_) throw *error_;
    return std::nullopt;
  }
  bool wait_for(Duration timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this] { return is_ready(); });
  }
  bool has_ended() {
    const std::lock_guard lock(mutex_);
    return summary_ || error_;
  }
  // Only after the end.
  const GenerationSummary& summary() {
    const std::lock_guard lock(mutex_);
    CHECK(summary_.has_value());
    return *summary_;
  }

 private:
  bool is_ready() const { return piece_ || summary_ || error_; }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Piece> piece_;
  std::optional<GenerationSummary> summary_;
  std::optional<Error> error_;
};

GenerationStream::GenerationStream(Engine& engine, GenerationRequest request)
    : engine_(engine), queue_(std::make_shared<Queue>()), id_(engine.submit(std::move(request), queue_)) {}

GenerationStream::~GenerationStream() {
  if (!queue_->has_ended()) cancel();
}

std::optional<GenerationStream::Piece> GenerationStream::next() { return queue_->next(); }
bool GenerationStream::wait_for(Duration timeout) { return queue_->wait_for(timeout); }
void GenerationStream::cancel() { engine_.cancel(id_); }
const GenerationSummary& GenerationStream::summary() const { return queue_->summary(); }

CollectedGeneration generate(Engine& engine, GenerationRequest request) {
  GenerationStream stream(engine, std::move(request));
  CollectedGeneration collected;
  while (std::optional<GenerationStream::Piece> piece = stream.next()) {
    collected.text += piece->text;
    for (SampledToken& token : piece->tokens) collected.tokens.push_back(std::move(token));
  }
  collected.summary = stream.summary();
  return collected;
}

}  // namespace pelton
