// Near duplicates. One of each cluster stays.
#include "data/sketch_spill.h"

namespace pelton::data {
namespace {

class MinHashStep final : public StreamStep {
 public:
  MinHashStep(const NearDuplicateOptions& options, KeepRule keep) : keep_(std::move(keep)), sketches_(options) {}

  size_t spill_count() const override { return sketches_.file_count(); }

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    for (const Record& record : records) sketches_.append(record, keep_.rank_of(record), arena, spills);
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    for (const NearDuplicate& duplicate : sketches_.find(stream).dropped) {
      Decision decision;
      decision.record = duplicate.record;
      decision.reason = "near_duplicate";
      decision.duplicate_of = duplicate.duplicate_of;
      decision.similarity = duplicate.similarity;
      decisions.add(decision);
    }
  }

 private:
  KeepRule keep_;
  SketchSpill sketches_;
};

}  // namespace

Step make_minhash(StepOptions& options) {
  const NearDuplicateOptions near = near_duplicate_options(options);
  return std::make_unique<const MinHashStep>(near, KeepRule::from_options(options));
}

}  // namespace pelton::data
