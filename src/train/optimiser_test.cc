// Optimisers against their papers' formulas, computed elsewhere in double precision over three steps.
#include "train/optimiser.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "train/optimisers/small_float.h"

namespace pelton {
namespace {

Tensor vector(std::vector<float> values) {
  Tensor tensor = Tensor::f32({static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.mutable_floats());
  return tensor;
}

std::vector<float> floats(const Tensor& tensor) {
  return {tensor.floats(), tensor.floats() + tensor.shape().element_count()};
}

const std::vector<std::vector<float>> kGradients = {{0.5F, -1.0F, 0.0F}, {0.25F, 2.0F, -0.125F}, {-1.5F, 0.75F, 0.5F}};

std::vector<float> after_three_steps(std::string_view name, const OptimiserOptions& options) {
  Executor executor(1);
  std::vector<Parameter> parameters = {{.name = "w", .value = vector({1.0F, -2.0F, 0.5F})}};
  const auto optimiser = find_optimiser(name).make(parameters, options);
  for (size_t step = 0; step < kGradients.size(); ++step) {
    const Tensor gradient = vector(kGradients[step]);
    optimiser->step(executor, parameters, {&gradient, 1}, 0.1, static_cast<int64_t>(step) + 1);
  }
  return floats(parameters[0].value);
}

TEST(Optimiser, AdamW) {
  const auto got = after_three_steps("adamw", {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.05});
  EXPECT_THAT(got, testing::Pointwise(testing::FloatNear(1e-6F), {0.82779450F, -1.95469692F, 0.51858429F}));
}

TEST(Optimiser, Lion) {
  const auto got = after_three_steps("lion", {.beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0.05});
  EXPECT_THAT(got, testing::Pointwise(testing::FloatNear(1e-6F), {0.88657238F, -2.07064725F, 0.49203744F}));
}

TEST(Optimiser, SgdWithMomentum) {
  const auto got = after_three_steps("sgd", {.weight_decay = 0.05, .momentum = 0.8});
  EXPECT_THAT(got, testing::Pointwise(testing::FloatNear(1e-6F), {0.96889862F, -2.16154725F, 0.46497494F}));
}

Tensor matrix(int64_t rows, int64_t columns, const std::vector<float>& values) {
  Tensor tensor = Tensor::f32({rows, columns});
  std::copy(values.begin(), values.end(), tensor.mutable_floats());
  return tensor;
}

const std::vector<float> kMatrix = {1.0F, -2.0F, 0.5F, 0.25F, -0.75F, 1.5F};
const std::vector<std::vector<float>> kMatrixGradients = {{0.5F, -1.0F, 0.0F, 0.25F, 2.0F, -0.125F},
                                                          {-1.5F, 0.75F, 0.5F, 1.0F, -0.5F, 0.25F},
                                                          {0.125F, 0.5F, -2.0F, -1.0F, 0.75F, 1.5F}};

std::vector<float> transposed(const std::vector<float>& values) {
  std::vector<float> result;
  for (size_t column = 0; column < 3; ++column) result.insert(result.end(), {values[column], values[column + 3]});
  return result;
}

// kMatrix [2, 3], or turned [3, 2].
std::vector<float> matrix_after_three_steps(std::string_view name, std::string_view parameter, bool is_turned) {
  Executor executor(1);
  const auto made = [&](const std::vector<float>& values) {
    return is_turned ? matrix(3, 2, transposed(values)) : matrix(2, 3, values);
  };
  std::vector<Parameter> parameters = {{.name = std::string(parameter), .value = made(kMatrix)}};
  const auto optimiser = find_optimiser(name).make(parameters, {.weight_decay = 0.05});
  for (size_t step = 0; step < kMatrixGradients.size(); ++step) {
    const Tensor gradient = made(kMatrixGradients[step]);
    optimiser->step(executor, parameters, {&gradient, 1}, 0.1, static_cast<int64_t>(step) + 1);
  }
  return floats(parameters[0].value);
}

TEST(Optimiser, Adafactor) {
  const auto near = testing::FloatNear(2e-6F);
  EXPECT_THAT(after_three_steps("adafactor", {.weight_decay = 0.05}),
              testing::Pointwise(near, {0.94370300F, -2.02431529F, 0.49202739F}));
  EXPECT_THAT(
      matrix_after_three_steps("adafactor", "w", false),
      testing::Pointwise(near, {0.93853511F, -1.99360529F, 0.50334545F, 0.21725201F, -0.86850309F, 1.38927465F}));
}

TEST(Optimiser, Muon) {
  const auto near = testing::FloatNear(2e-6F);
  const std::vector<float> expected = {0.98829373F, -1.98986329F, 0.49982367F, 0.22527587F, -0.80578788F, 1.44917214F};
  EXPECT_THAT(matrix_after_three_steps("muon", "w", false), testing::Pointwise(near, expected));
  EXPECT_THAT(matrix_after_three_steps("muon", "w", true), testing::Pointwise(near, transposed(expected)));
  for (const char* name : {"embedding", "output"}) {
    EXPECT_EQ(matrix_after_three_steps("muon", name, false), matrix_after_three_steps("adamw", name, false)) << name;
  }
  EXPECT_EQ(after_three_steps("muon", {}), after_three_steps("adamw", {}));
}

// Noisy gradients of a bowl that is steeper in some directions than in others.
double distance_after(std::string_view name, int thread_count, int step_count) {
  constexpr int64_t kCount = 40'000;
  Executor executor(thread_count);
  std::vector<Parameter> parameters = {{.name = "w", .value = Tensor::f32({kCount})}};
  const auto optimiser = find_optimiser(name).make(parameters, {.beta2 = 0.99});
  Rng rng(7);
  Tensor gradient = Tensor::f32({kCount});
  for (int step = 1; step <= step_count; ++step) {
    for (int64_t i = 0; i < kCount; ++i) {
      const auto steepness = static_cast<float>(std::pow(10.0, -static_cast<double>(i % 5)));
      const auto noise = static_cast<float>(rng.next_below(2001)) / 1000 - 1;
      gradient.mutable_floats()[i] = steepness * (parameters[0].value.floats()[i] - 1 + noise);
    }
    optimiser->step(executor, parameters, {&gradient, 1}, 0.02, step);
  }
  double sum = 0;
  for (int64_t i = 0; i < kCount; ++i) sum += std::pow(static_cast<double>(parameters[0].value.floats()[i]) - 1, 2);
  return std::sqrt(sum / kCount);
}

TEST(Optimiser, EightBitsLearnAsThirtyTwo) {
  const double whole = distance_after("adamw", 1, 200);
  const double eight = distance_after("adamw_8bit", 1, 200);
  EXPECT_LT(whole, 0.2);
  EXPECT_NEAR(eight, whole, 0.02 * whole);
  EXPECT_EQ(distance_after("adamw_8bit", 3, 20), distance_after("adamw_8bit", 1, 20)) << "on any number of threads";

  const std::vector<Parameter> parameters = {{.name = "w", .value = Tensor::f32({100, 1000})}};
  int64_t bytes = 0;
  for (const NamedTensor& named : find_optimiser("adamw_8bit").make(parameters, {})->state()) {
    bytes += named.tensor.size_bytes();
  }
  EXPECT_LT(bytes, 2.05 * 100'000);
}

// A mean of squares that falls by a thousandth a step moves by far less than one code of it does.
TEST(Optimiser, EightBitsForgetOldGradients) {
  Executor executor(1);
  std::vector<Parameter> parameters = {{.name = "w", .value = Tensor::f32({256})}};
  const auto optimiser = find_optimiser("adamw_8bit").make(parameters, {});
  Tensor gradient = Tensor::f32({256});
  const auto root_sum = [&] {
    const std::vector<NamedTensor> state = optimiser->state();
    double sum = 0;
    for (int64_t i = 1; i < 256; ++i) {
      sum += small_unsigned_values()[std::to_integer<uint8_t>(state[2].tensor.data()[i])] * state[3].tensor.floats()[0];
    }
    return sum;
  };
  std::fill_n(gradient.mutable_floats(), 256, 1.0F);
  optimiser->step(executor, parameters, {&gradient, 1}, 1e-3, 1);
  const double before = root_sum();
  std::fill_n(gradient.mutable_floats(), 256, 0.0F);
  gradient.mutable_floats()[0] = 1;  // holds the block's scale up
  for (int64_t step = 2; step <= 1001; ++step) optimiser->step(executor, parameters, {&gradient, 1}, 1e-3, step);
  EXPECT_NEAR(root_sum() / before, std::sqrt(std::pow(0.999, 1000)), 0.02);
}

TEST(SmallFloat, CodesMeanWhatTheySay) {
  for (uint32_t code = 0; code < 256; ++code) {
    if (code != 0x80) {  // zero has a second code
      EXPECT_EQ(to_small_signed(small_signed_values()[code]), code);
    }
    EXPECT_EQ(to_small_unsigned(small_unsigned_values()[code], 0), code);
  }
  for (float value = 1.9F; value > 1e-6F; value *= 0.97F) {
    EXPECT_NEAR(small_signed_values()[to_small_signed(-value)], -std::min(value, kSmallSignedMax),
                std::max(value / 15, 0x1p-18F));
    const float low = small_unsigned_values()[to_small_unsigned(value, 0)];
    const float high = small_unsigned_values()[to_small_unsigned(value, (1u << 19) - 1)];
    EXPECT_LE(low, std::max(value, 0x1p-18F));
    EXPECT_GE(high, value * 0.999999F);
    EXPECT_LE(high - low, std::max(value / 15, 0x1p-18F));
  }
  EXPECT_EQ(to_small_unsigned(1e-30F, 0), 1) << "what is not zero stays so";
  EXPECT_EQ(to_small_unsigned(0, (1u << 19) - 1), 0);
}

// A parameter's own factor and exemption from decay.
TEST(Optimiser, ParametersHaveRatesOfTheirOwn) {
  Executor executor(1);
  std::vector<Parameter> parameters = {
      {.name = "a", .value = vector({1.0F}), .learning_rate = 4},
      {.name = "b", .value = vector({1.0F}), .decays = false},
  };
  const auto optimiser = find_optimiser("sgd").make(parameters, {.weight_decay = 0.5});
  const std::vector<Tensor> gradients = {vector({1.0F}), vector({1.0F})};
  optimiser->step(executor, parameters, gradients, 0.1, 1);
  EXPECT_FLOAT_EQ(parameters[0].value.floats()[0], 1 - 0.4F * 0.5F - 0.4F);
  EXPECT_FLOAT_EQ(parameters[1].value.floats()[0], 1 - 0.1F);
}

// All that an optimiser remembers is in its state: with it, another goes on alike.
TEST(Optimiser, StateIsAllThatItRemembers) {
  for (const OptimiserKind& kind : optimiser_kinds()) {
    SCOPED_TRACE(kind.name);
    Executor executor(1);
    const OptimiserOptions options{.momentum = 0.8};
    std::vector<Parameter> parameters = {{.name = "w", .value = vector({1.0F, -2.0F, 0.5F})}};
    const auto first = kind.make(parameters, options);
    const Tensor gradient = vector(kGradients[0]);
    first->step(executor, parameters, {&gradient, 1}, 0.1, 1);

    std::vector<Parameter> copies = {{.name = "w", .value = vector(floats(parameters[0].value))}};
    const auto second = kind.make(copies, options);
    const auto state = first->state();
    auto filled = second->state();
    ASSERT_EQ(state.size(), filled.size());
    for (size_t i = 0; i < state.size(); ++i) {
      ASSERT_EQ(state[i].name, filled[i].name);
      std::memcpy(filled[i].tensor.mutable_data(), state[i].tensor.data(),
                  static_cast<size_t>(state[i].tensor.size_bytes()));
    }
    const Tensor next = vector(kGradients[1]);
    first->step(executor, parameters, {&next, 1}, 0.1, 2);
    second->step(executor, copies, {&next, 1}, 0.1, 2);
    EXPECT_EQ(floats(parameters[0].value), floats(copies[0].value));
  }
}

TEST(Optimiser, KnowsHowMuchItWillRemember) {
  for (const OptimiserKind& kind : optimiser_kinds()) {
    for (const double momentum : {0.0, 0.8}) {
      SCOPED_TRACE(fmt::format("{}, momentum {}", kind.name, momentum));
      const OptimiserOptions options{.momentum = momentum};
      const std::vector<Parameter> parameters = {{.name = "embedding", .value = Tensor::f32({300, 7})},
                                                 {.name = "layers.0.mlp.up", .value = Tensor::f32({5, 130})},
                                                 {.name = "norm", .value = Tensor::f32({9})}};
      int64_t said = 0, held = 0;
      for (const Parameter& parameter : parameters) {
        said += kind.state_bytes(parameter.name, parameter.value.shape(), options);
      }
      for (const NamedTensor& named : kind.make(parameters, options)->state()) held += named.tensor.size_bytes();
      EXPECT_EQ(said, held);
    }
  }
}

TEST(Optimiser, NormIsThatOfAllGradientsOnAnyNumberOfThreads) {
  std::vector<Tensor> gradients = {Tensor::f32({100'000}), vector({3.0F, 4.0F})};
  for (int64_t i = 0; i < 100'000; ++i) gradients[0].mutable_floats()[i] = 0.01F * static_cast<float>(i % 7);
  double squares = 25;
  for (int64_t i = 0; i < 100'000; ++i) {
    squares += std::pow(static_cast<double>(gradients[0].floats()[i]), 2);
  }
  Executor one(1), three(3);
  const double norm = gradient_norm(one, gradients);
  EXPECT_NEAR(norm, std::sqrt(squares), 1e-9);
  EXPECT_EQ(gradient_norm(three, gradients), norm);
  scale_gradients(three, gradients, 0.5);
  EXPECT_NEAR(gradient_norm(one, gradients), norm / 2, 1e-6);
}

TEST(Optimiser, UnknownNamesAreRefusedWithTheKnownOnes) { EXPECT_THROW(find_optimiser("adam9"), Error); }

}  // namespace
}  // namespace pelton
