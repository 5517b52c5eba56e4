#include "model/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"

namespace pelton {
namespace {

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(PELTON_GOLDEN_DIR) / "arch" / name;
}

std::shared_ptr<const Model> golden_model(const std::string& name) {
  return load_hugging_face_model(golden(name), read_hf_folder(golden(name)).config);
}

std::shared_ptr<const SafetensorsFile> golden_reference(const std::string& name) {
  return SafetensorsFile::open(golden(name) / "expected.safetensors");
}

class GoldenModel : public testing::TestWithParam<std::string> {};

// Logits three ways, greedy continuation, loss and every gradient of what transformers and torch compute, at 1e-3.
TEST_P(GoldenModel, AgreesWithTransformers) {
  for (const int thread_count : {1, 2}) {
    Executor executor(thread_count);
    const VerifyReport report = verify_model(executor, golden_model(GetParam()), *golden_reference(GetParam()), {});
    EXPECT_TRUE(report.passed);
    ASSERT_EQ(report.logits.size(), 3u);
    for (const LogitsComparison& way : report.logits) EXPECT_LE(way.max_rel_diff, 1e-3) << way.way;
    ASSERT_TRUE(report.greedy && report.loss && report.gradients);
    EXPECT_TRUE(report.greedy->passed);
    EXPECT_GT(report.greedy->compared, 0);
    EXPECT_LE(report.loss->rel_diff, 1e-3);
    EXPECT_GT(report.gradients->compared, 20);
    EXPECT_LE(report.gradients->worst_rel_diff, 1e-3) << report.gradients->worst_name;
  }
}

INSTANTIATE_TEST_SUITE_P(Llama, GoldenModel,
                         testing::Values("llama", "llama-tied-mqa", "llama-linear", "llama-yarn", "llama3-rope"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// A check that cannot fail checks nothing: other RoPE parameters must be noticed.
TEST(Verify, NoticesAnotherModel) {
  Executor executor(2);
  const VerifyReport report = verify_model(executor, golden_model("llama"), *golden_reference("llama-linear"), {});
  EXPECT_FALSE(report.passed);
  EXPECT_GT(report.max_rel_diff(), 1e-3);
  EXPECT_TRUE(report.logits[0].first_disagreement.has_value());
  EXPECT_FALSE(report.gradients->passed);
}

TEST(Verify, RefusesAReferenceOfAnotherShape) {
  Executor executor(1);
  EXPECT_THROW(
      verify_model(executor, golden_model("llama"), *SafetensorsFile::open(golden("llama") / "model.safetensors"), {}),
      Error);
}

}  // namespace
}  // namespace pelton
