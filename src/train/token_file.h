// Examples as a file of tokens that can be mapped: what a data set has become for one tokenizer, encoded once.
//
// It is a safetensors file, NAME.tokens.safetensors, that NumPy and torch read:
//   tokens          I32 [T]  of all sequences, back to back
//   learnt          U8  [T]  1: the model learns to say this one
//   sequence_ends   I64 [S]  the end of each sequence, as an index of `tokens`
//   example_ends    I64 [E]  the end of each example, as an index of `sequence_ends`: one sequence, or chosen and
//   rejected forms           U8  [E]  an index of the list `forms` in the metadata labels          U8  [E]  of a
//   labelled completion: 1 desirable, 2 not; else 0 sources         I32 [E]  an index of the list `sources` in the
//   metadata lines           I64 [E]  in the file that the example was read from
// Metadata: tokenizer (a hash), forms, sources: JSON, each with its name and its counts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "train/example.h"
#include "train/record_reader.h"

namespace pelton {

// What is counted of a source.
struct SourceTokens {
  std::string name;
  int64_t examples = 0;
  int64_t tokens = 0;
  int64_t learnt = 0;
};

// Not thread-safe. Data lie in a folder beside `path` until commit(); without it nothing is left.
class TokenFileWriter {
 public:
  // Error kIo.
  TokenFileWriter(std::filesystem::path path, const Tokenizer& tokenizer);
  ~TokenFileWriter();
  TokenFileWriter(const TokenFileWriter&) = delete;
  TokenFileWriter& operator=(const TokenFileWriter&) = delete;

  // Error kIo.
  void add(const Example& example, RecordForm form, const std::string& source, int64_t line);
  // The file appears whole or not at all. Error kIo. Call once, last.
  void commit();

  // In the order in which they came first.
  const std::vector<SourceTokens>& sources() const { return sources_; }

 private:
  class Column;

  std::filesystem::path path_;
  std::filesystem::path folder_;
  std::string tokenizer_hash_;
  std::vector<std::unique_ptr<Column>> columns_;
  std::vector<SourceTokens> sources_;
  std::map<std::string, size_t> source_index_;
  int64_t token_count_ = 0;
  int64_t sequence_count_ = 0;
};

bool is_token_file(const std::filesystem::path& path);

// Appends the examples, and counts them. Errors: those of SafetensorsFile::open(); kCorruptFile: no such file of
// tokens; kInvalidArgument: of another tokenizer, or a sequence of more than `sequence_length_max` tokens.
void read_token_file(const std::filesystem::path& path, const Tokenizer& tokenizer, int64_t sequence_length_max,
                     std::vector<Example>& examples, RecordCounts& counts);

}  // namespace pelton
