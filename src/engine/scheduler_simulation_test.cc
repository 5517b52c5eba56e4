// Thousands of random lives of a scheduler under a fake clock, against caches that remember what was written where.
//
// A failing life prints its seed; PELTON_SIMULATION_SEED=seed lives it again, alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "engine/prefix_hash.h"
#include "engine/scheduler.h"

namespace pelton {
namespace {

// What happened in many lives: a simulation that never meets a case proves nothing about it.
struct Tally {
  int64_t preemption_count = 0;
  int64_t cached_token_count = 0;
  int64_t copy_count = 0;
  int64_t fork_count = 0;
  int64_t beam_count = 0;
  int64_t parked_count = 0;
  int64_t wake_count = 0;
  int64_t failed_step_count = 0;
};

// A random life of a scheduler: arrivals in bursts and alone, of clients with priorities, some with prefixes that
// others have too, some with several answers, some with beams; cancels, failing steps, too little memory, each way of
// batching. A "token" is a function of what came before it, as the pages hold it, and of its answer's seed, so a lost,
// doubled or foreign token changes everything after it. Half of the lives have layers with a window, some of them no
// others: those see the last tokens, in pages of their own.
class Simulation {
 public:
  Simulation(uint64_t seed, Tally& tally)
      : rng_(seed), tally_(tally), options_(random_options(rng_)), scheduler_(options_), hasher_({seed, 1}) {
    context_length_ =
        (options_.page_count > 0 ? options_.page_count : kContextPagesOfWindows) * options_.page_token_count;
    pages_.resize(static_cast<size_t>(options_.page_count * options_.page_token_count));
    if (options_.local)
      local_pages_.resize(static_cast<size_t>(options_.local->page_count * options_.page_token_count));
    for (std::vector<TokenId>& document : documents_) {
      for (int64_t i = 0; i < context_length_; ++i) document.push_back(random_token());
    }
    arrivals_left_ = 1 + rng_.next_below(24);
    caches_prefixes_ = rng_.next_below(4) != 0;
  }

