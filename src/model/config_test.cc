#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton {
namespace {

constexpr std::string_view kConfig = R"({
  "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "intermediate_size": 96, "vocab_size": 256, "max_position_embeddings": 128, "rms_norm_eps": 1e-6 %s})";

ModelSpec spec_of(std::string_view extra) {
  std::string text(kConfig);
  text.replace(text.find("%s"), 2, extra);
  const json::value value = parse_json(text, "config.json");
  return HuggingFaceConfig(value.get_object()).common_spec("llama");
}

std::string error_of(std::string_view extra) {
  try {
    spec_of(extra);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(HuggingFaceConfig, ReadsBothSpellingsOfRope) {
  const ModelSpec old_spelling = spec_of(R"(, "rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0})");
  const ModelSpec new_spelling =
      spec_of(R"(, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0})");
  EXPECT_EQ(old_spelling.rope.inverse_frequencies, new_spelling.rope.inverse_frequencies);
  EXPECT_FLOAT_EQ(old_spelling.rope.inverse_frequencies[0], 0.5f);
  EXPECT_EQ(old_spelling.rope_scaling, "linear");
  EXPECT_EQ(spec_of("").head_width, 16);
  EXPECT_EQ(spec_of(R"(, "head_dim": 20)").head_width, 20);
}

TEST(HuggingFaceConfig, RefusesWhatCannotBe) {
  EXPECT_THAT(error_of(R"(, "head_dim": 15)"), testing::HasSubstr("head width of 15"));
  EXPECT_THAT(error_of(R"(, "head_dim": "wide")"), testing::HasSubstr("head_dim"));
  EXPECT_THAT(error_of(R"(, "head_dim": 100000000000)"), testing::HasSubstr("head_dim"));
  EXPECT_THAT(error_of(R"(, "rope_scaling": {"type": "magic"})"), testing::HasSubstr("magic"));
  EXPECT_THAT(error_of(R"(, "rope_scaling": {"type": "linear", "factor": 0})"), testing::HasSubstr("factor"));
  EXPECT_THAT(error_of(R"(, "rope_scaling": 5)"), testing::HasSubstr("expected an object"));
}

TEST(HuggingFaceConfig, RefusesRopeThatIsNotWhole) {
  EXPECT_THAT(error_of(R"(, "rope_scaling": {"type": "linear"})"), testing::HasSubstr("factor"));
  EXPECT_THAT(error_of(R"(, "partial_rotary_factor": 0.5)"), testing::HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(
      error_of(R"(, "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4})"),
      testing::HasSubstr("low_freq_factor"));
}

TEST(HuggingFaceConfig, RefusesWhatWouldBeAnotherModel) {
  const json::value config = parse_json(R"({"quantization_config": {}, "sliding_window": null})", "config.json");
  const HuggingFaceConfig reader(config.get_object());
  EXPECT_THROW(reader.require_absent({"quantization_config"}), Error);
  EXPECT_NO_THROW(reader.require_absent({"sliding_window", "num_local_experts"}));
}

TEST(HuggingFaceConfig, RefusesHeadsThatDoNotDivide) {
  ModelSpec spec = spec_of("");
  spec.key_value_head_count = 3;
  EXPECT_THROW(check_spec(spec, "test"), Error);
}

}  // namespace
}  // namespace pelton
