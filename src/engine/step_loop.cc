#include "engine/step_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/rng.h"

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

// One answer.
struct StepLoop::Choice {
  Choice(RequestId choice_id, std::shared_ptr<GenerationSink> choice_sink, uint64_t seed, const Submission& submission,
         const Environment& environment)
      : id(choice_id),
        sink(std::move(choice_sink)),
        answer(environment.tokenizer, submission.request, submission.end_tokens, submission.answer_token_count_max),
        sampler(submission.request.sampling, seed,
                {submission.request.prompt, submission.end_tokens, submission.dry_breakers}),
        grammar(submission.request.grammar),
        end_tokens(submission.end_tokens) {
    if (submission.request.reasoning) reasoning.emplace(*submission.request.reasoning);
    if (grammar == nullptr) return;
    grammar_state.emplace(grammar);
    mask.resize(environment.grammars->mask_word_count());
  }

  RequestId id;
  std::shared_ptr<GenerationSink> sink;
  Active* active = nullptr;  // null: an answer of `beams`
  Beams* beams = nullptr;
  std::optional<TimePoint> first_token;
  Answer answer;
  Sampler sampler;
  std::shared_ptr<const Grammar> grammar;
  std::optional<GrammarState> grammar_state;  // none: the answer follows no grammar
  std::vector<uint32_t> mask;                 // of the next token
  std::optional<Reasoning> reasoning;         // none: the answer begins at once
  std::vector<TokenId> end_tokens;

  bool follows_grammar() const { return grammar_state && !(reasoning && reasoning->is_open()); }
};

// A request's beam search. The sequences of its beams own it: the prompt at first, then each beam.
struct StepLoop::Beams {
  BeamSearch search;
  std::vector<SequenceId> sequences;             // in the search's order
  std::vector<std::unique_ptr<Choice>> choices;  // its answers, best first; null: cancelled
  std::optional<TimePoint> first_token = {};     // when the prompt was computed
  Duration prompt_use{};                         // of beams that are gone
  Duration answer_use{};
};

// A sequence: a prompt with all of its answers, and when it is computed each answer, or beam, alone.
struct StepLoop::Active {
  SequenceId id{};
  TimePoint submitted;
  std::optional<TimePoint> deadline;
  std::optional<TimePoint> started;
  int64_t prompt_token_count = 0;
  int64_t cached_token_count = 0;
  TimeAccount time;
  AdapterUse adapter;
  std::optional<int> prompt_logprobs;            // wanted and not handed over yet
  std::vector<SampledToken> prompt_scores;       // so far, of the prompt's tokens in order
  std::vector<TokenId> tokens;                   // prompt and answer: all that a recomputation needs
  std::optional<PrefixHash> prefix;              // of its full pages; none: they are not looked for
  std::vector<std::unique_ptr<Choice>> choices;  // at least one, but for beams
  std::shared_ptr<Beams> beams;                  // null: none
  size_t beam = 0;                               // which of them

  RequestId last_choice() const;
};

RequestId StepLoop::Active::last_choice() const {
  if (beams == nullptr) return choices.back()->id;
  const auto last = std::find_if(beams->choices.rbegin(), beams->choices.rend(),
                                 [](const auto& choice) { return choice != nullptr; });
  return (*last)->id;
}

StepLoop::StepLoop(Environment environment)
    : environment_(std::move(environment)),
      limits_(environment_.runner.limits()),
      scheduler_(environment_.scheduling),
      hasher_(environment_.prefix_key),
      step_times_(environment_.scheduling.step_times),
      grammar_masks_(environment_.clock) {}

StepLoop::~StepLoop() = default;

