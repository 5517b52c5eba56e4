#include "data/k_means.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace pelton::data {
namespace {

constexpr float kSame = 2e-6F;  // 1 - cosine of what is one vector but for rounding
constexpr size_t kProductsAtOnce = size_t{1} << 22;

void normalize(std::span<const double> sums, std::span<float> row) {
  double squares = 0;
  for (const double sum : sums) squares += sum * sum;
  const double factor = squares == 0 ? 0 : 1 / std::sqrt(squares);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(sums[i] * factor);
}

// Learns from vectors that lie in memory.
class Learner {
 public:
  Learner(std::span<const float> sample, int64_t width, const KMeansOptions& options, Executor& executor)
      : sample_(sample),
        width_(static_cast<size_t>(width)),
        count_(sample.size() / width_),
        options_(options),
        executor_(executor),
        members_(count_, UINT32_MAX),
        similarities_(count_, 0) {}

  std::vector<float> run() {
    std::vector<float> best;
    double largest = 0;
    for (int start = 0; start < options_.start_count; ++start) {
      seek_centers(options_.seed + static_cast<uint64_t>(start));
      const double sum = std::accumulate(similarities_.begin(), similarities_.end(), 0.0);
      if (!best.empty() && sum <= largest) continue;
      best = centers_;
      largest = sum;
    }
    return best;
  }

 private:
  std::span<const float> row(size_t i) const { return sample_.subspan(i * width_, width_); }
  size_t center_count() const { return centers_.size() / width_; }

  void seek_centers(uint64_t seed) {
    choose_first_centers(seed);
    for (int i = 0; assign() && i < options_.iterations_max; ++i) move_centers();
  }

  void add_center(size_t i) { centers_.insert(centers_.end(), row(i).begin(), row(i).end()); }

  // k-means++: each next one is drawn by the square of its distance to those there are, which is 2 - 2 cos.
  void choose_first_centers(uint64_t seed) {
    Rng rng(seed);
    centers_.clear();
    std::fill(members_.begin(), members_.end(), UINT32_MAX);
    std::vector<double> distances(count_, 2);
    std::vector<float> products;
    add_center(rng.next_below(count_));
    while (center_count() < options_.cluster_count) {
      multiply_rows(executor_, sample_, std::span<const float>(centers_).last(width_), static_cast<int64_t>(width_),
                    products);
      double sum = 0;
      for (size_t i = 0; i < count_; ++i) {
        const float distance = 1 - products[i];
        distances[i] = std::min(distances[i], distance < kSame ? 0 : static_cast<double>(distance));
        sum += distances[i];
      }
      if (sum == 0) return;  // all are where a centre is
      double left = rng.next_double() * sum;
      size_t chosen = count_;
      for (size_t i = 0; i < count_; ++i) {
        if (distances[i] == 0) continue;
        chosen = i;
        left -= distances[i];
        if (left < 0) break;
      }
      add_center(chosen);
    }
  }

  // True: a vector has another centre than before.
  bool assign() {
    bool has_changed = false;
    const size_t rows_at_once = std::max<size_t>(64, kProductsAtOnce / center_count());
    std::vector<float> products;
    for (size_t begin = 0; begin < count_; begin += rows_at_once) {
      const size_t rows = std::min(rows_at_once, count_ - begin);
      multiply_rows(executor_, sample_.subspan(begin * width_, rows * width_), centers_, static_cast<int64_t>(width_),
                    products);
      for (size_t i = 0; i < rows; ++i) {
        const auto first = products.begin() + static_cast<std::ptrdiff_t>(i * center_count());
        const auto largest = std::max_element(first, first + static_cast<std::ptrdiff_t>(center_count()));
        const auto center = static_cast<uint32_t>(largest - first);
        has_changed |= members_[begin + i] != center;
        members_[begin + i] = center;
        similarities_[begin + i] = *largest;
      }
    }
    return has_changed;
  }

