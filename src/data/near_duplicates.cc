#include "data/near_duplicates.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>

#include "base/check.h"
#include "base/error.h"
#include "data/external_sort.h"
#include "data/group_components.h"
#include "data/parallel_items.h"

namespace pelton::data {
namespace {

struct KeyedRecord {
  uint64_t key;
  uint64_t record;
};

struct ByKey {
  bool operator()(const KeyedRecord& a, const KeyedRecord& b) const {
    return std::tie(a.key, a.record) < std::tie(b.key, b.record);
  }
};

struct Edge {
  uint32_t a;
  uint32_t b;
  float similarity;
};

// Finds a record's n-grams in the column: where every 64th one begins is remembered.
class ShingleReader {
 public:
  explicit ShingleReader(const SketchColumns& sketches) : sketches_(sketches) {
    uint64_t begin = 0;
    for (size_t record = 0; record < sketches.heads.size(); ++record) {
      if (record % kStride == 0) begins_.push_back(begin);
      begin += sketches.heads[record].shingle_count;
    }
    CHECK(begin == sketches.shingles.size());
  }

  void read_set(uint32_t record, std::vector<uint32_t>& set) const {
    uint64_t begin = begins_[record / kStride];
    for (size_t before = record / kStride * kStride; before < record; ++before) {
      begin += sketches_.heads[before].shingle_count;
    }
    const auto shingles = sketches_.shingles.subspan(begin, sketches_.heads[record].shingle_count);
    set.assign(shingles.begin(), shingles.end());
    make_set(set);
  }
  double similarity(uint32_t a, uint32_t b) const {
    std::vector<uint32_t> set_a;
    std::vector<uint32_t> set_b;
    read_set(a, set_a);
    read_set(b, set_b);
    return jaccard_similarity(set_a, set_b);
  }
  size_t bytes() const { return begins_.size() * sizeof(uint64_t); }

 private:
  static constexpr size_t kStride = 64;
  const SketchColumns& sketches_;
  std::vector<uint64_t> begins_;
};

// Records that share the key of one bucket.
using Group = std::vector<uint32_t>;

// What one group gives: the pairs that connect what was not connected.
struct GroupEdges {
  std::vector<Edge> edges;
  uint64_t pairs_verified = 0;
};

// The sets of n-grams of a group's records while each meets those before it.
class SetsOfGroup {
 public:
  SetsOfGroup(const ShingleReader& reader, const Group& group)
      : reader_(reader), group_(group), first_(std::min(group.size(), kKept)) {}

  const std::vector<uint32_t>& of_current(uint32_t place) {
    if (current_place_ != place) reader_.read_set(group_[place], current_);
    current_place_ = place;
    return current_;
  }
  const std::vector<uint32_t>& of_earlier(uint32_t place) {
    std::vector<uint32_t>& set = place < first_.size() ? first_[place] : earlier_;
    if (place >= first_.size() || set.empty()) reader_.read_set(group_[place], set);
    return set;
  }

 private:
  static constexpr size_t kKept = 64;  // the first ones are asked for most

  const ShingleReader& reader_;
  const Group& group_;
  std::vector<std::vector<uint32_t>> first_;
  std::vector<uint32_t> earlier_;
  std::vector<uint32_t> current_;
  std::optional<uint32_t> current_place_;
};

class Search {
 public:
  Search(const SketchColumns& sketches, const NearDuplicateOptions& options, const NearDuplicateSearch& search,
         Executor& executor)
      : sketches_(sketches),
        options_(options),
        search_(search),
        executor_(executor),
        reader_(sketches),
        forest_(static_cast<uint32_t>(sketches.heads.size())) {}

  NearDuplicates run() {
    for (size_t bucket = 0; bucket < sketches_.keys.size(); ++bucket) join_bucket(bucket);
    found_.dropped = drop_all_but_one();
    const size_t records = sketches_.heads.size();
    const size_t sort_bytes = std::min(records * sizeof(KeyedRecord), search_.sort_memory_bytes_max);
    const size_t tables_bytes = 2 * records * sizeof(uint32_t) + reader_.bytes();
    const size_t result_bytes = forest_.edge_bytes() + found_.dropped.capacity() * sizeof(NearDuplicate);
    found_.memory_bytes_max = sort_bytes + tables_bytes + result_bytes;
    return std::move(found_);
  }

 private:
  // Groups are collected up to so many records, then verified in parallel.
  static constexpr size_t kRecordsAtATime = 1 << 16;
  // A record that is unlike so many others of its key is left alone in that bucket: boilerplate that thousands share
  // must not cost their square. Pairs that an earlier bucket looked at cost less.
  static constexpr int kFailuresMax = 32;
  static constexpr int kLooksMax = 1024;