void StepLoop::add(Submission submission) noexcept {
  const std::vector<std::shared_ptr<GenerationSink>> sinks = submission.sinks;
  CHECK(!sinks.empty());
  auto id = static_cast<uint64_t>(submission.id);
  const SequenceId sequence{++sequence_count_};
  try {
    auto made = std::make_unique<Active>();
    Active& active = *made;
    active.id = sequence;
    active.submitted = submission.submitted;
    active.time = TimeAccount(submission.submitted);
    if (submission.request.deadline) active.deadline = submission.submitted + *submission.request.deadline;
    std::vector<std::unique_ptr<Choice>> choices;
    for (size_t i = 0; i < sinks.size(); ++i) {
      const uint64_t seed = i == 0 ? submission.seed : Rng(submission.seed + i).next();
      choices.push_back(std::make_unique<Choice>(RequestId{id + i}, sinks[i], seed, submission, environment_));
    }
    for (const auto& choice : choices) choices_.emplace(choice->id, choice.get());
    if (submission.request.beams) {
      BeamSearch search(submission.request, submission.end_tokens, choices.front()->answer,
                        submission.answer_token_count_max);
      active.beams = std::make_shared<Beams>(
          Beams{.search = std::move(search), .sequences = {sequence}, .choices = std::move(choices)});
      for (const auto& choice : active.beams->choices) choice->beams = active.beams.get();
    } else {
      active.choices = std::move(choices);
      for (const auto& choice : active.choices) choice->active = &active;
    }
    active.adapter = std::move(submission.adapter);
    active.tokens = std::move(submission.request.prompt);
    active.prompt_token_count = static_cast<int64_t>(active.tokens.size());
    active.prompt_logprobs = submission.request.prompt_logprobs;
    if (active.prompt_logprobs) active.prompt_scores.push_back({active.tokens.front(), std::nullopt, {}});
    const std::vector<PrefixHash> prefixes = prefixes_of(active, submission.request.cache_salt);
    active_.emplace(sequence, std::move(made));
    deadline_count_ += active.deadline ? 1 : 0;
    adapter_count_ += active.adapter.number() != 0 ? 1 : 0;
    scheduler_.add({.id = sequence,
                    .token_count = active.prompt_token_count,
                    .token_count_max = active.prompt_token_count + submission.answer_token_count_max,
                    .prefixes = prefixes,
                    .priority = submission.request.priority,
                    .client = std::hash<std::string>()(submission.request.client),
                    .time = submission.submitted,
                    .chunk_rows_max = active.prompt_logprobs
                                          ? std::max<int64_t>(1, PromptScores::kLogitsMax / limits_.vocabulary_size)
                                          : std::numeric_limits<int64_t>::max()});
  } catch (...) {
    const Error error = current_error();
    for (size_t i = 0; i < sinks.size(); ++i) choices_.erase(RequestId{id + i});
    active_.erase(sequence);
    for (const auto& sink : sinks) call_sink([&] { sink->on_error(error); });
  }
}

// Of the prompt's full pages.
std::vector<PrefixHash> StepLoop::prefixes_of(Active& active, std::string_view salt) const {
  std::vector<PrefixHash> prefixes;
  if (!environment_.caches_prefixes || active.prompt_logprobs) return prefixes;
  const auto page = static_cast<size_t>(limits_.page_token_count);
  PrefixHash prefix = hasher_.root(salt, active.adapter.number());
  for (size_t end = page; end <= active.tokens.size(); end += page) {
    prefix = hasher_.extend(prefix, std::span(active.tokens).subspan(end - page, page));
    prefixes.push_back(prefix);
  }
  active.prefix = prefix;
  return prefixes;
}

void StepLoop::cancel(RequestId id) noexcept {
  if (choices_.contains(id)) fail(id, Error(ErrorCode::kCancelled, "the request was cancelled"));
}

void StepLoop::fail_all(const Error& error) noexcept {
  while (!active_.empty()) fail_choices(active_.begin()->first, error);
}

void StepLoop::fail_choices(SequenceId id, const Error& error) noexcept {
  for (auto entry = active_.find(id); entry != active_.end(); entry = active_.find(id)) {
    fail(entry->second->last_choice(), error);
  }
}

void StepLoop::end_overdue() {
  if (deadline_count_ == 0) return;
  const TimePoint now = environment_.clock.now();
  sequence_ids_.clear();
  for (const auto& [id, active] : active_) {
    if (active->deadline && *active->deadline <= now) sequence_ids_.push_back(id);
  }
  const Error error(ErrorCode::kCancelled, "the request was not finished by its deadline");
  for (const SequenceId id : sequence_ids_) fail_choices(id, error);
}

void StepLoop::step() noexcept {
  try {
    step_or_throw();
  } catch (...) {  // no memory for the plan itself: start afresh without the requests
    fail_all(current_error());
  }
}