  // Each centre sums its vectors in their order, whichever thread has it. One without any moves to the vector that is
  // the farthest from its own.
  void move_centers() {
    std::vector<size_t> ends(center_count() + 1, 0);
    for (const uint32_t member : members_) ++ends[member + 1];
    std::partial_sum(ends.begin(), ends.end(), ends.begin());
    std::vector<uint32_t> by_center(count_);
    std::vector<size_t> next(ends.begin(), ends.end() - 1);
    for (size_t i = 0; i < count_; ++i) by_center[next[members_[i]]++] = static_cast<uint32_t>(i);

    std::vector<double> sums(centers_.size(), 0);
    executor_.parallel_for(static_cast<int64_t>(center_count()), 1, [&](Range range) {
      for (auto center = static_cast<size_t>(range.begin); center < static_cast<size_t>(range.end); ++center) {
        const std::span<double> sum = std::span(sums).subspan(center * width_, width_);
        for (size_t i = ends[center]; i < ends[center + 1]; ++i) {
          for (size_t d = 0; d < width_; ++d) sum[d] += static_cast<double>(row(by_center[i])[d]);
        }
        if (ends[center] != ends[center + 1]) normalize(sum, std::span(centers_).subspan(center * width_, width_));
      }
    });
    for (size_t center = 0; center < center_count(); ++center) {
      if (ends[center] == ends[center + 1]) move_to_farthest(center);
    }
  }

  void move_to_farthest(size_t center) {
    const auto farthest = std::min_element(similarities_.begin(), similarities_.end());
    const std::span<const float> vector = row(static_cast<size_t>(farthest - similarities_.begin()));
    std::copy(vector.begin(), vector.end(), centers_.begin() + static_cast<std::ptrdiff_t>(center * width_));
    *farthest = 1;  // taken
  }

  std::span<const float> sample_;
  size_t width_;
  size_t count_;
  const KMeansOptions& options_;
  Executor& executor_;
  std::vector<float> centers_;
  std::vector<uint32_t> members_;    // of each vector its centre
  std::vector<float> similarities_;  // … and how near it is
};

}  // namespace

std::vector<float> find_centers(const EmbeddingTable& table, std::span<const uint32_t> records,
                                const KMeansOptions& options, Executor& executor) {
  CHECK(!records.empty() && options.cluster_count > 0);
  const size_t row_bytes = static_cast<size_t>(table.width) * sizeof(float);
  const size_t wanted = std::min(options.cluster_count * options.sample_per_cluster,
                                 std::max(options.cluster_count, options.sample_bytes_max / row_bytes));
  std::vector<float> sample;
  gather_rows(table, sample_of(records, wanted, options.seed), sample);
  return Learner(sample, table.width, options, executor).run();
}

void for_each_nearest(const EmbeddingTable& table, std::span<const uint32_t> records, std::span<const float> centers,
                      size_t count, Executor& executor,
                      FunctionRef<void(size_t place, std::span<const NearCenter> nearest)> visit) {
  const size_t center_count = centers.size() / static_cast<size_t>(table.width);
  const size_t rows_at_once = std::clamp<size_t>(kProductsAtOnce / center_count, 64, 4096);
  count = std::min(count, center_count);
  std::vector<float> rows;
  std::vector<float> products;
  std::vector<NearCenter> nearest(rows_at_once * count);
  for (size_t begin = 0; begin < records.size(); begin += rows_at_once) {
    const std::span<const uint32_t> part = records.subspan(begin, std::min(rows_at_once, records.size() - begin));
    gather_rows(table, part, rows);
    multiply_rows(executor, rows, centers, table.width, products);
    executor.parallel_for(static_cast<int64_t>(part.size()), 16, [&](Range range) {
      for (auto i = static_cast<size_t>(range.begin); i < static_cast<size_t>(range.end); ++i) {
        const std::span<NearCenter> found = std::span(nearest).subspan(i * count, count);
        size_t found_count = 0;
        for (size_t center = 0; center < center_count; ++center) {
          const float similarity = products[i * center_count + center];
          if (found_count == count && !(similarity > found.back().similarity)) continue;
          size_t place = found_count < count ? found_count++ : count - 1;
          for (; place > 0 && similarity > found[place - 1].similarity; --place) found[place] = found[place - 1];
          found[place] = {static_cast<uint32_t>(center), similarity};
        }
      }
    });
    for (size_t i = 0; i < part.size(); ++i) {
      visit(begin + i, std::span<const NearCenter>(nearest).subspan(i * count, count));
    }
  }
}

}  // namespace pelton::data
