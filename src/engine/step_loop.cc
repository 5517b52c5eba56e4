#include "engine/step_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace pelton {
namespace {

// A sink is somebody else's code: what it throws is logged, and its request ends.
template <typename Call>
bool call_sink(const Call& call) noexcept {
  try {
    call();
    return true;
  } catch (...) {
    log::error(fmt::format("a receiver of an answer failed: {}", current_error().message()));
    return false;
  }
}

}  // namespace

// A request from its arrival to its end.
struct StepLoop::Active {
  Active(Submission submission, const Environment& environment)
      : id(submission.id),
        sink(std::move(submission.sink)),
        submitted(submission.submitted),
        prompt_token_count(static_cast<int64_t>(submission.request.prompt.size())),
        answer(environment.tokenizer, submission.request, submission.end_tokens, submission.answer_token_count_max),
        sampler(submission.request.sampling, submission.seed,
                {submission.request.prompt, submission.end_tokens, submission.dry_breakers}),
        tokens(std::move(submission.request.prompt)),
        end_tokens(submission.end_tokens) {
    if (submission.request.reasoning) reasoning.emplace(std::move(*submission.request.reasoning));
    if (submission.request.grammar == nullptr) return;
    grammar = std::move(submission.request.grammar);
    grammar_state.emplace(grammar);
    mask.resize(environment.grammars->mask_word_count());
  }

  RequestId id;
  std::shared_ptr<GenerationSink> sink;
  TimePoint submitted;
  std::optional<TimePoint> started;
  std::optional<TimePoint> first_token;
  int64_t prompt_token_count;
  Answer answer;
  Sampler sampler;
  std::vector<TokenId> tokens;  // prompt and answer: all that a recomputation needs
  std::shared_ptr<const Grammar> grammar;
  std::optional<GrammarState> grammar_state;  // none: the answer follows no grammar
  std::vector<uint32_t> mask;                 // of the next token
  std::optional<Reasoning> reasoning;         // none: the answer begins at once
  std::vector<TokenId> end_tokens;

  bool follows_grammar() const { return grammar_state && !(reasoning && reasoning->is_open()); }
};

StepLoop::StepLoop(Environment environment)
    : environment_(std::move(environment)),
      limits_(environment_.runner.limits()),
      scheduler_(environment_.scheduling),
      grammar_masks_(environment_.clock) {}

StepLoop::~StepLoop() = default;

void StepLoop::add(Submission submission) noexcept {
  const RequestId id = submission.id;
  const std::shared_ptr<GenerationSink> sink = submission.sink;
  try {
    auto active = std::make_unique<Active>(std::move(submission), environment_);
    const auto token_count = static_cast<int64_t>(active->tokens.size());
    active_.emplace(id, std::move(active));
    scheduler_.add(id, token_count);
  } catch (...) {
    active_.erase(id);
    const Error error = current_error();
    call_sink([&] { sink->on_error(error); });
  }
}

void StepLoop::cancel(RequestId id) noexcept {
  if (active_.contains(id)) fail(id, Error(ErrorCode::kCancelled, "the request was cancelled"));
}

void StepLoop::fail_all(const Error& error) noexcept {
  while (!active_.empty()) fail(active_.begin()->first, error);
}

void StepLoop::step() noexcept {
  try {
    step_or_throw();
  } catch (...) {  // no memory for the plan itself: start afresh without the requests
    fail_all(current_error());
  }
}

void StepLoop::step_or_throw() {
  scheduler_.plan(plan_);
  if (plan_.sequences.empty()) return;
  StepLogits logits;
  try {
    logits = run_model();
  } catch (...) {
    grammar_masks_.finish();
    const Error cause = current_error();
    log::error(fmt::format("a step failed with {} requests: {}", plan_.sequences.size(), cause.message()));
    const Error error(ErrorCode::kInternal,
                      fmt::format("the step that computed this request failed: {}", cause.message()));
    for (const ScheduledRows& rows : plan_.sequences) fail(rows.id, error);
    return;
  }
  scheduler_.complete(plan_);
  ++step_count_;
  step_row_count_ += plan_.row_count;

  sample(logits);
  for (Drawn& drawn : drawn_) {
    const RequestId id = drawn.active->id;
    try {
      if (drawn.error) std::rethrow_exception(drawn.error);
      deliver(*drawn.active, std::move(drawn.sampled));
    } catch (...) {
      // A grammar that became too complex would be so for the next request too: what its lexer has learnt is shared.
      if (drawn.active->grammar != nullptr) environment_.grammars->forget(drawn.active->grammar);
      fail(id, current_error());
    }
  }
}

