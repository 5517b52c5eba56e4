// Products with what adapters add, against sums in double precision, and against themselves in other company.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "ops/linear.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

Tensor random_tensor(Rng& rng, Shape shape) {
  Tensor tensor = Tensor::f32(shape);
  for (int64_t i = 0; i < shape.element_count(); ++i) tensor.mutable_floats()[i] = rng.next_symmetric();
  return tensor;
}

Tensor encoded(const Tensor& floats, ElementType type) {
  Tensor tensor(type, floats.shape());
  encode_function(type)(floats.floats(), tensor.mutable_data(), floats.shape().element_count());
  return tensor;
}

// A base and two adapters of different ranks for it.
struct Matrices {
  Matrices(Executor& executor, int64_t output_size, int64_t input_size, ActivationType activations)
      : rng(static_cast<uint64_t>(output_size * 1000 + input_size)) {
    const ElementType type = activations == ActivationType::kInt8 ? ElementType::kBF16 : ElementType::kF32;
    const auto ready = [&](const Tensor& tensor) {
      return LinearWeight(executor, type == ElementType::kF32 ? tensor : encoded(tensor, type), activations);
    };
    weight = ready(random_tensor(rng, {output_size, input_size}));
    for (const int64_t rank : {5, 16, 24}) {
      a.push_back(random_tensor(rng, {rank, input_size}));
      b.push_back(random_tensor(rng, {output_size, rank}));
      adapters.push_back({ready(a.back()), ready(b.back())});
    }
    of_rows = {.factors = random_tensor(rng, {output_size}), .addend = random_tensor(rng, {output_size})};
    of_columns = {.input_factors = random_tensor(rng, {input_size})};
  }

  // What the adapter adds to an output.
  double addend(size_t adapter, const float* x, int64_t column) const {
    double sum = 0;
    for (int64_t r = 0; r < a[adapter].shape()[0]; ++r) {
      double low = 0;
      for (int64_t k = 0; k < a[adapter].shape()[1]; ++k) {
        low += double{a[adapter].floats()[r * a[adapter].shape()[1] + k]} * x[k];
      }
      sum += low * b[adapter].floats()[column * a[adapter].shape()[0] + r];
    }
    return sum;
  }

  Rng rng;
  LinearWeight weight;
  std::vector<Tensor> a;
  std::vector<Tensor> b;
  std::vector<AdapterTerm> adapters;
  AdapterTerm of_rows;     // what multiplies rows of the weight alone,
  AdapterTerm of_columns;  // and columns
};

class AdapterTermsBy : public testing::TestWithParam<ActivationType> {};

TEST_P(AdapterTermsBy, AddsToItsRowsAndToNoOthers) {
  Executor executor(2);
  for (const auto& [output_size, input_size] : {std::pair<int64_t, int64_t>{33, 40}, {300, 96}, {16, 31}}) {
    Matrices matrices(executor, output_size, input_size, GetParam());
    constexpr int64_t kRows = 70;
    const Tensor x = random_tensor(matrices.rng, {kRows, input_size});
    const std::vector<AdaptedRows> rows = {{{2, 3}, &matrices.adapters[0]},
                                           {{3, 40}, &matrices.adapters[1]},
                                           {{69, 70}, &matrices.adapters[2]},
                                           {{50, 52}, &matrices.adapters[0]}};
    LinearInput input;
    input.set(x.floats(), kRows, input_size);
    std::vector<float> plain(static_cast<size_t>(kRows * output_size));
    std::vector<float> adapted(plain.size());
    linear(executor, input, matrices.weight, plain.data());
    linear(executor, input, matrices.weight, adapted.data(), rows);
    // BF16 rounds A, B, x and A x to 8 bits: each product within 4 · 2^-9 of its size, and sums of R · K of them.
    const double tolerance = GetParam() == ActivationType::kInt8 ? 0.02 * std::sqrt(24.0 * 96) : 1e-3;
    for (int64_t row = 0; row < kRows; ++row) {
      const AdaptedRows* own = nullptr;
      for (const AdaptedRows& group : rows) {
        if (row >= group.rows.begin && row < group.rows.end) own = &group;
      }
      for (int64_t column = 0; column < output_size; ++column) {
        const auto i = static_cast<size_t>(row * output_size + column);
        if (own == nullptr) {
          ASSERT_EQ(adapted[i], plain[i]) << "row " << row;
          continue;
        }
        const auto adapter = static_cast<size_t>(own->term - matrices.adapters.data());
        ASSERT_NEAR(adapted[i], plain[i] + matrices.addend(adapter, x.floats() + row * input_size, column), tolerance)
            << output_size << " x " << input_size << ", row " << row << ", column " << column;
      }
    }
  }
}

