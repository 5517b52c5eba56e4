// A file that arrives in ranges, in any order, over several runs of the program.
//
// Beside it lies a journal: a first line with the file's size and what identifies it, then a line for each range that
// has been written. A process that is killed loses what it had not journalled (at most kJournalBytes a connection); the
// kernel still writes what it was given. After a power cut the journal may promise bytes that never reached the disk:
// whoever finishes the file compares a checksum.
#pragma once

#include <cstddef>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "hub/range_set.h"

namespace pelton {

class PartialFile {
 public:
  static constexpr int64_t kJournalBytes = 1 << 20;

  struct Options {
    std::filesystem::path path;
    std::filesystem::path journal;
    int64_t size_bytes = 0;
    std::string identity;  // one line; another one there: start again
  };
  // Goes on with what is there. Errors: kIo, kResourceExhausted (disk full).
  explicit PartialFile(Options options);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  std::vector<ByteRange> missing() const;
  int64_t received_bytes() const;

  // Any thread, each its own range. Errors: kResourceExhausted (disk full), kIo.
  void write(int64_t offset, std::span<const std::byte> bytes);
  // What write() has written, into the journal. Any thread.
  void record(ByteRange range);
  // Forgets what has come; the server sends from the start only.
  void restart();

  // Syncs, and renames to `target`. Error kIo.
  void finish(const std::filesystem::path& target);
  // No trace is left.
  void discard();

  // Takes over the beginning of a file that another program left at `prefix`, where there is nothing at
  // `options.path`.
  static void adopt_prefix(const Options& options, const std::filesystem::path& prefix);

 private:
  RangeSet read_journal() const;
  void start_journal();
  void append(std::string_view line);

  Options options_;
  int descriptor_ = -1;
  int journal_descriptor_ = -1;
  mutable std::mutex mutex_;  // guards received_ and the journal
  RangeSet received_;
};

}  // namespace pelton
