#include "ops/routing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "ops/gradient_check.h"

namespace pelton {
namespace {

double plain_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

std::vector<int64_t> in_descending_order(const std::vector<double>& values) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
  });
  return order;
}

// The same in double precision, one row at a time: (expert, weight), the best first.
std::vector<std::pair<int64_t, double>> plain_choice(const RoutingShape& shape, const double* logits,
                                                     const float* correction = nullptr) {
  std::vector<double> ranks(logits, logits + shape.expert_count);
  for (size_t i = 0; i < ranks.size() && shape.has_sigmoids(); ++i) {
    ranks[i] = plain_sigmoid(ranks[i]) + (correction == nullptr ? 0 : static_cast<double>(correction[i]));
  }
  const auto size = static_cast<size_t>(shape.expert_count / shape.group_count);
  std::vector<double> groups;
  for (size_t first = 0; first < ranks.size() && shape.group_count > 1; first += size) {
    std::vector<double> members(ranks.begin() + static_cast<ptrdiff_t>(first),
                                ranks.begin() + static_cast<ptrdiff_t>(first + size));
    std::sort(members.rbegin(), members.rend());
    groups.push_back(shape.has_sigmoids() ? members[0] + members[1] : members[0]);
  }
  const std::vector<int64_t> best_groups = in_descending_order(groups);
  for (size_t i = static_cast<size_t>(shape.active_group_count); i < best_groups.size(); ++i) {
    for (size_t member = 0; member < size; ++member) ranks[static_cast<size_t>(best_groups[i]) * size + member] = -1e30;
  }
  const std::vector<int64_t> order = in_descending_order(ranks);
  if (shape.has_sigmoids()) {
    std::vector<std::pair<int64_t, double>> choice;
    double total = 0;
    for (int64_t i = 0; i < shape.active_count; ++i) {
      const int64_t expert = order[static_cast<size_t>(i)];
      choice.emplace_back(expert, plain_sigmoid(logits[expert]));
      total += choice.back().second;
    }
    if (shape.weights == RoutingWeights::kSigmoid) total = 1;
    for (auto& [expert, weight] : choice) weight *= static_cast<double>(shape.scale) / total;
    return choice;
  }
  double sum = 0;
  const size_t counted =
      shape.weights == RoutingWeights::kSoftmaxOfAll ? order.size() : static_cast<size_t>(shape.active_count);
  for (size_t i = 0; i < counted; ++i) sum += std::exp(logits[order[i]]);
  std::vector<std::pair<int64_t, double>> choice;
  for (int64_t i = 0; i < shape.active_count; ++i) {
    const int64_t expert = order[static_cast<size_t>(i)];
    choice.emplace_back(expert, static_cast<double>(shape.scale) * std::exp(logits[expert]) / sum);
  }
  return choice;
}

constexpr RoutingShape kShapes[] = {
    {.expert_count = 1, .active_count = 1},
    {.expert_count = 8, .active_count = 2},
    {.expert_count = 5, .active_count = 5},
    {.expert_count = 130, .active_count = 8, .weights = RoutingWeights::kSoftmaxOfAll},
    {.expert_count = 12, .active_count = 3, .weights = RoutingWeights::kSigmoid, .scale = 2.5f},
    {.expert_count = 12,
     .active_count = 3,
     .weights = RoutingWeights::kSoftmaxOfAll,
     .scale = 3,
     .group_count = 4,
     .active_group_count = 2},
    {.expert_count = 64,
     .active_count = 6,
     .weights = RoutingWeights::kSigmoidOfChosen,
     .scale = 2.5f,
     .group_count = 8,
     .active_group_count = 3},
};

TEST(Routing, SendsEachRowToItsLargestLogitsInTheOrderOfExperts) {
  for (const int thread_count : {1, 3}) {
    Executor executor(thread_count);
    Routing routing;
    for (const RoutingShape& shape : kShapes) {
      for (const int64_t row_count : {1, 7, 400}) {
        Rng rng(11);
        const std::vector<float> logits = random_floats(rng, row_count * shape.expert_count, 3);
        const std::vector<float> correction = random_floats(rng, shape.expert_count, 0.3f);
        const float* added = shape.has_sigmoids() ? correction.data() : nullptr;
        routing.set(executor, shape, logits.data(), row_count, added);
        const Doubles exact = to_doubles(logits);

        int64_t next = 0;
        for (const Range& slots : routing.slots_of_experts()) {
          EXPECT_EQ(slots.begin, next);
          next = slots.end;
          const auto rows =
              routing.rows().subspan(static_cast<size_t>(slots.begin), static_cast<size_t>(slots.end - slots.begin));
          EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
        }
        ASSERT_EQ(next, row_count * shape.active_count);
        for (int64_t row = 0; row < row_count; ++row) {
          auto expected = plain_choice(shape, exact.data() + row * shape.expert_count, added);
          std::sort(expected.begin(), expected.end());
          for (size_t i = 0; i < expected.size(); ++i) {
            const int32_t slot = routing.slots_of_row(row)[i];
            const Range slots = routing.slots_of_experts()[static_cast<size_t>(expected[i].first)];
            ASSERT_TRUE(slots.begin <= slot && slot < slots.end) << "row " << row;
            ASSERT_EQ(routing.rows()[static_cast<size_t>(slot)], row);
            ASSERT_NEAR(routing.weights()[static_cast<size_t>(slot)], expected[i].second, 1e-6);
          }
        }
      }
    }
  }
}

