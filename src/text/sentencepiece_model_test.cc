#include "text/sentencepiece_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/base64.h"
#include "base/error.h"
#include "text/golden_tokenizers.h"

namespace pelton {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Tokenizer> tokenizer_from_sentencepiece(std::string_view bytes) {
  return Tokenizer::from_json(json::serialize(sentencepiece_tokenizer_json(read_sentencepiece_model(bytes))));
}

std::string model_bytes(const char* name) {
  return from_base64(read_golden("sentencepiece_models").at(name).at("model").as_string()).value();
}

class SentencePieceFile : public testing::TestWithParam<const char*> {};

TEST_P(SentencePieceFile, IdsAreSentencePieces) {
  const json::value golden = read_golden("sentencepiece_models").at(GetParam());
  const auto tokenizer = tokenizer_from_sentencepiece(model_bytes(GetParam()));
  for (const json::value& test : golden.at("cases").as_array()) {
    const std::string text(test.at("text").as_string());
    // SentencePiece never sees control tokens in a text.
    const std::vector<TokenId> tokens =
        tokenizer->encode(text, {.parse_special = text.find("<s>") == std::string::npos});
    if (text.find("<unk>") != std::string::npos) continue;
    EXPECT_EQ(ids_of(tokens), json::value_to<std::vector<int32_t>>(test.at("ids"))) << testing::PrintToString(text);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SentencePieceFile,
                         testing::Values("unigram", "unigram-bytes", "unigram-rules", "unigram-no-prefix", "bpe-rules",
                                         "bpe-plain"));

ErrorCode code_of(std::string_view bytes) {
  try {
    tokenizer_from_sentencepiece(bytes);
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(SentencePieceModel, RefusesWhatIsNoModel) {
  EXPECT_EQ(code_of(""), ErrorCode::kCorruptFile);
  EXPECT_EQ(code_of("\xFF"), ErrorCode::kCorruptFile);
  EXPECT_EQ(code_of("not a model at all"), ErrorCode::kCorruptFile);
  // trainer_spec { model_type: WORD }, after one piece "a"
  EXPECT_EQ(code_of("\x0A\x03\x0A\x01"
                    "a\x12\x02\x18\x03"),
            ErrorCode::kUnsupported);
}

TEST(SentencePieceModel, CutAnywhereItIsRefusedOrRead) {
  const std::string bytes = model_bytes("unigram");
  for (size_t size = 0; size < bytes.size(); size += 97) {
    try {
      read_sentencepiece_model(std::string_view(bytes).substr(0, size));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptFile);
      EXPECT_THAT(error.message(), HasSubstr("tokenizer.model"));
    }
  }
}

}  // namespace
}  // namespace pelton
