// What the engine does in each step, on one thread: plan, run the model, sample, hand over. No thread (but that of
// GrammarMasks, which works only while a step runs), no lock, no clock of its own, so that tests can drive it step by
// step.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "engine/adapter_set.h"
#include "engine/answer.h"
#include "engine/beam_search.h"
#include "engine/grammar_masks.h"
#include "engine/prefix_hash.h"
#include "engine/prompt_scores.h"
#include "engine/request.h"
#include "engine/runner.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/statistics.h"
#include "engine/step_times.h"
#include "text/tokenizer.h"

namespace pelton {

// A request that was checked and has its number. Its answers, one for each sink, have this id and those that follow it,
// and random numbers of their own.
struct Submission {
  RequestId id;
  GenerationRequest request;
  int64_t answer_token_count_max = 0;  // prompt and answer fit into the context
  std::vector<TokenId> end_tokens;     // of this request: ending_tokens()
  std::vector<TokenId> dry_breakers;   // as in Sampler::Context
  uint64_t seed = 0;
  std::vector<std::shared_ptr<GenerationSink>> sinks;
  TimePoint submitted;
  AdapterUse adapter = {};
};

class StepLoop {
 public:
  struct Environment {
    StepRunner& runner;
    std::shared_ptr<const Tokenizer> tokenizer;
    SchedulerOptions scheduling;
    const Clock& clock;
    bool caches_prefixes = true;
    SipKey prefix_key = {};  // secret where strangers share a process
    // Called when a request has ended and its pages are free, before its sink hears of it. May be empty.
    std::function<void(const StepLoop&)> on_release = {};
    // Whose grammars requests may carry. Null: they carry none.
    std::shared_ptr<GrammarCompiler> grammars = {};
  };
  explicit StepLoop(Environment environment);
  ~StepLoop();
  StepLoop(const StepLoop&) = delete;
  StepLoop& operator=(const StepLoop&) = delete;

  // Nothing here throws: what goes wrong with a request goes to its sink, and what a sink throws ends its request.
  void add(Submission submission) noexcept;
  // One answer. Unknown or finished: nothing.
  void cancel(RequestId id) noexcept;
  // One step of the model. A runner that throws fails the requests of the step with kInternal and no others.
  void step() noexcept;
  void fail_all(const Error& error) noexcept;

  bool is_idle() const { return scheduler_.is_empty(); }
  // Where the last step had nothing to do although requests wait: when there will be.
  std::optional<TimePoint> wake() const { return plan_.wake; }
  EngineStatistics statistics() const;

 private:
  struct Choice;
  struct Active;
  struct Beams;

  void step_or_throw();
  void end_overdue();
  std::vector<PrefixHash> prefixes_of(Active& active, std::string_view salt) const;
  // Of the rows that complete their tokens, in the plan's order: whole [rows, V], or the largest of each.
  struct StepLogits {
    std::span<const float> whole;
    const LargestRows* largest = nullptr;
  };
  StepLogits run_model();
  // In which order the plan's sequences go into the batch: those of one adapter side by side.
  void order_by_adapter();
  // Begins with the masks of the rows that complete their tokens. False: none of them follows a grammar.
  bool start_masks();
  // Waits for them: one a row.
  std::span<const RowMask> masks();
  // How many of a row's largest logits are all that any of them wants; none: one wants its whole row.
  std::optional<int64_t> largest_count() const;
  // Who in the step took which part of its time.
  void account(TimePoint begin);
  // The prompt is computed: its answers go their own ways from here.
  void separate_choices(Active& active);
  // A sequence without answers of its own that goes on from where this one is.
  Active& fork(const Active& active);
  // Fills drawn_, and expands the beams of beam_rows_, by all threads.
  void sample(const StepLogits& logits);
  // Of prompt_scores_, for when the answer begins. What went wrong with one ends its request.
  void keep_prompt_scores();
  void deliver(Choice& choice, SampledToken sampled);
  // Within reasoning: what the next token is instead, where its budget says so.
  void reason(Choice& choice, SampledToken& sampled);
  // Searches that have the rows of all their beams choose the next ones.
  void advance_beams();
  void advance(Beams& beams);
  void finish(Beams& beams);
  void append_token(Active& active);
  void finish(Choice& choice, const Answer::Progress& progress);
  // What any answer of the sequence has in common.
  GenerationSummary summary_of(const Active& active, TimePoint first_token) const;
  void fail(RequestId id, const Error& error) noexcept;
  void fail_choices(SequenceId id, const Error& error) noexcept;
  // Frees everything of the answer, then hands back its sink.
  std::shared_ptr<GenerationSink> release(RequestId id);
  void remove(SequenceId id);
  void remove_all(const Beams& beams);

  Environment environment_;
  RunnerLimits limits_;
  Scheduler scheduler_;
  PrefixHasher hasher_;
  std::unordered_map<SequenceId, std::unique_ptr<Active>> active_;
  std::unordered_map<RequestId, Choice*> choices_;
  uint64_t sequence_count_ = 0;
  int64_t deadline_count_ = 0;  // of active_
  int64_t adapter_count_ = 0;   // likewise, that have one
  StepPlan plan_;
  StepBatch batch_;
  // One for each answer that gets a token: as many as the row's prompt has answers.
  struct Drawn {
    Choice* choice;
    RequestId id;  // of the choice
    int64_t row;   // of the step's logits
    SampledToken sampled;
    std::exception_ptr error;  // null: none
  };
  std::vector<Drawn> drawn_;
  // One for each beam that has its row.
  struct BeamRow {
    SequenceId id;
    int64_t row;               // of the step's logits
    std::exception_ptr error;  // null: none
  };
  std::vector<BeamRow> beam_rows_;
  PromptScores prompt_scores_;
  std::vector<std::pair<uint64_t, size_t>> order_;  // of the plan's sequences: adapter and place
  StepTimeEstimator step_times_;
  TimePoint step_end_;                    // of the last one that was accounted for
  std::vector<SequenceId> sequence_ids_;  // scratch
  std::vector<SamplerScratch> scratch_;   // one a thread
  GrammarMasks grammar_masks_;
  std::vector<RowMask> row_masks_;  // of the rows with logits; empty: none follows a grammar
  int64_t step_count_ = 0;
  int64_t step_row_count_ = 0;
  decltype(EngineStatistics::steps_by_rows) steps_by_rows_ = {};
};

}  // namespace pelton
