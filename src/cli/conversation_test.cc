#include "cli/conversation.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton::cli {
namespace {

Conversation parsed(std::string_view text) { return parse_conversation(text, "chat.json"); }

std::string error_of(std::string_view text) {
  try {
    parsed(text);
  } catch (const Error& error) {
    return error.message();
  }
  return "no error";
}

TEST(Conversation, ReadsAnArrayAndAnObject) {
  const char* array = R"([{"role":"system","content":"Be terse."},{"role":"user","content":"Hi"}])";
  const Conversation from_array = parsed(array);
  ASSERT_EQ(from_array.messages.size(), 2u);
  EXPECT_EQ(from_array.messages[1].at("content").as_string(), "Hi");
  const Conversation from_object =
      parsed(std::string(R"({"tools":[{"type":"function","function":{"name":"f"}}],"messages":)") + array + "}");
  EXPECT_EQ(from_object.messages, from_array.messages);
  EXPECT_EQ(from_object.tools.size(), 1u);
}

TEST(Conversation, JoinsTextParts) {
  const Conversation conversation =
      parsed(R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])");
  EXPECT_EQ(conversation.messages[0].at("content").as_string(), "a\nb");
}

TEST(Conversation, KeepsWhatTemplatesRead) {
  const Conversation conversation = parsed(
      R"([{"role":"assistant","content":null,"tool_calls":[{"id":"1","function":{"name":"f"}}]},{"role":"tool","content":"42","tool_call_id":"1"}])");
  EXPECT_TRUE(conversation.messages[0].as_object().contains("tool_calls"));
  EXPECT_EQ(conversation.messages[1].at("tool_call_id").as_string(), "1");
}

TEST(Conversation, RefusesWithAReason) {
  EXPECT_NE(error_of("{").find("chat.json"), std::string::npos);
  EXPECT_NE(error_of("3").find("array of messages"), std::string::npos);
  EXPECT_NE(error_of("[]").find("at least one message"), std::string::npos);
  EXPECT_NE(error_of("{}").find("no messages"), std::string::npos);
  EXPECT_NE(error_of(R"({"messages":{}})").find("messages"), std::string::npos);
  EXPECT_NE(error_of(R"({"messages":[{"role":"user","content":"x"}],"temperature":1})").find("temperature"),
            std::string::npos);
  EXPECT_NE(error_of("[3]").find("messages[0]"), std::string::npos);
  EXPECT_NE(error_of(R"([{"content":"x"}])").find("messages[0].role"), std::string::npos);
  EXPECT_NE(error_of(R"([{"role":7,"content":"x"}])").find("messages[0].role"), std::string::npos);
  EXPECT_NE(error_of(R"([{"role":"user"}])").find("messages[0].content"), std::string::npos);
  EXPECT_NE(error_of(R"([{"role":"user","content":7}])").find("messages[0].content"), std::string::npos);
  EXPECT_NE(error_of(R"([{"role":"user","content":[{"type":"image_url"}]}])").find("image_url"), std::string::npos);
  EXPECT_NE(error_of(R"([{"role":"user","content":[{"type":"text"}]}])").find("content[0].text"), std::string::npos);
}

TEST(Conversation, RefusesToolsOfAnotherForm) {
  const auto error_of_tools = [](std::string_view tools) {
    return error_of(std::string(R"({"messages":[{"role":"user","content":"x"}],"tools":)") + std::string(tools) + "}");
  };
  EXPECT_EQ(error_of_tools(R"([{"type":"function","function":{"name":"f","parameters":{}}}])"), "no error");
  EXPECT_NE(error_of_tools("7").find("tools: expected an array"), std::string::npos);
  EXPECT_NE(error_of_tools("[3]").find("tools[0]: expected an object"), std::string::npos);
  EXPECT_NE(error_of_tools("[{}]").find("tools[0].type"), std::string::npos);
  EXPECT_NE(error_of_tools(R"([{"type":"retrieval"}])").find("tools[0].type"), std::string::npos);
  EXPECT_NE(error_of_tools(R"([{"type":"function"}])").find("tools[0].function"), std::string::npos);
  EXPECT_NE(error_of_tools(R"([{"type":"function","function":[]}])").find("tools[0].function"), std::string::npos);
  EXPECT_NE(error_of_tools(R"([{"type":"function","function":{}}])").find("tools[0].function.name"), std::string::npos);
}

TEST(Conversation, RequiresUtf8) {
  EXPECT_NO_THROW(require_utf8("é", "the prompt"));
  try {
    require_utf8("ab\xff", "the prompt");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "the prompt is not valid UTF-8 at byte 2");
  }
}

TEST(Conversation, HasOneSystemMessageInFront) {
  Conversation conversation;
  conversation.add("user", "Hi");
  conversation.set_system("one");
  conversation.set_system("two");
  ASSERT_EQ(conversation.messages.size(), 2u);
  EXPECT_EQ(conversation.messages[0].at("content").as_string(), "two");
  conversation.set_system("");
  ASSERT_EQ(conversation.messages.size(), 1u);
  EXPECT_EQ(conversation.messages[0].at("role").as_string(), "user");
}

}  // namespace
}  // namespace pelton::cli