  void run() {
    int64_t step_count = 0;
    while (arrivals_left_ > 0 || !scheduler_.is_empty()) {
      arrive();
      cancel_some();
      step();
      if (testing::Test::HasFatalFailure()) return;
      ASSERT_LT(++step_count, 100'000) << "no end";
    }
    ASSERT_EQ(scheduler_.pages_used(), 0) << "leaked pages";
    ASSERT_TRUE(sequences_.empty());
    tally_.preemption_count += scheduler_.preemption_count();
    tally_.cached_token_count += scheduler_.cached_token_count();
  }

 private:
  struct Sequence {
    std::vector<TokenId> tokens;
    size_t prompt_size;
    size_t size_max;
    uint64_t seed;                           // of its answer
    int64_t choice_count;                    // answers that the prompt will have
    int64_t beam_count;                      // or beams; 0: it has none
    uint64_t group = 0;                      // of beams
    std::optional<uint64_t> state = {};      // of a beam that has its row: what the model knows then
    std::vector<uint64_t> token_seeds = {};  // of its answer's tokens
    Priority priority;
    std::optional<PrefixHash> prefix;       // of its full pages
    std::optional<int64_t> computed_count;  // none: has no pages
    bool has_started = false;
    bool is_decoding = false;
  };

  static SchedulerOptions random_options(Rng& rng) {
    SchedulerOptions options;
    options.page_token_count = 1 + static_cast<int64_t>(rng.next_below(5));
    options.page_count = 2 + static_cast<int64_t>(rng.next_below(16));
    options.step_token_count_max = 1 + static_cast<int64_t>(rng.next_below(40));
    const auto sequence_count_max = static_cast<uint64_t>(std::min<int64_t>(options.step_token_count_max, 12));
    options.sequence_count_max = 1 + static_cast<int64_t>(rng.next_below(sequence_count_max));
    options.growth_page_count = static_cast<int64_t>(rng.next_below(4));
    const uint64_t batching = rng.next_below(8);
    if (batching == 0) options.batching = Batching::kStatic;
    if (batching == 1) options.batching = Batching::kDynamic;
    if (rng.next_below(4) == 0) {  // steps take 1 to 30 ms here
      options.service_level = ServiceLevel{.ttft = std::chrono::milliseconds(20 + rng.next_below(500)),
                                           .tpot = std::chrono::milliseconds(5 + rng.next_below(60))};
      options.step_times = {.fixed_ms = 5, .decode_row_ms = 1, .prompt_row_ms = 0.5};
    }
    if (rng.next_below(2) == 0) return options;
    const int64_t window = 1 + static_cast<int64_t>(rng.next_below(30));
    if (rng.next_below(4) == 0) options.page_count = 0;
    const int64_t context_pages = options.page_count > 0 ? options.page_count : kContextPagesOfWindows;
    const int64_t least =
        std::min(context_pages, window_page_count_max(window, options.step_token_count_max, options.page_token_count));
    options.local = WindowPages{.page_count = least + static_cast<int64_t>(rng.next_below(12)), .window = window};
    return options;
  }
  static uint64_t next_state(uint64_t state, TokenId token) {
    return Rng(state ^ static_cast<uint64_t>(index_of(token))).next();
  }
  static TokenId token_of(uint64_t state, uint64_t seed) {
    return TokenId{static_cast<int32_t>(Rng(state + seed).next() >> 33)};
  }
  TokenId random_token() { return TokenId{static_cast<int32_t>(rng_.next() >> 33)}; }

  void arrive() {
    while (arrivals_left_ > 0 && (scheduler_.is_empty() || rng_.next_below(3) == 0)) {
      --arrivals_left_;
      Sequence sequence;
      const auto context = static_cast<uint64_t>(context_length_);
      sequence.prompt_size = 1 + rng_.next_below(rng_.next_below(4) == 0 ? context : (context + 3) / 4);
      sequence.size_max = sequence.prompt_size + 1 + rng_.next_below(context - sequence.prompt_size + 1);
      sequence.seed = rng_.next();
      sequence.choice_count = rng_.next_below(4) == 0 ? 1 + static_cast<int64_t>(rng_.next_below(4)) : 1;
      sequence.beam_count = rng_.next_below(6) == 0 ? 1 + static_cast<int64_t>(rng_.next_below(5)) : 0;
      if (sequence.beam_count > 0) sequence.choice_count = 1;
      sequence.priority = static_cast<Priority>(rng_.next_below(3));
      const std::vector<TokenId>& document = documents_[rng_.next_below(documents_.size())];
      const size_t shared_size = rng_.next_below(sequence.prompt_size + 1);
      sequence.tokens.assign(document.begin(), document.begin() + static_cast<std::ptrdiff_t>(shared_size));
      while (sequence.tokens.size() < sequence.prompt_size) sequence.tokens.push_back(random_token());

      const std::vector<PrefixHash> prefixes = prefixes_of(sequence, rng_.next_below(2) == 0 ? "" : "tenant");
      const SequenceId id{++id_count_};
      sequence.group = static_cast<uint64_t>(id);
      const auto room = static_cast<int64_t>(std::min(sequence.size_max, static_cast<size_t>(context_length_)));
      scheduler_.add({.id = id,
                      .token_count = static_cast<int64_t>(sequence.prompt_size),
                      .token_count_max = rng_.next_below(2) == 0 ? std::optional(room) : std::nullopt,
                      .prefixes = prefixes,
                      .priority = sequence.priority,
                      .client = rng_.next_below(3),
                      .time = now_});
      sequences_.emplace(id, std::move(sequence));
    }
  }

  std::vector<PrefixHash> prefixes_of(Sequence& sequence, std::string_view salt) const {
    std::vector<PrefixHash> prefixes;
    if (!caches_prefixes_) return prefixes;
    const auto page = static_cast<size_t>(options_.page_token_count);
    sequence.prefix = hasher_.root(salt);
    for (size_t end = page; end <= sequence.tokens.size(); end += page) {
      sequence.prefix = hasher_.extend(*sequence.prefix, std::span(sequence.tokens).subspan(end - page, page));
      prefixes.push_back(*sequence.prefix);
    }
    return prefixes;
  }

  void cancel_some() {
    if (sequences_.empty() || rng_.next_below(20) != 0) return;
    end(std::next(sequences_.begin(), static_cast<int64_t>(rng_.next_below(sequences_.size())))->first);
  }

  // With all beams that belong to it.
  void end(SequenceId ended) {
    const auto entry = sequences_.find(ended);
    if (entry == sequences_.end()) return;
    if (entry->second.beam_count == 0) return remove(ended);
    for (const SequenceId beam : beams_of(entry->second.group)) remove(beam);
  }

  void remove(SequenceId removed) {
    scheduler_.remove(removed);
    sequences_.erase(removed);
  }

  std::vector<SequenceId> beams_of(uint64_t group) const {
    std::vector<SequenceId> beams;
    for (const auto& [id, sequence] : sequences_) {
      if (sequence.beam_count > 0 && sequence.group == group) beams.push_back(id);
    }
    return beams;
  }

  void step() {
    if (scheduler_.is_empty()) return;
    now_ += std::chrono::milliseconds(1 + rng_.next_below(30));
    scheduler_.plan(plan_, now_);
    if (plan_.wake) {
      ASSERT_EQ(options_.batching, Batching::kDynamic);
      ASSERT_GT(*plan_.wake, now_);
      ASSERT_TRUE(plan_.sequences.empty());
      now_ = *plan_.wake - std::chrono::milliseconds(rng_.next_below(2));
      ++tally_.wake_count;
      return;
    }
    for (const SequenceId preempted : plan_.preempted) {
      sequences_.at(preempted).computed_count.reset();
      sequences_.at(preempted).is_decoding = false;
      tally_.parked_count += sequences_.at(preempted).state ? 1 : 0;
    }
    copy_pages(plan_.copies, pages_);
    copy_pages(plan_.local_copies, local_pages_);
    check_plan();
    if (testing::Test::HasFatalFailure()) return;
    if (rng_.next_below(200) == 0) {  // the step failed: so do its requests
      ++tally_.failed_step_count;
      for (const ScheduledRows& rows : plan_.sequences) end(rows.id);
      scheduler_.complete(plan_);
      return;
    }
    for (const ScheduledRows& rows : plan_.sequences) write(rows);
    scheduler_.complete(plan_);
    for (const ScheduledRows& rows : plan_.sequences) {
      if (rows.completes_tokens && sequences_.contains(rows.id)) answer(rows);
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  void copy_pages(std::span<const PageCopy> copies, std::vector<TokenId>& cells) {
    for (const PageCopy& copy : copies) {
      std::copy_n(cells.begin() + index_of(copy.from) * options_.page_token_count, options_.page_token_count,
                  cells.begin() + index_of(copy.to) * options_.page_token_count);
      ++tally_.copy_count;
    }
  }

  void check_plan() {
    int64_t row_count = 0;
    std::set<SequenceId> ids;
    std::set<int32_t> written;
    std::set<int32_t> local_written;
    bool was_chunk = false;
    for (const ScheduledRows& rows : plan_.sequences) {
      Sequence& sequence = sequences_.at(rows.id);
      const auto token_count = static_cast<int64_t>(sequence.tokens.size());
      ASSERT_TRUE(ids.insert(rows.id).second) << "twice in one step";
      ASSERT_GE(rows.row_count, 1);
      if (!sequence.computed_count) {  // what the prefix cache held
        ASSERT_EQ(rows.first_position % options_.page_token_count, 0);
        ASSERT_TRUE(caches_prefixes_ || rows.first_position == 0);
        sequence.computed_count = rows.first_position;
      }
      ASSERT_EQ(rows.first_position, sequence.computed_count) << "rows left out or computed twice";
      ASSERT_LE(rows.first_position + rows.row_count, token_count);
      ASSERT_EQ(rows.completes_tokens, rows.first_position + rows.row_count == token_count);
      ASSERT_EQ(rows.is_first, !sequence.has_started);
      if (options_.page_count > 0) check_written(rows, rows.pages, written);
      if (options_.local) check_written(rows, rows.local_pages, local_written);
      if (testing::Test::HasFatalFailure()) return;
      ASSERT_FALSE(sequence.is_decoding && was_chunk) << "a decode row behind a chunk of a prompt";
      was_chunk |= rows.row_count > 1;
      row_count += rows.row_count;
    }
    ASSERT_EQ(row_count, plan_.row_count);
    ASSERT_GT(row_count, 0);
    ASSERT_LE(row_count, options_.step_token_count_max);
    ASSERT_LE(scheduler_.running_count(), options_.sequence_count_max);
    // Nobody reads a page that somebody writes.
    for (const ScheduledRows& rows : plan_.sequences) {
      const int64_t written_from = rows.first_position / options_.page_token_count;
      for (int64_t page = 0; options_.page_count > 0 && page < written_from; ++page) {
        ASSERT_FALSE(written.contains(rows.pages[static_cast<size_t>(page)])) << "a foreign row in a page";
      }
      for (int64_t page = options_.local ? first_seen(rows.first_position) / options_.page_token_count : written_from;
           page < written_from; ++page) {
        ASSERT_FALSE(local_written.contains(rows.local_pages[static_cast<size_t>(page)])) << "a foreign row in a page";
      }
    }
  }

  // The pages that the rows go into are there, and nobody else writes them.
  void check_written(const ScheduledRows& rows, std::span<const int32_t> table, std::set<int32_t>& written) const {
    const int64_t end = rows.first_position + rows.row_count;
    ASSERT_LE(end, static_cast<int64_t>(table.size()) * options_.page_token_count);
    for (int64_t page = rows.first_position / options_.page_token_count; page <= (end - 1) / options_.page_token_count;
         ++page) {
      ASSERT_TRUE(written.insert(table[static_cast<size_t>(page)]).second) << "a page with two writers";
    }
  }

  int64_t first_seen(int64_t position) const { return std::max<int64_t>(0, position + 1 - options_.local->window); }

  void write(const ScheduledRows& rows) {
    Sequence& sequence = sequences_.at(rows.id);
    for (int64_t position = rows.first_position; position < rows.first_position + rows.row_count; ++position) {
      const TokenId token = sequence.tokens[static_cast<size_t>(position)];
      if (options_.page_count > 0) cell(rows.pages, position, pages_) = token;
      if (options_.local) cell(rows.local_pages, position, local_pages_) = token;
    }
    *sequence.computed_count += rows.row_count;
    sequence.has_started = true;
  }

  TokenId& cell(std::span<const int32_t> table, int64_t position, std::vector<TokenId>& cells) const {
    const int64_t page = table[static_cast<size_t>(position / options_.page_token_count)];
    return cells[static_cast<size_t>(page * options_.page_token_count + position % options_.page_token_count)];
  }

  // What the model knows after position `end` - 1, where `token_at(position, is_local)` gives the tokens before.
  template <typename TokenAt>
  uint64_t state_after(int64_t end, const TokenAt& token_at) const {
    uint64_t state = 0;
    for (int64_t position = 0; options_.page_count > 0 && position < end; ++position) {
      state = next_state(state, token_at(position, false));
    }
    for (int64_t position = options_.local ? first_seen(end - 1) : end; position < end; ++position) {
      state = next_state(state, token_at(position, true));
    }
    return state;
  }

  // Each answer of the row gets its token; those of a prompt part here.
  void answer(const ScheduledRows& rows) {
    const uint64_t state = state_after(rows.first_position + rows.row_count, [&](int64_t position, bool is_local) {
      return is_local ? cell(rows.local_pages, position, local_pages_) : cell(rows.pages, position, pages_);
    });
    Sequence& parent = sequences_.at(rows.id);
    if (parent.beam_count > 0) {
      ASSERT_FALSE(parent.state) << "a row twice";
      parent.state = state;
      return advance_beams(parent.group);
    }
    std::vector<SequenceId> answers{rows.id};
    for (; parent.choice_count > 1; --parent.choice_count) {
      const SequenceId id = fork(rows.id);
      sequences_.at(id).choice_count = 1;
      sequences_.at(id).seed = rng_.next();
      answers.push_back(id);
    }
    for (const SequenceId id : answers) {
      append(id, state);
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  SequenceId fork(SequenceId parent) {
    const SequenceId id{++id_count_};
    const int64_t running_count = scheduler_.running_count();
    scheduler_.fork(parent, id);
    ++tally_.fork_count;
    Sequence child = sequences_.at(parent);
    if (scheduler_.running_count() == running_count) child.computed_count.reset();  // there was no place
    sequences_.emplace(id, std::move(child));
    return id;
  }

  // When all beams have their rows, others follow them, of random parents: some have several, some none.
  void advance_beams(uint64_t group) {
    const std::vector<SequenceId> parents = beams_of(group);
    for (const SequenceId id : parents) {
      if (!sequences_.at(id).state) return;
    }
    std::map<SequenceId, int64_t> child_counts;
    for (int64_t i = 0; i < sequences_.at(parents.front()).beam_count; ++i) {
      ++child_counts[parents[rng_.next_below(parents.size())]];
    }
    for (const SequenceId id : parents) {
      if (!child_counts.contains(id)) remove(id);
    }
    std::vector<SequenceId> beams;
    for (const auto& [parent, count] : child_counts) {
      beams.push_back(parent);
      for (int64_t i = 1; i < count; ++i) beams.push_back(fork(parent));
    }
    tally_.beam_count += static_cast<int64_t>(beams.size());
    for (const SequenceId id : beams) {
      Sequence& beam = sequences_.at(id);
      beam.seed = rng_.next();
      append(id, *std::exchange(beam.state, std::nullopt));
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  // Beams come to their end all at once.
  void append(SequenceId id, uint64_t state) {
    Sequence& sequence = sequences_.at(id);
    sequence.tokens.push_back(token_of(state, sequence.seed));
    sequence.token_seeds.push_back(sequence.seed);
    if (sequence.tokens.size() >= sequence.size_max) {
      check_answer(sequence);
      return remove(id);
    }
    sequence.is_decoding = sequence.computed_count.has_value();
    const auto page = static_cast<size_t>(options_.page_token_count);
    if (!sequence.prefix || sequence.tokens.size() % page != 0) return scheduler_.append_token(id);
    sequence.prefix = hasher_.extend(*sequence.prefix, std::span(sequence.tokens).last(page));
    scheduler_.append_token(id, sequence.prefix);
  }

  void check_answer(const Sequence& sequence) const {
    for (size_t i = sequence.prompt_size; i < sequence.tokens.size(); ++i) {
      const uint64_t state = state_after(static_cast<int64_t>(i), [&](int64_t position, bool) {
        return sequence.tokens[static_cast<size_t>(position)];
      });
      ASSERT_EQ(sequence.tokens[i], token_of(state, sequence.token_seeds[i - sequence.prompt_size]))
          << "a token lost, doubled or foreign";
    }
  }

  static constexpr int64_t kContextPagesOfWindows = 20;

  Rng rng_;
  Tally& tally_;
  SchedulerOptions options_;
  Scheduler scheduler_;
  PrefixHasher hasher_;
  TimePoint now_{};
  std::vector<TokenId> pages_;                     // what the KV cache would hold
  std::vector<TokenId> local_pages_;               // of layers with a window
  std::array<std::vector<TokenId>, 2> documents_;  // that prompts begin with
  int64_t context_length_;
  uint64_t arrivals_left_;
  bool caches_prefixes_;
  uint64_t id_count_ = 0;
  std::map<SequenceId, Sequence> sequences_;
  StepPlan plan_;
};

TEST(SchedulerSimulation, KeepsItsPromisesInRandomLives) {
  const char* wanted = std::getenv("PELTON_SIMULATION_SEED");
  const uint64_t first = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
  const uint64_t last = wanted != nullptr ? first : 12'000;
  Tally tally;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("PELTON_SIMULATION_SEED=" + std::to_string(seed));
    Simulation(seed, tally).run();
    if (HasFatalFailure()) return;
  }
  if (wanted != nullptr) return;
  EXPECT_GT(tally.preemption_count, 10'000);
  EXPECT_GT(tally.cached_token_count, 10'000);
  EXPECT_GT(tally.copy_count, 1'000);
  EXPECT_GT(tally.fork_count, 10'000);
  EXPECT_GT(tally.beam_count, 10'000);
  EXPECT_GT(tally.parked_count, 1'000);
  EXPECT_GT(tally.wake_count, 1'000);
  EXPECT_GT(tally.failed_step_count, 1'000);
}

}  // namespace
}  // namespace pelton
