// Against tiktoken itself (tests/golden/text/make_tiktoken.py).
#include "text/tiktoken.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/error.h"
#include "text/golden_tokenizers.h"

namespace pelton {
namespace {

std::shared_ptr<const Tokenizer> tokenizer_from_tiktoken(std::string_view file, std::string_view name) {
  return Tokenizer::from_json(json::serialize(tiktoken_tokenizer_json(file, name)));
}

class Tiktoken : public testing::TestWithParam<std::string> {};

TEST_P(Tiktoken, EncodesAsTiktokenDoes) {
  const json::object golden = read_golden("tiktoken").at(GetParam()).as_object();
  const auto tokenizer = tokenizer_from_tiktoken(golden.at("file").as_string(), GetParam());
  EXPECT_EQ(tokenizer->encoder(), "Pelton's own");
  for (const json::value& item : golden.at("cases").as_array()) {
    const std::string text(item.at("text").as_string());
    const std::vector<TokenId> tokens = tokenizer->encode(text, {});
    EXPECT_EQ(ids_of(tokens), json::value_to<std::vector<int32_t>>(item.at("ids"))) << text;
    if (GetParam() != "qwen") {  // which composes
      EXPECT_EQ(tokenizer->decode(tokens, false), text);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Names, Tiktoken, testing::Values("qwen", "cl100k_base", "o200k_base"));

// One token for each byte, and what a test adds.
std::string file_with(const std::string& more) {
  std::string file;
  for (int byte = 0; byte < 256; ++byte) {
    file += to_base64(std::string(1, static_cast<char>(byte))) + " " + std::to_string(byte) + "\n";
  }
  return file + more;
}

ErrorCode error_of(const std::string& file, std::string_view name) {
  try {
    tiktoken_tokenizer_json(file, name);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

TEST(TiktokenFile, KnowsSpecialTokensByItsName) {
  const auto qwen = tokenizer_from_tiktoken(file_with(""), "qwen");
  EXPECT_EQ(qwen->find("<|endoftext|>"), TokenId{256});
  EXPECT_EQ(qwen->find("<|extra_204|>"), TokenId{256 + 3 + 204});
  EXPECT_TRUE(qwen->is_special(TokenId{257}));
  const auto o200k = tokenizer_from_tiktoken(file_with(""), "o200k_base");
  EXPECT_EQ(o200k->find("<|endofprompt|>"), TokenId{200018});
  EXPECT_EQ(ids_of(o200k->encode("a<|endofprompt|>", {})), (std::vector<int32_t>{'a', 200018}));
}

TEST(TiktokenFile, WhatIsNoneIsRefused) {
  EXPECT_EQ(error_of(file_with(""), "gpt5"), ErrorCode::kUnsupported);
  const std::string ab = to_base64("ab");
  const std::vector<std::string> wrong = {ab,         ab + " ",
                                          ab + " x",  ab + " 256x",
                                          ab + " -1", ab + " 99999999",
                                          "YW= 256",  " 256",
                                          ab + " 0",  ab + " 256\n" + ab + " 257"};
  for (const std::string& more : wrong) {
    EXPECT_EQ(error_of(file_with(more), "qwen"), ErrorCode::kCorruptFile) << more;
  }
  EXPECT_EQ(error_of("", "qwen"), ErrorCode::kCorruptFile);
  EXPECT_EQ(error_of(ab + " 0\n", "qwen"), ErrorCode::kCorruptFile);
  EXPECT_EQ(error_of(file_with(ab + " 150000"), "cl100k_base"), ErrorCode::kCorruptFile);
}

}  // namespace
}  // namespace pelton
