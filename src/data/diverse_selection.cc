#include "data/diverse_selection.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "base/check.h"
#include "data/k_means.h"

namespace pelton::data {
namespace {

class CenterChoice {
 public:
  CenterChoice(const EmbeddingTable& table, std::span<const uint32_t> records, Executor& executor)
      : table_(table), records_(records), executor_(executor), nearest_(records.size(), {0, -1}) {}

  std::vector<uint32_t> run(size_t count) {
    choose(most_typical());
    while (chosen_.size() < count) {
      const auto farthest = std::min_element(nearest_.begin(), nearest_.end(), [](const Nearest& a, const Nearest& b) {
        return a.similarity < b.similarity;
      });
      choose(static_cast<size_t>(farthest - nearest_.begin()));
    }
    std::vector<uint32_t> records;
    for (const size_t place : chosen_) records.push_back(records_[place]);
    return records;
  }

 private:
  struct Nearest {
    uint32_t chosen;  // which of chosen_
    double similarity;
  };
  static constexpr double kChosen = 2;  // a similarity that no farthest record has

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

  void choose(size_t place) {
    std::vector<double> to_chosen;
    for (const size_t earlier : chosen_) to_chosen.push_back(cosine_similarity(row(place), row(earlier)));
    const auto number = static_cast<uint32_t>(chosen_.size());
    chosen_.push_back(place);
    executor_.parallel_for(static_cast<int64_t>(records_.size()), 256, [&](Range range) {
      for (auto i = static_cast<size_t>(range.begin); i < static_cast<size_t>(range.end); ++i) {
        Nearest& nearest = nearest_[i];
        if (number > 0 && is_out_of_reach(to_chosen[nearest.chosen], nearest.similarity)) continue;
        const double similarity = cosine_similarity(row(i), row(place));
        if (similarity > nearest.similarity) nearest = {number, similarity};
      }
    });
    nearest_[place].similarity = kChosen;
  }

  // Of vectors of length 1 the squared distance is 2 - 2 cos. Where two centres are more than twice as far from each
  // other as a record is from the one, it is no nearer to the other. The slack: lengths are 1 within float's rounding.
  static bool is_out_of_reach(double between_centers, double to_center) {
    constexpr double kSlack = 1e-5;
    return 1 - between_centers > 4 * (1 - to_center) + kSlack;
  }

  const EmbeddingTable& table_;
  std::span<const uint32_t> records_;
  Executor& executor_;
  std::vector<size_t> chosen_;    // places in records_
  std::vector<Nearest> nearest_;  // of each record
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
