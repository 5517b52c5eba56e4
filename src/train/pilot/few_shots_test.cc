#include "train/pilot/few_shots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/golden_dir.h"
#include "eval/byte_tokenizer.h"

namespace pelton {
namespace {

constexpr const char* kChat =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

class FewShotsTest : public testing::Test {
 protected:
  FewShotsTest() {
    auto bundle =
        std::make_shared<ModelBundle>(*load_bundle((std::filesystem::path(kGoldenDir) / "arch/llama").string()));
    bundle->tokenizer = std::make_shared<ByteTokenizer>(false);
    bundle->end_tokens.clear();
    bundle->chat_template = ChatTemplate::parse(kChat, "", "");
    bundle_ = std::move(bundle);
  }

  // What is asked behind these examples.
  FewShots::Question ask(const std::vector<std::string>& shots, std::string_view line) const {
    std::vector<Record> records;
    for (const std::string& shot : shots) records.push_back(parse_record(parse_json(shot, "shot")));
    const Record record = parse_record(parse_json(line, "line"));
    return FewShots(bundle_, recipe_, std::move(records)).ask(record, ExampleEncoder(bundle_, {}).encode(record));
  }
  static std::string text_of(const FewShots::Question& question) {
    const std::vector<int32_t>& tokens = question.example.sequences[0].tokens;
    return {tokens.begin(), tokens.end()};
  }
  static std::string answer_of(const FewShots::Question& question) {
    const TrainingSequence& sequence = question.example.sequences[0];
    std::string answer;
    for (size_t i = 0; i < sequence.tokens.size(); ++i) {
      if (sequence.is_learnt[i]) answer += static_cast<char>(sequence.tokens[i]);
    }
    return answer;
  }

  TuneRecipe recipe_;
  std::shared_ptr<const ModelBundle> bundle_;
};

constexpr const char* kShot =
    R"({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "1"},
                     {"role": "assistant", "content": "one"}, {"role": "user", "content": "bye"}]})";

TEST_F(FewShotsTest, AreEarlierTurnsOfAChat) {
  const std::string second = R"({"instruction": "2", "output": "two"})";
  const auto question = ask({kShot, second}, R"({"messages": [{"role": "system", "content": "T"},
      {"role": "user", "content": "3"}, {"role": "assistant", "content": "three"}]})");
  EXPECT_EQ(question.shot_count, 2);
  EXPECT_EQ(text_of(question),
            "<system>T\n<user>1\n<assistant>one\n<user>2\n<assistant>two\n<user>3\n<assistant>three\n");
  EXPECT_EQ(answer_of(question), "three\n");
}

TEST_F(FewShotsTest, AreAskedForTheSameAnswers) {
  const auto turns = ask({kShot}, R"({"messages": [{"role": "user", "content": "3"}, {"role": "assistant",
      "content": "three"}, {"role": "user", "content": "4"}, {"role": "assistant", "content": "four"}]})");
  EXPECT_EQ(answer_of(turns), "three\nfour\n");
  const auto completion = ask({kShot}, R"({"prompt": [{"role": "user", "content": "3"}],
      "completion": [{"role": "assistant", "content": "three"}]})");
  EXPECT_EQ(text_of(completion), "<user>1\n<assistant>one\n<user>3\n<assistant>three\n");
  EXPECT_EQ(answer_of(completion), "three\n");
}

TEST_F(FewShotsTest, StandBeforeCompletionsAndTexts) {
  const std::string shot = R"({"prompt": "1 =", "completion": " one"})";
  const auto completion = ask({shot}, R"({"prompt": "3 =", "completion": " three"})");
  EXPECT_EQ(text_of(completion), "1 = one\n\n3 = three");
  EXPECT_EQ(answer_of(completion), " three");
  const auto text = ask({shot, R"({"text": "Two."})"}, R"({"text": "Three."})");
  EXPECT_EQ(text_of(text), "1 = one\n\nTwo.\n\nThree.");
  EXPECT_EQ(answer_of(text), "hree.") << "alone, nothing comes before the first token";
}

TEST_F(FewShotsTest, AreAsManyAsThereIsRoomFor) {
  recipe_.sequence_length = 28;
  const std::string shot = R"({"prompt": "1 =", "completion": " one"})";  // 9 bytes, with the empty line
  const auto some = ask({shot, shot, shot}, R"({"prompt": "3 =", "completion": " three"})");
  EXPECT_EQ(some.shot_count, 2);
  EXPECT_EQ(some.example.token_count(), 27);
  recipe_.sequence_length = 12;
  const auto none = ask({shot}, R"({"prompt": "3 =", "completion": " three"})");
  EXPECT_EQ(none.shot_count, 0);
  EXPECT_EQ(text_of(none), "3 = three");
}

TEST_F(FewShotsTest, ChatsAndTextsDoNotMix) {
  try {
    ask({kShot}, R"({"prompt": "3 =", "completion": " three"})");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), testing::HasSubstr("one is a chat"));
  }
}

}  // namespace
}  // namespace pelton
