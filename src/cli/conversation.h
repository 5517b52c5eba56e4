// A chat in OpenAI's form, as a template reads it: messages, and tools where a file brings some.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "model/bundle.h"
#include "text/chat_template.h"

namespace pelton::cli {

inline constexpr uint64_t kInputBytesMax = uint64_t{64} << 20;

struct Conversation {
  json::array messages;
  json::array tools;

  void add(std::string_view role, std::string_view text);
  // Replaces the system message, or puts one first; an empty one takes it away.
  void set_system(std::string_view text);
};

// An array of messages, or an object with `messages` and perhaps `tools`; messages as the server takes them
// (server/openai/chat_message.h). Errors, naming `what` or the field: kInvalidArgument (broken JSON, no messages, a
// wrong type, an unknown role or field), kUnsupported (parts that are no text).
Conversation parse_conversation(std::string_view text, std::string_view what);
// From a file; "-" is standard input. Errors: also kNotFound, kIo, kResourceExhausted (over kInputBytesMax).
Conversation read_conversation(const std::string& path);

// Error kInvalidArgument: `text`, which `what` names, is not UTF-8. For what the command line brings: the model would
// refuse it too, but only after it was loaded.
void require_utf8(std::string_view text, std::string_view what);

// All of standard input. Errors: kIo, kResourceExhausted (over kInputBytesMax).
std::string read_standard_input();

// Error kUnsupported: the model has no chat template.
void require_chat_template(const ModelBundle& bundle);
// Renders with the model's template, up to where an answer begins, or with `is_finished` as a chat that has ended, and
// encodes. Errors: kUnsupported (no template), and those of encode_chat().
EncodedChat encode_conversation(const ModelBundle& bundle, const Conversation& conversation,
                                bool allow_special_in_messages, bool is_finished = false);

}  // namespace pelton::cli
