#include "data/block_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace pelton::data {
namespace {

constexpr size_t kPadding = 64;  // SIMDJSON_PADDING

uint64_t count_lines(std::string_view lines) {
  const auto newlines = static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  return newlines + (lines.empty() || lines.back() == '\n' ? 0 : 1);
}

}  // namespace

void Block::reserve(size_t bytes) {
  if (bytes + kPadding <= capacity_) return;
  const size_t capacity = bytes + kPadding;
  std::unique_ptr<char[]> memory(new char[capacity]);
  if (size_ > 0) std::memcpy(memory.get(), memory_.get(), size_);
  std::memset(memory.get() + size_, 0, capacity - size_);
  memory_ = std::move(memory);
  capacity_ = capacity;
}

BlockReader::BlockReader(std::span<const InputFile> files, BlockReaderOptions options)
    : files_(files), options_(options) {}

void BlockReader::seek(const ReaderPosition& position) {
  position_ = position;
  if (position_.file == files_.size()) return;
  open_file();
  stream_->skip(position_.bytes);
}

void BlockReader::open_file() {
  stream_ = open_lines(files_[position_.file]);
  is_at_end_ = false;
  carry_.clear();
}

bool BlockReader::next(Block& block) {
  while (position_.file < files_.size()) {
    if (!stream_) open_file();
    block.file = &files_[position_.file];
    block.first_line = position_.lines + 1;
    block.problem.reset();
    fill(block);
    block.line_count = count_lines(block.lines());
    position_.bytes += block.size_;
    position_.lines += block.line_count;
    if (!problem_.empty()) {
      block.problem = BadLine{position_.lines + 1, std::move(problem_)};
      problem_.clear();
    }
    position_.bytes += passed_bytes_;
    position_.lines += passed_bytes_ > 0 ? 1 : 0;
    passed_bytes_ = 0;
    if (is_at_end_ && carry_.empty()) {
      position_ = {position_.file + 1, 0, 0};
      stream_.reset();
    }
    block.end = position_;
    if (block.size_ > 0 || block.problem) return true;
  }
  return false;
}

// Takes what was left over, then reads until there is a newline to end at.
void BlockReader::fill(Block& block) {
  // A line of 100 MB has made it large once; most blocks are not.
  block.size_ = 0;
  if (block.capacity_ > 4 * (options_.block_bytes + kPadding)) {
    block.memory_.reset();
    block.capacity_ = 0;
  }
  block.reserve(std::max(options_.block_bytes, carry_.size()));
  std::memcpy(block.memory_.get(), carry_.data(), carry_.size());
  block.size_ = carry_.size();
  carry_.clear();
  size_t searched = 0;
  for (size_t wanted = options_.block_bytes;; wanted *= 2) {
    read_some(block, wanted);
    const std::string_view unsearched = block.lines().substr(searched);
    const size_t newline = unsearched.rfind('\n');
    if (newline != std::string_view::npos) {
      const size_t end = searched + newline + 1;
      carry_ = block.lines().substr(end);
      block.size_ = end;
      break;
    }
    if (is_at_end_) break;
    searched = block.size_;
    if (block.size_ >= options_.line_bytes_max) {
      pass_over_line(block);
      break;
    }
  }
  std::memset(block.memory_.get() + block.size_, 0, kPadding);
}

void BlockReader::read_some(Block& block, size_t capacity) {
  block.reserve(capacity);
  while (!is_at_end_ && block.size_ < capacity) {
    try {
      const size_t count = stream_->read({block.memory_.get() + block.size_, capacity - block.size_});
      is_at_end_ = count == 0;
      block.size_ += count;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCorruptFile) throw;
      problem_ = error.message();
      is_at_end_ = true;
    }
  }
}

void BlockReader::pass_over_line(Block& block) {
  problem_ = fmt::format("a line of more than {} bytes", options_.line_bytes_max);
  passed_bytes_ = block.size_;
  while (!is_at_end_ && carry_.empty()) {
    block.size_ = 0;
    read_some(block, options_.block_bytes);
    const size_t newline = block.lines().find('\n');
    passed_bytes_ += newline == std::string_view::npos ? block.size_ : newline + 1;
    if (newline != std::string_view::npos) {
      carry_ = block.lines().substr(newline + 1);
      break;
    }
  }
  block.size_ = 0;
}

}  // namespace pelton::data
