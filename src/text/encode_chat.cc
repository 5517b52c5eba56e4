#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/user_text.h"

namespace pelton {
namespace {

bool is_control(const AddedToken& token) {
  return token.is_special || (token.text.starts_with("<|") && token.text.ends_with("|>"));
}

bool is_guarded(const AddedToken& token, std::string_view template_source) {
  return is_control(token) || template_source.find(token.text) != std::string_view::npos;
}

bool is_assistant(const json::value& message) {
  const json::value* role = message.is_object() ? message.get_object().if_contains("role") : nullptr;
  return role != nullptr && *role == "assistant";
}

bool touches(const AddedTokenMatch& match, const std::vector<size_t>& positions) {
  const auto next = std::lower_bound(positions.begin(), positions.end(), match.begin);
  return next != positions.end() && *next < match.begin + match.size;
}

std::vector<TokenId> encode_plainly(const Tokenizer& tokenizer, std::string_view rendered) {
  return tokenizer.encode(rendered, {.parse_special = true, .add_special = false});
}

void check_length(std::string_view rendered, const EncodeChatOptions& options) {
  if (rendered.size() <= options.rendered_bytes_max) return;
  throw Error(ErrorCode::kContextTooLong,
              fmt::format("the messages, as the chat template writes them, have {} bytes, and at most {} can fit into "
                          "the model's context; shorten them",
                          rendered.size(), options.rendered_bytes_max),
              "messages");
}

}  // namespace

EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template, const ChatTemplate::Input& input,
                        const EncodeChatOptions& options) {
  std::vector<std::string_view> guarded_texts, control_texts;
  for (const AddedToken& token : tokenizer.added_tokens()) {
    if (is_guarded(token, chat_template.source())) guarded_texts.push_back(token.text);
    if (is_control(token)) control_texts.push_back(token.text);
  }
  const GuardedTexts guarded(guarded_texts), control(control_texts);
  UserTextMarker marker;
  marker.survey(std::string_view(chat_template.source()));
  marker.survey(json::value(input.messages));
  marker.survey(json::value(input.tools));
  marker.survey(json::value(input.variables));
  ChatTemplate::Input marked = input;
  if (!options.allow_special_in_messages) {
    for (json::value& message : marked.messages) {
      // A model's own "</think>": templates look for it, and a stand-in would hide it from them.
      message = marker.mark(message, is_assistant(message) ? control : guarded);
    }
    marked.tools = marker.mark(input.tools, guarded).as_array();
    marked.variables = marker.mark(input.variables, guarded).as_object();
  }
  if (!marker.has_marked()) {
    EncodedChat chat = {chat_template.render(input), {}};
    check_length(chat.rendered, options);
    chat.tokens = encode_plainly(tokenizer, chat.rendered);
    return chat;
  }

  UserTextMarker::Unmarked unmarked = marker.unmark(chat_template.render(marked));
  check_length(unmarked.text, options);
  const AddedTokenMatcher matcher(tokenizer.added_tokens());
  bool has_forgery = false;
  const auto is_genuine = [&](const AddedTokenMatch& match) {
    const bool is_forged = is_guarded(*match.token, chat_template.source()) && touches(match, unmarked.user_signs);
    has_forgery |= is_forged;
    return !is_forged;
  };
  const std::vector<AddedTokenMatch> matches = matcher.find(unmarked.text, is_genuine);
  EncodedChat chat = {std::move(unmarked.text), {}};
  // A marked part that became no token ("a < b" at the end of a message) changes nothing: the reference's own way then.
  chat.tokens = has_forgery ? tokenizer.encode_with(chat.rendered, matches) : encode_plainly(tokenizer, chat.rendered);
  return chat;
}

}  // namespace pelton
