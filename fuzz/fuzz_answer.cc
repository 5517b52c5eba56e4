// Answers of any text, taken apart: the same however they are cut, and nothing of them is lost but markers, white space
// and what calls are made of. The first byte chooses the form, the second how the text is cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer_parser.h"

namespace {

struct Parts {
  std::string reasoning, content, calls;
};

Parts parse(const pelton::AnswerSyntax& syntax, std::string_view text, size_t piece_size) {
  pelton::AnswerParser parser(syntax);
  Parts parts;
  const auto take = [&](const pelton::AnswerDelta& delta) {
    parts.reasoning += delta.reasoning;
    parts.content += delta.content;
    for (const pelton::ToolCallDelta& call : delta.calls) {
      if (call.name) parts.calls += "\n" + *call.name + " ";
      parts.calls += call.arguments;
    }
  };
  while (!text.empty()) {
    take(parser.push(text.substr(0, piece_size)));
    text.remove_prefix(std::min(piece_size, text.size()));
  }
  take(parser.finish());
  return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  pelton::AnswerSyntax syntax{.has_reasoning = (data[0] & 8) != 0, .tool_names = {"f", "get"}};
  syntax.begins_in_reasoning = syntax.has_reasoning && (data[0] & 16) != 0;
  if ((data[0] & 4) == 0) syntax.tools = static_cast<pelton::ToolForm>(data[0] & 3);
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Parts whole = parse(syntax, text, text.size() + 1);
  const Parts pieces = parse(syntax, text, 1 + data[1] % 17);
  if (whole.reasoning != pieces.reasoning || whole.content != pieces.content || whole.calls != pieces.calls) {
    __builtin_trap();
  }
  if (!syntax.has_reasoning && !syntax.tools && whole.content != text) __builtin_trap();
  return 0;
}
