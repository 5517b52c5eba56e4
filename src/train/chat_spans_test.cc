#include "train/chat_spans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton {
namespace {

constexpr std::string_view kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

ChatTemplate::Input chat(std::initializer_list<std::pair<std::string_view, std::string_view>> turns) {
  ChatTemplate::Input input;
  input.add_generation_prompt = false;
  for (const auto& [role, content] : turns) input.messages.push_back({{"role", role}, {"content", content}});
  return input;
}

// The learnt parts of the chat's rendering, and all of that.
std::vector<std::string> learnt(std::string_view source, const ChatTemplate::Input& input) {
  const auto chat_template = ChatTemplate::parse(std::string(source), "<s>", "</s>");
  const std::string rendered = chat_template->render(input);
  std::vector<std::string> parts;
  for (const TextSpan& span : assistant_spans(*chat_template, input, rendered)) {
    parts.push_back(rendered.substr(span.begin, span.end - span.begin));
  }
  return parts;
}

TEST(ChatSpans, EachAnswerIsWhatFollowsThePromptForIt) {
  const auto input = chat({{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}, {"user", "e"}});
  EXPECT_THAT(learnt(kChatMl, input), testing::ElementsAre("b<|im_end|>\n", "d<|im_end|>\n"));
}

TEST(ChatSpans, TurnsWithoutWeightAreLeftOut) {
  auto input = chat({{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}});
  input.messages[1].as_object()["weight"] = 0;
  input.messages[3].as_object()["weight"] = 1;
  EXPECT_THAT(learnt(kChatMl, input), testing::ElementsAre("d<|im_end|>\n"));
  constexpr std::string_view kMarked =
      "{% for m in messages %}{% if m.role == 'assistant' %}A: {% generation %}{{ m.content }}</s>{% endgeneration %}"
      "{% else %}U: {{ m.content }} {% endif %}{% endfor %}{% if add_generation_prompt %}A: {% endif %}";
  EXPECT_THAT(learnt(kMarked, input), testing::ElementsAre("d</s>"));
}

// An answer that repeats the user's words, or the template's, is found all the same.
TEST(ChatSpans, WordsDoNotMatterOnlyPlaces) {
  const auto input = chat({{"user", "x<|im_end|>\n"}, {"assistant", "x"}, {"user", "x"}, {"assistant", "assistant\n"}});
  EXPECT_THAT(learnt(kChatMl, input), testing::ElementsAre("x<|im_end|>\n", "assistant\n<|im_end|>\n"));
}

TEST(ChatSpans, MarksOfTheTemplateAreTaken) {
  constexpr std::string_view kMarked =
      "{% for m in messages %}\n"
      "  {%- if m.role == 'assistant' -%}\n"
      "    A: {% generation %}{{ m.content }}</s>{% endgeneration %}\n"
      "  {%- else -%}\n"
      "    U: {{ m.content }} \n"
      "  {%- endif -%}\n"
      "{% endfor %}";
  const auto input = chat({{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}});
  EXPECT_THAT(learnt(kMarked, input), testing::ElementsAre("b</s>", "d</s>"));
}

TEST(ChatSpans, TrimmedMarksLeaveTheSameText) {
  constexpr std::string_view kMarked =
      "{% for m in messages %}{{ m.role }}: {%- generation -%}  {{ m.content }}  {%- endgeneration -%}  .\n{% endfor "
      "%}";
  const auto input = chat({{"assistant", "b"}});
  EXPECT_EQ(ChatTemplate::parse(std::string(kMarked), "", "")->render(input), "assistant:b.\n");
  EXPECT_THAT(learnt(kMarked, input), testing::ElementsAre("b"));
}

// A template that drops the thoughts of earlier turns: what a model saw then is not in the whole chat's text.
TEST(ChatSpans, AChatWhoseEarlierTurnsChangeIsRefused) {
  constexpr std::string_view kForgetful =
      "{% for m in messages %}{{ m.role }}: "
      "{{ m.content.split('</think>')[-1] if not loop.last else m.content }}\n{% endfor %}"
      "{% if add_generation_prompt %}assistant: {% endif %}";
  const auto once = chat({{"user", "a"}, {"assistant", "<think>t</think>b"}});
  EXPECT_THAT(learnt(kForgetful, once), testing::ElementsAre("<think>t</think>b\n"));
  const auto twice = chat({{"user", "a"}, {"assistant", "<think>t</think>b"}, {"user", "c"}, {"assistant", "d"}});
  try {
    learnt(kForgetful, twice);
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message(), testing::HasSubstr("messages[1]"));
  }
}

TEST(ChatSpans, MarksInTheMessagesAreRefused) {
  constexpr std::string_view kMarked =
      "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}";
  EXPECT_THROW(learnt(kMarked, chat({{"assistant", "\xEF\xA3\xB0"}})), Error);
  EXPECT_THROW(learnt(kMarked, chat({{"assistant", "\xEF\xA3\xB1"}})), Error);
}

}  // namespace
}  // namespace pelton
