// Thousands of random lives of a scheduler, against a cache that remembers what was written where.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "engine/scheduler.h"

namespace pelton {
namespace {

// A random life of a scheduler: arrivals, cancels, failing steps, too little memory. A "token" is a function of what
// came before it, as the pages hold it, so a lost, doubled or foreign token changes everything after it. Half of the
// lives have layers with a window, some of them no others: those see the last tokens, in pages of their own.
class Simulation {
 public:
  explicit Simulation(uint64_t seed) : rng_(seed), options_(random_options(rng_)), scheduler_(options_) {
    context_length_ =
        (options_.page_count > 0 ? options_.page_count : kContextPagesOfWindows) * options_.page_token_count;
    pages_.resize(static_cast<size_t>(options_.page_count * options_.page_token_count));
    if (options_.local)
      local_pages_.resize(static_cast<size_t>(options_.local->page_count * options_.page_token_count));
    arrivals_left_ = 1 + rng_.next_below(24);
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
  }

  int64_t preemption_count() const { return scheduler_.preemption_count(); }

 private:
  struct Sequence {
    std::vector<uint64_t> tokens;
    size_t prompt_size;
    size_t size_max;
    int64_t computed_count = 0;
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
    if (rng.next_below(2) == 0) return options;
    const int64_t window = 1 + static_cast<int64_t>(rng.next_below(30));
    if (rng.next_below(4) == 0) options.page_count = 0;
    const int64_t context_pages = options.page_count > 0 ? options.page_count : kContextPagesOfWindows;
    const int64_t least =
        std::min(context_pages, window_page_count_max(window, options.step_token_count_max, options.page_token_count));
    options.local = WindowPages{.page_count = least + static_cast<int64_t>(rng.next_below(12)), .window = window};
    return options;
  }
  static uint64_t next_token(uint64_t state, uint64_t token) { return Rng(state ^ token).next(); }

  void arrive() {
    while (arrivals_left_ > 0 && (scheduler_.is_empty() || rng_.next_below(3) == 0)) {
      --arrivals_left_;
      Sequence sequence;
      const auto context = static_cast<uint64_t>(context_length_);
      sequence.prompt_size = 1 + rng_.next_below(rng_.next_below(4) == 0 ? context : (context + 3) / 4);
      sequence.size_max = sequence.prompt_size + 1 + rng_.next_below(context - sequence.prompt_size + 1);
      for (size_t i = 0; i < sequence.prompt_size; ++i) sequence.tokens.push_back(rng_.next());
      const RequestId new_id{++id_count_};
      scheduler_.add(new_id, static_cast<int64_t>(sequence.tokens.size()));
      sequences_.emplace(new_id, std::move(sequence));
    }
  }

  void cancel_some() {
    if (sequences_.empty() || rng_.next_below(20) != 0) return;
    end(std::next(sequences_.begin(), static_cast<int64_t>(rng_.next_below(sequences_.size())))->first);
  }

  void end(RequestId ended) {
    scheduler_.remove(ended);
    sequences_.erase(ended);
  }

