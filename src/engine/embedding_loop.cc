#include "engine/embedding_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace pelton {
namespace {

// Pages are numbers that nobody looks at where sequences are whole: one for each.
SchedulerOptions scheduling_of(const RunnerLimits& limits, int64_t step_token_count_max, int64_t sequence_count_max) {
  const EmbeddingLimits& embedding = limits.embedding;
  SchedulerOptions options{.page_count = embedding.page_count,
                           .page_token_count = limits.page_token_count,
                           .step_token_count_max = step_token_count_max,
                           .sequence_count_max = std::min(sequence_count_max, step_token_count_max),
                           .keeps_sequences_whole = embedding.is_bidirectional};
  if (embedding.is_bidirectional) {
    options.page_token_count = embedding.token_count_max;
    options.page_count = 2 * options.sequence_count_max;  // admission keeps one free for each that runs
  }
  return options;
}

template <typename Call>
void call_sink(const Call& call) noexcept {
  try {
    call();
  } catch (...) {
    log::error(fmt::format("a receiver of embeddings failed: {}", current_error().message()));
  }
}

}  // namespace

PooledRows pooled_rows(Pooling pooling, const ScheduledRows& rows) {
  switch (pooling) {
    case Pooling::kMean:
      return {0, rows.row_count};
    case Pooling::kCls:
      return {0, rows.first_position == 0 ? 1 : 0};
    case Pooling::kLastToken:
      return {rows.row_count - 1, rows.completes_tokens ? 1 : 0};
  }
  PELTON_UNREACHABLE();
}

std::vector<float> finish_embedding(std::vector<double> sums, int64_t row_count, const EmbeddingRequest& request) {
  if (request.dimensions) sums.resize(static_cast<size_t>(*request.dimensions));
  double factor = 1 / static_cast<double>(row_count);
  if (request.normalizes) {
    double squares = 0;
    for (const double sum : sums) squares += sum * sum;
    // sentence-transformers' bound on the length, which keeps zeros zeros.
    factor = 1 / std::max(std::sqrt(squares), 1e-12);
  }
  std::vector<float> embedding;
  embedding.reserve(sums.size());
  for (const double sum : sums) embedding.push_back(static_cast<float>(sum * factor));
  return embedding;
}

struct EmbeddingLoop::Active {
  RequestId id;
  EmbeddingRequest request;
  std::shared_ptr<EmbeddingSink> sink;
  std::vector<SequenceId> texts;               // the scheduler's numbers of its unfinished texts
  std::vector<std::vector<float>> embeddings;  // by input
  bool has_started = false;
};

// One input of a request.
struct EmbeddingLoop::Text {
  Active* active;
  size_t index;
  std::vector<double> sums;  // [D], of the rows that count so far
  int64_t row_count = 0;

  const std::vector<TokenId>& tokens() const { return active->request.inputs[index]; }
  int32_t type_at(size_t position) const {
    return active->request.token_types.empty() ? 0 : active->request.token_types[index][position];
  }
};

EmbeddingLoop::EmbeddingLoop(Environment environment)
    : environment_(std::move(environment)),
      limits_(environment_.runner.limits()),
      scheduler_(scheduling_of(limits_, environment_.step_token_count_max, environment_.sequence_count_max)) {}

EmbeddingLoop::~EmbeddingLoop() = default;

void EmbeddingLoop::add(EmbeddingSubmission submission) noexcept {
  const RequestId id = submission.id;
  const std::shared_ptr<EmbeddingSink> sink = submission.sink;
  try {
    auto made = std::make_unique<Active>(Active{id, std::move(submission.request), std::move(submission.sink), {}, {}});
    Active& active = *made;
    active.embeddings.resize(active.request.inputs.size());
    active_.emplace(id, std::move(made));
    for (size_t i = 0; i < active.request.inputs.size(); ++i) {
      const SequenceId text{++text_count_};
      texts_.emplace(text, Text{&active, i, std::vector<double>(static_cast<size_t>(limits_.embedding.width))});
      active.texts.push_back(text);
      const auto token_count = static_cast<int64_t>(active.request.inputs[i].size());
      scheduler_.add({.id = text, .token_count = token_count, .token_count_max = token_count});
    }
  } catch (...) {
    const Error error = current_error();
    if (active_.contains(id)) {
      fail(id, error);
    } else {
      call_sink([&] { sink->on_error(error); });
    }
  }
}

void EmbeddingLoop::cancel(RequestId id) noexcept {
  if (active_.contains(id)) fail(id, Error(ErrorCode::kCancelled, "the request was cancelled"));
}

void EmbeddingLoop::fail_all(const Error& error) noexcept {
  while (!active_.empty()) fail(active_.begin()->first, error);
}

void EmbeddingLoop::step() noexcept {
  try {
    step_or_throw();
  } catch (...) {
    fail_all(current_error());
  }
}

