#include "ops/norm.h"

#include <gtest/gtest.h>

#include "ops/elementwise.h"
#include "ops/gradient_check.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

constexpr float kEpsilon = 1e-5f;

Doubles plain_rms_norm(const Doubles& x, const Doubles& weight) {
  const size_t width = weight.size();
  Doubles y(x.size());
  for (size_t begin = 0; begin < x.size(); begin += width) {
    double sum = 0;
    for (size_t i = 0; i < width; ++i) sum += x[begin + i] * x[begin + i];
    const double rms = std::sqrt(sum / static_cast<double>(width) + static_cast<double>(kEpsilon));
    for (size_t i = 0; i < width; ++i) y[begin + i] = x[begin + i] / rms * weight[i];
  }
  return y;
}

struct Case {
  int64_t rows, width;
};

class Norm : public testing::TestWithParam<Case> {
 protected:
  const int64_t rows = GetParam().rows;
  const int64_t width = GetParam().width;
  Rng rng{static_cast<uint64_t>(rows * 1000 + width)};
  std::vector<float> x = random_floats(rng, rows* width, 2);
  std::vector<float> weight = random_floats(rng, width);
  std::vector<float> d_y = random_floats(rng, rows* width);
  // Sums of up to `width` terms in float, a root and a few products.
  const double tolerance = (8 + static_cast<double>(width) / 16) * 0x1p-24;
};

TEST_P(Norm, RmsNormIsWhatTheDefinitionSays) {
  Executor executor(2);
  const Doubles expected = plain_rms_norm(to_doubles(x), to_doubles(weight));
  std::vector<float> y(x.size());
  rms_norm(executor, x.data(), weight.data(), kEpsilon, rows, width, y.data());
  EXPECT_LE(relative_error(y, expected), tolerance);
  rms_norm(executor, x.data(), weight.data(), kEpsilon, rows, width, x.data());
  EXPECT_EQ(x, y) << "in place";
}

TEST_P(Norm, RmsNormOfASumInOnePassHasTheBitsOfTheTwo) {
  Executor executor(2);
  std::vector<float> expected_sum(x.size());
  std::vector<float> expected(x.size());
  add(executor, x.data(), d_y.data(), rows * width, expected_sum.data());
  rms_norm(executor, expected_sum.data(), weight.data(), kEpsilon, rows, width, expected.data());
  std::vector<float> sum(x.size());
  std::vector<float> y(x.size());
  residual_norm(executor, {.a = x.data(),
                           .b = d_y.data(),
                           .weight = weight.data(),
                           .epsilon = kEpsilon,
                           .row_count = rows,
                           .width = width,
                           .sum = sum.data(),
                           .y = y.data(),
                           .quantised = nullptr});
  EXPECT_EQ(sum, expected_sum);
  EXPECT_EQ(y, expected);
}

TEST(RmsNormInt8, IsTheFormThatAMatrixWouldHaveMade) {
  constexpr int64_t kWidth = 96;
  constexpr int64_t kOutputs = 40;
  Rng rng(3);
  const std::vector<float> weight = random_floats(rng, kWidth);
  const std::vector<float> matrix = random_floats(rng, kOutputs * kWidth);
  for (const int thread_count : {1, 2}) {
    Executor executor(thread_count);
    Tensor tensor(ElementType::kQ8_0, {kOutputs, kWidth});
    encode_function(ElementType::kQ8_0)(matrix.data(), tensor.mutable_data(), kOutputs * kWidth);
    const LinearWeight linear_weight(executor, tensor, ActivationType::kInt8);
    for (const int64_t rows : {1, 5, 400}) {
      const std::vector<float> x = random_floats(rng, rows * kWidth);
      std::vector<float> y(x.size());
      LinearInput input;
      input.set(y.data(), rows, kWidth);
      residual_norm(executor, {.a = x.data(),
                               .b = nullptr,
                               .weight = weight.data(),
                               .epsilon = kEpsilon,
                               .row_count = rows,
                               .width = kWidth,
                               .sum = nullptr,
                               .y = y.data(),
                               .quantised = &input});
      std::vector<float> expected(x.size());
      rms_norm(executor, x.data(), weight.data(), kEpsilon, rows, kWidth, expected.data());
      EXPECT_EQ(y, expected);
      LinearInput plain_input;
      plain_input.set(expected.data(), rows, kWidth);
      std::vector<float> z(static_cast<size_t>(rows * kOutputs));
      std::vector<float> expected_z(z.size());
      std::fill(y.begin(), y.end(), 0.0f);  // what follows must read the int8 form that is there
      linear(executor, input, linear_weight, z.data());
      linear(executor, plain_input, linear_weight, expected_z.data());
      EXPECT_EQ(z, expected_z);
    }
  }
}

