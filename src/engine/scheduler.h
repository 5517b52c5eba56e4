// Decides which rows the next step computes: continuous batching with chunked prefill (Yu et al. 2022, Orca; Agrawal et
// al. 2023, arXiv 2308.16369) over paged memory, with preemption by recomputation and copy-on-write (Kwon et al. 2023,
// arXiv 2309.06180), a fair share for each client (Sheng et al. 2024, arXiv 2401.00588) and a cache of prefixes.
//
// Pure: numbers in, plan out; no clock, no tensor, no thread. The rules, in order:
//   1. Rank. A sequence has its priority's rank. Each eighth place, and the prompt rows of each eighth step, go to
//      whoever has waited longest, and one that was admitted so has the best rank: nobody waits for ever. Running
//      sequences are ordered by rank, then age.
//   2. Where the first in line finds no place, sequences of lower priority give up theirs, if that makes enough of it.
//   3. Running sequences that lack one row (decode) come first, so that no long prompt delays them.
//   4. Waiting sequences are admitted as long as the budget is not used up by prompts of their rank or better. In line
//      stand, in this order: better rank; who ran before; the client that was served least; who came first. Nobody
//      overtakes the first in line: it is admitted when pages for all its tokens are free, and some more for what
//      running sequences may still grow; where there are several clients, the last places are kept for those that
//      run less than their part. A sequence that would compute what a running sequence is just computing waits for it.
//   5. What is left of the budget goes to unfinished prompts, in chunks: better rank, client served least, age.
//   6. A decoding sequence grows page by page. When none is free, the last running sequence gives up its pages and
//      waits, to be computed again with the tokens that it already has (most of which the prefix cache may still hold).
//   7. A sequence that has all its rows and no next token yet (a beam, until the others are as far) rests: it keeps its
//      pages and asks for nothing. Where nobody else has rows, those that rest give up their places to who waits, and
//      stand in no line until they get their token: so beams come round even where not all of them have room at once.
// The first running sequence is never preempted by rule 6, and what waits, for a place or for rows, comes to be the one
// that has waited longest: so each sequence ends.
//
// Service level. Where one was promised, as many answers as possible shall keep it, rather than as many tokens as
// possible be made: a step's prompt rows (rule 5) and the number of sequences (rule 4) are such that a step takes at
// most a token's time; and who cannot get its first token in time any more stands behind those of its client who can,
// and is admitted when no prompt runs. Who would be late only because of the prompts before it waits for them. A
// prompt of a client that runs less than its part of the places may make its steps longer than a token's time, which
// those after them make up for: its first token comes about as soon as if it were alone. Nor does it wait with whoever
// has waited longest until there are rows for that one. Times are predicted by StepTimes.
//
// Prefix cache. A full page is kept under its prefix's name (prefix_hash.h) from when it was computed until its room is
// needed. A hit of k pages needs, in layers that see all positions, pages 0 to k - 1; in layers with a window, those
// that the first row after it sees. The longest such k that leaves one token to compute is taken. Keys and values of a
// row depend on the tokens before it alone, to the bit and whatever their type, so a hit changes no answer.
//
// Layers with a window have pages of their own: rows that are computed give back what lies behind them, so a sequence
// holds there no more than its window and one step touch. A prompt takes its pages at once, so that its chunks never
// wait for pages.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "engine/page_pool.h"
#include "engine/prefix_hash.h"
#include "engine/request.h"
#include "engine/service_level.h"
#include "engine/step_times.h"

