#include "data/embedding_spill.h"

#include <vector>

#include "base/error.h"

namespace pelton::data {

EmbeddingSpill::EmbeddingSpill(StepOptions& options)
    : part_(part_option(options)), embedder_(make_text_embedder(options)) {}

void EmbeddingSpill::append(std::span<const Record> records, Arena& arena, SpillBuffer& spill) const {
  std::vector<std::string_view> texts;
  texts.reserve(records.size());
  for (const Record& record : records) texts.push_back(text_of(record, arena));
  const std::vector<float> vectors = embedder_.embed(texts);
  spill.append({reinterpret_cast<const char*>(vectors.data()), vectors.size() * sizeof(float)});
}

EmbeddingTable EmbeddingSpill::table(const SpillFile& spill) const {
  const EmbeddingTable table{spill.rows<float>(), embedder_.width()};
  if (table.numbers.size() / static_cast<size_t>(table.width) > UINT32_MAX) {
    throw Error(ErrorCode::kUnsupported, "at most 4294967295 records are compared by what they mean; split the input");
  }
  return table;
}

std::string_view EmbeddingSpill::text_of(const Record& record, Arena& arena) const {
  if (part_ == RecordPart::kAnywhere) return whole_text(record, arena);
  std::string text;
  for (const std::span<Message> turns : {record.messages, record.chosen}) {
    for (const Message& message : turns) {
      if (!holds(part_, message.role)) continue;
      if (!text.empty()) text += "\n\n";
      text += message.content;
    }
  }
  return arena.copy(text);
}

}  // namespace pelton::data