StepLoop::StepLogits StepLoop::run_model() {
  batch_.tokens.clear();
  batch_.sequences.clear();
  batch_.logit_rows.clear();
  batch_.local_pages.clear();
  drawn_.clear();
  const TimePoint now = environment_.clock.now();
  for (const ScheduledRows& rows : plan_.sequences) {
    Active& active = *active_.at(rows.id);
    if (rows.is_first) active.started = now;
    const auto row_begin = static_cast<int64_t>(batch_.tokens.size());
    for (int64_t position = rows.first_position; position < rows.first_position + rows.row_count; ++position) {
      batch_.tokens.push_back(index_of(active.tokens[static_cast<size_t>(position)]));
    }
    batch_.sequences.push_back({row_begin, rows.row_count, rows.first_position, rows.pages});
    if (limits_.local_pages) batch_.local_pages.push_back(rows.local_pages);
    if (!rows.completes_tokens) continue;
    batch_.logit_rows.push_back(static_cast<int32_t>(batch_.tokens.size() - 1));
    drawn_.push_back({&active, {}, nullptr});
  }
  const bool has_masks = start_masks();
  if (const std::optional<int64_t> count = largest_count()) {
    const LargestRows& largest = environment_.runner.step_largest(
        batch_, *count, has_masks ? RowMaskSource([this] { return masks(); }) : RowMaskSource());
    CHECK(largest.row_count() == static_cast<int64_t>(drawn_.size()));
    return {{}, &largest};
  }
  const std::span<const float> logits = environment_.runner.step(batch_);
  CHECK(logits.size() == drawn_.size() * static_cast<size_t>(limits_.vocabulary_size));
  if (has_masks) masks();
  return {logits, nullptr};
}

bool StepLoop::start_masks() {
  std::vector<MaskJob> jobs;
  for (Drawn& drawn : drawn_) {
    if (drawn.active->follows_grammar()) jobs.push_back({&*drawn.active->grammar_state, &drawn.active->mask, nullptr});
  }
  row_masks_.clear();
  if (jobs.empty()) return false;
  grammar_masks_.start(std::move(jobs));
  return true;
}

std::span<const RowMask> StepLoop::masks() {
  const std::vector<MaskJob>& jobs = grammar_masks_.finish();
  auto job = jobs.begin();
  row_masks_.clear();
  for (Drawn& drawn : drawn_) {
    const bool has_mask = drawn.active->follows_grammar();
    row_masks_.push_back(has_mask ? RowMask(drawn.active->mask) : RowMask());
    if (has_mask) drawn.error = (job++)->error;
  }
  return row_masks_;
}

std::optional<int64_t> StepLoop::largest_count() const {
  int64_t most = 1;
  for (const Drawn& drawn : drawn_) {
    const std::optional<int64_t> count = drawn.active->sampler.largest_count();
    if (!count) return std::nullopt;
    most = std::max(most, *count);
  }
  return most;
}

