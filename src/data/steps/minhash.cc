// Near duplicates. One of each cluster stays.
#include <fmt/format.h>

#include "data/keep_rule.h"
#include "data/near_duplicates.h"
#include "data/step.h"

namespace pelton::data {
namespace {

class MinHashStep final : public StreamStep {
 public:
  MinHashStep(const NearDuplicateOptions& options, KeepRule keep)
      : options_(options), keep_(std::move(keep)), sketcher_(options) {}

  // Heads, n-grams, and a column for each key.
  size_t spill_count() const override { return 2 + static_cast<size_t>(options_.keys_per_record()); }

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    thread_local Sketch sketch;
    for (const Record& record : records) {
      sketcher_.sketch(whole_text(record, arena), sketch);
      spills[0].append_row(SketchColumns::Head{keep_.rank_of(record), sketch.shingles.size()});
      spills[1].append(
          {reinterpret_cast<const char*>(sketch.shingles.data()), sketch.shingles.size() * sizeof(uint32_t)});
      for (size_t key = 0; key < sketch.keys.size(); ++key) spills[2 + key].append_row(sketch.keys[key]);
    }
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    SketchColumns sketches;
    sketches.heads = stream.spills[0].rows<SketchColumns::Head>();
    sketches.shingles = stream.spills[1].rows<uint32_t>();
    for (const SpillFile& spill : stream.spills.subspan(2)) sketches.keys.push_back(spill.rows<uint64_t>());
    Executor executor(stream.thread_count);
    const NearDuplicates found =
        find_near_duplicates(sketches, options_, {stream.scratch_folder, stream.memory_bytes_max / 2}, executor);
    for (const NearDuplicate& duplicate : found.dropped) {
      Decision decision;
      decision.record = duplicate.record;
      decision.reason = "near_duplicate";
      decision.duplicate_of = duplicate.duplicate_of;
      decision.similarity = duplicate.similarity;
      decisions.add(decision);
    }
  }

 private:
  NearDuplicateOptions options_;
  KeepRule keep_;
  Sketcher sketcher_;
};

}  // namespace

Step make_minhash(StepOptions& options) {
  NearDuplicateOptions near;
  near.ngram = static_cast<int>(options.integer("ngram", near.ngram, 1, 100));
  near.buckets = static_cast<int>(options.integer("buckets", near.buckets, 1, 256));
  near.hashes_per_bucket = static_cast<int>(options.integer("hashes_per_bucket", near.hashes_per_bucket, 1, 64));
  near.similarity_min = options.number("verify", near.similarity_min, 0, 1);
  near.normalization = static_cast<WordNormalization>(options.choice("words", {"plain", "fineweb"}));
  near.seed = static_cast<uint64_t>(options.integer("seed", 1, 0));
  return std::make_unique<const MinHashStep>(near, KeepRule::from_options(options));
}

}  // namespace pelton::data
