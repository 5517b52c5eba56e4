#include "data/diverse_selection.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "base/check.h"
#include "data/k_means.h"

namespace pelton::data {
namespace {

// A record's nearest chosen one only comes nearer as others are chosen. So what was measured against the first of them
// is a bound, and who is up to date and farther than all others' bounds is the farthest (as Minoux 1978 has it of
// gains): most records are never compared with most of the chosen ones.
class CenterChoice {
 public:
  CenterChoice(const EmbeddingTable& table, std::span<const uint32_t> records, Executor& executor)
      : table_(table),
        records_(records),
        executor_(executor),
        similarities_(records.size(), -1),
        seen_(records.size()) {
    CHECK(records.size() <= UINT32_MAX);
  }

  std::vector<uint32_t> run(size_t count) {
    const size_t first = most_typical();
    chosen_.push_back(records_[first]);
    for (size_t place = 0; place < records_.size(); ++place) {
      if (place != first) queue_.push_back(static_cast<uint32_t>(place));
    }
    measure(queue_);
    std::make_heap(queue_.begin(), queue_.end(), nearer());
    std::vector<uint32_t> stale;
    while (chosen_.size() < count) {
      stale.clear();
      while (!queue_.empty() && !is_up_to_date(queue_.front()) && stale.size() < kRecordsAtOnce) stale.push_back(pop());
      measure(stale);
      for (const uint32_t place : stale) push(place);
      if (is_up_to_date(queue_.front())) chosen_.push_back(records_[pop()]);
    }
    return chosen_;
  }

 private:
  // Enough for all threads; a few of them are measured in vain, as another one of them turns out to be the farthest.
  static constexpr size_t kRecordsAtOnce = 64;

  // Whether `a` comes after `b`: it is nearer by what is known, or comes later.
  struct Nearer {
    const std::vector<double>& similarities;
    bool operator()(uint32_t a, uint32_t b) const {
      return std::tie(similarities[a], a) > std::tie(similarities[b], b);
    }
  };
  std::span<const float> row(size_t place) const { return table_.row(records_[place]); }

  size_t most_typical() {
    std::vector<double> sums(static_cast<size_t>(table_.width), 0);
    for (size_t i = 0; i < records_.size(); ++i) {
      for (size_t d = 0; d < sums.size(); ++d) sums[d] += static_cast<double>(row(i)[d]);
    }
    const std::vector<float> mean(sums.begin(), sums.end());  // its length does not matter
    const auto product = [&](size_t place) {
      double sum = 0;
      for (size_t d = 0; d < mean.size(); ++d) sum += static_cast<double>(row(place)[d]) * static_cast<double>(mean[d]);
      return sum;
    };
    size_t best = 0;
    double largest = product(0);
    for (size_t i = 1; i < records_.size(); ++i) {
      if (const double found = product(i); found > largest) {
        best = i;
        largest = found;
      }
    }
    return best;
  }

  bool is_up_to_date(uint32_t place) const { return seen_[place] == chosen_.size(); }

  Nearer nearer() const { return {similarities_}; }
  void push(uint32_t place) {
    queue_.push_back(place);
    std::push_heap(queue_.begin(), queue_.end(), nearer());
  }
  uint32_t pop() {
    std::pop_heap(queue_.begin(), queue_.end(), nearer());
    const uint32_t place = queue_.back();
    queue_.pop_back();
    return place;
  }

  // Against those of the chosen ones that they have not seen.
  void measure(std::span<const uint32_t> places) {
    executor_.parallel_for(static_cast<int64_t>(places.size()), 1, [&](Range range) {
      for (auto i = static_cast<size_t>(range.begin); i < static_cast<size_t>(range.end); ++i) {
        const uint32_t place = places[i];
        for (; seen_[place] < chosen_.size(); ++seen_[place]) {
          const double similarity = cosine_similarity(row(place), table_.row(chosen_[seen_[place]]));
          similarities_[place] = std::max(similarities_[place], similarity);
        }
      }
    });
  }

  const EmbeddingTable& table_;
  std::span<const uint32_t> records_;
  Executor& executor_;
  std::vector<uint32_t> chosen_;
  std::vector<double> similarities_;  // of each record to the nearest of the chosen ones that it has seen
  std::vector<uint32_t> seen_;        // … which are the first so many
  std::vector<uint32_t> queue_;       // a heap of places in records_ that are not chosen, the farthest first
};

class FacilityChoice {
 public:
  FacilityChoice(const EmbeddingTable& table, std::span<const uint32_t> records, const FacilityOptions& options,
                 Executor& executor)
      : table_(table), records_(records), executor_(executor) {
    const std::vector<uint32_t> sample = sample_of(records, options.customer_count_max, options.seed);
    gather_rows(table_, sample, customers_);
    best_.assign(sample.size(), 0);
  }