void StepLoop::step_or_throw() {
  end_overdue();
  const TimePoint start = environment_.clock.now();
  scheduler_.plan(plan_, start);
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
    for (const ScheduledRows& rows : plan_.sequences) fail_choices(rows.id, error);
    return;
  }
  scheduler_.complete(plan_);
  ++step_count_;
  step_row_count_ += plan_.row_count;

  ++steps_by_rows_[static_cast<size_t>(std::lower_bound(kStepRowBounds.begin(), kStepRowBounds.end(), plan_.row_count) -
                                       kStepRowBounds.begin())];

  sample(logits);
  account(start);
  keep_prompt_scores();
  for (const ScheduledRows& rows : plan_.sequences) {
    if (rows.completes_tokens && active_.contains(rows.id)) separate_choices(*active_.at(rows.id));
  }
  for (Drawn& drawn : drawn_) {
    const RequestId id = drawn.id;
    if (!choices_.contains(id)) continue;  // its prompt failed
    try {
      if (drawn.error) std::rethrow_exception(drawn.error);
      deliver(*drawn.choice, std::move(drawn.sampled));
    } catch (...) {
      // A grammar that became too complex would be so for the next request too: what its lexer has learnt is shared.
      if (drawn.choice->grammar != nullptr) environment_.grammars->forget(drawn.choice->grammar);
      fail(id, current_error());
    }
  }
  advance_beams();
}

void StepLoop::account(TimePoint begin) {
  StepAccount step{.previous_end = step_end_,
                   .begin = begin,
                   .end = environment_.clock.now(),
                   .work = work_of(plan_),
                   .sequence_count = static_cast<int64_t>(plan_.sequences.size())};
  step_times_.observe(step.work, milliseconds(step.end - begin));
  step.times = step_times_.times();
  step_end_ = step.end;
  if (environment_.scheduling.service_level) scheduler_.set_step_times(step.times);
  for (const SequenceId id : plan_.preempted) active_.at(id)->time.preempt();
  for (const ScheduledRows& rows : plan_.sequences) {
    active_.at(rows.id)->time.add_step(step, rows.row_count, rows.completes_tokens);
  }
}

StepLoop::StepLogits StepLoop::run_model() {
  batch_.tokens.clear();
  batch_.sequences.clear();
  batch_.logit_rows.clear();
  batch_.local_pages.clear();
  batch_.adapters.clear();
  drawn_.clear();
  beam_rows_.clear();
  prompt_scores_.clear();
  const TimePoint now = environment_.clock.now();
  order_by_adapter();
  for (const auto& [adapter, place] : order_) {
    const ScheduledRows& rows = plan_.sequences[place];
    Active& active = *active_.at(rows.id);
    if (rows.is_first) {
      active.started = now;
      active.adapter.start();
      active.cached_token_count = rows.first_position;
    }
    const auto row_begin = static_cast<int64_t>(batch_.tokens.size());
    for (int64_t position = rows.first_position; position < rows.first_position + rows.row_count; ++position) {
      batch_.tokens.push_back(index_of(active.tokens[static_cast<size_t>(position)]));
    }
    batch_.sequences.push_back({row_begin, rows.row_count, rows.first_position, rows.pages});
    if (limits_.local_pages) batch_.local_pages.push_back(rows.local_pages);
    if (adapter_count_ > 0) batch_.adapters.push_back(active.adapter.prepared());
    // The row at a position tells how likely the token behind it is. What was computed before a preemption is known.
    if (active.prompt_logprobs) {
      const auto known = static_cast<int64_t>(active.prompt_scores.size());
      const int64_t end = std::min(rows.first_position + rows.row_count + 1, active.prompt_token_count);
      for (int64_t position = std::max(known, rows.first_position + 1); position < end; ++position) {
        prompt_scores_.add({rows.id, static_cast<int64_t>(batch_.logit_rows.size()),
                            active.tokens[static_cast<size_t>(position)], *active.prompt_logprobs});
        batch_.logit_rows.push_back(static_cast<int32_t>(row_begin + position - 1 - rows.first_position));
      }
    }
    if (!rows.completes_tokens) continue;
    const auto logit_row = static_cast<int64_t>(batch_.logit_rows.size());
    batch_.logit_rows.push_back(static_cast<int32_t>(batch_.tokens.size() - 1));
    for (const auto& choice : active.choices) drawn_.push_back({choice.get(), choice->id, logit_row, {}, nullptr});
    if (active.beams != nullptr) beam_rows_.push_back({rows.id, logit_row, nullptr});
  }
  if (!plan_.copies.empty() || !plan_.local_copies.empty()) {
    environment_.runner.copy_pages(plan_.copies, plan_.local_copies);
  }
  const bool has_masks = start_masks();
  if (const std::optional<int64_t> count = largest_count()) {
    const LargestRows& largest = environment_.runner.step_largest(
        batch_, *count, has_masks ? RowMaskSource([this] { return masks(); }) : RowMaskSource());
    CHECK(largest.row_count() == static_cast<int64_t>(batch_.logit_rows.size()));
    return {{}, &largest};
  }
  const std::span<const float> logits = environment_.runner.step(batch_);
  CHECK(logits.size() == batch_.logit_rows.size() * static_cast<size_t>(limits_.vocabulary_size));
  if (has_masks) masks();
  return {logits, nullptr};
}

