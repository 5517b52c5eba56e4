// Every case on every ISA of this machine against the scalar reference.
#include "kernels/op_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace pelton {
namespace {

std::vector<float> run(const OpCase& op, Isa isa) {
  // Whatever a kernel fails to write shows as NaN; what it writes past the end, in the guard.
  constexpr size_t kGuard = 16;
  const size_t count = static_cast<size_t>(op.output_count);
  std::vector<float> output(count + kGuard, std::nanf(""));
  op.run(isa, std::span(output).first(count));
  for (size_t i = count; i < output.size(); ++i) EXPECT_TRUE(std::isnan(output[i])) << op.name << " wrote past its end";
  output.resize(count);
  return output;
}

TEST(OpCase, EveryIsaAgreesWithTheReference) {
  for (const OpCase& op : all_op_cases()) {
    SCOPED_TRACE(op.name);
    const std::vector<float> expected = run(op, Isa::kScalar);
    double largest = 0;
    for (float value : expected) {
      ASSERT_TRUE(std::isfinite(value));
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
    for (Isa isa : supported_isas()) {
      SCOPED_TRACE(isa_name(isa));
      const std::vector<float> got = run(op, isa);
      double worst = 0;
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_TRUE(std::isfinite(got[i])) << "at " << i;
        worst = std::max(worst, std::abs(static_cast<double>(got[i]) - expected[i]));
      }
      EXPECT_LE(worst / (1 + largest), op.tolerance);
    }
  }
}

TEST(OpCase, NamesAreUniqueAndWorkIsStated) {
  std::set<std::string> names;
  for (const OpCase& op : all_op_cases()) {
    EXPECT_TRUE(names.insert(op.name).second) << op.name;
    EXPECT_GT(op.output_count, 0) << op.name;
    EXPECT_GT(op.bytes, 0) << op.name;
    EXPECT_GE(op.tolerance, 0) << op.name;
  }
}

}  // namespace
}  // namespace pelton
