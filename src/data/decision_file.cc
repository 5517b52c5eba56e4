#include "data/decision_file.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/error.h"

namespace pelton::data {
namespace {

// Then come the strings, one after another.
struct Header {
  uint64_t record;
  double similarity;
  uint32_t id_bytes;
  uint32_t reason_bytes;
  uint32_t detail_bytes;
  uint32_t duplicate_bytes;
  uint32_t edit_bytes;
  uint8_t action;
  uint8_t has_similarity;
  uint8_t padding[2];
};
static_assert(sizeof(Header) == 40);

}  // namespace

std::string_view IdTable::id(uint64_t record) const {
  const std::span<const uint64_t> all_ends = ends.rows<uint64_t>();
  CHECK(record < all_ends.size());
  const uint64_t start = record == 0 ? 0 : all_ends[record - 1];
  return {reinterpret_cast<const char*>(ids.bytes().data()) + start, all_ends[record] - start};
}

DecisionWriter::DecisionWriter(const std::filesystem::path& path, const IdTable& ids)
    : path_(path), file_(path, std::ios::binary | std::ios::trunc), ids_(ids) {}

void DecisionWriter::add(const Decision& decision) {
  CHECK(!last_ || *last_ < decision.record);
  CHECK(decision.action != Verdict::Action::kKeep && !decision.reason.empty());
  last_ = decision.record;
  const std::string_view id = ids_.id(decision.record);
  const std::string_view duplicate =
      decision.duplicate_of ? ids_.id(*decision.duplicate_of) : std::string_view(decision.duplicate_of_id);
  Header header{};
  header.record = decision.record;
  header.similarity = decision.similarity.value_or(0);
  header.id_bytes = static_cast<uint32_t>(id.size());
  header.reason_bytes = static_cast<uint32_t>(decision.reason.size());
  header.detail_bytes = static_cast<uint32_t>(decision.detail.size());
  header.duplicate_bytes = static_cast<uint32_t>(duplicate.size());
  header.edit_bytes = static_cast<uint32_t>(decision.edit.size());
  header.action = static_cast<uint8_t>(decision.action);
  header.has_similarity = decision.similarity ? 1 : 0;
  file_.write(reinterpret_cast<const char*>(&header), sizeof header);
  for (const std::string_view text :
       {id, decision.reason, std::string_view(decision.detail), duplicate, std::string_view(decision.edit)}) {
    file_.write(text.data(), static_cast<std::streamsize>(text.size()));
  }
}

void DecisionWriter::close() {
  file_.close();
  if (!file_) throw Error(ErrorCode::kIo, fmt::format("cannot write {}", path_.string()));
}

DecisionReader::DecisionReader(const std::filesystem::path& path, uint64_t offset)
    : path_(path), file_(path, std::ios::binary), offset_(offset), next_end_(offset) {
  if (!file_) throw Error(ErrorCode::kIo, fmt::format("cannot read {}", path_.string()));
  file_.seekg(static_cast<std::streamoff>(offset));
  read_next();
}

bool DecisionReader::read_next() {
  offset_ = next_end_;
  next_.reset();
  Header header{};
  if (!file_.read(reinterpret_cast<char*>(&header), sizeof header)) return false;
  ResolvedDecision& decision = next_.emplace();
  decision.record = header.record;
  decision.action = static_cast<Verdict::Action>(header.action);
  if (header.has_similarity != 0) decision.similarity = header.similarity;
  next_end_ += sizeof header;
  const auto read_text = [&](std::string& text, uint32_t bytes) {
    text.resize(bytes);
    file_.read(text.data(), bytes);
    next_end_ += bytes;
  };
  read_text(decision.id, header.id_bytes);
  read_text(decision.reason, header.reason_bytes);
  read_text(decision.detail, header.detail_bytes);
  read_text(decision.duplicate_of, header.duplicate_bytes);
  read_text(decision.edit, header.edit_bytes);
  if (!file_) throw Error(ErrorCode::kCorruptFile, fmt::format("{} ends in the middle", path_.string()));
  return true;
}

void DecisionReader::take_until(uint64_t end, std::vector<ResolvedDecision>& decisions) {
  while (next_ && next_->record < end) {
    decisions.push_back(*std::move(next_));
    read_next();
  }
}

}  // namespace pelton::data
