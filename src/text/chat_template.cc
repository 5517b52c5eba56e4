#include "text/chat_template.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/unix_time.h"
#include "text/bridge_call.h"

namespace pelton {
namespace {

// Enough for 160 MB made or read, or 2.5 million instructions: a chat of a thousand messages needs some 100,000. A
// template that loops for ever is stopped after about a tenth of a second. No use of the fuel that fuel can see holds
// as much memory as is allowed: 175 MB were the most, namespaces in namespaces, and strings may be twice as large as
// written.
#ifdef __SANITIZE_THREAD__
// ThreadSanitizer needs seconds for each megabyte that a template holds.
constexpr uint32_t kRenderMsMax = 120'000;
#else
constexpr uint32_t kRenderMsMax = 5000;
#endif
constexpr pelton_bridge_limits kLimits = {.fuel = 2'500'000,
                                          .output_bytes_max = size_t{64} << 20,
                                          .memory_bytes_max = size_t{512} << 20,
                                          .render_ms_max = kRenderMsMax};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Hugging Face's templates may mark what the assistant says by {% generation %} … {% endgeneration %}, for training. An
// `if` that is always true renders the same, white space included. `begin` and `end` take the names of the tags.
std::string with_generation_tags_as(std::string_view source, std::string_view begin_tag, std::string_view end_tag) {
  std::string result;
  size_t begin = 0;
  for (size_t tag = source.find("{%"); tag != std::string_view::npos; tag = source.find("{%", tag + 2)) {
    size_t name = tag + 2;
    if (name < source.size() && (source[name] == '-' || source[name] == '+')) ++name;
    while (name < source.size() && is_space(source[name])) ++name;
    const std::string_view rest = source.substr(name);
    const bool ends = rest.starts_with("endgeneration");
    if (!ends && !rest.starts_with("generation")) continue;
    const size_t after = name + (ends ? 13 : 10);
    const size_t close = source.find_first_not_of(" \t\r\n", after);
    if (close == std::string_view::npos) break;
    const std::string_view closing = source.substr(close);
    if (!closing.starts_with("%}") && !closing.starts_with("-%}") && !closing.starts_with("+%}")) continue;
    result += source.substr(begin, name - begin);
    result += ends ? end_tag : begin_tag;
    begin = after;
  }
  return result += source.substr(begin);
}

std::string without_generation_tags(std::string_view source) {
  return with_generation_tags_as(source, "if true", "endif");
}

// Characters for private use: the beginning and the end of what the assistant says, each between two tags, so that the
// white space around is trimmed as before.
constexpr std::string_view kBeginMark = "\xEF\xA3\xB0";  // U+F8F0
constexpr std::string_view kEndMark = "\xEF\xA3\xB1";    // U+F8F1

std::string with_generation_marks(std::string_view source) {
  return with_generation_tags_as(source, fmt::format("if true %}}{}{{% if true", kBeginMark),
                                 fmt::format("endif %}}{}{{% endif", kEndMark));
}

// What a template relies on to be the model's or the engine's own.
constexpr std::string_view kReservedNames[] = {"messages",  "tools",        "add_generation_prompt",
                                               "bos_token", "eos_token",    "raise_exception",
                                               "namespace", "strftime_now", "range",
                                               "dict",      "debug"};

void check_variables(const json::object& variables) {
  for (const std::string_view name : kReservedNames) {
    if (!variables.contains(name)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("chat_template_kwargs: \"{}\" is no variable that can be set", name),
                "chat_template_kwargs");
  }
}

json::object without_nulls(const json::object& message) {
  json::object fields;
  for (const auto& [key, value] : message) {
    if (!value.is_null()) fields.emplace(key, value);
  }
  return fields;
}

class JinjaTemplate final : public ChatTemplate {
 public:
  JinjaTemplate(std::string source, std::string bos_token, std::string eos_token)
      : source_(std::move(source)), bos_token_(std::move(bos_token)), eos_token_(std::move(eos_token)) {
    const std::string plain = without_generation_tags(source_);
    template_ = parse_source(plain);
    if (plain != source_) marked_ = parse_source(with_generation_marks(source_));
  }

  std::string render(const Input& input) const override { return render_with(*template_, input); }

  std::optional<std::vector<std::pair<size_t, size_t>>> generated_spans(const Input& input) const override {
    if (marked_ == nullptr) return std::nullopt;
    const std::string rendered = render_with(*marked_, input);
    std::string plain;
    std::vector<std::pair<size_t, size_t>> spans;
    bool is_open = false;
    for (size_t i = 0; i < rendered.size();) {
      const std::string_view rest = std::string_view(rendered).substr(i);
      if (rest.starts_with(is_open ? kEndMark : kBeginMark)) {
        if (is_open) {
          spans.back().second = plain.size();
        } else {
          spans.emplace_back(plain.size(), plain.size());
        }
        is_open = !is_open;
        i += kBeginMark.size();
      } else {
        plain += rendered[i++];
      }
    }
    const bool is_ambiguous = plain.find(kBeginMark) != std::string::npos || plain.find(kEndMark) != std::string::npos;
    if (is_open || is_ambiguous || plain != render(input)) {
      throw Error(ErrorCode::kInvalidArgument,
                  "what the chat template marks as the assistant's cannot be told: the messages use U+F8F0 or U+F8F1, "
                  "or the marks are nested");
    }
    return spans;
  }

  const std::string& source() const override { return source_; }

 private:
  static BridgeTemplate parse_source(const std::string& source) {
    BridgeBytes error;
    pelton_bridge_template* parsed = nullptr;
    const auto status = pelton_bridge_template_parse(bridge_text(source), kLimits, &parsed, error.out());
    if (status != PELTON_BRIDGE_OK) {
      throw bridge_error(status, ErrorCode::kUnsupported, "the chat template does not parse: ", error);
    }
    return BridgeTemplate(parsed);
  }

  std::string render_with(const pelton_bridge_template& parsed, const Input& input) const {
    BridgeBytes rendered, error;
    const auto status =
        pelton_bridge_template_render(&parsed, bridge_text(json::serialize(variables(input))),
                                      input.now_unix_s.value_or(unix_seconds()), rendered.out(), error.out());
    if (status != PELTON_BRIDGE_OK) {
      throw bridge_error(status, ErrorCode::kInvalidArgument, "the model's chat template: ", error);
    }
    return std::string(rendered.view());
  }

  json::object variables(const Input& input) const {
    check_variables(input.variables);
    json::object names = input.variables;
    json::array messages;
    for (const json::value& message : input.messages) {
      messages.push_back(message.is_object() ? json::value(without_nulls(message.get_object())) : message);
    }
    names["messages"] = std::move(messages);
    names["tools"] = input.tools.empty() ? json::value() : json::value(input.tools);
    names["add_generation_prompt"] = input.add_generation_prompt;
    names.emplace("documents", nullptr);  // apply_chat_template always defines it
    if (!bos_token_.empty()) names["bos_token"] = bos_token_;
    if (!eos_token_.empty()) names["eos_token"] = eos_token_;
    return names;
  }

  std::string source_, bos_token_, eos_token_;
  BridgeTemplate template_;
  BridgeTemplate marked_;  // null: the source has no generation tags
};

}  // namespace

std::shared_ptr<const ChatTemplate> ChatTemplate::parse(std::string source, std::string bos_token,
                                                        std::string eos_token) {
  return std::make_shared<JinjaTemplate>(std::move(source), std::move(bos_token), std::move(eos_token));
}

}  // namespace pelton
