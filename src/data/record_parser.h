// A line of JSON as a record.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "data/record.h"

namespace pelton::data {

// Keeps memory from line to line. Not thread-safe: one for each thread.
class RecordParser {
 public:
  // Without a format, each record's own is found by its members.
  explicit RecordParser(std::optional<Format> format = std::nullopt);
  ~RecordParser();
  RecordParser(RecordParser&&) noexcept;
  RecordParser& operator=(RecordParser&&) noexcept;

  // 64 bytes behind the line may be read. Views of `record` lead into `line` and `arena`. A problem says why the line
  // is no record: broken JSON, bytes that are no UTF-8, no format that is known, content that its format does not
  // allow.
  Problem parse(std::string_view line, const SourceFile& source, uint64_t line_number, Record& record, Arena& arena);

 private:
  class Document;  // what knows simdjson
  std::unique_ptr<Document> document_;
};

}  // namespace pelton::data
