#include "train/sample_answers.h"

#include <fmt/format.h>

#include "base/error.h"

namespace pelton {
namespace {

std::vector<TokenId> encode(const ModelBundle& bundle, const std::string& text, int64_t now_unix_s) {
  if (bundle.chat_template == nullptr) return bundle.tokenizer->encode(text, {});
  ChatTemplate::Input chat;
  chat.messages = {{{"role", "user"}, {"content", text}}};
  chat.now_unix_s = now_unix_s;
  return encode_chat(*bundle.tokenizer, *bundle.chat_template, chat, {}).tokens;
}

}  // namespace

SampleAnswers::SampleAnswers(const ModelBundle& bundle, const std::vector<std::string>& prompts,
                             int64_t token_count_max, int64_t now_unix_s)
    : bundle_(bundle), token_count_max_(token_count_max) {
  for (const std::string& text : prompts) {
    Prompt& prompt = prompts_.emplace_back();
    prompt.text = text;
    for (const TokenId token : encode(bundle, text, now_unix_s)) {
      prompt.tokens.push_back(static_cast<int32_t>(index_of(token)));
    }
    const auto length = static_cast<int64_t>(prompt.tokens.size());
    if (length == 0 || length + token_count_max > bundle.model->spec.context_length) {
      throw Error(ErrorCode::kContextTooLong,
                  fmt::format("sample_prompts: \"{}\" has {} tokens, and with {} more it must fit into {}",
                              text.substr(0, 60), length, token_count_max, bundle.model->spec.context_length),
                  "sample_prompts");
    }
  }
}

json::array SampleAnswers::ask(Trainer& trainer) const {
  std::vector<int32_t> ends;
  for (const TokenId end : bundle_.end_tokens) ends.push_back(static_cast<int32_t>(index_of(end)));
  json::array samples;
  for (const Prompt& prompt : prompts_) {
    std::vector<TokenId> answer;
    for (const int32_t token : trainer.continue_greedily(prompt.tokens, token_count_max_, ends)) {
      answer.push_back(TokenId{token});
    }
    samples.push_back(
        json::object{{"prompt", prompt.text}, {"answer", bundle_.tokenizer->decode(answer, /*skip_special=*/true)}});
  }
  return samples;
}

}  // namespace pelton
