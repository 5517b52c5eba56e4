// Optimisers against their papers' formulas, computed elsewhere in double precision over three steps.
#include "train/optimiser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

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
      std::copy_n(state[i].tensor.floats(), state[i].tensor.shape().element_count(), filled[i].tensor.mutable_floats());
    }
    const Tensor next = vector(kGradients[1]);
    first->step(executor, parameters, {&next, 1}, 0.1, 2);
    second->step(executor, copies, {&next, 1}, 0.1, 2);
    EXPECT_EQ(floats(parameters[0].value), floats(copies[0].value));
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
