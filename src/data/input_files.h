// Which files a recipe's `input` means, and how each is read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/packing.h"
#include "data/record.h"
#include "data/streams/byte_stream.h"

namespace pelton::data {

enum class FileKind : uint8_t { kJsonLines, kJsonArray, kCsv, kTsv, kText, kParquet };

struct InputFile {
  SourceFile source;
  FileKind kind = FileKind::kJsonLines;
  Packing packing = Packing::kNone;
  uint64_t bytes = 0;  // on disk
  std::string id;      // kText: the record's, its path below the folder that was named
};

// `pattern` is a file, a folder (all files below it that have a known ending) or a glob whose names may hold `*`, `?`
// and
// `[a-z]`, and where a name `**` stands for any folders. Sorted by path. The ending says what a file is: .jsonl .ndjson
// .json .csv .tsv .txt .md, each also with .gz or .zst, and .parquet; a .json is an array if it begins with '['. `like`
// holds what the recipe says of them all. Errors: kNotFound (nothing matches), kUnsupported (an ending that is not
// known).
std::vector<InputFile> find_input_files(const std::string& pattern, const SourceFile& like);

// All files that the patterns mean, in their order.
std::vector<InputFile> find_input_files(const std::vector<std::string>& patterns);
// Gives each its place in the list.
void number_files(std::vector<InputFile>& files);

// Its records as lines of JSON. Errors: kNotFound, kIo.
std::unique_ptr<ByteStream> open_lines(const InputFile& file);

}  // namespace pelton::data
