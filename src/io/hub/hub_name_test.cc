#include "io/hub/hub_name.h"

#include <gtest/gtest.h>

#include "io/error_matchers.h"

namespace pelton {
namespace {

TEST(HubNameTest, ReadsAllParts) {
  const auto name = parse_hub_name("hf:org-1/Name.v2:*Q4_K_M.gguf@refs/pr/3");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->kind, HubKind::kModel);
  EXPECT_EQ(name->repository, "org-1/Name.v2");
  EXPECT_EQ(name->glob, "*Q4_K_M.gguf");
  EXPECT_EQ(name->revision, "refs/pr/3");
  EXPECT_EQ(to_string(*name), "hf:org-1/Name.v2:*Q4_K_M.gguf@refs/pr/3");
}

TEST(HubNameTest, PartsMayBeMissing) {
  const auto name = parse_hub_name("hf:org/name");
  ASSERT_TRUE(name);
  EXPECT_TRUE(name->glob.empty());
  EXPECT_FALSE(name->revision);
  EXPECT_EQ(name->revision_or_main(), "main");
  EXPECT_EQ(parse_hub_name("hf:gpt2")->repository, "gpt2");
  EXPECT_EQ(parse_hub_name("hf:org/name@v1")->revision, "v1");
  EXPECT_EQ(parse_hub_name("hf://org/name")->repository, "org/name");
  EXPECT_EQ(parse_hub_name("org/name:a.gguf")->glob, "a.gguf");
}

TEST(HubNameTest, Datasets) {
  const auto name = parse_hub_name("dataset:hf:org/name:data/*.parquet");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->kind, HubKind::kDataset);
  EXPECT_EQ(name->glob, "data/*.parquet");
  EXPECT_EQ(to_string(*name), "dataset:hf:org/name:data/*.parquet");
}

TEST(HubNameTest, OtherTextsAreNoHubNames) {
  for (const char* text : {"", "model.gguf", "smollm2", "./a/b", "../a/b", "/a/b", "a/b/c", "a/b/", "/a", "C:\\a",
                           "https://example.org/a", "a/..", "a//b"}) {
    EXPECT_FALSE(parse_hub_name(text)) << text;
  }
}

TEST(HubNameTest, RefusesWhatCouldLeaveTheCache) {
  for (const char* text : {"hf:",          "hf:/",           "hf:../x",      "hf:a/../b",  "hf:a/b/c",   "hf:a--b/c",
                           "hf:.a/b",      "hf:a/b.",        "hf:-a/b",      "hf:a b/c",   "hf:a/b:",    "hf:a/b@",
                           "hf:a/b@..",    "hf:a/b@../../x", "hf:a/b@-f",    "hf:a/b@a b", "hf:a/b@/x",  "hf:a/b@x//y",
                           "hf:a/b@.lock", "hf:a/b:x\n",     "hf:a/b@x\x7f", "dataset:",   "dataset:hf:"}) {
    expect_error([&] { parse_hub_name(text); }, ErrorCode::kInvalidArgument, {"hf:ORG/NAME"});
  }
  expect_error([] { parse_hub_name("hf:" + std::string(97, 'a')); }, ErrorCode::kInvalidArgument, {});
}

TEST(HubNameTest, PathsOfFiles) {
  for (const char* path : {"a", "a/b.c", ".gitattributes", "1_Pooling/config.json", "a b", "ü.txt", "a..b"}) {
    EXPECT_TRUE(is_repository_path(path)) << path;
  }
  for (const char* path : {"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\b", "a\nb"}) {
    EXPECT_FALSE(is_repository_path(path)) << path;
  }
  EXPECT_FALSE(is_repository_path(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_repository_path(std::string(256, 'a')));
}

TEST(HubNameTest, Commits) {
  EXPECT_TRUE(is_commit("0123456789abcdef0123456789abcdef01234567"));
  EXPECT_FALSE(is_commit("0123456789ABCDEF0123456789abcdef01234567"));
  EXPECT_FALSE(is_commit("0123456789abcdef0123456789abcdef0123456"));
  EXPECT_FALSE(is_commit("main"));
}

}  // namespace
}  // namespace pelton
