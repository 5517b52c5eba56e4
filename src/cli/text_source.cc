#include "cli/text_source.h"

#include <fmt/format.h>

#include <iostream>
#include <utility>

#include "base/error.h"
#include "cli/conversation.h"
#include "cli/output.h"

namespace pelton::cli {
namespace {

constexpr size_t kLineBytesMax = 1 << 22;  // no text of a context is so long

}  // namespace

TextSource::TextSource(const std::vector<std::string>& arguments, const std::optional<std::string>& file,
                       std::string noun)
    : arguments_(arguments), noun_(std::move(noun)) {
  if (file) {
    file_.open(*file, std::ios::binary);
    if (!file_) throw Error(ErrorCode::kNotFound, fmt::format("{} cannot be read", *file));
    lines_ = &file_;
    name_ = *file;
  } else if (arguments_.empty()) {
    if (stdin_is_terminal()) {
      throw Error(ErrorCode::kUsage,
                  fmt::format("there is no {}; give some as arguments, by --file, or through a pipe", noun_));
    }
    lines_ = &std::cin;
    name_ = "standard input";
  }
}

std::vector<std::string> TextSource::next(size_t count_max) {
  std::vector<std::string> result;
  std::string text;
  while (result.size() < count_max && read(text)) result.push_back(std::move(text));
  return result;
}

bool TextSource::read(std::string& text) {
  if (lines_ == nullptr) {
    if (index_ == arguments_.size()) return false;
    text = arguments_[index_++];
    require_utf8(text, fmt::format("a {}", noun_));
    return true;
  }
  if (!std::getline(*lines_, text)) {
    if (lines_->bad()) throw Error(ErrorCode::kIo, fmt::format("{} cannot be read", name_));
    return false;
  }
  ++index_;
  if (text.ends_with('\r')) text.pop_back();
  if (text.size() > kLineBytesMax) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: line {} has {} bytes", name_, index_, text.size()));
  }
  require_utf8(text, fmt::format("{}: line {}", name_, index_));
  return true;
}

}  // namespace pelton::cli
