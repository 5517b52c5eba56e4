#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat_template.h"
#include "text/user_text.h"

namespace pelton {
namespace {

bool is_guarded(const AddedToken& token, std::string_view template_source) {
  const bool looks_special = token.text.starts_with("<|") && token.text.ends_with("|>");
  return token.is_special || looks_special || template_source.find(token.text) != std::string_view::npos;
}

bool touches(const AddedTokenMatch& match, const std::vector<size_t>& positions) {
  const auto next = std::lower_bound(positions.begin(), positions.end(), match.begin);
  return next != positions.end() && *next < match.begin + match.size;
}

std::vector<TokenId> encode_plainly(const Tokenizer& tokenizer, std::string_view rendered) {
  return tokenizer.encode(rendered, {.parse_special = true, .add_special = false});
}

}  // namespace

EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template, const ChatTemplate::Input& input,
                        bool allow_special_in_messages) {
  std::vector<std::string_view> guarded;
  for (const AddedToken& token : tokenizer.added_tokens()) {
    if (is_guarded(token, chat_template.source())) guarded.push_back(token.text);
  }
  UserTextMarker marker(guarded);
  marker.survey(std::string_view(chat_template.source()));
  marker.survey(json::value(input.messages));
  marker.survey(json::value(input.tools));
  marker.survey(json::value(input.variables));
  ChatTemplate::Input marked = input;
  if (!allow_special_in_messages) {
    marked.messages = marker.mark(input.messages).as_array();
    marked.tools = marker.mark(input.tools).as_array();
    marked.variables = marker.mark(input.variables).as_object();
  }
  if (!marker.has_marked()) {
    EncodedChat chat = {chat_template.render(input), {}};
    chat.tokens = encode_plainly(tokenizer, chat.rendered);
    return chat;
  }

  UserTextMarker::Unmarked unmarked = marker.unmark(chat_template.render(marked));
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