void StepLoop::sample(const StepLogits& logits) {
  Executor& executor = environment_.runner.executor();
  scratch_.resize(static_cast<size_t>(executor.thread_count()));
  const auto vocabulary_size = static_cast<size_t>(limits_.vocabulary_size);
  // Each row has a generator of its own, so that it does not matter who samples it. Nothing may leave a region.
  const auto sample_row = [&](size_t row, SamplerScratch& scratch) {
    Drawn& drawn = drawn_[row];
    if (drawn.error) return;  // there is no mask
    try {
      Sampler& sampler = drawn.active->sampler;
      const auto index = static_cast<int64_t>(row);
      drawn.sampled =
          logits.largest != nullptr
              ? sampler.sample_largest(logits.largest->row(index), logits.largest->is_finite(index), scratch)
              : sampler.sample(logits.whole.subspan(row * vocabulary_size, vocabulary_size), scratch,
                               row_masks_.empty() ? RowMask() : row_masks_[row]);
    } catch (...) {
      drawn.error = std::current_exception();
    }
  };
  const auto sample_part = [&](int thread, int thread_count) {
    const Range rows = split_range(static_cast<int64_t>(drawn_.size()), 1, thread, thread_count);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      sample_row(static_cast<size_t>(row), scratch_[static_cast<size_t>(thread)]);
    }
  };
  // The few largest of a row are not worth a region.
  if (drawn_.size() > 1 && logits.largest == nullptr) {
    executor.parallel(sample_part);
  } else {
    sample_part(0, 1);
  }
}

void StepLoop::deliver(Active& active, SampledToken sampled) {
  if (!active.first_token) active.first_token = environment_.clock.now();
  const bool follows_grammar = active.follows_grammar();
  if (active.reasoning) reason(active, sampled);
  const TokenId token = sampled.token;
  active.tokens.push_back(token);
  Answer::Progress progress = active.answer.push(token);
  if (follows_grammar && !progress.finish) {
    active.grammar_state->consume(token);
    if (active.grammar_state->has_ended()) active.answer.end(progress);
  }

  std::vector<SampledToken> tokens;
  tokens.push_back(std::move(sampled));
  if (!call_sink([&] { active.sink->on_tokens(std::move(progress.text), std::move(tokens)); })) {
    return fail(active.id, Error(ErrorCode::kInternal, "the answer could not be handed over"));
  }
  if (progress.finish) return finish(active, progress);
  scheduler_.append_token(active.id);
}

void StepLoop::reason(Active& active, SampledToken& sampled) {
  const auto& ends = active.end_tokens;
  const TokenId chosen =
      active.reasoning->choose(sampled.token, std::find(ends.begin(), ends.end(), sampled.token) != ends.end());
  // What nobody sampled is certain.
  if (chosen != sampled.token) sampled = {chosen, sampled.logprob ? std::optional(0.0f) : std::nullopt, {}};
  active.reasoning->push(environment_.tokenizer->token_bytes(chosen));
}

void StepLoop::finish(Active& active, const Answer::Progress& progress) {
  const TimePoint now = environment_.clock.now();
  const GenerationSummary summary{.reason = *progress.finish,
                                  .stop = progress.stop,
                                  .prompt_tokens = active.prompt_token_count,
                                  .completion_tokens = active.answer.token_count(),
                                  .timings = {.queue = *active.started - active.submitted,
                                              .first_token = *active.first_token - active.submitted,
                                              .total = now - active.submitted}};
  // The pages are free before the receiver knows: whoever waits for the answer finds room for the next request.
  const std::shared_ptr<GenerationSink> sink = release(active.id);
  call_sink([&] { sink->on_finish(summary); });
}

void StepLoop::fail(RequestId id, const Error& error) noexcept {
  const std::shared_ptr<GenerationSink> sink = release(id);
  call_sink([&] { sink->on_error(error); });
}

std::shared_ptr<GenerationSink> StepLoop::release(RequestId id) {
  const auto entry = active_.find(id);
  CHECK(entry != active_.end());
  std::shared_ptr<GenerationSink> sink = std::move(entry->second->sink);
  active_.erase(entry);
  scheduler_.remove(id);
  if (environment_.on_release) environment_.on_release(*this);
  return sink;
}

EngineStatistics StepLoop::statistics() const {
  return {.running_count = scheduler_.running_count(),
          .waiting_count = scheduler_.waiting_count(),
          .pages_used = scheduler_.pages_used(),
          .pages_total = scheduler_.pages_total(),
          .step_count = step_count_,
          .step_row_count = step_row_count_,
          .preemption_count = scheduler_.preemption_count(),
          .mask_count = grammar_masks_.statistics().mask_count,
          .mask_time = grammar_masks_.statistics().mask_time,
          .mask_wait_time = grammar_masks_.statistics().wait_time};
}

}  // namespace pelton
