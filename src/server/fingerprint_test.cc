#include "server/fingerprint.h"

#include <gtest/gtest.h>

#include <functional>

#include "engine/fake_tokenizer.h"

namespace pelton {
namespace {

std::string fingerprint_with(const std::function<void(ModelBundle&, EngineOptions&)>& change) {
  ModelBundle bundle = *fake_bundle(FakeTokenizer::with_size(8), {});
  EngineOptions options;
  change(bundle, options);
  return fingerprint_of(bundle, options);
}

TEST(Fingerprint, ChangesWithWhatAltersAnswers) {
  const std::string plain = fingerprint_with([](auto&, auto&) {});
  EXPECT_EQ(plain, fingerprint_with([](auto&, auto&) {}));
  EXPECT_NE(plain, fingerprint_with([](auto& bundle, auto&) { bundle.name = "other"; }));
  EXPECT_NE(plain, fingerprint_with([](auto& bundle, auto&) { bundle.end_tokens = {TokenId{3}}; }));
  EXPECT_NE(plain, fingerprint_with([](auto& bundle, auto&) { bundle.generation.top_p = 0.5; }));
  EXPECT_NE(plain, fingerprint_with([](auto& bundle, auto&) {
              bundle.chat_template = ChatTemplate::parse("{{ messages }}", "", "");
            }));
  EXPECT_NE(plain, fingerprint_with([](auto&, auto& options) { options.activations = ActivationType::kF32; }));
  EXPECT_NE(plain, fingerprint_with([](auto&, auto& options) { options.kv_type = ElementType::kF32; }));
}

TEST(Fingerprint, StaysWithWhatDoesNot) {
  const std::string plain = fingerprint_with([](auto&, auto&) {});
  EXPECT_EQ(plain, fingerprint_with([](auto&, auto& options) { options.kv_type = ElementType::kI8; })) << "default";
  EXPECT_EQ(plain, fingerprint_with([](auto&, auto& options) { options.thread_count = 3; }));
  EXPECT_EQ(plain, fingerprint_with([](auto&, auto& options) { options.queue_length_max = 5; }));
}

std::string fingerprint_of_weight(const Tensor& weight) {
  Fingerprint fingerprint;
  fingerprint.add(weight);
  return fingerprint.text();
}

TEST(Fingerprint, SeesOtherWeights) {
  Tensor weight = Tensor::f32({64, 64});
  const std::string zeros = fingerprint_of_weight(weight);
  EXPECT_NE(zeros, fingerprint_of_weight(Tensor::f32({32, 128}))) << "the same bytes in another shape";
  for (int64_t i = 0; i < 64 * 64; ++i) weight.mutable_floats()[i] = 1e-6f;  // tuned: each a little
  EXPECT_NE(zeros, fingerprint_of_weight(weight));
  EXPECT_NE(zeros, fingerprint_of_weight(Tensor::f32({1}))) << "less than a sample";
}

}  // namespace
}  // namespace pelton
