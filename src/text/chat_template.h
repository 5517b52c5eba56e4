// A model's chat template (Jinja), rendered by `minijinja` with Python's string methods, under a limit of work
// ("fuel"). Immutable: any thread may render.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace pelton {

class ChatTemplate {
 public:
  // Error kUnsupported: the template does not parse (message with line).
  static std::shared_ptr<const ChatTemplate> parse(std::string source, std::string bos_token, std::string eos_token);
  virtual ~ChatTemplate() = default;

  struct Input {
    json::array messages;  // OpenAI's form: {"role", "content", "tool_calls", …}
    json::array tools;     // empty: the template sees none
    bool add_generation_prompt = true;
    json::object variables;             // further names that the template may use (enable_thinking, …)
    std::optional<int64_t> now_unix_s;  // for strftime_now, in local time; absent: the system's clock
  };
  // Like transformers' apply_chat_template: a field of a message that is null counts as absent.
  // Errors: kInvalidArgument (the template called raise_exception: its message; it used something undefined; or a
  // variable has a name that is not the caller's to set: messages, raise_exception, …; parameter chat_template_kwargs),
  // kResourceExhausted (out of fuel, time or memory; output too large; its earlier renderings ran away or left too much
  // memory behind: pelton_bridge.h).
  virtual std::string render(const Input& input) const = 0;
  // Where in render()'s text lies what the template marks as the assistant's, by {% generation %} and
  // {% endgeneration %}: bytes [first, second), ascending. None: it has no such marks. Errors: those of render();
  // kInvalidArgument: something in the input is spelt with the two characters that mark (U+F8F0, U+F8F1).
  virtual std::optional<std::vector<std::pair<size_t, size_t>>> generated_spans(const Input& input) const = 0;
  virtual const std::string& source() const = 0;
};

struct EncodedChat {
  std::string rendered;
  std::vector<TokenId> tokens;
};

struct EncodeChatOptions {
  bool allow_special_in_messages = false;
  size_t rendered_bytes_max = std::numeric_limits<size_t>::max();  // checked before encoding, which takes the longest
};

// Renders and encodes. The template's own special tokens are recognised; those that somebody wrote into a message, a
// tool or a variable (any string in it: content, names, arguments, keys), wholly or in part, are encoded as ordinary
// text, so that nobody can forge a turn, unless `allow_special_in_messages`. "Special" here are also the other added
// tokens that the template writes itself (transformers' sanitize_control_tokens) and those of the form <|…|>; the
// former not in messages of the assistant, where its own "</think>" is what it is. Ids equal the reference's wherever
// no message contains the text of such a token. Errors: those of render() and encode(), kContextTooLong (more than
// rendered_bytes_max; parameter messages).
EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template, const ChatTemplate::Input& input,
                        const EncodeChatOptions& options);

}  // namespace pelton