void StepLoop::order_by_adapter() {
  order_.clear();
  for (size_t i = 0; i < plan_.sequences.size(); ++i) {
    order_.emplace_back(adapter_count_ > 0 ? active_.at(plan_.sequences[i].id)->adapter.number() : 0, i);
  }
  if (adapter_count_ > 0) std::sort(order_.begin(), order_.end());
}

bool StepLoop::start_masks() {
  std::vector<MaskJob> jobs;
  for (Drawn& drawn : drawn_) {
    if (drawn.choice->follows_grammar()) jobs.push_back({&*drawn.choice->grammar_state, &drawn.choice->mask, nullptr});
  }
  row_masks_.clear();
  if (jobs.empty()) return false;
  grammar_masks_.start(std::move(jobs));
  return true;
}

// Answers that share a row begin alike: the mask of one is that of all.
std::span<const RowMask> StepLoop::masks() {
  const std::vector<MaskJob>& jobs = grammar_masks_.finish();
  auto job = jobs.begin();
  row_masks_.assign(batch_.logit_rows.size(), RowMask());
  for (Drawn& drawn : drawn_) {
    if (!drawn.choice->follows_grammar()) continue;
    row_masks_[static_cast<size_t>(drawn.row)] = RowMask(drawn.choice->mask);
    drawn.error = (job++)->error;
  }
  return row_masks_;
}

std::optional<int64_t> StepLoop::largest_count() const {
  if (!prompt_scores_.is_empty() || !beam_rows_.empty()) return std::nullopt;
  int64_t most = 1;
  for (const Drawn& drawn : drawn_) {
    const std::optional<int64_t> count = drawn.choice->sampler.largest_count();
    if (!count) return std::nullopt;
    most = std::max(most, *count);
  }
  return most;
}

void StepLoop::separate_choices(Active& active) {
  while (active.choices.size() > 1) {
    Active& child = fork(active);
    child.choices.push_back(std::move(active.choices.back()));
    active.choices.pop_back();
    child.choices.back()->active = &child;
    scheduler_.fork(active.id, child.id);
  }
}

StepLoop::Active& StepLoop::fork(const Active& active) {
  const SequenceId id{++sequence_count_};
  auto made = std::make_unique<Active>();
  made->id = id;
  made->submitted = active.submitted;
  made->deadline = active.deadline;
  made->started = active.started;
  made->prompt_token_count = active.prompt_token_count;
  made->cached_token_count = active.cached_token_count;
  made->time = active.time.fork();
  made->prompt_logprobs = active.prompt_logprobs;
  made->prompt_scores = active.prompt_scores;
  made->tokens = active.tokens;
  made->prefix = active.prefix;
  made->adapter = active.adapter;
  made->beams = active.beams;
  made->choices.reserve(1);
  Active& child = *active_.emplace(id, std::move(made)).first->second;
  adapter_count_ += child.adapter.number() != 0 ? 1 : 0;
  deadline_count_ += child.deadline ? 1 : 0;
  return child;
}

void StepLoop::keep_prompt_scores() {
  for (PromptScores::Row& row : prompt_scores_.rows()) {
    const auto active = active_.find(row.sequence);  // gone: a row before failed
    if (active == active_.end()) continue;
    if (row.error) {
      try {
        std::rethrow_exception(row.error);
      } catch (...) {
        fail_choices(row.sequence, current_error());
      }
      continue;
    }
    active->second->prompt_scores.push_back(std::move(row.scored));
  }
}

