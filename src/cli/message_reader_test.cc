#include "cli/message_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace pelton::cli {
namespace {

using ::testing::ElementsAre;
using Kind = InputLine::Kind;

// Gives the lines, then the end; a std::nullopt is Ctrl-C.
class ScriptedReader final : public LineReader {
 public:
  explicit ScriptedReader(std::deque<std::optional<std::string>> lines) : lines_(std::move(lines)) {}

  InputLine read_line(bool is_continuation) override {
    continuations.push_back(is_continuation);
    if (lines_.empty()) return {Kind::kEnd, {}};
    const std::optional<std::string> line = lines_.front();
    lines_.pop_front();
    return line ? InputLine{Kind::kText, *line} : InputLine{Kind::kInterrupted, {}};
  }

  std::vector<bool> continuations;

 private:
  std::deque<std::optional<std::string>> lines_;
};

std::string message_of(std::deque<std::optional<std::string>> lines) {
  ScriptedReader reader(std::move(lines));
  const InputLine message = read_message(reader);
  EXPECT_EQ(message.kind, Kind::kText);
  return message.text;
}

TEST(MessageReader, OneLineIsOneMessage) {
  EXPECT_EQ(message_of({"hello", "again"}), "hello");
  EXPECT_EQ(message_of({""}), "");
  EXPECT_EQ(message_of({"say \"\"\" please"}), "say \"\"\" please");
}

TEST(MessageReader, ABackslashAtTheEndGoesOn) {
  EXPECT_EQ(message_of({"a\\", "b\\", "c", "d"}), "a\nb\nc");
  EXPECT_EQ(message_of({"a\\"}), "a\n");
}

TEST(MessageReader, ABlockTakesLinesAsTheyAre) {
  EXPECT_EQ(message_of({"\"\"\"", "a\\", "", "  b", "\"\"\"", "c"}), "a\\\n\n  b");
  EXPECT_EQ(message_of({"\"\"\"a", "b\"\"\""}), "a\nb");
  EXPECT_EQ(message_of({"\"\"\"a\"\"\""}), "a");
  EXPECT_EQ(message_of({"\"\"\"\"\"\""}), "");
  EXPECT_EQ(message_of({"\"\"\"", "never closed"}), "never closed");
  EXPECT_EQ(message_of({"\"\"\"", "", "x", "\"\"\""}), "\nx");
}

TEST(MessageReader, TellsTheReaderWhatContinues) {
  ScriptedReader reader({"a\\", "b"});
  read_message(reader);
  EXPECT_THAT(reader.continuations, ElementsAre(false, true));
}

TEST(MessageReader, AnInterruptThrowsTheMessageAway) {
  for (std::deque<std::optional<std::string>> lines :
       {std::deque<std::optional<std::string>>{std::nullopt}, {"a\\", std::nullopt}, {"\"\"\"", "a", std::nullopt}}) {
    ScriptedReader reader(std::move(lines));
    EXPECT_EQ(read_message(reader).kind, Kind::kInterrupted);
  }
}

TEST(MessageReader, TheEndIsTheEnd) {
  ScriptedReader reader({});
  EXPECT_EQ(read_message(reader).kind, Kind::kEnd);
}

}  // namespace
}  // namespace pelton::cli
