#include "data/sketch_spill.h"

namespace pelton::data {

NearDuplicateOptions near_duplicate_options(StepOptions& options) {
  NearDuplicateOptions near;
  near.ngram = static_cast<int>(options.integer("ngram", near.ngram, 1, 100));
  near.buckets = static_cast<int>(options.integer("buckets", near.buckets, 1, 256));
  near.hashes_per_bucket = static_cast<int>(options.integer("hashes_per_bucket", near.hashes_per_bucket, 1, 64));
  near.similarity_min = options.number("verify", near.similarity_min, 0, 1);
  near.normalization = static_cast<WordNormalization>(options.choice("words", {"plain", "fineweb"}));
  near.seed = static_cast<uint64_t>(options.integer("seed", 1, 0));
  return near;
}

void SketchSpill::append(const Record& record, uint64_t rank, Arena& arena, std::span<SpillBuffer> spills) const {
  thread_local Sketch sketch;
  sketcher_.sketch(whole_text(record, arena), sketch);
  spills[0].append_row(SketchColumns::Head{rank, sketch.shingles.size()});
  spills[1].append({reinterpret_cast<const char*>(sketch.shingles.data()), sketch.shingles.size() * sizeof(uint32_t)});
  for (size_t key = 0; key < sketch.keys.size(); ++key) spills[2 + key].append_row(sketch.keys[key]);
}

SketchColumns SketchSpill::columns(const ObservedStream& stream) const {
  SketchColumns sketches;
  sketches.heads = stream.spills[0].rows<SketchColumns::Head>();
  sketches.shingles = stream.spills[1].rows<uint32_t>();
  for (const SpillFile& spill : stream.spills.subspan(2, file_count() - 2))
    sketches.keys.push_back(spill.rows<uint64_t>());
  return sketches;
}

NearDuplicates SketchSpill::find(const SketchColumns& sketches, const ObservedStream& stream) const {
  Executor executor(stream.thread_count);
  return find_near_duplicates(sketches, options_, {stream.scratch_folder, stream.memory_bytes_max / 2}, executor);
}

}  // namespace pelton::data
