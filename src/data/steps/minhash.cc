// Near duplicates. One of each cluster stays; none that is near a record of an index, where there is one.
#include "data/sketch_index.h"
#include "data/sketch_spill.h"

namespace pelton::data {
namespace {

class MinHashStep final : public StreamStep {
 public:
  MinHashStep(const NearDuplicateOptions& options, KeepRule keep, std::string index)
      : options_(options), keep_(std::move(keep)), sketches_(options), index_(std::move(index)) {}

  // With an index: ids, too, and where each ends.
  size_t spill_count() const override { return sketches_.file_count() + (index_.empty() ? 0 : 2); }

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    for (const Record& record : records) {
      sketches_.append(record, keep_.rank_of(record), arena, spills);
      if (index_.empty()) continue;
      spills[sketches_.file_count()].append(record.id);
      spills[sketches_.file_count() + 1].append_row(uint64_t{record.id.size()});
    }
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    if (index_.empty()) {
      for (const NearDuplicate& duplicate : sketches_.find(stream).dropped) {
        Decision decision = drop(duplicate.record, duplicate.similarity);
        decision.duplicate_of = duplicate.duplicate_of;
        decisions.add(decision);
      }
      return;
    }
    std::vector<uint64_t> id_ends;
    const SketchTable records = table_of(stream, id_ends);
    SketchIndex index(index_, options_, records);
    const uint64_t known = index.record_count();
    std::vector<bool> is_kept(records.columns.heads.size(), true);
    const SketchColumns all = index.joined(records, stream.scratch_folder);
    for (const NearDuplicate& duplicate : sketches_.find(all, stream).dropped) {
      if (duplicate.record < known) continue;  // of two that the index has, one new record is near both
      Decision decision = drop(duplicate.record - known, duplicate.similarity);
      if (duplicate.duplicate_of < known) {
        decision.duplicate_of_id = index.id(duplicate.duplicate_of);
      } else {
        decision.duplicate_of = duplicate.duplicate_of - known;
      }
      is_kept[decision.record] = false;
      decisions.add(decision);
    }
    if (!stream.is_trial) index.add(records, is_kept);
  }

 private:
  static Decision drop(uint64_t record, double similarity) {
    Decision decision;
    decision.record = record;
    decision.reason = "near_duplicate";
    decision.similarity = similarity;
    return decision;
  }

  SketchTable table_of(const ObservedStream& stream, std::vector<uint64_t>& id_ends) const {
    SketchTable table;
    table.columns = sketches_.columns(stream);
    const std::span<const std::byte> ids = stream.spills[sketches_.file_count()].bytes();
    table.ids = {reinterpret_cast<const char*>(ids.data()), ids.size()};
    uint64_t end = 0;
    for (const uint64_t bytes : stream.spills[sketches_.file_count() + 1].rows<uint64_t>()) {
      id_ends.push_back(end += bytes);
    }
    table.id_ends = id_ends;
    return table;
  }

  NearDuplicateOptions options_;
  KeepRule keep_;
  SketchSpill sketches_;
  std::string index_;  // a folder; empty: none
};

}  // namespace

Step make_minhash(StepOptions& options) {
  const NearDuplicateOptions near = near_duplicate_options(options);
  KeepRule keep = KeepRule::from_options(options);
  return std::make_unique<const MinHashStep>(near, std::move(keep), options.string("index", ""));
}

}  // namespace pelton::data
