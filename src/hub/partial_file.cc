#include "hub/partial_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "io/path_exists.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kJournalSizeMax = 256 << 20;

[[noreturn]] void fail(std::string_view doing, const fs::path& path) {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT) {
    throw Error(ErrorCode::kResourceExhausted,
                fmt::format("no space left for {}: {}. What has come is kept; make room and run the same command again",
                            path.string(), std::strerror(error)));
  }
  throw Error(ErrorCode::kIo, fmt::format("cannot {} {}: {}", doing, path.string(), std::strerror(error)));
}

int open_file(const fs::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) fail("open", path);
  return descriptor;
}

std::string header_of(const PartialFile::Options& options) {
  return fmt::format("pelton-ranges 1 {} {}\n", options.size_bytes, options.identity);
}

bool take_number(std::string_view& text, int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

PartialFile::PartialFile(Options options) : options_(std::move(options)) {
  try {
    descriptor_ = open_file(options_.path, O_RDWR);
    received_ = read_journal();
    if (received_.size_bytes() > 0) {
      journal_descriptor_ = open_file(options_.journal, O_WRONLY | O_APPEND);
    } else {
      start_journal();
    }
  } catch (...) {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (journal_descriptor_ >= 0) ::close(journal_descriptor_);
    throw;
  }
}

PartialFile::~PartialFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (journal_descriptor_ >= 0) ::close(journal_descriptor_);
}

std::vector<ByteRange> PartialFile::missing() const {
  const std::lock_guard lock(mutex_);
  return received_.missing(options_.size_bytes);
}

int64_t PartialFile::received_bytes() const {
  const std::lock_guard lock(mutex_);
  return received_.size_bytes();
}

// What the journal says, as far as the file is that long: nothing of a journal of another file. A last line that a
// crash cut does not count.
RangeSet PartialFile::read_journal() const {
  RangeSet ranges;
  if (!path_exists(options_.journal)) return ranges;
  const std::string text = read_file(options_.journal, kJournalSizeMax);
  const std::string header = header_of(options_);
  struct stat status {};
  if (!text.starts_with(header) || ::fstat(descriptor_, &status) != 0) return ranges;
  std::string_view rest = std::string_view(text).substr(header.size());
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    ByteRange range;
    if (!take_number(line, range.begin) || !line.starts_with(' ')) continue;
    line.remove_prefix(1);
    if (!take_number(line, range.end) || !line.empty()) continue;
    if (range.begin >= 0 && range.begin < range.end && range.end <= options_.size_bytes &&
        range.end <= status.st_size) {
      ranges.add(range);
    }
  }
  return ranges;
}

void PartialFile::start_journal() {
  if (journal_descriptor_ >= 0) ::close(journal_descriptor_);
  journal_descriptor_ = open_file(options_.journal, O_WRONLY | O_APPEND | O_TRUNC);
  append(header_of(options_));
  received_ = {};
  if (::ftruncate(descriptor_, 0) != 0) fail("truncate", options_.path);
}

void PartialFile::append(std::string_view line) {
  // Short lines to a local file: one call writes all or fails.
  if (::write(journal_descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    fail("write", options_.journal);
  }
}

void PartialFile::write(int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write", options_.path);
    offset += count;
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

void PartialFile::record(ByteRange range) {
  if (range.size_bytes() == 0) return;
  const std::lock_guard lock(mutex_);
  append(fmt::format("{} {}\n", range.begin, range.end));
  received_.add(range);
}

void PartialFile::restart() {
  const std::lock_guard lock(mutex_);
  start_journal();
}

void PartialFile::finish(const fs::path& target) {
  const mode_t mask = ::umask(0);  // the only way to ask for it
  ::umask(mask);
  if (::fchmod(descriptor_, 0666 & ~mask) != 0 || ::fsync(descriptor_) != 0) fail("sync", options_.path);
  if (::rename(options_.path.c_str(), target.c_str()) != 0) fail("rename", options_.path);
  ::unlink(options_.journal.c_str());
  sync_folder(target.parent_path());
}

void PartialFile::discard() {
  ::unlink(options_.path.c_str());
  ::unlink(options_.journal.c_str());
}

void PartialFile::adopt_prefix(const Options& options, const fs::path& prefix) {
  std::error_code error;
  if (path_exists(options.path) || !fs::is_regular_file(fs::symlink_status(prefix, error))) return;
  const uintmax_t size = fs::file_size(prefix, error);
  if (error || size == 0 || size > static_cast<uintmax_t>(options.size_bytes)) return;
  replace_file(options.journal, fmt::format("{}0 {}\n", header_of(options), size));
  fs::rename(prefix, options.path, error);
}

}  // namespace pelton