void StepLoop::sample(const StepLogits& logits) {
  Executor& executor = environment_.runner.executor();
  scratch_.resize(static_cast<size_t>(executor.thread_count()));
  const auto vocabulary_size = static_cast<size_t>(limits_.vocabulary_size);
  prompt_scores_.score(executor, logits.whole, limits_.vocabulary_size, scratch_);
  // Each answer has a generator of its own, so that it does not matter who samples it. Nothing may leave a region.
  const auto sample_one = [&](Drawn& drawn, SamplerScratch& scratch) {
    if (drawn.error) return;  // there is no mask
    try {
      Sampler& sampler = drawn.choice->sampler;
      drawn.sampled =
          logits.largest != nullptr
              ? sampler.sample_largest(logits.largest->row(drawn.row), logits.largest->is_finite(drawn.row), scratch)
              : sampler.sample(logits.whole.subspan(static_cast<size_t>(drawn.row) * vocabulary_size, vocabulary_size),
                               scratch, row_masks_.empty() ? RowMask() : row_masks_[static_cast<size_t>(drawn.row)]);
    } catch (...) {
      drawn.error = std::current_exception();
    }
  };
  const auto expand_one = [&](BeamRow& beam, SamplerScratch& scratch) {
    try {
      const Active& active = *active_.at(beam.id);
      active.beams->search.expand(
          active.beam, logits.whole.subspan(static_cast<size_t>(beam.row) * vocabulary_size, vocabulary_size), scratch);
    } catch (...) {
      beam.error = std::current_exception();
    }
  };
  const size_t count = drawn_.size() + beam_rows_.size();
  const auto sample_part = [&](int thread, int thread_count) {
    const Range part = split_range(static_cast<int64_t>(count), 1, thread, thread_count);
    SamplerScratch& scratch = scratch_[static_cast<size_t>(thread)];
    for (auto i = static_cast<size_t>(part.begin); i < static_cast<size_t>(part.end); ++i) {
      if (i < drawn_.size()) {
        sample_one(drawn_[i], scratch);
      } else {
        expand_one(beam_rows_[i - drawn_.size()], scratch);
      }
    }
  };
  // The few largest of a row are not worth a region.
  if (count > 1 && logits.largest == nullptr) {
    executor.parallel(sample_part);
  } else {
    sample_part(0, 1);
  }
}

void StepLoop::deliver(Choice& choice, SampledToken sampled) {
  if (!choice.first_token) choice.first_token = environment_.clock.now();
  const bool follows_grammar = choice.follows_grammar();
  if (choice.reasoning) reason(choice, sampled);
  const TokenId token = sampled.token;
  Active& active = *choice.active;
  active.tokens.push_back(token);
  Answer::Progress progress = choice.answer.push(token);
  if (follows_grammar && !progress.finish) {
    choice.grammar_state->consume(token);
    if (choice.grammar_state->has_ended()) choice.answer.end(progress);
  }

  std::vector<SampledToken> tokens;
  tokens.push_back(std::move(sampled));
  if (active.prompt_logprobs) {
    const std::vector<SampledToken> prompt = std::exchange(active.prompt_scores, {});
    active.prompt_logprobs.reset();
    CHECK(static_cast<int64_t>(prompt.size()) == active.prompt_token_count);
    call_sink([&] { choice.sink->on_prompt(prompt); });
  }
  if (!call_sink([&] { choice.sink->on_tokens(std::move(progress.text), std::move(tokens)); })) {
    return fail(choice.id, Error(ErrorCode::kInternal, "the answer could not be handed over"));
  }
  if (progress.finish) return finish(choice, progress);
  append_token(active);
}

void StepLoop::advance_beams() {
  for (const BeamRow& row : beam_rows_) {
    const auto entry = active_.find(row.id);
    if (entry == active_.end()) continue;  // its search has ended, or goes on without it
    const std::shared_ptr<Beams> beams = entry->second->beams;
    try {
      if (row.error) std::rethrow_exception(row.error);
      if (beams->search.is_expanded()) advance(*beams);
    } catch (...) {
      const Error error = current_error();
      for (const auto& choice : beams->choices) {
        if (choice != nullptr) fail(choice->id, error);
      }
    }
  }
}

