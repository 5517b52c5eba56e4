#include "plan/roofline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pelton {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Roofline, TheLongerOfReadingAndComputing) {
  const Limits limits = {.bytes_per_second = 40e9, .operations_per_second = 1900e9};
  const Roofline decode = roofline({.bytes = 80e6, .operations = 270e6}, limits);
  EXPECT_EQ(decode.bound, Bound::kBandwidth);
  EXPECT_DOUBLE_EQ(decode.limit_seconds, 80e6 / 40e9);
  const Roofline prefill = roofline({.bytes = 80e6, .operations = 512 * 270e6}, limits);
  EXPECT_EQ(prefill.bound, Bound::kCompute);
  EXPECT_DOUBLE_EQ(prefill.limit_seconds, 512 * 270e6 / 1900e9);
}

TEST(Roofline, TheRidgeCountsAsBandwidthAndNoWorkTakesNoTime) {
  EXPECT_EQ(roofline({.bytes = 2, .operations = 4}, {1, 2}).bound, Bound::kBandwidth);
  EXPECT_EQ(roofline({}, {1, 1}).limit_seconds, 0);
}

TEST(Verdict, OneStreamOfDecode) {
  const std::string text = verdict({.limit_share = 0.84, .limit_tokens_per_second = 480.4, .weight_bits = 8.5});
  EXPECT_EQ(text,
            "bandwidth-bound, 84 % of at most 480 tok/s; a smaller weight type, more rows a step or speculation would "
            "help");
}

TEST(Verdict, AdvisesOnlyWhatIsLeft) {
  EXPECT_THAT(verdict({.limit_share = 0.9, .weight_bits = 4.5}), Not(HasSubstr("weight type")));
  EXPECT_THAT(verdict({.limit_share = 0.9, .row_count = 8}), Not(HasSubstr("speculation")));
  EXPECT_THAT(verdict({.limit_share = 0.9, .row_count = 32}), Not(HasSubstr("more rows")));
  EXPECT_THAT(verdict({.limit_share = 0.9, .kv_outweighs_weights = true}), HasSubstr("keys and values"));
  EXPECT_THAT(verdict({.limit_share = 0.9, .thread_count = 1, .core_count = 2}), HasSubstr("more threads"));
  EXPECT_EQ(verdict({.limit_share = 0.9, .limit_tokens_per_second = 7, .row_count = 32, .weight_bits = 4.5}),
            "bandwidth-bound, 90 % of at most 7 tok/s");
}

TEST(Verdict, Prefill) {
  const PhaseFacts facts = {.bound = Bound::kCompute, .limit_share = 0.7, .is_decode = false, .row_count = 512};
  EXPECT_THAT(verdict(facts), HasSubstr("compute-bound, 70 %"));
  EXPECT_THAT(verdict(facts), HasSubstr("prefixes would help"));
  EXPECT_THAT(verdict(facts), Not(HasSubstr("int8")));
  PhaseFacts exact = facts;
  exact.has_int8_activations = false;
  EXPECT_THAT(verdict(exact), HasSubstr("int8 activations"));
}

TEST(Verdict, FarFromTheLimitSaysWhereToLook) {
  EXPECT_THAT(verdict({.limit_share = 0.2}), HasSubstr("bench kernels"));
  EXPECT_THAT(verdict({.limit_share = 0.2, .thread_count = 1, .core_count = 4}), HasSubstr("more threads"));
}

TEST(Verdict, MoreThanTheLimitIsAnErrorOfMeasurement) {
  EXPECT_THAT(verdict({.limit_share = 1.16}), HasSubstr("more than possible"));
  EXPECT_THAT(verdict({.limit_share = 1.16}), Not(HasSubstr("would help")));
  EXPECT_THAT(verdict({.limit_share = 1.04}), Not(HasSubstr("more than possible")));
}

}  // namespace
}  // namespace pelton
