// Records that mean what another one means, by a model's vectors. One of each cluster stays.
#include "data/semantic_duplicates.h"

#include "data/embedding_spill.h"
#include "data/keep_rule.h"

namespace pelton::data {
namespace {

class SemanticDuplicatesStep final : public StreamStep {
 public:
  SemanticDuplicatesStep(EmbeddingSpill embeddings, const SemanticDuplicateOptions& options, KeepRule keep)
      : embeddings_(std::move(embeddings)), options_(options), keep_(std::move(keep)) {}

  // Vectors, and ranks.
  size_t spill_count() const override { return 2; }

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    embeddings_.append(records, arena, spills[0]);
    for (const Record& record : records) spills[1].append_row(keep_.rank_of(record));
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    const std::span<const uint64_t> ranks = stream.spills[1].rows<uint64_t>();
    const SemanticDuplicateSearch search{.rank_of = [ranks](uint32_t record) { return ranks[record]; },
                                         .scratch_folder = stream.scratch_folder,
                                         .memory_bytes_max = stream.memory_bytes_max / 2};
    Executor executor(stream.thread_count);
    const EmbeddingTable table = embeddings_.table(stream.spills[0]);
    for (const NearDuplicate& duplicate : find_semantic_duplicates(table, options_, search, executor)) {
      Decision decision;
      decision.record = duplicate.record;
      decision.reason = "semantic_duplicate";
      decision.duplicate_of = duplicate.duplicate_of;
      decision.similarity = duplicate.similarity;
      decisions.add(decision);
    }
  }

 private:
  EmbeddingSpill embeddings_;
  SemanticDuplicateOptions options_;
  KeepRule keep_;
};

}  // namespace

Step make_semantic_duplicates(StepOptions& options) {
  SemanticDuplicateOptions semantic;
  semantic.similarity_min = options.number("similarity", semantic.similarity_min, 0, 1);
  semantic.cluster_count = static_cast<size_t>(options.integer("clusters", 0, 0, 1 << 20));
  semantic.probe_count = static_cast<size_t>(options.integer("probes", 4, 1, 64));
  semantic.seed = static_cast<uint64_t>(options.integer("seed", 1, 0));
  KeepRule keep = KeepRule::from_options(options);
  return std::make_unique<const SemanticDuplicatesStep>(EmbeddingSpill(options), semantic, std::move(keep));
}

}  // namespace pelton::data