TEST_P(AdapterTermsBy, FactorsMultiplyWhatGoesInOrComesOut) {
  Executor executor(2);
  for (const auto& size : {std::pair<int64_t, int64_t>{33, 40}, {300, 96}}) {
    const int64_t output_size = size.first, input_size = size.second;  // clang 14 captures no bindings
    Matrices matrices(executor, output_size, input_size, GetParam());
    constexpr int64_t kRows = 9;
    const Tensor x = random_tensor(matrices.rng, {kRows, input_size});
    Tensor scaled = Tensor::f32({kRows, input_size});
    for (int64_t i = 0; i < kRows * input_size; ++i) {
      scaled.mutable_floats()[i] = x.floats()[i] * matrices.of_columns.input_factors.floats()[i % input_size];
    }
    const auto product = [&](const Tensor& rows_in, const std::vector<AdaptedRows>& adapted) {
      LinearInput input;
      input.set(rows_in.floats(), kRows, input_size);
      std::vector<float> y(static_cast<size_t>(kRows * output_size));
      linear(executor, input, matrices.weight, y.data(), adapted);
      return y;
    };
    const std::vector<float> plain = product(x, {}), of_scaled = product(scaled, {});
    const std::vector<float> adapted = product(x, {{{1, 4}, &matrices.of_rows}, {{4, 8}, &matrices.of_columns}});
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t column = 0; column < output_size; ++column) {
        const auto i = static_cast<size_t>(row * output_size + column);
        if (row >= 1 && row < 4) {
          const float factor = matrices.of_rows.factors.floats()[column],
                      addend = matrices.of_rows.addend.floats()[column];
          ASSERT_NEAR(adapted[i], plain[i] * factor + addend, 1e-5) << "row " << row;
        } else {
          ASSERT_EQ(adapted[i], row >= 4 && row < 8 ? of_scaled[i] : plain[i]) << "row " << row;
        }
      }
    }
  }
}

// Each row alone, on one thread, gives the bits that it gives in a crowd, on two; whichever function makes the product.
TEST_P(AdapterTermsBy, CompanyChangesNoBit) {
  Executor executor(2), single(1);
  constexpr int64_t kRows = 20, kInput = 64, kOutput = 320;
  Matrices matrices(executor, kOutput, kInput, GetParam());
  const Tensor x = random_tensor(matrices.rng, {kRows, kInput});
  const std::vector<AdaptedRows> rows = {{{0, 7}, &matrices.adapters[0]},
                                         {{7, 12}, &matrices.adapters[1]},
                                         {{12, 15}, &matrices.of_rows},
                                         {{15, 19}, &matrices.of_columns}};
  LinearInput input;
  input.set(x.floats(), kRows, kInput);
  std::vector<float> together(kRows * kOutput);
  linear(executor, input, matrices.weight, together.data(), rows);

  std::vector<float> gated(kRows * kOutput), silu(kRows * kOutput);
  gated_linear(executor, input, {.gate = &matrices.weight, .up = &matrices.weight, .gate_adapted = rows}, gated.data(),
               nullptr);
  std::vector<float> plain(kRows * kOutput);
  linear(executor, input, matrices.weight, plain.data());
  gate(executor, {Nonlinearity::kSilu}, together.data(), plain.data(), kRows * kOutput, silu.data());
  EXPECT_EQ(gated, silu);

  LargestRows largest;
  linear_largest(executor, input, matrices.weight, 1, largest, rows);
  for (int64_t row = 0; row < kRows; ++row) {
    LinearInput one;
    one.set(x.floats() + row * kInput, 1, kInput);
    std::vector<float> alone(kOutput);
    std::vector<AdaptedRows> own;
    for (const auto& [range, term] : rows) {
      if (row >= range.begin && row < range.end) own.push_back({{0, 1}, term});
    }
    linear(single, one, matrices.weight, alone.data(), own);
    EXPECT_EQ(alone, std::vector<float>(together.begin() + row * kOutput, together.begin() + (row + 1) * kOutput));
    const auto best = std::max_element(alone.begin(), alone.end());
    EXPECT_EQ(largest.row(row)[0].id, best - alone.begin());
    EXPECT_EQ(largest.row(row)[0].value, *best);
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, AdapterTermsBy, testing::Values(ActivationType::kF32, ActivationType::kInt8),
                         [](const auto& test) { return test.param == ActivationType::kF32 ? "F32" : "Int8"; });

}  // namespace
}  // namespace pelton
