#include "train/example.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "model/model.h"
#include "train/chat_spans.h"
#include "train/token_spans.h"

namespace pelton {
namespace {

std::vector<TextSpan> spans_of(const Tokenizer& tokenizer, std::string_view text, std::span<const TokenId> tokens) {
  auto spans = token_spans(tokenizer, text, tokens);
  if (!spans) {
    throw Error(ErrorCode::kUnsupported,
                "this model's tokenizer rewrites texts, so that it cannot be told which tokens are the answer's");
  }
  return std::move(*spans);
}

TrainingSequence sequence_of(std::span<const TokenId> tokens) {
  TrainingSequence sequence;
  for (const TokenId token : tokens) sequence.tokens.push_back(index_of(token));
  sequence.is_learnt.assign(tokens.size(), false);
  return sequence;
}

// Tokens [first, last) whose bytes all lie in `span`.
struct TokenRange {
  size_t first, last;
};
TokenRange tokens_within(std::span<const TextSpan> tokens, const TextSpan& span) {
  const auto begins = [](const TextSpan& token, size_t position) { return token.begin < position; };
  const auto first = std::lower_bound(tokens.begin(), tokens.end(), span.begin, begins);
  auto last = first;
  while (last != tokens.end() && last->end <= span.end) ++last;
  return {static_cast<size_t>(first - tokens.begin()), static_cast<size_t>(last - tokens.begin())};
}

}  // namespace

int64_t TrainingSequence::learnt_count() const { return std::count(is_learnt.begin(), is_learnt.end(), true); }

int64_t Example::token_count() const {
  int64_t count = 0;
  for (const TrainingSequence& sequence : sequences) count += static_cast<int64_t>(sequence.tokens.size());
  return count;
}

int64_t Example::learnt_count() const {
  int64_t count = 0;
  for (const TrainingSequence& sequence : sequences) count += sequence.learnt_count();
  return count;
}

ExampleEncoder::ExampleEncoder(std::shared_ptr<const ModelBundle> bundle, const ExampleOptions& options)
    : bundle_(std::move(bundle)), options_(options) {
  if (bundle_->tokenizer == nullptr) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} has no tokenizer", bundle_->path.string()));
  }
}

bool ExampleEncoder::is_end(TokenId token) const {
  return std::find(bundle_->end_tokens.begin(), bundle_->end_tokens.end(), token) != bundle_->end_tokens.end();
}

Example ExampleEncoder::encode(const Record& record) const {
  Example example;
  example.place = record.place();
  example.is_desirable = record.is_desirable;
  for (const Content& answer : record.answers) {
    TrainingSequence sequence = encode_answer(record, answer);
    if (!sequence.is_learnt.empty()) sequence.is_learnt.front() = false;
    const auto token_count = static_cast<int64_t>(sequence.tokens.size());
    if (token_count > options_.sequence_length_max) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("the record has {} tokens; sequence_length and the model's context allow {}", token_count,
                              options_.sequence_length_max));
    }
    if (sequence.learnt_count() == 0) throw Error(ErrorCode::kInvalidArgument, "the record has no token to learn");
    example.sequences.push_back(std::move(sequence));
  }
  return example;
}

TrainingSequence ExampleEncoder::encode_answer(const Record& record, const Content& answer) const {
  if (const auto* text = std::get_if<std::string>(&answer)) {
    return encode_text(std::get<std::string>(record.prompt), *text);
  }
  if (bundle_->chat_template == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the data has chats, and {} has no chat template", bundle_->path.string()));
  }
  const auto& prompt = std::get<json::array>(record.prompt);
  const auto& messages = std::get<json::array>(answer);
  return prompt.empty() ? encode_chat_turns(record, messages) : encode_chat_answer(record, prompt, messages);
}