TEST_P(Norm, RmsNormGradientsAreThoseOfTheDefinition) {
  Executor executor(2);
  std::vector<float> d_x(x.size());
  std::vector<float> d_weight(weight.size(), 0.0f);
  rms_norm_backward(executor, x.data(), weight.data(), kEpsilon, d_y.data(), rows, width,
                    {d_x.data(), d_weight.data()});
  const size_t step = x.size() > 500 ? 37 : 1;
  const auto loss_of_x = [&](const Doubles& at) { return weighted_sum(plain_rms_norm(at, to_doubles(weight)), d_y); };
  EXPECT_LE(gradient_error(d_x, loss_of_x, to_doubles(x), step), 4 * tolerance);
  const auto loss_of_weight = [&](const Doubles& at) { return weighted_sum(plain_rms_norm(to_doubles(x), at), d_y); };
  EXPECT_LE(gradient_error(d_weight, loss_of_weight, to_doubles(weight), step), 4 * tolerance);
}

TEST_P(Norm, RmsNormWeightGradientsAddAndDoNotDependOnTheThreadCount) {
  std::vector<std::vector<float>> d_xs;
  std::vector<std::vector<float>> d_weights;
  for (int threads : {1, 2, 3}) {
    Executor executor(threads);
    std::vector<float> d_x = d_y;  // in place of d_y
    std::vector<float> d_weight(weight.size(), 1.0f);
    rms_norm_backward(executor, x.data(), weight.data(), kEpsilon, d_x.data(), rows, width,
                      {d_x.data(), d_weight.data()});
    d_xs.push_back(d_x);
    d_weights.push_back(d_weight);
  }
  EXPECT_EQ(d_xs[0], d_xs[1]);
  EXPECT_EQ(d_xs[0], d_xs[2]);
  EXPECT_EQ(d_weights[0], d_weights[1]);
  EXPECT_EQ(d_weights[0], d_weights[2]);

  Executor executor(1);
  std::vector<float> d_x(x.size());
  std::vector<float> from_zero(weight.size(), 0.0f);
  rms_norm_backward(executor, x.data(), weight.data(), kEpsilon, d_y.data(), rows, width,
                    {d_x.data(), from_zero.data()});
  EXPECT_EQ(d_x, d_xs[0]);
  for (size_t i = 0; i < from_zero.size(); ++i) {
    // Rows are added one by one; each sum, of magnitude at most 1 + rows, is rounded once.
    EXPECT_NEAR(d_weights[0][i], from_zero[i] + 1, static_cast<double>(rows * (rows + 1)) * 0x1p-23);
  }
}

Doubles plain_layer_norm(const Doubles& x, const Doubles& weight, const Doubles& bias) {
  const size_t width = weight.size();
  Doubles y(x.size());
  for (size_t begin = 0; begin < x.size(); begin += width) {
    double mean = 0;
    for (size_t i = 0; i < width; ++i) mean += x[begin + i] / static_cast<double>(width);
    double variance = 0;
    for (size_t i = 0; i < width; ++i) variance += (x[begin + i] - mean) * (x[begin + i] - mean);
    variance /= static_cast<double>(width);
    const double deviation = std::sqrt(variance + static_cast<double>(kEpsilon));
    for (size_t i = 0; i < width; ++i) y[begin + i] = (x[begin + i] - mean) / deviation * weight[i] + bias[i];
  }
  return y;
}

