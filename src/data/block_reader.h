// Cuts inputs into blocks of whole lines. Where it cuts depends on the bytes alone, never on timing or threads, so that
// a run that goes on from a position sees the same blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/input_files.h"

namespace pelton::data {

// A place between two blocks.
struct ReaderPosition {
  uint64_t file = 0;   // which of the inputs
  uint64_t bytes = 0;  // of its lines that lie before
  uint64_t lines = 0;
};

// A line that is no record, and why.
struct BadLine {
  uint64_t number = 0;
  std::string reason;
};

// Some MB of lines of one file. Reused: memory stays with it.
class Block {
 public:
  // Whole lines; only a file's last may lack its newline. Behind it 64 more bytes may be read (simdjson does).
  std::string_view lines() const { return {memory_.get(), size_}; }

  const InputFile* file = nullptr;
  uint64_t first_line = 0;  // its number in the file, from 1
  uint64_t line_count = 0;
  ReaderPosition end;              // where the next block begins
  std::optional<BadLine> problem;  // the file is damaged from here on, or a line was too long to be read

 private:
  friend class BlockReader;
  void reserve(size_t bytes);

  std::unique_ptr<char[]> memory_;
  size_t capacity_ = 0;
  size_t size_ = 0;
};

struct BlockReaderOptions {
  size_t block_bytes = size_t{1} << 20;       // in a core's second-level cache, with what is made of it
  size_t line_bytes_max = size_t{256} << 20;  // a longer line is reported and passed over
};

// Not thread-safe: whoever shares one holds a lock.
class BlockReader {
 public:
  // `files` must outlive it.
  explicit BlockReader(std::span<const InputFile> files, BlockReaderOptions options = {});

  // Goes on at a block's end. Before the first next().
  void seek(const ReaderPosition& position);
  // False at the end of the last file. An empty block only tells a problem. Errors: kNotFound, kIo.
  bool next(Block& block);

 private:
  void open_file();
  void fill(Block& block);
  void read_some(Block& block, size_t capacity);
  void pass_over_line(Block& block);

  std::span<const InputFile> files_;
  BlockReaderOptions options_;
  ReaderPosition position_;
  std::unique_ptr<ByteStream> stream_;
  std::string carry_;          // the beginning of a line whose end was not read yet
  uint64_t passed_bytes_ = 0;  // of a line that is too long
  bool is_at_end_ = false;
  std::string problem_;
};

}  // namespace pelton::data
