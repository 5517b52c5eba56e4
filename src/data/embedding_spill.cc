#include "data/embedding_spill.h"

#include <string>
#include <utility>

#include "base/error.h"

namespace pelton::data {

SemanticDuplicateOptions semantic_duplicate_options(StepOptions& options) {
  SemanticDuplicateOptions semantic;
  semantic.similarity_min = options.number("similarity", semantic.similarity_min, 0, 1);
  semantic.cluster_count = static_cast<size_t>(options.integer("clusters", 0, 0, 1 << 20));
  semantic.probe_count = static_cast<size_t>(options.integer("probes", 4, 1, 64));
  semantic.seed = static_cast<uint64_t>(options.integer("seed", 1, 0));
  return semantic;
}

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

std::vector<NearDuplicate> EmbeddingSpill::find_duplicates(const SpillFile& spill,
                                                           const SemanticDuplicateOptions& options,
                                                           std::function<uint64_t(uint32_t record)> rank_of,
                                                           const ObservedStream& stream) const {
  const SemanticDuplicateSearch search{.rank_of = std::move(rank_of),
                                       .scratch_folder = stream.scratch_folder,
                                       .memory_bytes_max = stream.memory_bytes_max / 2};
  Executor executor(stream.thread_count);
  return find_semantic_duplicates(table(spill), options, search, executor);
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