  void step() {
    if (scheduler_.is_empty()) return;
    scheduler_.plan(plan_);
    for (const RequestId preempted : plan_.preempted) {
      sequences_.at(preempted).computed_count = 0;
      sequences_.at(preempted).is_decoding = false;
    }
    check_plan();
    if (testing::Test::HasFatalFailure()) return;
    if (rng_.next_below(200) == 0) {  // the step failed: so do its requests
      for (const ScheduledRows& rows : plan_.sequences) end(rows.id);
      scheduler_.complete(plan_);
      return;
    }
    for (const ScheduledRows& rows : plan_.sequences) write(rows);
    scheduler_.complete(plan_);
    for (const ScheduledRows& rows : plan_.sequences) {
      if (rows.completes_tokens) sample(rows);
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  void check_plan() {
    int64_t row_count = 0;
    std::set<RequestId> ids;
    std::set<int32_t> pages;
    std::set<int32_t> local_pages;
    bool was_chunk = false;
    for (const ScheduledRows& rows : plan_.sequences) {
      const Sequence& sequence = sequences_.at(rows.id);
      const auto token_count = static_cast<int64_t>(sequence.tokens.size());
      ASSERT_TRUE(ids.insert(rows.id).second) << "twice in one step";
      ASSERT_GE(rows.row_count, 1);
      ASSERT_EQ(rows.first_position, sequence.computed_count) << "rows left out or computed twice";
      ASSERT_LE(rows.first_position + rows.row_count, token_count);
      ASSERT_EQ(rows.completes_tokens, rows.first_position + rows.row_count == token_count);
      ASSERT_EQ(rows.is_first, !sequence.has_started);
      const int64_t end = rows.first_position + rows.row_count;
      if (options_.page_count > 0) check_pages(rows.pages, 0, end, pages);
      if (options_.local) check_pages(rows.local_pages, first_seen(rows.first_position), end, local_pages);
      if (testing::Test::HasFatalFailure()) return;
      ASSERT_FALSE(sequence.is_decoding && was_chunk) << "a decode row behind a chunk of a prompt";
      was_chunk |= rows.row_count > 1;
      row_count += rows.row_count;
    }
    ASSERT_EQ(row_count, plan_.row_count);
    ASSERT_LE(row_count, options_.step_token_count_max);
    ASSERT_LE(scheduler_.running_count(), options_.sequence_count_max);
    ASSERT_TRUE(ids.contains(sequences_.begin()->first)) << "the oldest sequence got no row";
  }

  // Those that hold positions [begin, end).
  void check_pages(std::span<const int32_t> table, int64_t begin, int64_t end, std::set<int32_t>& taken) const {
    ASSERT_LE(end, static_cast<int64_t>(table.size()) * options_.page_token_count);
    const int64_t last = (end - 1) / options_.page_token_count;
    for (int64_t page = begin / options_.page_token_count; page <= last; ++page) {
      ASSERT_TRUE(taken.insert(table[static_cast<size_t>(page)]).second) << "a page in two places";
    }
  }

  int64_t first_seen(int64_t position) const { return std::max<int64_t>(0, position + 1 - options_.local->window); }

  void write(const ScheduledRows& rows) {
    Sequence& sequence = sequences_.at(rows.id);
    for (int64_t position = rows.first_position; position < rows.first_position + rows.row_count; ++position) {
      const uint64_t token = sequence.tokens[static_cast<size_t>(position)];
      if (options_.page_count > 0) slot(rows.pages, position, pages_) = token;
      if (options_.local) slot(rows.local_pages, position, local_pages_) = token;
    }
    sequence.computed_count += rows.row_count;
    sequence.has_started = true;
  }

  uint64_t& slot(std::span<const int32_t> table, int64_t position, std::vector<uint64_t>& cache) const {
    const int64_t page = table[static_cast<size_t>(position / options_.page_token_count)];
    return cache[static_cast<size_t>(page * options_.page_token_count + position % options_.page_token_count)];
  }

  // What follows position `end` - 1, where `token_at(position, is_local)` gives the tokens before.
  template <typename TokenAt>
  uint64_t following(int64_t end, const TokenAt& token_at) const {
    uint64_t state = 0;
    for (int64_t position = 0; options_.page_count > 0 && position < end; ++position) {
      state = next_token(state, token_at(position, false));
    }
    for (int64_t position = options_.local ? first_seen(end - 1) : end; position < end; ++position) {
      state = next_token(state, token_at(position, true));
    }
    return state;
  }

  void sample(const ScheduledRows& rows) {
    Sequence& sequence = sequences_.at(rows.id);
    const uint64_t state = following(rows.first_position + rows.row_count, [&](int64_t position, bool is_local) {
      return is_local ? slot(rows.local_pages, position, local_pages_) : slot(rows.pages, position, pages_);
    });
    sequence.tokens.push_back(state);
    if (sequence.tokens.size() >= sequence.size_max) {
      check_answer(sequence);
      return end(rows.id);
    }
    sequence.is_decoding = true;
    scheduler_.append_token(rows.id);
  }

  void check_answer(const Sequence& sequence) const {
    for (size_t i = sequence.prompt_size; i < sequence.tokens.size(); ++i) {
      const uint64_t expected = following(static_cast<int64_t>(i), [&](int64_t position, bool) {
        return sequence.tokens[static_cast<size_t>(position)];
      });
      ASSERT_EQ(sequence.tokens[i], expected) << "a token lost, doubled or foreign";
    }
  }

  static constexpr int64_t kContextPagesOfWindows = 20;

  Rng rng_;
  SchedulerOptions options_;
  Scheduler scheduler_;
  std::vector<uint64_t> pages_;        // what the KV cache would hold
  std::vector<uint64_t> local_pages_;  // of layers with a window
  int64_t context_length_;
  uint64_t arrivals_left_;
  uint64_t id_count_ = 0;
  std::map<RequestId, Sequence> sequences_;  // by age
  StepPlan plan_;
};

TEST(SchedulerSimulation, KeepsItsPromisesInRandomLives) {
  int64_t preemption_count = 0;
  for (uint64_t seed = 1; seed <= 10'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed);
    simulation.run();
    if (HasFatalFailure()) return;
    preemption_count += simulation.preemption_count();
  }
  EXPECT_GT(preemption_count, 10'000);  // else memory was never short
}

}  // namespace
}  // namespace pelton
