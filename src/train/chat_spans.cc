#include "train/chat_spans.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace pelton {
namespace {

bool is_assistant(const json::value& message) { return message.is_object() && message.at("role") == "assistant"; }

bool is_left_out(const json::value& message) {
  const json::object* fields = message.if_object();
  const json::value* weight = fields == nullptr ? nullptr : fields->if_contains("weight");
  return weight != nullptr && *weight == 0;
}

std::string render_first(const ChatTemplate& chat_template, const ChatTemplate::Input& input, size_t count,
                         bool adds_generation_prompt) {
  ChatTemplate::Input part = input;
  part.messages.resize(count);
  part.add_generation_prompt = adds_generation_prompt;
  return chat_template.render(part);
}

// The length of what the rendering begins with. Error kInvalidArgument: it begins otherwise.
size_t proven_length(std::string_view rendered, const std::string& beginning, size_t message) {
  if (rendered.starts_with(beginning)) return beginning.size();
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("messages[{}]: the chat template writes what comes before the answer's end otherwise when "
                          "the whole chat is there, so that the tokens to learn cannot be told; give chats that "
                          "end with this answer, or a template with {{% generation %}}",
                          message));
}

}  // namespace

std::vector<TextSpan> assistant_spans(const ChatTemplate& chat_template, const ChatTemplate::Input& input,
                                      std::string_view rendered) {
  // Marks do not say whose turn they are.
  const bool learns_all = std::none_of(input.messages.begin(), input.messages.end(), is_left_out);
  const auto marked = learns_all ? chat_template.generated_spans(input) : std::nullopt;
  if (marked) {
    std::vector<TextSpan> spans;
    for (const auto& [begin, end] : *marked) {
      if (end > begin) spans.push_back({begin, end});
    }
    return spans;
  }
  std::vector<TextSpan> spans;
  for (size_t i = 0; i < input.messages.size(); ++i) {
    if (!is_assistant(input.messages[i]) || is_left_out(input.messages[i])) continue;
    const size_t begin = proven_length(rendered, render_first(chat_template, input, i, true), i);
    const size_t end = i + 1 == input.messages.size()
                           ? rendered.size()
                           : proven_length(rendered, render_first(chat_template, input, i + 1, false), i);
    if (!spans.empty() && spans.back().end > begin) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("messages[{}]: its answer overlaps the one before it", i));
    }
    spans.push_back({begin, end});
  }
  return spans;
}

}  // namespace pelton