namespace pelton {

// Names a sequence within one scheduler; never used twice.
enum class SequenceId : uint64_t {};

// When waiting sequences may join those that run.
enum class Batching : uint8_t {
  kContinuous,  // at every step
  kStatic,      // when all have ended: those that wait then are the next batch
  kDynamic,     // likewise, but a batch that is not full waits for company, batch_window from its first arrival
};

struct SchedulerOptions {
  int64_t page_count = 0;              // of layers that see all positions; 0: there are none such
  std::optional<WindowPages> local;    // of layers with a window; none: there are none such
  int64_t page_token_count = 16;       // P
  int64_t step_token_count_max = 512;  // the budget: rows of a step
  int64_t sequence_count_max = 64;     // running at once; at most step_token_count_max
  // Pages kept free, at admission, for each running sequence that may still need so many: fewer preemptions.
  int64_t growth_page_count = 1;
  Batching batching = Batching::kContinuous;
  Duration batch_window = std::chrono::milliseconds(50);
  std::optional<ServiceLevel> service_level = {};
  StepTimes step_times = {};  // to begin with; see set_step_times
  // Sequences come into a step whole: one that does not fit into the rest of the budget waits, and one that is longer
  // than all of it has a step for itself. For sequences that get no further tokens.
  bool keeps_sequences_whole = false;
};

struct SequenceArrival {
  SequenceId id;
  int64_t token_count = 0;  // known: at least 1
  // With those that it will get. All must fit into the pages. None: anybody's guess.
  std::optional<int64_t> token_count_max = {};
  // Names of its full pages, needed during the call only. Empty: it neither finds nor leaves a prefix.
  std::span<const PrefixHash> prefixes = {};
  Priority priority = Priority::kNormal;
  uint64_t client = 0;  // who shares the machine fairly with whom
  TimePoint time = {};
  int64_t chunk_rows_max = std::numeric_limits<int64_t>::max();  // of its prompt in one step
};

// The rows of one sequence in a step: its tokens at positions [first_position, first_position + row_count).
struct ScheduledRows {
  SequenceId id;
  int64_t first_position = 0;
  int64_t row_count = 0;
  bool completes_tokens = false;  // the last row is the sequence's last token: its logits give the next one
  bool is_first = false;          // the sequence's first rows ever; the prefix cache held what comes before them
  // Valid until the scheduler is changed.
  std::span<const int32_t> pages;        // of layers that see all positions
  std::span<const int32_t> local_pages;  // of layers with a window; those behind it are gone
};

struct StepPlan {
  std::vector<ScheduledRows> sequences;  // decode rows first, then prompt chunks
  int64_t row_count = 0;
  std::vector<SequenceId> preempted;
  // Before the rows are computed, pages that several sequences read and one now writes are copied.
  std::vector<PageCopy> copies;
  std::vector<PageCopy> local_copies;
  // Where there is nothing to do now although sequences wait: when to ask again.
  std::optional<TimePoint> wake;
};

// What the rows of a plan cost.
StepWork work_of(const StepPlan& plan);

class Scheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options);

  // The sequence gets in line.
  void add(const SequenceArrival& arrival);
  // Finished, failed or cancelled: frees its pages. It must be known.
  void remove(SequenceId id);
  // `child` begins as a copy of `parent`, all of whose tokens are or were computed, and of its age. It shares its
  // pages, where there are such and a place for it to run; else it waits like a preempted sequence.
  void fork(SequenceId parent, SequenceId child);

  // Makes the next plan (into `plan`, whose memory is reused). Without rows only when there is no sequence, or until
  // `wake`.
  void plan(StepPlan& plan, TimePoint now = {});
  // The rows of the plan were computed. Call once after each plan, after removing sequences that failed.
  void complete(const StepPlan& plan);
  // The sequence, all of whose tokens are computed unless it waits, got another one. One that gets none before the next
  // plan rests; they can't all. `filled`: the name of the page
  // that this token fills, if it fills one and the sequence has prefixes.
  void append_token(SequenceId id, const std::optional<PrefixHash>& filled = {});

  // What a service level reckons with.
  void set_step_times(const StepTimes& times) { options_.step_times = times; }

  int64_t running_count() const { return static_cast<int64_t>(running_.size()); }
  int64_t waiting_count() const { return static_cast<int64_t>(sequences_.size()) - running_count(); }
  bool contains(SequenceId id) const { return sequences_.contains(id); }
  bool is_empty() const { return sequences_.empty(); }
  int64_t preemption_count() const { return preemption_count_; }
  int64_t pages_used() const;  // by sequences
  int64_t pages_kept() const;  // by the prefix cache alone
  int64_t pages_total() const;
  // Of all admissions: tokens, and those of them that the prefix cache held.
  int64_t admitted_token_count() const { return admitted_token_count_; }
  int64_t cached_token_count() const { return cached_token_count_; }

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

  struct Client;
  struct Sequence {
    SequenceId id;
    int64_t token_count;  // prompt and answer so far
    std::optional<int64_t> token_count_max;
    Priority priority;
    Client* client;
    uint64_t number;  // by age
    int64_t chunk_rows_max;
    TimePoint waits_since;       // for a place, or for rows
    int64_t rank;                // 0: the best
    int64_t computed_count = 0;  // tokens whose keys and values are in the pages
    int64_t charged_count = 0;   // tokens that its client was charged for
    int64_t prompt_count;        // tokens that it came with
    uint64_t planned = 0;        // number of the last plan that has rows of it
    uint64_t deferred = 0;       // number of the last plan that found its prefix in the making
    bool is_running = false;
    bool is_parked = false;  // rested, and gave up its pages: stands in no line
    bool was_admitted = false;
    bool is_late = false;  // cannot keep the service level any more
    bool has_started = false;
    std::vector<PrefixHash> prefixes;  // of full pages; empty: none are looked for
    std::vector<PageTable> pages;      // by group

    int64_t pending_count() const { return token_count - computed_count; }
    bool rests() const { return is_parked || pending_count() == 0; }
  };
  using Queue = std::list<Sequence>;  // nodes move between the queues without copying
  static constexpr size_t kPriorityCount = 3;

  struct Client {
    double service = 0;  // what it got: 1 for each token of a prompt, 2 for each of an answer (as in the paper)
    int64_t sequence_count = 0;
    int64_t running_count = 0;
    std::array<Queue, kPriorityCount> waiting;  // each by age
    std::array<Queue, kPriorityCount> late;     // likewise
  };

  Client& client_of(uint64_t key);
  void forget_idle_clients();
  // The next place goes to whoever has waited longest.
  bool is_place_by_age() const { return goes_by_age_; }
  // Whether prompts that come before this one's leave rows of the step to it.
  bool has_rows_for(const Sequence& sequence, const StepPlan& plan) const;
  // Whether it cannot get its first token in time if so many rows of prompts come before its own.
  bool would_be_late(const Sequence& sequence, int64_t rows_before) const;
  void set_late_aside(Client& client);
  void reckon_with_service_level(const StepPlan& plan);
  double step_ms_max() const;
  void settle_debt(const StepPlan& plan);
  // Whether `a` is served before `b`, of which both run, or both wait.
  bool is_before_in_line(const Sequence& a, const Sequence& b) const;
  // Whether rows of `a` come before those of `b`, but for steps that go by age.
  static bool is_served_before(const Sequence& a, const Sequence& b);
  bool is_prompt_before(const Sequence& a, const Sequence& b) const;
  // Rows of running prompts that the step has none of yet and that come before those of a candidate.
  int64_t prompt_rows_before(const Sequence& candidate) const;
  Sequence* first_in_line();
  Queue& waiting_queue(const Sequence& sequence) const;
  Queue& queue_of(const Sequence& sequence);
  Queue::iterator insert_by_age(Queue& queue, const Sequence& sequence) const;
  void run(Sequence& sequence);

  // Whether its client runs less than its part of the places: it may take those that are kept, and its prompts may make
  // longer steps.
  bool is_modest(const Sequence& sequence) const;
  bool is_place_kept_from(const Sequence& sequence) const;
  bool may_admit(StepPlan& plan) const;
  void make_place_by_rank(StepPlan& plan);
  void plan_decoding(StepPlan& plan);
  void admit(StepPlan& plan);
  void start(Sequence& sequence, int64_t cached_page_count, StepPlan& plan);
  void plan_prompts(StepPlan& plan);
  // False: the sequence had to give up its own pages.
  bool grow_or_preempt(Queue::iterator sequence, StepPlan& plan);
  void preempt_last(StepPlan& plan);
  void replace_resting(StepPlan& plan);
  void schedule(Sequence& sequence, int64_t row_count, StepPlan& plan);
  // Rows of a step, as far as prompts of this sequence's client may fill it.
  int64_t budget_of(const Sequence& sequence) const { return is_modest(sequence) ? modest_budget_ : step_budget_; }

  int64_t page_count_for(int64_t token_count) const {
    return (token_count + options_.page_token_count - 1) / options_.page_token_count;
  }
  int64_t first_page_seen(const Group& group, int64_t position) const;
  PagesWanted pages_wanted(const Group& group, int64_t token_count, int64_t computed_count) const;
  // The page that the next row is written into is read by somebody else too.
  bool writes_shared_page(const Group& group, const PageTable& table, const Sequence& sequence) const;
  // Gives back what lies behind the window and takes what the next rows need, which must be free.
  void take_pages(Sequence& sequence, StepPlan& plan);
  // Whether a running sequence finds pages for its next rows in all groups.
  bool has_pages(const Sequence& sequence) const;
  // Whether one that waits does, if it begins with these pages, beside what the others may still need.
  bool has_place(const Sequence& sequence, int64_t cached_page_count) const;
  int64_t growth_reserve() const;
  void release_pages(Sequence& sequence);
  void check_fits(const Sequence& sequence) const;

  // Pages with which the sequence may begin.
  int64_t cached_page_count(const Sequence& sequence) const;
  bool is_in_the_making(const Sequence& sequence, int64_t cached_page_count) const;
  void keep_prefixes(Sequence& sequence, int64_t computed_before);
  Sequence& find(SequenceId id) const;

  SchedulerOptions options_;
  std::vector<Group> groups_;
  std::unordered_map<uint64_t, Client> clients_;
  double service_floor_ = 0;  // what the client had that was active last: nobody comes back with less
  Queue running_;             // by rank, then age
  Queue parked_;              // in no order
  std::unordered_map<SequenceId, Queue::iterator> sequences_;
  std::vector<Sequence*> prompts_;  // scratch
  std::vector<PageId> shared_;      // scratch
  TimePoint now_;
  uint64_t plan_number_ = 0;
  int64_t step_budget_ = 0;        // rows of the step that is planned
  int64_t modest_budget_ = 0;      // the same for who asks for less than its part
  double debt_ms_ = 0;             // by which steps took longer than a token's time
  int64_t running_count_max_ = 0;  // sequences that may run after it
  uint64_t admission_count_ = 0;
  bool goes_by_age_ = false;  // the place that is given next
  uint64_t arrival_count_ = 0;
  int64_t preemption_count_ = 0;
  int64_t admitted_token_count_ = 0;
  int64_t cached_token_count_ = 0;
};

}  // namespace pelton
