#include "server/openai/classify.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "server/openai/chat_message.h"
#include "server/openai/field.h"
#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

using Request = ClassifyRequest;

constexpr size_t kInputCountMax = 2048;  // as many as inputs of an embedding request

void read_input(const JsonReader& reader, std::string_view name, Request& request) {
  if (reader.value(name) != nullptr) request.inputs = read_prompts(reader, name, kInputCountMax);
}

void read_chat(const JsonReader& reader, std::string_view name, Request& request) {
  const json::array* messages = reader.array(name);
  if (messages != nullptr) request.messages = read_messages(*messages, reader.path_of(name));
}

constexpr Field<Request> kFields[] = {
    string<&Request::model>("model"),
    other<Request, read_input>("input", kPromptsSchema),
    other<Request, read_chat>("messages", kMessagesSchema),
    boolean<&Request::uses_activation>("use_activation"),
    boolean<&Request::uses_activation>("activation"),  // its older name
    ignored<Request>("user"),
};

}  // namespace

ClassifyRequest parse_classify_request(std::string_view body) {
  Request request = parse_request(body, std::span<const Field<Request>>(kFields));
  if (request.inputs.empty() == request.messages.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "give either \"input\", texts, or \"messages\", a chat", "input");
  }
  return request;
}

json::object classify_answer(std::vector<std::vector<float>> scores, const ClassifierSettings& classifier,
                             ScoreActivation activation, const std::string& id, const std::string& model,
                             int64_t created, int64_t token_count) {
  json::array data;
  for (size_t i = 0; i < scores.size(); ++i) {
    const auto best = static_cast<size_t>(std::max_element(scores[i].begin(), scores[i].end()) - scores[i].begin());
    activate(activation, scores[i]);
    data.push_back({{"index", i},
                    {"label", classifier.labels[best]},
                    {"probs", to_json(scores[i])},
                    {"num_classes", scores[i].size()}});
  }
  return {{"id", id},
          {"object", "list"},
          {"created", created},
          {"model", model},
          {"data", std::move(data)},
          {"usage", {{"prompt_tokens", token_count}, {"completion_tokens", 0}, {"total_tokens", token_count}}}};
}

json::object classify_request_schema() { return body_schema({}, std::span<const Field<Request>>(kFields)); }

}  // namespace pelton::openai
