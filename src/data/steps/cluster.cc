// Notes which cluster of texts a record belongs to, by what they mean: topics, to count, sample or stratify by. The
// largest cluster is number 0.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "base/error.h"
#include "data/embedding_spill.h"
#include "data/k_means.h"

namespace pelton::data {
namespace {

struct ClusterOptions {
  size_t cluster_count = 20;
  uint64_t seed = 1;
  std::string field;
  std::string similarity_field;  // empty: how near a record is to its cluster's centre isn't noted
};

class ClusterStep final : public StreamStep {
 public:
  ClusterStep(EmbeddingSpill embeddings, ClusterOptions options)
      : embeddings_(std::move(embeddings)), options_(std::move(options)) {}

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    embeddings_.append(records, arena, spills[0]);
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    const EmbeddingTable table = embeddings_.table(stream.spills[0]);
    const std::vector<uint32_t> records = records_with_text(table);
    if (records.empty()) return;
    if (records.size() < options_.cluster_count && !stream.is_trial) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("cluster: clusters is {}, and there are {} records with text", options_.cluster_count,
                              records.size()),
                  "clusters");
    }
    Executor executor(stream.thread_count);
    KMeansOptions k_means;
    k_means.cluster_count = options_.cluster_count;
    k_means.sample_bytes_max = stream.memory_bytes_max / 2;
    k_means.seed = options_.seed;
    const std::vector<float> centers = find_centers(table, records, k_means, executor);
    std::vector<NearCenter> nearest(records.size());
    for_each_nearest(table, records, centers, 1, executor,
                     [&](size_t place, std::span<const NearCenter> found) { nearest[place] = found[0]; });
    const std::vector<uint32_t> numbers = by_size(nearest, centers.size() / static_cast<size_t>(table.width));
    for (size_t i = 0; i < records.size(); ++i) {
      Decision decision;
      decision.record = records[i];
      decision.action = Verdict::Action::kChange;
      decision.reason = "cluster_noted";
      decision.edit = fmt::format("{} {:.4f}", numbers[nearest[i].center], nearest[i].similarity);
      decisions.add(decision);
    }
  }

  void change(Record& record, std::string_view edit, Arena& arena) const override {
    const size_t space = edit.find(' ');
    set_field(record, arena.copy(options_.field), number_in(edit.substr(0, space)), arena);
    if (options_.similarity_field.empty()) return;
    set_field(record, arena.copy(options_.similarity_field), number_in(edit.substr(space + 1)), arena);
  }

 private:
  static double number_in(std::string_view text) {
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }

  // Of each centre the number that its cluster gets.
  static std::vector<uint32_t> by_size(std::span<const NearCenter> nearest, size_t center_count) {
    std::vector<size_t> sizes(center_count, 0);
    for (const NearCenter& near : nearest) ++sizes[near.center];
    std::vector<uint32_t> order(center_count);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return sizes[a] > sizes[b]; });
    std::vector<uint32_t> numbers(center_count);
    for (uint32_t i = 0; i < center_count; ++i) numbers[order[i]] = i;
    return numbers;
  }

  EmbeddingSpill embeddings_;
  ClusterOptions options_;
};

}  // namespace

Step make_cluster(StepOptions& options) {
  ClusterOptions cluster;
  cluster.cluster_count = static_cast<size_t>(options.integer("clusters", 20, 1, 1 << 20));
  cluster.seed = static_cast<uint64_t>(options.integer("seed", 1, 0));
  cluster.field = options.string("field", "topic");
  if (cluster.field.empty()) options.fail("field", "a field's name");
  cluster.similarity_field = options.string("similarity_field", "");
  return std::make_unique<const ClusterStep>(EmbeddingSpill(options), std::move(cluster));
}

}  // namespace pelton::data