void StepLoop::advance(Beams& beams) {
  if (!beams.first_token) {
    Active& prompt = *active_.at(beams.sequences.front());
    beams.first_token = environment_.clock.now();
    const std::vector<SampledToken> prompt_scores = std::exchange(prompt.prompt_scores, {});
    prompt.prompt_logprobs.reset();
    // Who leaves before the end has had the prompt computed all the same: receivers hear of it now.
    for (const std::unique_ptr<Choice>& choice : beams.choices) {
      if (choice == nullptr) continue;
      call_sink([&] {
        if (!prompt_scores.empty()) choice->sink->on_prompt(prompt_scores);
        choice->sink->on_tokens({}, {});
      });
    }
  }
  const std::vector<BeamSearch::Successor>& successors = beams.search.advance();
  if (successors.empty()) return finish(beams);

  const std::vector<SequenceId> parents = std::exchange(beams.sequences, {});
  for (size_t parent = 0; parent < parents.size(); ++parent) {  // first: their pages are for those that go on
    const bool goes_on = std::any_of(successors.begin(), successors.end(),
                                     [&](const BeamSearch::Successor& next) { return next.parent == parent; });
    if (!goes_on) remove(parents[parent]);
  }
  // The first to follow a beam goes on as its sequence, the others as forks of it.
  std::vector<bool> has_heir(parents.size());
  for (const BeamSearch::Successor& next : successors) {
    const SequenceId parent = parents[next.parent];
    if (!has_heir[next.parent]) {
      has_heir[next.parent] = true;
      beams.sequences.push_back(parent);
      continue;
    }
    const SequenceId child = fork(*active_.at(parent)).id;
    scheduler_.fork(parent, child);
    beams.sequences.push_back(child);
  }
  for (size_t beam = 0; beam < successors.size(); ++beam) {
    Active& active = *active_.at(beams.sequences[beam]);
    active.beam = beam;
    active.tokens.push_back(successors[beam].token);
    append_token(active);
  }
}

void StepLoop::finish(Beams& beams) {
  GenerationSummary summary = summary_of(*active_.at(beams.sequences.front()), *beams.first_token);
  remove_all(beams);
  summary.timings.prompt_use = beams.prompt_use;
  summary.timings.answer_use = beams.answer_use;
  std::vector<BeamSearch::Hypothesis> answers = beams.search.take_answers();
  for (size_t i = 0; i < beams.choices.size(); ++i) {
    if (beams.choices[i] == nullptr) continue;
    const RequestId id = beams.choices[i]->id;
    if (i >= answers.size()) {
      fail(id, Error(ErrorCode::kInvalidArgument,
                     fmt::format("n: the request's rules leave only {} different answers", answers.size()), "n"));
      continue;
    }
    BeamSearch::Hypothesis& answer = answers[i];
    summary.reason = answer.reason;
    summary.stop = answer.stop;
    summary.completion_tokens = static_cast<int64_t>(answer.tokens.size());
    summary.beam = answer.score;
    const std::shared_ptr<GenerationSink> sink = release(id);
    const bool is_delivered = call_sink([&] { sink->on_tokens(std::move(answer.text), std::move(answer.tokens)); });
    call_sink([&] {
      if (is_delivered) return sink->on_finish(summary);
      sink->on_error(Error(ErrorCode::kInternal, "the answer could not be handed over"));
    });
    // The work of all beams counts once.
    summary.timings.prompt_use = summary.timings.answer_use = Duration(0);
  }
}

void StepLoop::append_token(Active& active) {
  const auto page = static_cast<size_t>(limits_.page_token_count);
  if (!active.prefix || active.tokens.size() % page != 0) return scheduler_.append_token(active.id);
  active.prefix = hasher_.extend(*active.prefix, std::span(active.tokens).last(page));
  scheduler_.append_token(active.id, active.prefix);
}

void StepLoop::reason(Choice& choice, SampledToken& sampled) {
  const auto& ends = choice.end_tokens;
  const TokenId chosen =
      choice.reasoning->choose(sampled.token, std::find(ends.begin(), ends.end(), sampled.token) != ends.end());
  // What nobody sampled is certain.
  if (chosen != sampled.token) sampled = {chosen, sampled.logprob ? std::optional(0.0f) : std::nullopt, {}};
  choice.reasoning->push(environment_.tokenizer->token_bytes(chosen));
}

