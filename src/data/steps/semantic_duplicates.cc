// Records that mean what another one means, by a model's vectors. One of each cluster stays.
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
    const auto rank_of = [ranks](uint32_t record) { return ranks[record]; };
    for (const NearDuplicate& duplicate : embeddings_.find_duplicates(stream.spills[0], options_, rank_of, stream)) {
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
  const SemanticDuplicateOptions semantic = semantic_duplicate_options(options);
  KeepRule keep = KeepRule::from_options(options);
  return std::make_unique<const SemanticDuplicatesStep>(EmbeddingSpill(options), semantic, std::move(keep));
}

}  // namespace pelton::data