void EmbeddingLoop::step_or_throw() {
  scheduler_.plan(plan_);
  if (plan_.sequences.empty()) return;
  CHECK(plan_.preempted.empty());  // texts do not grow
  std::span<const float> hidden;
  try {
    hidden = run_model();
  } catch (...) {
    const Error cause = current_error();
    log::error(fmt::format("a step failed with {} texts to embed: {}", plan_.sequences.size(), cause.message()));
    const Error error(ErrorCode::kInternal,
                      fmt::format("the step that computed this request failed: {}", cause.message()));
    for (const ScheduledRows& rows : plan_.sequences) {
      const auto text = texts_.find(rows.id);
      if (text != texts_.end()) fail(text->second.active->id, error);
    }
    return;
  }
  scheduler_.complete(plan_);
  ++step_count_;
  step_row_count_ += plan_.row_count;
  for (const ScheduledRows& rows : plan_.sequences) pool(rows, hidden);
  CHECK(hidden.empty());
  for (const ScheduledRows& rows : plan_.sequences) {
    if (!rows.completes_tokens) continue;
    Active& active = *texts_.at(rows.id).active;
    scheduler_.remove(rows.id);
    texts_.erase(rows.id);
    std::erase(active.texts, rows.id);
    if (active.texts.empty()) finish(active);
  }
}

std::span<const float> EmbeddingLoop::run_model() {
  batch_.tokens.clear();
  batch_.token_types.clear();
  batch_.sequences.clear();
  batch_.logit_rows.clear();
  batch_.local_pages.clear();
  pages_.resize(std::max(pages_.size(), plan_.sequences.size()));
  local_pages_.resize(pages_.size());
  for (size_t i = 0; i < plan_.sequences.size(); ++i) {
    const ScheduledRows& rows = plan_.sequences[i];
    const Text& text = texts_.at(rows.id);
    text.active->has_started = true;
    const auto row_begin = static_cast<int64_t>(batch_.tokens.size());
    for (int64_t position = rows.first_position; position < rows.first_position + rows.row_count; ++position) {
      batch_.tokens.push_back(index_of(text.tokens()[static_cast<size_t>(position)]));
      batch_.token_types.push_back(text.type_at(static_cast<size_t>(position)));
    }
    pages_[i].clear();
    local_pages_[i].clear();
    if (!limits_.embedding.is_bidirectional) {
      for (const int32_t page : rows.pages) pages_[i].push_back(page + static_cast<int32_t>(limits_.page_count));
    }
    batch_.sequences.push_back({row_begin, rows.row_count, rows.first_position, pages_[i]});
    if (limits_.local_pages) {
      const auto first_page = static_cast<int32_t>(limits_.local_pages->page_count);
      for (const int32_t page : rows.pages) local_pages_[i].push_back(page + first_page);
      batch_.local_pages.emplace_back(local_pages_[i]);
    }
    const PooledRows pooled = pooled_rows(text.active->request.pooling, rows);
    for (int64_t row = pooled.first; row < pooled.first + pooled.count; ++row) {
      batch_.logit_rows.push_back(static_cast<int32_t>(row_begin + row));
    }
  }
  const std::span<const float> hidden = environment_.runner.step_hidden(batch_);
  CHECK(hidden.size() == batch_.logit_rows.size() * static_cast<size_t>(limits_.embedding.width));
  return hidden;
}

void EmbeddingLoop::pool(const ScheduledRows& rows, std::span<const float>& hidden) {
  Text& text = texts_.at(rows.id);
  const int64_t count = pooled_rows(text.active->request.pooling, rows).count;
  const auto width = static_cast<size_t>(limits_.embedding.width);
  for (int64_t row = 0; row < count; ++row) {
    for (size_t i = 0; i < width; ++i) text.sums[i] += static_cast<double>(hidden[i]);
    hidden = hidden.subspan(width);
  }
  text.row_count += count;
  if (!rows.completes_tokens) return;
  text.active->embeddings[text.index] = finish_embedding(std::move(text.sums), text.row_count, text.active->request);
}

void EmbeddingLoop::finish(Active& active) {
  std::vector<std::vector<float>> embeddings = std::move(active.embeddings);
  const std::shared_ptr<EmbeddingSink> sink = release(active.id);
  call_sink([&] { sink->on_finish(std::move(embeddings)); });
}

void EmbeddingLoop::fail(RequestId id, const Error& error) noexcept {
  const std::shared_ptr<EmbeddingSink> sink = release(id);
  call_sink([&] { sink->on_error(error); });
}

std::shared_ptr<EmbeddingSink> EmbeddingLoop::release(RequestId id) {
  const auto entry = active_.find(id);
  CHECK(entry != active_.end());
  for (const SequenceId text : entry->second->texts) {
    if (scheduler_.contains(text)) scheduler_.remove(text);
    texts_.erase(text);
  }
  std::shared_ptr<EmbeddingSink> sink = std::move(entry->second->sink);
  active_.erase(entry);
  if (environment_.on_release) environment_.on_release();
  return sink;
}

void EmbeddingLoop::add_to(EngineStatistics& statistics) const {
  for (const auto& [id, active] : active_)
    ++(active->has_started ? statistics.running_count : statistics.waiting_count);
  statistics.step_count += step_count_;
  statistics.step_row_count += step_row_count_;
}

}  // namespace pelton
