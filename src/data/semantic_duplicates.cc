#include "data/semantic_duplicates.h"

#include <algorithm>
#include <tuple>

#include "data/external_sort.h"
#include "data/k_means.h"

namespace pelton::data {
namespace {

// A record in a cluster that it is a member of, or only a visitor.
struct Placed {
  uint32_t cluster;
  uint32_t is_visitor;
  uint64_t record;
};
struct ByCluster {
  bool operator()(const Placed& a, const Placed& b) const {
    return std::tie(a.cluster, a.is_visitor, a.record) < std::tie(b.cluster, b.is_visitor, b.record);
  }
};

class Search {
 public:
  Search(const EmbeddingTable& table, const SemanticDuplicateOptions& options, const SemanticDuplicateSearch& search,
         Executor& executor)
      : table_(table), options_(options), search_(search), executor_(executor), forest_(table.row_count()) {}

  std::vector<NearDuplicate> run() {
    const std::vector<uint32_t> records = records_with_text(table_);
    if (records.empty()) return {};
    const size_t cluster_count = choose_cluster_count(records.size());
    if (cluster_count == 1) {
      compare_members(records);
    } else {
      compare_in_clusters(records, cluster_count);
    }
    forest_.flatten();
    return forest_.drop_all_but_one({.rank_of = search_.rank_of,
                                     .similarity_to =
                                         [this](uint32_t kept) {
                                           return [this, kept](uint32_t record) {
                                             return cosine_similarity(table_.row(kept), table_.row(record));
                                           };
                                         },
                                     .similarity_min = options_.similarity_min},
                                    executor_);
  }

 private:
  static constexpr size_t kRowsAtOnce = 512;

  size_t choose_cluster_count(size_t records) const {
    if (options_.cluster_count > 0) return std::min(options_.cluster_count, records);
    if (records <= SemanticDuplicateOptions::kRecordsAllWithAll) return 1;
    return (records + SemanticDuplicateOptions::kRecordsPerCluster - 1) / SemanticDuplicateOptions::kRecordsPerCluster;
  }

  void compare_in_clusters(const std::vector<uint32_t>& records, size_t cluster_count) {
    KMeansOptions clusters;
    clusters.cluster_count = cluster_count;
    clusters.start_count = 1;
    clusters.iterations_max = 10;  // where a border lies decides about time, hardly about what is found
    clusters.sample_per_cluster = 64;
    clusters.sample_bytes_max = search_.memory_bytes_max / 2;
    clusters.seed = options_.seed;
    const std::vector<float> centers = find_centers(table_, records, clusters, executor_);
    ExternalSorter<Placed, ByCluster> sorter(search_.scratch_folder, "clusters", search_.memory_bytes_max / 2);
    for_each_nearest(table_, records, centers, options_.probe_count, executor_,
                     [&](size_t place, std::span<const NearCenter> nearest) {
                       for (const NearCenter& near : nearest) {
                         sorter.add({near.center, &near == &nearest.front() ? 0u : 1u, records[place]});
                       }
                     });
    sorter.sort();
    std::vector<uint32_t> members;
    std::vector<uint32_t> visitors;
    uint32_t cluster = 0;
    const auto end_cluster = [&] {
      compare_members(members);
      compare(members, visitors);
      members.clear();
      visitors.clear();
      forest_.flatten();
    };
    for (Placed placed{}; sorter.next(placed);) {
      if (placed.cluster != cluster) end_cluster();
      cluster = placed.cluster;
      (placed.is_visitor != 0 ? visitors : members).push_back(static_cast<uint32_t>(placed.record));
    }
    end_cluster();
  }

  // All with all.
  void compare_members(std::span<const uint32_t> members) {
    for (size_t begin = 0; begin < members.size(); begin += kRowsAtOnce) {
      const std::span<const uint32_t> part = part_of(members, begin);
      compare(part, members.first(begin + part.size()));
    }
  }

  // Each of the ones with each of the others.
  void compare(std::span<const uint32_t> ones, std::span<const uint32_t> others) {
    for (size_t one = 0; one < ones.size(); one += kRowsAtOnce) {
      const std::span<const uint32_t> part = part_of(ones, one);
      gather_rows(table_, part, rows_);
      for (size_t other = 0; other < others.size(); other += kRowsAtOnce) compare_parts(part, part_of(others, other));
    }
  }

  static std::span<const uint32_t> part_of(std::span<const uint32_t> records, size_t begin) {
    return records.subspan(begin, std::min(kRowsAtOnce, records.size() - begin));
  }

  // rows_: those of the ones.
  void compare_parts(std::span<const uint32_t> ones, std::span<const uint32_t> others) {
    gather_rows(table_, others, other_rows_);
    multiply_rows(executor_, rows_, other_rows_, table_.width, products_);
    const float similar = static_cast<float>(options_.similarity_min) - product_error(table_.width);
    candidates_.resize(std::max(candidates_.size(), ones.size()));
    executor_.parallel_for(static_cast<int64_t>(ones.size()), 8, [&](Range range) {
      for (auto i = static_cast<size_t>(range.begin); i < static_cast<size_t>(range.end); ++i) {
        candidates_[i].clear();
        const std::span<const float> row = std::span<const float>(products_).subspan(i * others.size(), others.size());
        const uint32_t root = forest_.root_of(ones[i]);
        for (size_t k = 0; k < row.size(); ++k) {
          if (row[k] >= similar && forest_.root_of(others[k]) != root) candidates_[i].push_back(others[k]);
        }
      }
    });
    for (size_t i = 0; i < ones.size(); ++i) {
      for (const uint32_t other : candidates_[i]) join(ones[i], other);
    }
  }

  void join(uint32_t a, uint32_t b) {
    if (forest_.root_of(a) == forest_.root_of(b)) return;
    const double similarity = cosine_similarity(table_.row(a), table_.row(b));
    if (similarity >= options_.similarity_min) forest_.join(a, b, similarity);
  }

  const EmbeddingTable& table_;
  const SemanticDuplicateOptions& options_;
  const SemanticDuplicateSearch& search_;
  Executor& executor_;
  DuplicateForest forest_;
  // Of compare_parts().
  std::vector<float> rows_;
  std::vector<float> other_rows_;
  std::vector<float> products_;
  std::vector<std::vector<uint32_t>> candidates_;
};

}  // namespace

std::vector<NearDuplicate> find_semantic_duplicates(const EmbeddingTable& table,
                                                    const SemanticDuplicateOptions& options,
                                                    const SemanticDuplicateSearch& search, Executor& executor) {
  return Search(table, options, search, executor).run();
}

}  // namespace pelton::data
