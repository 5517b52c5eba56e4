// Writes into each record's field to which split it belongs. Near duplicates come into one split, so that nothing of
// the test set has been trained on.
#include "data/disjoint_sets.h"
#include "data/mix_hash.h"
#include "data/sketch_spill.h"

namespace pelton::data {
namespace {

struct SplitShares {
  double validation = 0.05;
  double test = 0.05;
};

class SplitStep final : public StreamStep {
 public:
  SplitStep(const NearDuplicateOptions& options, SplitShares shares, std::string field)
      : sketches_(options), shares_(shares), seed_(options.seed), field_(std::move(field)) {}

  // The last file holds a random number of each record, by its content: the order of the input does not count.
  size_t spill_count() const override { return sketches_.file_count() + 1; }

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    for (const Record& record : records) {
      sketches_.append(record, 0, arena, spills);
      spills.back().append_row(mix_hash(record.hash.low ^ mix_hash(seed_)));
    }
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    DisjointSets clusters(static_cast<uint32_t>(stream.record_count));
    for (const NearDuplicate& pair : sketches_.find(stream).dropped) clusters.join(pair.record, pair.duplicate_of);
    const std::span<const uint64_t> numbers = stream.spills.back().rows<uint64_t>();
    for (uint32_t record = 0; record < stream.record_count; ++record) {
      Decision decision;
      decision.record = record;
      decision.action = Verdict::Action::kChange;
      decision.reason = "split_noted";
      decision.edit = split_of_number(numbers[clusters.root_of(record)]);
      decisions.add(decision);
    }
  }

  void change(Record& record, std::string_view edit, Arena& arena) const override {
    set_field(record, arena.copy(field_), arena.copy(edit), arena);
  }

 private:
  std::string_view split_of_number(uint64_t number) const {
    const double place = static_cast<double>(number >> 11) * 0x1.0p-53;
    if (place < shares_.test) return "test";
    return place < shares_.test + shares_.validation ? "validation" : "train";
  }

  SketchSpill sketches_;
  SplitShares shares_;
  uint64_t seed_;
  std::string field_;
};

}  // namespace

Step make_split(StepOptions& options) {
  SplitShares shares;
  shares.validation = options.number("validation", shares.validation, 0, 1);
  shares.test = options.number("test", shares.test, 0, 1);
  if (shares.validation + shares.test > 1) options.fail("test", "a share that leaves 1 with that of validation");
  const NearDuplicateOptions near = near_duplicate_options(options);
  return std::make_unique<const SplitStep>(near, shares, options.string("field", "split"));
}

}  // namespace pelton::data
