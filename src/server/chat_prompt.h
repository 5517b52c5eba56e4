// From a chat to the prompt that the model reads.
#pragma once

#include "server/served_model.h"
#include "text/chat_template.h"

namespace pelton {

// By the model's template, as the server's options want it. Errors: those of encode_chat, with the parameter
// `messages`; kUnsupported (the model has no template).
EncodedChat encode_messages(const ServedModel& model, const ChatTemplate::Input& input);

// Error kContextTooLong, with the parameter: a text that is too long to be worth tokenising.
void check_prompt_bytes(const ServedModel& model, size_t byte_count, const char* parameter);

}  // namespace pelton
