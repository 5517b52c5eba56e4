#include "server/chat_prompt.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/bundle.h"

namespace pelton {

EncodedChat encode_messages(const ServedModel& model, const ChatTemplate::Input& input) {
  const ModelBundle& bundle = model.engine->bundle();
  if (bundle.chat_template == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the model {} has no chat template: use /v1/completions", bundle.name), "messages");
  }
  try {
    const EncodeChatOptions options{.allow_special_in_messages = model.allow_special_in_messages,
                                    .rendered_bytes_max = model.prompt_bytes_max};
    return encode_chat(*bundle.tokenizer, *bundle.chat_template, input, options);
  } catch (const Error& error) {
    // Out of fuel: trying again later, which this code means to a client, would not help.
    if (error.code() != ErrorCode::kResourceExhausted) throw;
    throw Error(ErrorCode::kInvalidArgument, error.message(), "messages");
  }
}

void check_prompt_bytes(const ServedModel& model, size_t byte_count, const char* parameter) {
  if (byte_count <= model.prompt_bytes_max) return;
  throw Error(ErrorCode::kContextTooLong,
              fmt::format("the {} has {} bytes, and at most {} can fit into this model's context of {} tokens; "
                          "shorten it",
                          parameter, byte_count, model.prompt_bytes_max, model.engine->context_length()),
              parameter);
}

}  // namespace pelton
