// What records mean, in a spill file of a step: its rows in order are those of an EmbeddingTable.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "data/embedding_table.h"
#include "data/record_part.h"
#include "data/semantic_duplicates.h"
#include "data/step.h"
#include "data/text_embedder.h"

namespace pelton::data {

// The options that all steps by records of one meaning share, beside those of EmbeddingSpill: similarity, clusters,
// probes, seed.
SemanticDuplicateOptions semantic_duplicate_options(StepOptions& options);

class EmbeddingSpill {
 public:
  // The options `in` (what of a record counts: anywhere, answers, questions) and those of make_text_embedder().
  explicit EmbeddingSpill(StepOptions& options);

  // Any thread.
  void append(std::span<const Record> records, Arena& arena, SpillBuffer& spill) const;
  // Error kUnsupported: 2^32 records or more.
  EmbeddingTable table(const SpillFile& spill) const;
  // Of table(). `rank_of`: as in SemanticDuplicateSearch. Errors: those of table().
  std::vector<NearDuplicate> find_duplicates(const SpillFile& spill, const SemanticDuplicateOptions& options,
                                             std::function<uint64_t(uint32_t record)> rank_of,
                                             const ObservedStream& stream) const;

 private:
  std::string_view text_of(const Record& record, Arena& arena) const;

  RecordPart part_;
  TextEmbedder embedder_;
};

}  // namespace pelton::data
