#include "train/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace pelton {
namespace {

[[noreturn]] void refuse(std::string reason) { throw Error(ErrorCode::kInvalidArgument, std::move(reason)); }

const json::value& field(const json::object& fields, std::string_view name) {
  const json::value* value = fields.if_contains(name);
  if (value == nullptr || value->is_null()) refuse(fmt::format("\"{}\" is missing", name));
  return *value;
}

std::string text_of(const json::value& value, std::string_view name) {
  if (!value.is_string()) refuse(fmt::format("\"{}\" is no text", name));
  return std::string(value.get_string());
}

std::string text_field(const json::object& fields, std::string_view name) { return text_of(field(fields, name), name); }

std::string optional_text(const json::object& fields, std::string_view name) {
  const json::value* value = fields.if_contains(name);
  return value == nullptr || value->is_null() ? "" : text_of(*value, name);
}

bool is_assistant(const json::value& message) { return message.at("role") == "assistant"; }

// What the model shall learn to say must be there: an empty turn would teach it to end at once.
void check_answer(const json::object& message, size_t index, std::string_view name) {
  const json::value* content = message.if_contains("content");
  const bool is_empty =
      content == nullptr || content->is_null() || (content->is_string() && content->get_string().empty());
  const json::value* calls = message.if_contains("tool_calls");
  const bool has_calls = calls != nullptr && calls->is_array() && !calls->get_array().empty();
  if (is_empty && !has_calls) refuse(fmt::format("{}[{}]: the assistant says nothing", name, index));
}

void check_weight(const json::object& message, size_t index, std::string_view name) {
  const json::value* weight = message.if_contains("weight");
  if (weight == nullptr || weight->is_null() || *weight == 0 || *weight == 1) return;
  refuse(fmt::format("{}[{}]: \"weight\" is neither 0 nor 1", name, index));
}

json::array messages_of(const json::value& value, std::string_view name) {
  if (!value.is_array()) refuse(fmt::format("\"{}\" is no list of messages", name));
  const json::array& messages = value.get_array();
  for (size_t i = 0; i < messages.size(); ++i) {
    const json::object* message = messages[i].if_object();
    if (message == nullptr) refuse(fmt::format("{}[{}] is no object", name, i));
    const json::value* role = message->if_contains("role");
    if (role == nullptr || !role->is_string()) refuse(fmt::format("{}[{}] has no \"role\"", name, i));
    if (is_assistant(messages[i])) check_answer(*message, i, name);
    check_weight(*message, i, name);
  }
  return messages;
}

bool has_assistant(const json::array& messages) { return std::any_of(messages.begin(), messages.end(), is_assistant); }

Content content_of(const json::value& value, std::string_view name) {
  if (value.is_string()) return std::string(value.get_string());
  return messages_of(value, name);
}

Content answer_of(const json::object& fields, std::string_view name) {
  Content answer = content_of(field(fields, name), name);
  if (const auto* text = std::get_if<std::string>(&answer); text != nullptr && text->empty()) {
    refuse(fmt::format("\"{}\" is empty", name));
  }
  if (const auto* messages = std::get_if<json::array>(&answer); messages != nullptr && !has_assistant(*messages)) {
    refuse(fmt::format("\"{}\" has no message of the assistant", name));
  }
  return answer;
}

void check_alike(const Record& record) {
  for (const Content& answer : record.answers) {
    if (answer.index() != record.prompt.index()) refuse("prompt and answer must both be texts, or both messages");
  }
}

Record chat(RecordForm form, json::array messages) {
  if (!has_assistant(messages)) refuse("there is no message of the assistant to learn from");
  Record record{};
  record.form = form;
  record.prompt = json::array();
  record.answers.emplace_back(std::move(messages));
  return record;
}

// ShareGPT's names of those who speak.
std::string_view role_of(std::string_view from) {
  struct Name {
    std::string_view from, role;
  };
  constexpr Name kNames[] = {
      {"human", "user"},    {"user", "user"}, {"gpt", "assistant"},          {"assistant", "assistant"},
      {"system", "system"}, {"tool", "tool"}, {"function_response", "tool"}, {"observation", "tool"}};
  for (const Name& name : kNames) {
    if (name.from == from) return name.role;
  }
  refuse(fmt::format("conversations: nobody is called \"{}\"; known are human, gpt, system, tool", from));
}

Record share_gpt(const json::value& value) {
  const json::array* turns = value.if_array();
  if (turns == nullptr) refuse("\"conversations\" is no list");
  json::array messages;
  for (const json::value& turn : *turns) {
    const json::object* fields = turn.if_object();
    if (fields == nullptr) refuse("conversations: a turn is no object");
    messages.push_back({{"role", role_of(text_field(*fields, "from"))}, {"content", text_field(*fields, "value")}});
  }
  return chat(RecordForm::kShareGpt, messages_of(messages, "conversations"));
}

Record alpaca(const json::object& fields) {
  std::string instruction = text_field(fields, "instruction");
  if (const std::string input = optional_text(fields, "input"); !input.empty()) instruction += "\n\n" + input;
  const std::string output = text_field(fields, "output");
  if (output.empty()) refuse("\"output\" is empty");
  return chat(RecordForm::kAlpaca,
              {{{"role", "user"}, {"content", instruction}}, {{"role", "assistant"}, {"content", output}}});
}

// Without a prompt of their own: the messages that chosen and rejected begin with alike.
json::array take_common_prompt(std::vector<Content>& answers) {
  auto* chosen = std::get_if<json::array>(&answers[0]);
  auto* rejected = std::get_if<json::array>(&answers[1]);
  if (chosen == nullptr || rejected == nullptr) refuse("\"prompt\" is missing");
  const auto common = std::mismatch(chosen->begin(), chosen->end(), rejected->begin(), rejected->end()).first;
  json::array prompt(chosen->begin(), common);
  const auto count = static_cast<int64_t>(prompt.size());
  for (json::array* messages : {chosen, rejected}) {
    messages->erase(messages->begin(), messages->begin() + count);
    if (!has_assistant(*messages)) refuse("chosen and rejected do not differ in what the assistant says");
  }
  if (prompt.empty()) refuse("\"prompt\" is missing, and chosen and rejected do not begin alike");
  return prompt;
}

json::array tools_of(const json::value& tools) {
  if (tools.is_null()) return {};
  if (!tools.is_array()) refuse("\"tools\" is no list");
  return tools.get_array();
}

Record preference(const json::object& fields) {
  Record record{};
  record.form = RecordForm::kPreference;
  record.answers = {answer_of(fields, "chosen"), answer_of(fields, "rejected")};
  if (fields.contains("prompt")) {
    record.prompt = content_of(field(fields, "prompt"), "prompt");
    check_alike(record);
  } else {
    record.prompt = take_common_prompt(record.answers);
  }
  if (record.answers[0] == record.answers[1]) refuse("chosen and rejected are the same");
  return record;
}

// OpenAI's, for its method "dpo".
Record openai_preference(const json::object& fields) {
  const json::object* input = field(fields, "input").if_object();
  if (input == nullptr) refuse("\"input\" is no object with \"messages\"");
  Record record{};
  record.form = RecordForm::kPreference;
  record.answers = {answer_of(fields, "preferred_output"), answer_of(fields, "non_preferred_output")};
  record.prompt = messages_of(field(*input, "messages"), "input.messages");
  if (std::get<json::array>(record.prompt).empty()) refuse("\"input.messages\" is empty");
  check_alike(record);
  if (record.answers[0] == record.answers[1]) refuse("both outputs are the same");
  if (const json::value* tools = input->if_contains("tools"); tools != nullptr) record.tools = tools_of(*tools);
  return record;
}

Record completion(const json::object& fields) {
  Record record{};
  record.form = RecordForm::kCompletion;
  record.prompt = content_of(field(fields, "prompt"), "prompt");
  record.answers = {answer_of(fields, "completion")};
  check_alike(record);
  if (const json::value* label = fields.if_contains("label"); label != nullptr && !label->is_null()) {
    if (!label->is_bool()) refuse("\"label\" is neither true nor false");
    record.form = RecordForm::kLabelled;
    record.is_desirable = label->get_bool();
  }
  return record;
}

Record text(const json::object& fields) {
  Record record{};
  record.form = RecordForm::kText;
  record.prompt = std::string();
  record.answers = {answer_of(fields, "text")};
  if (!std::holds_alternative<std::string>(record.answers[0])) refuse("\"text\" is no text");
  return record;
}

Record parse(const json::object& fields) {
  if (fields.contains("messages")) return chat(RecordForm::kChat, messages_of(fields.at("messages"), "messages"));
  if (fields.contains("conversations")) return share_gpt(fields.at("conversations"));
  if (fields.contains("chosen") || fields.contains("rejected")) return preference(fields);
  if (fields.contains("preferred_output")) return openai_preference(fields);
  if (fields.contains("prompt") && fields.contains("completion")) return completion(fields);
  if (fields.contains("instruction")) return alpaca(fields);
  if (fields.contains("text")) return text(fields);
  refuse(
      "no known form: expected \"messages\", \"conversations\", \"instruction\" and \"output\", \"prompt\" and "
      "\"completion\", \"chosen\" and \"rejected\", \"input\" with \"preferred_output\", or \"text\"");
}

}  // namespace

std::string_view record_form_name(RecordForm form) {
  switch (form) {
    case RecordForm::kText:
      return "text";
    case RecordForm::kCompletion:
      return "completion";
    case RecordForm::kChat:
      return "chat";
    case RecordForm::kAlpaca:
      return "Alpaca";
    case RecordForm::kShareGpt:
      return "ShareGPT";
    case RecordForm::kPreference:
      return "preference";
    case RecordForm::kLabelled:
      return "labelled completion";
  }
  return {};
}

std::string Record::place() const { return fmt::format("{}:{}", file, line); }

Record parse_record(const json::value& line) {
  const json::object* fields = line.if_object();
  if (fields == nullptr) refuse("the line is no JSON object");
  Record record = parse(*fields);
  if (const json::value* tools = fields->if_contains("tools")) record.tools = tools_of(*tools);
  return record;
}

}  // namespace pelton