TrainingSequence ExampleEncoder::encode_text(const std::string& prompt, const std::string& answer) const {
  const Tokenizer& tokenizer = *bundle_->tokenizer;
  const std::string text = prompt + answer;
  // What users write never becomes a control token.
  const std::vector<TokenId> tokens = tokenizer.encode(text, {.parse_special = false, .add_special = false});
  const std::vector<TextSpan> spans = spans_of(tokenizer, text, tokens);
  TrainingSequence sequence = sequence_of(tokens);
  const TokenRange learnt = tokens_within(spans, {prompt.size(), text.size()});
  for (size_t i = learnt.first; i < learnt.last; ++i) sequence.is_learnt[i] = true;

  // Around it what the tokenizer puts around a text, and the end.
  const std::vector<TokenId> framed = tokenizer.encode(text, {.parse_special = false, .add_special = true});
  const auto begin = std::search(framed.begin(), framed.end(), tokens.begin(), tokens.end());
  const auto end = begin == framed.end() ? begin : begin + static_cast<int64_t>(tokens.size());
  TrainingSequence whole = sequence_of({framed.begin(), begin == framed.end() ? framed.begin() : begin});
  whole.tokens.insert(whole.tokens.end(), sequence.tokens.begin(), sequence.tokens.end());
  whole.is_learnt.insert(whole.is_learnt.end(), sequence.is_learnt.begin(), sequence.is_learnt.end());
  bool has_end = false;
  for (auto token = end; token != framed.end(); ++token) {
    whole.tokens.push_back(index_of(*token));
    whole.is_learnt.push_back(is_end(*token));
    has_end = has_end || is_end(*token);
  }
  if (!has_end && !bundle_->end_tokens.empty()) {
    whole.tokens.push_back(index_of(tokenizer.eos().value_or(bundle_->end_tokens.front())));
    whole.is_learnt.push_back(true);
  }
  return whole;
}

ChatTemplate::Input ExampleEncoder::chat_input(const Record& record, json::array messages) const {
  ChatTemplate::Input input;
  input.messages = std::move(messages);
  input.tools = record.tools;
  input.add_generation_prompt = false;
  input.now_unix_s = options_.now_unix_s;
  return input;
}

TrainingSequence ExampleEncoder::encode_chat_turns(const Record& record, const json::array& messages) const {
  const ChatTemplate::Input input = chat_input(record, messages);
  const EncodedChat chat = encode_chat(*bundle_->tokenizer, *bundle_->chat_template, input, {});
  const std::vector<TextSpan> spans = spans_of(*bundle_->tokenizer, chat.rendered, chat.tokens);
  TrainingSequence sequence = sequence_of(chat.tokens);
  for (const TextSpan& turn : assistant_spans(*bundle_->chat_template, input, chat.rendered)) {
    TokenRange learnt = tokens_within(spans, turn);
    // What the template writes after the turn's end the model never has to say.
    for (size_t i = learnt.last; i-- > learnt.first;) {
      if (!is_end(chat.tokens[i])) continue;
      learnt.last = i + 1;
      break;
    }
    for (size_t i = learnt.first; i < learnt.last; ++i) sequence.is_learnt[i] = true;
  }
  return sequence;
}

TrainingSequence ExampleEncoder::encode_chat_answer(const Record& record, const json::array& prompt,
                                                    const json::array& answer) const {
  json::array messages = prompt;
  messages.insert(messages.end(), answer.begin(), answer.end());
  ChatTemplate::Input given = chat_input(record, prompt);
  given.add_generation_prompt = true;
  const std::string before = bundle_->chat_template->render(given);
  const EncodedChat chat =
      encode_chat(*bundle_->tokenizer, *bundle_->chat_template, chat_input(record, std::move(messages)), {});
  if (!chat.rendered.starts_with(before)) {
    throw Error(ErrorCode::kInvalidArgument,
                "the chat template writes the prompt otherwise when the answer is there, so that the tokens to learn "
                "cannot be told");
  }
  const std::vector<TextSpan> spans = spans_of(*bundle_->tokenizer, chat.rendered, chat.tokens);
  TrainingSequence sequence = sequence_of(chat.tokens);
  const TokenRange learnt = tokens_within(spans, {before.size(), chat.rendered.size()});
  for (size_t i = learnt.first; i < learnt.last; ++i) sequence.is_learnt[i] = true;
  return sequence;
}

}  // namespace pelton
