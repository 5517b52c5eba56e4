#include "cli/message_reader.h"

#include <string_view>

namespace pelton::cli {
namespace {

constexpr std::string_view kBlockMark = "\"\"\"";

// `message` is what stands behind the opening mark.
InputLine read_block(LineReader& lines, std::string message) {
  bool is_first = true;
  while (!message.ends_with(kBlockMark)) {
    InputLine next = lines.read_line(/*is_continuation=*/true);
    if (next.kind == InputLine::Kind::kInterrupted) return next;
    if (next.kind == InputLine::Kind::kEnd) return {InputLine::Kind::kText, message};
    // A mark that stands alone starts the block on the next line.
    if (!is_first || !message.empty()) message += '\n';
    is_first = false;
    message += next.text;
  }
  message.resize(message.size() - kBlockMark.size());
  if (message.ends_with('\n')) message.pop_back();
  return {InputLine::Kind::kText, message};
}

}  // namespace

InputLine read_message(LineReader& lines) {
  InputLine message = lines.read_line(/*is_continuation=*/false);
  if (message.kind != InputLine::Kind::kText) return message;
  if (message.text.starts_with(kBlockMark)) return read_block(lines, message.text.substr(kBlockMark.size()));
  while (message.text.ends_with('\\')) {
    message.text.back() = '\n';
    InputLine next = lines.read_line(/*is_continuation=*/true);
    if (next.kind == InputLine::Kind::kInterrupted) return next;
    if (next.kind == InputLine::Kind::kEnd) break;
    message.text += next.text;
  }
  return message;
}

}  // namespace pelton::cli
