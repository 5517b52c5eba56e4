#include "io/hf_folder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"

namespace pelton {
namespace {

TEST(HfFolder, ConfigAloneIsEnough) {
  const TestFolder folder;
  folder.write("config.json", R"({"model_type": "llama"})");
  const HfFolder read = read_hf_folder(folder.path());
  EXPECT_EQ(read.path, folder.path());
  EXPECT_EQ(read.config.at("model_type").as_string(), "llama");
  EXPECT_FALSE(read.generation_config || read.tokenizer_config || read.chat_template);
}

TEST(HfFolder, ReadsAllFiles) {
  const TestFolder folder;
  folder.write("config.json", "{}");
  folder.write("generation_config.json", R"({"eos_token_id": [1, 2]})");
  folder.write("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": "from config"})");
  const HfFolder read = read_hf_folder(folder.path());
  EXPECT_EQ(read.generation_config->at("eos_token_id").as_array().size(), 2u);
  EXPECT_EQ(read.tokenizer_config->at("bos_token").as_string(), "<s>");
  EXPECT_EQ(read.chat_template, "from config");
}

TEST(HfFolder, TemplatesOfOwnFilesComeFirst) {
  const TestFolder folder;
  folder.write("config.json", "{}");
  folder.write("tokenizer_config.json", R"({"chat_template": "from config"})");
  folder.write("chat_template.json", R"({"chat_template": "from json"})");
  EXPECT_EQ(read_hf_folder(folder.path()).chat_template, "from json");
  folder.write("chat_template.jinja", "from {{ jinja }}\n");
  EXPECT_EQ(read_hf_folder(folder.path()).chat_template, "from {{ jinja }}\n");
}

TEST(HfFolder, OfNamedTemplatesTheDefaultCounts) {
  const TestFolder folder;
  folder.write("config.json", "{}");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "tools"},
                                                              {"name": "default", "template": "plain"}]})");
  EXPECT_EQ(read_hf_folder(folder.path()).chat_template, "plain");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "tools"}]})");
  EXPECT_EQ(read_hf_folder(folder.path()).chat_template, std::nullopt);
  folder.write("tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_EQ(read_hf_folder(folder.path()).chat_template, std::nullopt);
}

TEST(HfFolder, BrokenTemplates) {
  const TestFolder folder;
  folder.write("config.json", "{}");
  for (const std::string_view value :
       {"5", "{}", "[5]", R"([{"name": "default"}])", R"([{"name": 1, "template": ""}])"}) {
    folder.write("tokenizer_config.json", std::string(R"({"chat_template": )").append(value) + "}");
    expect_error([&] { read_hf_folder(folder.path()); }, ErrorCode::kCorruptFile,
                 {"tokenizer_config.json", "chat_template"});
  }
}

TEST(HfFolder, BrokenFiles) {
  const TestFolder folder;
  expect_error([&] { read_hf_folder(folder.path()); }, ErrorCode::kNotFound, {"config.json"});
  expect_error([&] { read_hf_folder(folder.path() / "absent"); }, ErrorCode::kNotFound, {"absent"});
  folder.write("config.json", "{\"a\": 1,\n \"b\": }");
  expect_error([&] { read_hf_folder(folder.path()); }, ErrorCode::kCorruptFile, {"config.json", "line 2"});
  folder.write("config.json", "[1]");
  expect_error([&] { read_hf_folder(folder.path()); }, ErrorCode::kCorruptFile, {"config.json", "an object"});
  folder.write("config.json", std::string(10'000, '[') + std::string(10'000, ']'));
  expect_error([&] { read_hf_folder(folder.path()); }, ErrorCode::kCorruptFile, {"config.json", "nested deeper"});
  folder.write("config.json", "{}");
  folder.write("generation_config.json", "");
  expect_error([&] { read_hf_folder(folder.path()); }, ErrorCode::kCorruptFile, {"generation_config.json"});
}

TEST(HfFolder, PythonsInfinity) {
  const TestFolder folder;
  folder.write("config.json", R"({"limits": [0.0, Infinity, -Infinity], "name": "Infinity \" Infinity"})");
  const HfFolder read = read_hf_folder(folder.path());
  EXPECT_EQ(read.config.at("limits").at(1).as_double(), INFINITY);
  EXPECT_EQ(read.config.at("limits").at(2).as_double(), -INFINITY);
  EXPECT_EQ(read.config.at("name").as_string(), "Infinity \" Infinity");
  folder.write("config.json", R"({"limit": NaN})");
  expect_error([&] { read_hf_folder(folder.path()); }, ErrorCode::kCorruptFile, {"config.json", "column 11"});
}

}  // namespace
}  // namespace pelton