  void join_bucket(size_t bucket) {
    ExternalSorter<KeyedRecord, ByKey> sorter(search_.scratch_folder, "keys", search_.sort_memory_bytes_max);
    for (size_t record = 0; record < sketches_.heads.size(); ++record) {
      if (sketches_.heads[record].shingle_count != 0) sorter.add({sketches_.keys[bucket][record], record});
    }
    sorter.sort();
    std::vector<Group> groups;
    size_t records = 0;
    Group group;
    uint64_t key = 0;
    const auto end_group = [&] {
      if (group.size() > 1) {
        records += group.size();
        groups.push_back(std::move(group));
      }
      group.clear();
      if (records >= kRecordsAtATime) {
        join_groups(groups, bucket);
        groups.clear();
        records = 0;
      }
    };
    for (KeyedRecord row{}; sorter.next(row);) {
      if (row.key != key) end_group();
      key = row.key;
      group.push_back(static_cast<uint32_t>(row.record));
    }
    end_group();
    join_groups(groups, bucket);
    forest_.flatten();
  }

  // Groups of one bucket share no record: each is looked at as the sets were before all of them.
  void join_groups(const std::vector<Group>& groups, size_t bucket) {
    std::vector<GroupEdges> results(groups.size());
    for_each_item(executor_, static_cast<int64_t>(groups.size()), [&](int64_t item) {
      const auto index = static_cast<size_t>(item);
      results[index] = connect(groups[index], bucket);
    });
    for (const GroupEdges& result : results) {
      found_.pairs_verified += result.pairs_verified;
      for (const Edge& edge : result.edges) forest_.join(edge.a, edge.b, edge.similarity);
    }
  }

  GroupEdges connect(const Group& group, size_t bucket) const {
    std::vector<uint32_t> roots;
    for (const uint32_t record : group) roots.push_back(forest_.root_of(record));
    GroupComponents components(roots);
    GroupEdges result;
    SetsOfGroup sets(reader_, group);
    for (uint32_t place = 0; place < group.size(); ++place) {
      int looks = 0;
      int failures = 0;
      components.take_in(place, [&](uint32_t other) {
        if (++looks > kLooksMax || failures == kFailuresMax) return GroupComponents::Answer::kStop;
        if (options_.similarity_min == 0) {
          result.edges.push_back({group[other], group[place], 0});
          return GroupComponents::Answer::kJoin;
        }
        if (was_compared_before(group[other], group[place], bucket)) return GroupComponents::Answer::kNext;
        ++result.pairs_verified;
        const double similarity = jaccard_similarity(sets.of_earlier(other), sets.of_current(place));
        if (similarity < options_.similarity_min) {
          ++failures;
          return GroupComponents::Answer::kNext;
        }
        result.edges.push_back({group[other], group[place], static_cast<float>(similarity)});
        return GroupComponents::Answer::kJoin;
      });
    }
    return result;
  }

  // They shared the key of an earlier bucket, and were not connected then.
  bool was_compared_before(uint32_t a, uint32_t b, size_t bucket) const {
    for (size_t earlier = 0; earlier < bucket; ++earlier) {
      if (sketches_.keys[earlier][a] == sketches_.keys[earlier][b]) return true;
    }
    return false;
  }

  std::vector<NearDuplicate> drop_all_but_one() {
    DuplicateJudge judge;
    judge.similarity_min = options_.similarity_min;
    judge.rank_of = [this](uint32_t record) { return sketches_.heads[record].rank; };
    judge.similarity_to = [this](uint32_t kept) -> std::function<double(uint32_t)> {
      std::vector<uint32_t> kept_set;
      reader_.read_set(kept, kept_set);
      return [this, kept_set = std::move(kept_set), set = std::vector<uint32_t>()](uint32_t record) mutable {
        reader_.read_set(record, set);
        return jaccard_similarity(kept_set, set);
      };
    };
    return forest_.drop_all_but_one(judge, executor_);
  }

  const SketchColumns& sketches_;
  const NearDuplicateOptions& options_;
  const NearDuplicateSearch& search_;
  Executor& executor_;
  ShingleReader reader_;
  DuplicateForest forest_;
  NearDuplicates found_;
};

}  // namespace

NearDuplicates find_near_duplicates(const SketchColumns& sketches, const NearDuplicateOptions& options,
                                    const NearDuplicateSearch& search, Executor& executor) {
  if (sketches.heads.size() > UINT32_MAX) {
    throw Error(ErrorCode::kUnsupported, "near duplicates are found among at most 4294967295 records; split the input");
  }
  CHECK(sketches.keys.size() == static_cast<size_t>(options.keys_per_record()));
  for (const std::span<const uint64_t> keys : sketches.keys) CHECK(keys.size() == sketches.heads.size());
  return Search(sketches, options, search, executor).run();
}

}  // namespace pelton::data
