#include "server/openai/tokenize_request.h"

#include <limits>
#include <utility>

#include "base/error.h"
#include "server/openai/chat_message.h"
#include "server/openai/field.h"
#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

// A chat's fields, the same in both requests that have one: `input` makes it, or finds it.
template <class Request, ChatTemplate::Input& (*kInput)(Request&)>
struct ChatFields {
  static void read_messages_field(const JsonReader& reader, std::string_view name, Request& request) {
    const json::array* messages = reader.array(name);
    if (messages != nullptr) kInput(request).messages = read_messages(*messages, reader.path_of(name));
  }
  static void read_tools(const JsonReader& reader, std::string_view name, Request& request) {
    if (const json::array* tools = reader.array(name)) kInput(request).tools = *tools;
  }
  static void read_generation_prompt(const JsonReader& reader, std::string_view name, Request& request) {
    if (const auto value = reader.boolean(name)) kInput(request).add_generation_prompt = *value;
  }
  static void read_variables(const JsonReader& reader, std::string_view name, Request& request) {
    if (const json::object* variables = reader.object(name)) kInput(request).variables = *variables;
  }
};

ChatTemplate::Input& chat_of(TokenizeRequest& request) { return request.chat ? *request.chat : request.chat.emplace(); }
ChatTemplate::Input& chat_of(TemplateRequest& request) { return request.chat; }

void read_tokens(const JsonReader& reader, std::string_view name, DetokenizeRequest& request) {
  const json::array* tokens = reader.array(name);
  if (tokens == nullptr) reader.fail(name, "an array of token ids");
  for (const json::value& token : *tokens) {
    const auto* id = token.if_int64();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
      reader.fail(name, "an array of token ids");
    }
    request.tokens.push_back(TokenId{static_cast<int32_t>(*id)});
  }
}

using TokenizeChat = ChatFields<TokenizeRequest, chat_of>;
constexpr Field<TokenizeRequest> kTokenizeFields[] = {
    string<&TokenizeRequest::model>("model"),
    string<&TokenizeRequest::prompt>("prompt"),
    string<&TokenizeRequest::prompt>("content"),
    boolean<&TokenizeRequest::adds_special>("add_special_tokens"),
    boolean<&TokenizeRequest::adds_special>("add_special"),
    boolean<&TokenizeRequest::parses_special>("parse_special"),
    boolean<&TokenizeRequest::returns_strings>("return_token_strs"),
    // "messages" first: the others belong to a chat that is there.
    other<TokenizeRequest, TokenizeChat::read_messages_field>("messages", kMessagesSchema),
    other<TokenizeRequest, TokenizeChat::read_tools>("tools", R"({"type": ["array", "null"]})"),
    other<TokenizeRequest, TokenizeChat::read_generation_prompt>("add_generation_prompt",
                                                                 R"({"type": ["boolean", "null"]})"),
    other<TokenizeRequest, TokenizeChat::read_variables>("chat_template_kwargs", R"({"type": ["object", "null"]})"),
};

constexpr Field<DetokenizeRequest> kDetokenizeFields[] = {
    string<&DetokenizeRequest::model>("model"),
    other<DetokenizeRequest, read_tokens>("tokens", R"({"type": "array", "items": {"type": "integer", "minimum": 0}})"),
};

using TemplateChat = ChatFields<TemplateRequest, chat_of>;
constexpr Field<TemplateRequest> kTemplateFields[] = {
    string<&TemplateRequest::model>("model"),
    other<TemplateRequest, TemplateChat::read_messages_field>("messages", kMessagesSchema),
    other<TemplateRequest, TemplateChat::read_tools>("tools", R"({"type": ["array", "null"]})"),
    other<TemplateRequest, TemplateChat::read_generation_prompt>("add_generation_prompt",
                                                                 R"({"type": ["boolean", "null"]})"),
    other<TemplateRequest, TemplateChat::read_variables>("chat_template_kwargs", R"({"type": ["object", "null"]})"),
};

}  // namespace

TokenizeRequest parse_tokenize_request(std::string_view body) {
  auto request = parse_request(body, std::span<const Field<TokenizeRequest>>(kTokenizeFields));
  const bool has_messages = request.chat && !request.chat->messages.empty();
  if (request.chat && !has_messages) throw Error(ErrorCode::kInvalidArgument, "messages: missing", "messages");
  if (request.prompt.has_value() == has_messages) {
    throw Error(ErrorCode::kInvalidArgument, "give either \"prompt\", a text, or \"messages\", a chat", "prompt");
  }
  return request;
}

DetokenizeRequest parse_detokenize_request(std::string_view body) {
  return parse_request(body, std::span<const Field<DetokenizeRequest>>(kDetokenizeFields));
}

TemplateRequest parse_template_request(std::string_view body) {
  auto request = parse_request(body, std::span<const Field<TemplateRequest>>(kTemplateFields));
  if (request.chat.messages.empty()) throw Error(ErrorCode::kInvalidArgument, "messages: missing", "messages");
  return request;
}

json::object tokenize_request_schema() {
  return body_schema({}, std::span<const Field<TokenizeRequest>>(kTokenizeFields));
}

json::object detokenize_request_schema() {
  return body_schema({"tokens"}, std::span<const Field<DetokenizeRequest>>(kDetokenizeFields));
}

json::object template_request_schema() {
  return body_schema({"messages"}, std::span<const Field<TemplateRequest>>(kTemplateFields));
}

}  // namespace pelton::openai