TEST_P(Norm, LayerNormAndItsGradientsAreThoseOfTheDefinition) {
  const std::vector<float> bias = random_floats(rng, width);
  const LayerNorm pass = {x.data(), weight.data(), bias.data(), kEpsilon, rows, width, width};
  const auto loss = [&](const Doubles& at_x, const Doubles& at_weight, const Doubles& at_bias) {
    return weighted_sum(plain_layer_norm(at_x, at_weight, at_bias), d_y);
  };
  const Doubles xs = to_doubles(x);
  const Doubles weights = to_doubles(weight);
  const Doubles biases = to_doubles(bias);
  const size_t step = x.size() > 500 ? 331 : 1;
  std::vector<std::vector<float>> d_xs;
  for (const int thread_count : {1, 3}) {
    Executor executor(thread_count);
    std::vector<float> y = x;
    LayerNorm in_place = pass;
    in_place.x = y.data();
    layer_norm(executor, in_place, y.data());
    EXPECT_LE(relative_error(y, plain_layer_norm(xs, weights, biases)), 2 * tolerance);

    std::vector<float> d_x = d_y;  // in place of d_y
    std::vector<float> d_weight(weight.size(), 0.0f);
    std::vector<float> d_bias(weight.size(), 0.0f);
    layer_norm_backward(executor, pass, d_x.data(), {d_x.data(), d_weight.data(), d_bias.data()});
    EXPECT_LE(gradient_error(
                  d_x, [&](const Doubles& at) { return loss(at, weights, biases); }, xs, step),
              8 * tolerance);
    EXPECT_LE(gradient_error(
                  d_weight, [&](const Doubles& at) { return loss(xs, at, biases); }, weights, step),
              4 * tolerance);
    EXPECT_LE(gradient_error(
                  d_bias, [&](const Doubles& at) { return loss(xs, weights, at); }, biases, step),
              4 * tolerance);
    d_xs.push_back(d_x);
  }
  EXPECT_EQ(d_xs[0], d_xs[1]);
}

// A row's parts are as rows of their own; gradients of a part's weights come from it alone.
TEST(LayerNormOfParts, IsTheNormOfEachPartWithItsOwnWeights) {
  constexpr int64_t kRows = 9, kParts = 3, kWidth = 21;  // columns are shared out across the parts' borders
  Rng rng(5);
  const std::vector<float> x = random_floats(rng, kRows * kParts * kWidth, 2);
  const std::vector<float> weight = random_floats(rng, kParts * kWidth);
  const std::vector<float> bias = random_floats(rng, kParts * kWidth);
  const std::vector<float> d_y = random_floats(rng, kRows * kParts * kWidth);
  const LayerNorm pass = {x.data(), weight.data(), bias.data(), kEpsilon, kRows, kParts * kWidth, kWidth};
  Executor executor(3);
  std::vector<float> y(x.size());
  layer_norm(executor, pass, y.data());
  std::vector<float> d_x(x.size());
  std::vector<float> d_weight(weight.size(), 0.0f);
  std::vector<float> d_bias(bias.size(), 0.0f);
  layer_norm_backward(executor, pass, d_y.data(), {d_x.data(), d_weight.data(), d_bias.data()});
  for (int64_t part = 0; part < kParts; ++part) {
    const auto columns_of = [&](const std::vector<float>& rows) {
      std::vector<float> columns;
      for (size_t at = static_cast<size_t>(part * kWidth); at < rows.size(); at += kParts * kWidth) {
        columns.insert(columns.end(), &rows[at], &rows[at] + kWidth);
      }
      return columns;
    };
    const std::vector<float> x_part = columns_of(x), d_y_part = columns_of(d_y);
    const std::vector<float> weight_part = columns_of(weight), bias_part = columns_of(bias);
    const LayerNorm alone = {x_part.data(), weight_part.data(), bias_part.data(), kEpsilon, kRows, kWidth, kWidth};
    std::vector<float> y_alone(x_part.size());
    layer_norm(executor, alone, y_alone.data());
    EXPECT_EQ(columns_of(y), y_alone) << part;
    std::vector<float> d_x_alone(x_part.size());
    std::vector<float> d_weight_alone(kWidth, 0.0f);
    std::vector<float> d_bias_alone(kWidth, 0.0f);
    layer_norm_backward(executor, alone, d_y_part.data(),
                        {d_x_alone.data(), d_weight_alone.data(), d_bias_alone.data()});
    EXPECT_EQ(columns_of(d_x), d_x_alone) << part;
    EXPECT_EQ(columns_of(d_weight), d_weight_alone) << part;
    EXPECT_EQ(columns_of(d_bias), d_bias_alone) << part;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Norm, testing::Values(Case{1, 5}, Case{1, 17}, Case{3, 64}, Case{70, 577}));

}  // namespace
}  // namespace pelton
