#include "model/type_mix.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "io/error_matchers.h"

namespace pelton {
namespace {

TensorEntry matrix(std::string name, int64_t columns = 2048) {
  return {std::move(name), ElementType::kF32, {512, columns}};
}

ElementType chosen(const char* mix, const TensorEntry& tensor, const ModelTensors& model = {.layer_count = 16}) {
  return choose_type(type_mix(mix), tensor, model).type;
}

TEST(TypeMix, VectorsAndSteeringMatricesAreFloat32) {
  for (const TypeMix& mix : type_mixes()) {
    EXPECT_EQ(chosen(mix.name.data(), {"blk.0.attn_norm.weight", ElementType::kBF16, {2048}}), ElementType::kF32);
    EXPECT_EQ(chosen(mix.name.data(), {"blk.0.attn_q.bias", ElementType::kF16, {2048}}), ElementType::kF32);
    EXPECT_EQ(chosen(mix.name.data(), matrix("blk.0.attn_q_norm.weight")), ElementType::kF32);
    EXPECT_EQ(chosen(mix.name.data(), matrix("blk.0.ffn_gate_inp.weight")), ElementType::kF32);
    EXPECT_EQ(chosen(mix.name.data(), matrix("blk.9.ffn_up.weight")), mix.base);
    EXPECT_EQ(chosen(mix.name.data(), {"ids", ElementType::kI32, {4, 4}}), ElementType::kI32);
  }
}

TEST(TypeMix, TheOutputMatrixHasAtLeastSixBits) {
  const ModelTensors tied{.layer_count = 16, .has_tied_output = true};
  for (const char* mix : {"q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q4_k_s", "q4_k_m", "q5_k", "q5_k_m", "q6_k"}) {
    EXPECT_EQ(chosen(mix, matrix("output.weight")), ElementType::kQ6_K) << mix;
    EXPECT_EQ(chosen(mix, matrix("token_embd.weight"), tied), ElementType::kQ6_K) << mix;
    EXPECT_EQ(chosen(mix, matrix("token_embd.weight")), type_mix(mix).base) << mix;
  }
  EXPECT_EQ(chosen("q8_0", matrix("output.weight")), ElementType::kQ8_0);
  EXPECT_EQ(chosen("f16", matrix("output.weight")), ElementType::kF16);
}

// llama.cpp's q4_k_m of 16 layers: the first and last two, and each third between.
TEST(TypeMix, MixesGiveSensitiveLayersMoreBits) {
  std::set<int> more;
  for (int layer = 0; layer < 16; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer);
    const ElementType value = chosen("q4_k_m", matrix(prefix + ".attn_v.weight"));
    EXPECT_EQ(chosen("q4_k_m", matrix(prefix + ".ffn_down.weight")), value);
    EXPECT_EQ(chosen("q5_k_m", matrix(prefix + ".ffn_down.weight")) == ElementType::kQ6_K, value == ElementType::kQ6_K);
    EXPECT_EQ(chosen("q4_k_m", matrix(prefix + ".attn_q.weight")), ElementType::kQ4_K);
    EXPECT_EQ(chosen("q4_k", matrix(prefix + ".ffn_down.weight")), ElementType::kQ4_K);
    EXPECT_EQ(chosen("q4_k_s", matrix(prefix + ".attn_v.weight")), layer < 4 ? ElementType::kQ5_K : ElementType::kQ4_K);
    if (value == ElementType::kQ6_K) more.insert(layer);
  }
  EXPECT_EQ(more, (std::set<int>{0, 1, 4, 7, 10, 13, 14, 15}));
}

TEST(TypeMix, RowsThatCannotHoldBlocksFallBackAndSaySo) {
  const auto choice = [](const char* mix, int64_t columns) {
    return choose_type(type_mix(mix), matrix("blk.9.ffn_up.weight", columns), {.layer_count = 16});
  };
  EXPECT_EQ(choice("q4_k", 576).type, ElementType::kQ5_0);
  EXPECT_EQ(choice("q4_k", 576).wanted, ElementType::kQ4_K);
  EXPECT_EQ(choice("q5_k", 96).type, ElementType::kQ5_1);
  EXPECT_EQ(choice("q6_k", 96).type, ElementType::kQ8_0);
  EXPECT_EQ(choice("q4_k", 48).type, ElementType::kF16);
  EXPECT_EQ(choice("q8_0", 48).type, ElementType::kF16);
  EXPECT_EQ(choice("q8_0", 48).wanted, ElementType::kQ8_0);
  EXPECT_EQ(choice("q4_k", 512).wanted, std::nullopt);
  EXPECT_EQ(choice("f16", 7).wanted, std::nullopt);
}

TEST(TypeMix, DescribesAFile) {
  const ModelTensors tied =
      describe_tensors({matrix("token_embd.weight"), matrix("blk.0.a.weight"), matrix("blk.11.a.weight")});
  EXPECT_EQ(tied.layer_count, 12);
  EXPECT_TRUE(tied.has_tied_output);
  EXPECT_FALSE(describe_tensors({matrix("output.weight"), matrix("blk.x.weight")}).has_tied_output);
}

TEST(TypeMix, NamesAreKnownOrRefused) {
  EXPECT_EQ(type_mix("q4_k_m").gguf_file_type, 15u);
  EXPECT_EQ(plain_type_mix(ElementType::kBF16)->gguf_file_type, 32u);
  EXPECT_EQ(plain_type_mix(ElementType::kQ4_K)->name, "q4_k");
  EXPECT_EQ(plain_type_mix(ElementType::kI8), nullptr);
  expect_error([] { type_mix("q3_k"); }, ErrorCode::kInvalidArgument, {"q3_k", "q4_k_m", "bf16"});
}

}  // namespace
}  // namespace pelton