void StepLoop::finish(Choice& choice, const Answer::Progress& progress) {
  GenerationSummary summary = summary_of(*choice.active, *choice.first_token);
  summary.reason = *progress.finish;
  summary.stop = progress.stop;
  summary.completion_tokens = choice.answer.token_count();
  // The pages are free before the receiver knows: whoever waits for the answer finds room for the next request.
  const std::shared_ptr<GenerationSink> sink = release(choice.id);
  call_sink([&] { sink->on_finish(summary); });
}

GenerationSummary StepLoop::summary_of(const Active& active, TimePoint first_token) const {
  return {.prompt_tokens = active.prompt_token_count,
          .cached_tokens = active.cached_token_count,
          .timings = {.queue = *active.started - active.submitted,
                      .first_token = first_token - active.submitted,
                      .total = environment_.clock.now() - active.submitted,
                      .until_first_token = active.time.until_first_token(),
                      .after_first_token = active.time.after_first_token(),
                      .prompt_use = active.time.prompt_use(),
                      .answer_use = active.time.answer_use()}};
}

void StepLoop::fail(RequestId id, const Error& error) noexcept {
  const std::shared_ptr<GenerationSink> sink = release(id);
  call_sink([&] { sink->on_error(error); });
}

std::shared_ptr<GenerationSink> StepLoop::release(RequestId id) {
  const auto entry = choices_.find(id);
  CHECK(entry != choices_.end());
  Choice& choice = *entry->second;
  std::shared_ptr<GenerationSink> sink = std::move(choice.sink);
  choices_.erase(entry);
  if (choice.beams != nullptr) {
    Beams& beams = *choice.beams;
    const auto is_gone = [](const auto& other) { return other == nullptr; };
    std::find_if(beams.choices.begin(), beams.choices.end(), [&](const auto& other) {
      return other.get() == &choice;
    })->reset();
    if (std::all_of(beams.choices.begin(), beams.choices.end(), is_gone)) remove_all(beams);
  } else {
    Active& active = *choice.active;
    std::erase_if(active.choices, [&](const auto& other) { return other.get() == &choice; });
    if (active.choices.empty()) remove(active.id);
  }
  if (environment_.on_release) environment_.on_release(*this);
  return sink;
}

void StepLoop::remove(SequenceId id) {
  const std::unique_ptr<Active> active = std::move(active_.at(id));
  active_.erase(id);
  deadline_count_ -= active->deadline ? 1 : 0;
  adapter_count_ -= active->adapter.number() != 0 ? 1 : 0;
  if (scheduler_.contains(id)) scheduler_.remove(id);  // not where there was no memory for a fork
  if (active->beams == nullptr) return;
  active->beams->prompt_use += active->time.prompt_use();
  active->beams->answer_use += active->time.answer_use();
}

// Looked for one by one: a search that failed half way knows them no more. With the last of them it may be gone itself.
void StepLoop::remove_all(const Beams& beams) {
  const auto next = [&] {
    return std::find_if(active_.begin(), active_.end(),
                        [&](const auto& entry) { return entry.second->beams.get() == &beams; });
  };
  for (auto entry = next(); entry != active_.end(); entry = next()) remove(entry->first);
}

EngineStatistics StepLoop::statistics() const {
  return {.running_count = scheduler_.running_count(),
          .waiting_count = scheduler_.waiting_count(),
          .pages_used = scheduler_.pages_used(),
          .pages_kept = scheduler_.pages_kept(),
          .pages_total = scheduler_.pages_total(),
          .step_count = step_count_,
          .step_row_count = step_row_count_,
          .steps_by_rows = steps_by_rows_,
          .preemption_count = scheduler_.preemption_count(),
          .prompt_token_count = scheduler_.admitted_token_count(),
          .cached_token_count = scheduler_.cached_token_count(),
          .mask_count = grammar_masks_.statistics().mask_count,
          .mask_time = grammar_masks_.statistics().mask_time,
          .mask_wait_time = grammar_masks_.statistics().wait_time};
}

}  // namespace pelton
