// Decides which rows the next step computes: continuous batching with chunked prefill (Yu et al. 2022, Orca; Agrawal et
// al. 2023, arXiv 2308.16369) over paged memory, with preemption by recomputation (Kwon et al. 2023, arXiv 2309.06180).
//
// Pure: numbers in, plan out; no clock, no tensor, no thread. The rules, in order:
//   1. Running sequences that lack one row (decode) come first, oldest first, so that no long prompt delays them.
//   2. What is left of the token budget goes to unfinished prompts, oldest first, in chunks.
//   3. What is left then admits waiting sequences, first come, first served; one is admitted only when pages for all
//   its
//      tokens are free, and one more for each running sequence, so that admission does not cause preemption at once.
//   Layers with a window have pages of their own: rows that are computed give back what lies behind them, so a sequence
//   holds there no more than its window and one step touch. That is what rule 3 counts; a prompt takes it at once, so
//   that its chunks never wait for pages.
//   4. A decoding sequence grows page by page. When none is free, the youngest running sequence gives up its pages and
//      waits, before all that came later, to be computed again with the tokens that it already has.
// The oldest sequence is never preempted and gets rows in every step: each sequence ends.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/page_pool.h"
#include "engine/request.h"

namespace pelton {

struct SchedulerOptions {
  int64_t page_count = 0;              // of layers that see all positions; 0: there are none such
  std::optional<WindowPages> local;    // of layers with a window; none: there are none such
  int64_t page_token_count = 16;       // P
  int64_t step_token_count_max = 512;  // the budget: rows of a step
  int64_t sequence_count_max = 64;     // running at once; at most step_token_count_max
  // Sequences come into a step whole: one that does not fit into the rest of the budget waits, and one that is longer
  // than all of it has a step for itself. For sequences that get no further tokens.
  bool keeps_sequences_whole = false;
};

// The rows of one sequence in a step: its tokens at positions [first_position, first_position + row_count).
struct ScheduledRows {
  RequestId id;
  int64_t first_position = 0;
  int64_t row_count = 0;
  bool completes_tokens = false;  // the last row is the sequence's last token: its logits give the next one
  bool is_first = false;          // the sequence's first rows ever
  // Valid until the scheduler is changed.
  std::span<const int32_t> pages;        // of layers that see all positions
  std::span<const int32_t> local_pages;  // of layers with a window; those behind it are gone
};

struct StepPlan {
  std::vector<ScheduledRows> sequences;  // oldest first among decode rows, then among prompt chunks
  int64_t row_count = 0;
  std::vector<RequestId> preempted;
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options);

  // A sequence with `token_count` >= 1 known tokens goes to the end of the queue. All tokens that it will ever have
  // must fit into the pages.
  void add(RequestId id, int64_t token_count);
  // Finished, failed or cancelled: frees its pages. It must be known.
  void remove(RequestId id);

  // Makes the next plan (into `plan`, whose memory is reused). Empty only when there is no sequence.
  void plan(StepPlan& plan);
  // The rows of the plan were computed. Call once after each plan, after removing sequences that failed.
  void complete(const StepPlan& plan);
  // The sequence, all of whose tokens are computed, got another one.
  void append_token(RequestId id);

  int64_t running_count() const { return static_cast<int64_t>(running_.size()); }
  int64_t waiting_count() const { return static_cast<int64_t>(waiting_.size()); }
  bool contains(RequestId id) const { return sequences_.contains(id); }
  bool is_empty() const { return running_.empty() && waiting_.empty(); }
  int64_t preemption_count() const { return preemption_count_; }
  int64_t pages_used() const;
  int64_t pages_total() const;

 private:
  // Layers that keep the same positions: each sequence has one table of pages for all of them.
  struct Group {
    PagePool pool;
    std::optional<int64_t> window;
    int64_t held_count_max;  // pages of one sequence
  };
  // Of a sequence in a group, for the rows from a position on.
  struct PagesWanted {
    int64_t first;  // nobody reads those before it
    int64_t end;    // as many are taken
  };

  struct Sequence {
    RequestId id;
    int64_t token_count;         // prompt and answer so far
    int64_t computed_count = 0;  // tokens whose keys and values are in the pages
    bool is_running = false;
    bool has_started = false;
    std::vector<PageTable> pages;  // by group

    int64_t pending_count() const { return token_count - computed_count; }
  };
  using Queue = std::list<Sequence>;  // nodes move between the queues without copying

  void plan_decoding(StepPlan& plan);
  void plan_prompts(StepPlan& plan);
  void admit(StepPlan& plan);
  // False: the sequence had to give up its own pages.
  bool grow_or_preempt(Queue::iterator sequence, StepPlan& plan);
  void preempt_youngest(StepPlan& plan);
  void schedule(Sequence& sequence, int64_t row_count, StepPlan& plan);
  int64_t budget_left(const StepPlan& plan) const { return options_.step_token_count_max - plan.row_count; }
  PagesWanted pages_wanted(const Group& group, const Sequence& sequence) const;
  // Gives back what lies behind the window and takes what the next rows need, which must be free.
  void take_pages(Sequence& sequence);
  // Whether there are pages for the next rows in all groups, `spare_count` of each left over.
  bool has_pages(const Sequence& sequence, int64_t spare_count) const;
  void release_pages(Sequence& sequence);
  // CHECKs that the pools are large enough for it alone.
  void check_fits(const Sequence& sequence) const;
  Queue::iterator find(RequestId id);

  SchedulerOptions options_;
  std::vector<Group> groups_;
  Queue running_;  // both oldest first, and everything in `waiting_` is younger than everything in `running_`
  Queue waiting_;
  std::unordered_map<RequestId, Queue::iterator> sequences_;
  int64_t preemption_count_ = 0;
};

}  // namespace pelton