TEST(Routing, OfEqualLogitsTheFirstExpertsAreChosen) {
  Executor executor(1);
  Routing routing;
  const std::vector<float> logits = {1, 2, 2, 2};
  routing.set(executor, {.expert_count = 4, .active_count = 2}, logits.data(), 1);
  EXPECT_EQ(routing.slots_of_experts()[1].end - routing.slots_of_experts()[1].begin, 1);
  EXPECT_EQ(routing.slots_of_experts()[2].end - routing.slots_of_experts()[2].begin, 1);
  EXPECT_EQ(routing.weights()[0], 0.5f);
}

TEST(Routing, GathersAndCombines) {
  Executor executor(2);
  Routing routing;
  Rng rng(12);
  const RoutingShape shape = {.expert_count = 6, .active_count = 3};
  const std::vector<float> logits = random_floats(rng, 40 * 6, 2);
  const std::vector<float> x = random_floats(rng, 40 * 9);
  routing.set(executor, shape, logits.data(), 40);
  std::vector<float> slots(40 * 3 * 9);
  gather_rows(executor, routing, x.data(), 9, slots.data());
  std::vector<float> y(x.size());
  combine_slots(executor, routing, slots.data(), 9, y.data());
  // The weights of a row sum to 1.
  for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], x[i], 1e-6);
  sum_slots(executor, routing, slots.data(), 9, y.data());
  for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], 3 * x[i], 1e-6);
}

TEST(Routing, HasTheGradientsOfTheDefinition) {
  Executor executor(2);
  for (const RoutingWeights weights : {RoutingWeights::kSoftmaxOfChosen, RoutingWeights::kSoftmaxOfAll,
                                       RoutingWeights::kSigmoid, RoutingWeights::kSigmoidOfChosen}) {
    const RoutingShape shape = {.expert_count = 6, .active_count = 2, .weights = weights, .scale = 1.5f};
    constexpr int64_t kRows = 5, kWidth = 4;
    Rng rng(13);
    const std::vector<float> logits = random_floats(rng, kRows * 6, 2);
    const std::vector<float> d_y = random_floats(rng, kRows * kWidth);
    Routing routing;
    routing.set(executor, shape, logits.data(), kRows);
    const std::vector<float> x = random_floats(rng, routing.slot_count() * kWidth);
    std::vector<float> d_x(x.size());
    std::vector<float> d_logits(logits.size());
    combine_slots_backward(executor, routing, logits.data(), x.data(), d_y.data(), kWidth,
                           {d_x.data(), d_logits.data()});

    const auto loss = [&](const Doubles& at_logits, const Doubles& at_x) {
      Doubles y(kRows * kWidth);
      for (int64_t row = 0; row < kRows; ++row) {
        for (const auto& [expert, weight] : plain_choice(shape, at_logits.data() + row * 6)) {
          const Range slots = routing.slots_of_experts()[static_cast<size_t>(expert)];
          int64_t slot = slots.begin;
          while (routing.rows()[static_cast<size_t>(slot)] != row) ++slot;
          for (int64_t i = 0; i < kWidth; ++i) {
            y[static_cast<size_t>(row * kWidth + i)] += weight * at_x[static_cast<size_t>(slot * kWidth + i)];
          }
        }
      }
      return weighted_sum(y, d_y);
    };
    // Weights are within a few ulp of the softmax, and so are products with them.
    EXPECT_LE(gradient_error(
                  d_x, [&](const Doubles& at) { return loss(to_doubles(logits), at); }, to_doubles(x)),
              0x1p-20);
    EXPECT_LE(gradient_error(
                  d_logits, [&](const Doubles& at) { return loss(at, to_doubles(x)); }, to_doubles(logits)),
              0x1p-18);
  }
}

}  // namespace
}  // namespace pelton
