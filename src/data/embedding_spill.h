// What records mean, in a spill file of a step: its rows in order are those of an EmbeddingTable.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "data/embedding_table.h"
#include "data/record_part.h"
#include "data/step.h"
#include "data/text_embedder.h"

namespace pelton::data {

class EmbeddingSpill {
 public:
  // The options `in` (what of a record counts: anywhere, answers, questions) and those of make_text_embedder().
  explicit EmbeddingSpill(StepOptions& options);

  // Any thread.
  void append(std::span<const Record> records, Arena& arena, SpillBuffer& spill) const;
  // Error kUnsupported: 2^32 records or more.
  EmbeddingTable table(const SpillFile& spill) const;

 private:
  std::string_view text_of(const Record& record, Arena& arena) const;

  RecordPart part_;
  TextEmbedder embedder_;
};

}  // namespace pelton::data