  // A gain only falls while others are chosen, so that one which is up to date and above all others' old ones is the
  // largest. Old ones are brought up to date some at a time.
  std::vector<uint32_t> run(size_t count) {
    measure_all();
    std::vector<uint32_t> chosen;
    std::vector<uint32_t> stale;
    while (chosen.size() < count) {
      stale.clear();
      while (!queue_.empty() && queue_.top().round != chosen.size() && stale.size() < kRowsAtOnce) {
        stale.push_back(queue_.top().record);
        queue_.pop();
      }
      measure(stale, chosen.size());
      if (queue_.top().round != chosen.size()) continue;
      chosen.push_back(queue_.top().record);
      queue_.pop();
      serve_customers(chosen.back());
    }
    return chosen;
  }

 private:
  static constexpr size_t kRowsAtOnce = 32;

  struct Candidate {
    double gain;
    uint32_t record;
    size_t round;  // how many were chosen when it was measured
    bool operator<(const Candidate& other) const {
      return std::tie(gain, other.record) < std::tie(other.gain, record);  // the first of equals is the largest
    }
  };

  void measure_all() {
    constexpr size_t kFirstRowsAtOnce = 256;
    for (size_t begin = 0; begin < records_.size(); begin += kFirstRowsAtOnce) {
      measure(records_.subspan(begin, std::min(kFirstRowsAtOnce, records_.size() - begin)), 0);
    }
  }

  void measure(std::span<const uint32_t> records, size_t round) {
    if (records.empty()) return;
    gather_rows(table_, records, rows_);
    multiply_rows(executor_, rows_, customers_, table_.width, products_);
    std::vector<double> gains(records.size());
    executor_.parallel_for(static_cast<int64_t>(records.size()), 1, [&](Range range) {
      for (auto i = static_cast<size_t>(range.begin); i < static_cast<size_t>(range.end); ++i) {
        const std::span<const float> row = std::span<const float>(products_).subspan(i * best_.size(), best_.size());
        for (size_t k = 0; k < row.size(); ++k) gains[i] += static_cast<double>(std::max(0.0F, row[k] - best_[k]));
      }
    });
    for (size_t i = 0; i < records.size(); ++i) queue_.push({gains[i], records[i], round});
  }

  void serve_customers(uint32_t record) {
    multiply_rows(executor_, table_.row(record), customers_, table_.width, products_);
    for (size_t i = 0; i < best_.size(); ++i) best_[i] = std::max(best_[i], products_[i]);
  }

  const EmbeddingTable& table_;
  std::span<const uint32_t> records_;
  Executor& executor_;
  std::vector<float> customers_;  // their rows
  std::vector<float> best_;       // of each customer, the similarity to its nearest chosen record
  std::priority_queue<Candidate> queue_;
  std::vector<float> rows_;
  std::vector<float> products_;
};

}  // namespace

std::vector<uint32_t> choose_centers(const EmbeddingTable& table, std::span<const uint32_t> records, size_t count,
                                     Executor& executor) {
  CHECK(count > 0 && count <= records.size());
  return CenterChoice(table, records, executor).run(count);
}

std::vector<uint32_t> choose_facilities(const EmbeddingTable& table, std::span<const uint32_t> records, size_t count,
                                        const FacilityOptions& options, Executor& executor) {
  CHECK(count > 0 && count <= records.size());
  return FacilityChoice(table, records, options, executor).run(count);
}

std::vector<Representative> representatives(const EmbeddingTable& table, std::span<const uint32_t> records,
                                            std::span<const uint32_t> chosen, Executor& executor) {
  constexpr size_t kChosenAtOnce = 4096;
  std::vector<NearCenter> nearest(records.size(), {0, -2});
  std::vector<float> centers;
  for (size_t begin = 0; begin < chosen.size(); begin += kChosenAtOnce) {
    gather_rows(table, chosen.subspan(begin, std::min(kChosenAtOnce, chosen.size() - begin)), centers);
    for_each_nearest(table, records, centers, 1, executor, [&](size_t place, std::span<const NearCenter> found) {
      if (found[0].similarity > nearest[place].similarity) {
        nearest[place] = {static_cast<uint32_t>(begin) + found[0].center, found[0].similarity};
      }
    });
  }
  std::vector<Representative> result;
  result.reserve(records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const uint32_t record = chosen[nearest[i].center];
    result.push_back({record, cosine_similarity(table.row(record), table.row(records[i]))});
  }
  return result;
}

}  // namespace pelton::data
