// Thousands of random lives of a scheduler, against a cache that remembers what was written where.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "engine/scheduler.h"

namespace pelton {
namespace {

// A random life of a scheduler: arrivals, cancels, failing steps, too little memory. A "token" is a function of what
// came before it, as the pages hold it, so a lost, doubled or foreign token changes everything after it.
class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : rng_(seed), options_(random_options(rng_)), scheduler_(options_), pages_(page_slots(options_)) {
    context_length_ = options_.page_count * options_.page_token_count;
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
    ASSERT_EQ(scheduler_.pages().used_count(), 0) << "leaked pages";
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
    return options;
  }
  static size_t page_slots(const SchedulerOptions& options) {
    return static_cast<size_t>(options.page_count * options.page_token_count);
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
      ASSERT_LE(rows.first_position + rows.row_count,
                static_cast<int64_t>(rows.pages.size()) * options_.page_token_count);
      for (const int32_t page : rows.pages) ASSERT_TRUE(pages.insert(page).second) << "a page in two sequences";
      ASSERT_FALSE(sequence.is_decoding && was_chunk) << "a decode row behind a chunk of a prompt";
      was_chunk |= rows.row_count > 1;
      row_count += rows.row_count;
    }
    ASSERT_EQ(row_count, plan_.row_count);
    ASSERT_LE(row_count, options_.step_token_count_max);
    ASSERT_LE(scheduler_.running_count(), options_.sequence_count_max);
    ASSERT_TRUE(ids.contains(sequences_.begin()->first)) << "the oldest sequence got no row";
  }

  void write(const ScheduledRows& rows) {
    Sequence& sequence = sequences_.at(rows.id);
    for (int64_t position = rows.first_position; position < rows.first_position + rows.row_count; ++position) {
      slot(rows, position) = sequence.tokens[static_cast<size_t>(position)];
    }
    sequence.computed_count += rows.row_count;
    sequence.has_started = true;
  }

  uint64_t& slot(const ScheduledRows& rows, int64_t position) {
    const int64_t page = rows.pages[static_cast<size_t>(position / options_.page_token_count)];
    return pages_[static_cast<size_t>(page * options_.page_token_count + position % options_.page_token_count)];
  }

  void sample(const ScheduledRows& rows) {
    Sequence& sequence = sequences_.at(rows.id);
    uint64_t state = 0;
    for (int64_t position = 0; position < rows.first_position + rows.row_count; ++position) {
      state = next_token(state, slot(rows, position));
    }
    sequence.tokens.push_back(state);
    if (sequence.tokens.size() >= sequence.size_max) {
      check_answer(sequence);
      return end(rows.id);
    }
    sequence.is_decoding = true;
    scheduler_.append_token(rows.id);
  }

  void check_answer(const Sequence& sequence) {
    uint64_t state = 0;
    for (size_t i = 0; i < sequence.tokens.size(); ++i) {
      if (i >= sequence.prompt_size) {
        ASSERT_EQ(sequence.tokens[i], state) << "a token lost, doubled or foreign";
      }
      state = next_token(state, sequence.tokens[i]);
    }
  }

  Rng rng_;
  SchedulerOptions options_;
  Scheduler scheduler_;
  std::vector<uint64_t> pages_;  // what the KV cache would hold
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
