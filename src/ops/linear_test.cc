#include "ops/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "ops/elementwise.h"
#include "quant/blocks.h"
#include "quant/half.h"

namespace pelton {
namespace {

constexpr ElementType kAllTypes[] = {ElementType::kF32,  ElementType::kF16,  ElementType::kBF16, ElementType::kQ4_0,
                                     ElementType::kQ4_1, ElementType::kQ5_0, ElementType::kQ5_1, ElementType::kQ8_0,
                                     ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K};
constexpr ElementType kInt8Types[] = {ElementType::kQ4_0, ElementType::kQ4_1, ElementType::kQ5_0, ElementType::kQ5_1,
                                      ElementType::kQ8_0, ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K};

std::vector<float> random_floats(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = rng.next_symmetric();
  return values;
}

struct Weight {
  Tensor tensor;              // deliberately at an odd address
  std::vector<float> values;  // [n, k], decoded
};

Weight make_weight(ElementType type, int64_t n, int64_t k) {
  Weight weight;
  weight.values = random_floats(n * k, 17);
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(type, n * k)) + 1);
  encode_function(type)(weight.values.data(), bytes->data() + 1, n * k);
  decode_function(type)(bytes->data() + 1, weight.values.data(), n * k);
  weight.tensor = Tensor(type, {n, k}, bytes->data() + 1, bytes);
  return weight;
}

std::vector<float> run_linear(int threads, const Weight& weight, ActivationType activations, const float* x,
                              int64_t m) {
  Executor executor(threads);
  const LinearWeight linear_weight(executor, weight.tensor, activations);
  LinearInput input;
  input.set(x, m, linear_weight.input_size());
  std::vector<float> y(static_cast<size_t>(m * linear_weight.output_size()), std::nanf(""));
  linear(executor, input, linear_weight, y.data());
  return y;
}

class LinearTypes : public testing::TestWithParam<ElementType> {};

TEST_P(LinearTypes, EveryPathOfFloat32GivesTheSame) {
  const int64_t n = 37;
  const int64_t k = 512;
  const Weight weight = make_weight(GetParam(), n, k);
  Executor executor(2);
  const LinearWeight linear_weight(executor, weight.tensor, ActivationType::kF32);
  for (const int64_t m : {1, 9}) {
    const std::vector<float> x = random_floats(m * k, 23);
    LinearInput input;
    input.set(x.data(), m, k);
    const std::vector<float> expected = run_linear(2, weight, ActivationType::kF32, x.data(), m);
    for (const LinearPath path : {LinearPath::kDots, LinearPath::kGemm}) {
      SCOPED_TRACE(linear_path_name(path));
      std::vector<float> y(static_cast<size_t>(m * n), std::nanf(""));
      linear_by(executor, input, linear_weight, path, y.data());
      for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-4);
      if (path == linear_path(linear_weight)) {
        EXPECT_EQ(y, expected);
      }
    }
  }
}

TEST_P(LinearTypes, F32AgreesWithADoubleProductOfTheDecodedWeight) {
  const int64_t n = 37;
  const int64_t k = 512;
  const Weight weight = make_weight(GetParam(), n, k);
  for (int64_t m : {1, 2, 7, 8, 33}) {
    const std::vector<float> x = random_floats(m * k, 23);
    const std::vector<float> y = run_linear(2, weight, ActivationType::kF32, x.data(), m);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double expected = 0;
        double magnitude = 0;
        for (int64_t l = 0; l < k; ++l) {
          const double term =
              static_cast<double>(weight.values[static_cast<size_t>(j * k + l)]) * x[static_cast<size_t>(i * k + l)];
          expected += term;
          magnitude += std::abs(term);
        }
        ASSERT_NEAR(y[static_cast<size_t>(i * n + j)], expected, 1e-6 * magnitude);
      }
    }
    EXPECT_EQ(run_linear(1, weight, ActivationType::kF32, x.data(), m), y);
    EXPECT_EQ(run_linear(3, weight, ActivationType::kF32, x.data(), m), y);
  }
}

// Training's BF16 form against the form that serving makes of a matrix which lies in BF16.
TEST_P(LinearTypes, RoundedIsTheMatrixInBF16AndItsTranspose) {
  const int64_t n = 37;
  const int64_t k = 512;
  const int64_t m = 5;
  const Weight weight = make_weight(GetParam(), n, k);
  Executor executor(3);
  for (const auto orientation : {LinearWeight::Orientation::kPlain, LinearWeight::Orientation::kTransposed}) {
    const bool is_transposed = orientation == LinearWeight::Orientation::kTransposed;
    Weight expected;
    const Shape shape = is_transposed ? Shape{k, n} : Shape{n, k};
    for (int64_t row = 0; row < shape[0]; ++row) {
      for (int64_t column = 0; column < shape[1]; ++column) {
        const int64_t index = is_transposed ? column * k + row : row * k + column;
        expected.values.push_back(weight.values[static_cast<size_t>(index)]);
      }
    }
    expected.tensor = Tensor(ElementType::kBF16, shape);
    encode_function(ElementType::kBF16)(expected.values.data(), expected.tensor.mutable_data(), n * k);
    const std::vector<float> x = random_floats(m * shape[1], 5);

    const LinearWeight rounded = LinearWeight::rounded(executor, weight.tensor, orientation);
    EXPECT_EQ(rounded.activations(), ActivationType::kBF16);
    LinearInput input;
    input.set(x.data(), m, rounded.input_size());
    std::vector<float> y(static_cast<size_t>(m * rounded.output_size()));
    linear(executor, input, rounded, y.data());
    EXPECT_EQ(y, run_linear(2, expected, ActivationType::kInt8, x.data(), m));
  }
}

TEST_P(LinearTypes, BackwardInputAgreesWithADoubleProduct) {
  const int64_t n = 37;
  const int64_t k = 256;
  const int64_t m = 5;
  const Weight weight = make_weight(GetParam(), n, k);
  const std::vector<float> d_y = random_floats(m * n, 29);
  std::vector<float> d_x(static_cast<size_t>(m * k), std::nanf(""));
  Executor executor(2);
  linear_backward_input(executor, d_y.data(), weight.tensor, m, d_x.data());
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t l = 0; l < k; ++l) {
      double expected = 0;
      double magnitude = 0;
      for (int64_t j = 0; j < n; ++j) {
        const double term =
            static_cast<double>(d_y[static_cast<size_t>(i * n + j)]) * weight.values[static_cast<size_t>(j * k + l)];
        expected += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(d_x[static_cast<size_t>(i * k + l)], expected, 1e-6 * magnitude);
    }
  }
}

const auto kTypeName = [](const auto& test) { return std::string(element_type_name(test.param)); };
INSTANTIATE_TEST_SUITE_P(Types, LinearTypes, testing::ValuesIn(kAllTypes), kTypeName);

class LinearInt8 : public testing::TestWithParam<ElementType> {
 protected:
  // Odd sizes: part of a tile, a single tile for one thread, and (for blocks of 32) half of a unit.
  static constexpr int64_t kN = 55;
  int64_t k() const { return info(GetParam()).block_elements == 256 ? 512 : 352; }
};

TEST_P(LinearInt8, ErrorIsThatOfRoundingTheActivations) {
  const Weight weight = make_weight(GetParam(), kN, k());
  for (int64_t m : {1, 2, 5, 8, 17, 33, 64, 100}) {
    const std::vector<float> x = random_floats(m * k(), 31);
    const std::vector<float> y = run_linear(2, weight, ActivationType::kInt8, x.data(), m);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < kN; ++j) {
        double expected = 0;
        double bound = 0;
        for (int64_t first = 0; first < k(); first += 32) {
          double largest = 0;
          double weights = 0;
          for (int64_t l = first; l < first + 32; ++l) {
            const double w = weight.values[static_cast<size_t>(j * k() + l)];
            const double a = x[static_cast<size_t>(i * k() + l)];
            expected += w * a;
            weights += std::abs(w);
            largest = std::max(largest, std::abs(a));
          }
          // Each activation moves by at most half a step of largest / 127.
          bound += weights * largest / 127 / 2;
        }
        ASSERT_LE(std::abs(y[static_cast<size_t>(i * kN + j)] - expected), bound * 1.0001 + 1e-5);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LinearInt8, testing::ValuesIn(kInt8Types), kTypeName);

class LinearHalf : public testing::TestWithParam<ElementType> {};

TEST_P(LinearHalf, ErrorIsThatOfTheSumsAndOfRoundingTheActivationsToBF16) {
  const int64_t n = 55;
  for (int64_t k : {1, 97, 352}) {
    const Weight weight = make_weight(GetParam(), n, k);
    for (int64_t m : {1, 2, 5, 8, 17, 33}) {
      std::vector<float> x = random_floats(m * k, 31);
      const std::vector<float> y = run_linear(2, weight, ActivationType::kInt8, x.data(), m);
      if (GetParam() == ElementType::kBF16) {
        for (float& value : x) value = f32_from_bf16(bf16_from_f32(value));
      }
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          double expected = 0;
          double magnitude = 0;
          for (int64_t l = 0; l < k; ++l) {
            const double term =
                static_cast<double>(weight.values[static_cast<size_t>(j * k + l)]) * x[static_cast<size_t>(i * k + l)];
            expected += term;
            magnitude += std::abs(term);
          }
          // Each addition of a sum, and that of the two sums, rounds by at most 2^-24 of no more than `magnitude`.
          const double bound = static_cast<double>(k + 1) * 0x1p-24 * magnitude;
          ASSERT_NEAR(y[static_cast<size_t>(i * n + j)], expected, bound) << m << " rows of " << k;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LinearHalf, testing::Values(ElementType::kBF16, ElementType::kF16), kTypeName);

class LinearPacked : public testing::TestWithParam<ElementType> {};

TEST_P(LinearPacked, ARowHasTheSameBitsInEveryBatchAndForEveryThreadCount) {
  const int64_t n = 55;
  const int64_t block_elements = info(GetParam()).block_elements;
  const int64_t k = block_elements == 256 ? 512 : block_elements == 1 ? 351 : 352;
  const Weight weight = make_weight(GetParam(), n, k);
  const int64_t m = 70;
  const std::vector<float> x = random_floats(m * k, 37);
  const std::vector<float> all = run_linear(1, weight, ActivationType::kInt8, x.data(), m);
  EXPECT_EQ(run_linear(2, weight, ActivationType::kInt8, x.data(), m), all);
  EXPECT_EQ(run_linear(3, weight, ActivationType::kInt8, x.data(), m), all);
  for (int64_t rows : {1, 3, 8, 9, 31, 32, 65}) {
    const int64_t first = m - rows;
    const std::vector<float> some = run_linear(2, weight, ActivationType::kInt8, x.data() + first * k, rows);
    EXPECT_EQ(std::memcmp(some.data(), all.data() + first * n, some.size() * sizeof(float)), 0) << rows << " rows";
  }
}

INSTANTIATE_TEST_SUITE_P(Int8Types, LinearPacked, testing::ValuesIn(kInt8Types), kTypeName);
INSTANTIATE_TEST_SUITE_P(HalfTypes, LinearPacked, testing::Values(ElementType::kBF16, ElementType::kF16), kTypeName);

// Formats that Pelton only reads have no encoder and no tiles: both kinds of activations multiply what they decode to.
TEST(Linear, FormatsThatAreOnlyReadMultiplyAsTheyDecode) {
  constexpr int64_t n = 21, k = 512, m = 3;
  for (const ElementType type : {ElementType::kQ2_K, ElementType::kQ3_K, ElementType::kIQ4_NL, ElementType::kIQ4_XS,
                                 ElementType::kMXFP4, ElementType::kTQ2_0}) {
    auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(type, n * k)));
    Rng rng(41);
    // Without these bits no FP16 is infinite and no E8M0 large.
    for (std::byte& byte : *bytes) byte = static_cast<std::byte>(rng.next() & 0xB3);
    const Tensor tensor(type, {n, k}, bytes->data(), bytes);
    std::vector<float> values(static_cast<size_t>(n * k));
    decode_function(type)(bytes->data(), values.data(), n * k);
    const std::vector<float> x = random_floats(m * k, 43);
    for (const ActivationType activations : {ActivationType::kInt8, ActivationType::kF32}) {
      Executor executor(2);
      const LinearWeight weight(executor, tensor, activations);
      EXPECT_EQ(weight.activations(), ActivationType::kF32) << element_type_name(type);
      LinearInput input;
      input.set(x.data(), m, k);
      std::vector<float> y(static_cast<size_t>(m * n));
      linear(executor, input, weight, y.data());
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          double expected = 0, magnitude = 0;
          for (int64_t l = 0; l < k; ++l) {
            const double product = static_cast<double>(x[static_cast<size_t>(i * k + l)]) *
                                   static_cast<double>(values[static_cast<size_t>(j * k + l)]);
            expected += product;
            magnitude += std::abs(product);
          }
          // A float32 sum of k products: k roundings of what is at most their magnitude.
          ASSERT_NEAR(y[static_cast<size_t>(i * n + j)], expected, magnitude * k * 0x1p-24) << element_type_name(type);
        }
      }
    }
  }
}

TEST(Linear, SaysWhatReallyHappens) {
  Executor executor(1);
  const Weight q4_1 = make_weight(ElementType::kQ4_1, 48, 64);
  EXPECT_EQ(LinearWeight(executor, q4_1.tensor, ActivationType::kInt8).activations(), ActivationType::kInt8);
  EXPECT_EQ(LinearWeight(executor, q4_1.tensor, ActivationType::kF32).activations(), ActivationType::kF32);
  EXPECT_EQ(LinearWeight(executor, q4_1.tensor, ActivationType::kInt8).traffic_bytes(), q4_1.tensor.size_bytes());
  const Weight f32 = make_weight(ElementType::kF32, 48, 256);
  EXPECT_EQ(LinearWeight(executor, f32.tensor, ActivationType::kInt8).activations(), ActivationType::kF32);
  EXPECT_EQ(LinearWeight(executor, f32.tensor, ActivationType::kInt8).traffic_bytes(), f32.tensor.size_bytes());
  const Weight bf16 = make_weight(ElementType::kBF16, 48, 50);
  EXPECT_EQ(LinearWeight(executor, bf16.tensor, ActivationType::kInt8).activations(), ActivationType::kBF16);
  EXPECT_EQ(LinearWeight(executor, bf16.tensor, ActivationType::kF32).activations(), ActivationType::kF32);
  EXPECT_EQ(LinearWeight(executor, bf16.tensor, ActivationType::kInt8).traffic_bytes(), bf16.tensor.size_bytes());
  const Weight f16 = make_weight(ElementType::kF16, 37, 50);
  EXPECT_EQ(LinearWeight(executor, f16.tensor, ActivationType::kInt8).activations(), ActivationType::kF32);
  EXPECT_EQ(LinearWeight(executor, f16.tensor, ActivationType::kInt8).traffic_bytes(), 48 * 50 * 2);
}

TEST(Linear, AnInputIsSharedAndReused) {
  Executor executor(2);
  const Weight a = make_weight(ElementType::kQ8_0, 20, 64);
  const Weight b = make_weight(ElementType::kQ4_0, 30, 64);
  const LinearWeight weight_a(executor, a.tensor, ActivationType::kInt8);
  const LinearWeight weight_b(executor, b.tensor, ActivationType::kInt8);
  LinearInput input;
  for (int64_t m : {9, 2, 9}) {
    const std::vector<float> x = random_floats(m * 64, static_cast<uint64_t>(m));
    input.set(x.data(), m, 64);
    std::vector<float> y_a(static_cast<size_t>(m * 20));
    std::vector<float> y_b(static_cast<size_t>(m * 30));
    linear(executor, input, weight_a, y_a.data());
    linear(executor, input, weight_b, y_b.data());
    EXPECT_EQ(y_a, run_linear(1, a, ActivationType::kInt8, x.data(), m));
    EXPECT_EQ(y_b, run_linear(1, b, ActivationType::kInt8, x.data(), m));
  }
  input.set(nullptr, 0, 64);
  linear(executor, input, weight_a, nullptr);  // no rows: nothing to do
}

// Types with and without an int8 path side by side; rows for the dot products, for the GEMM, and for long tails.
class SharedProducts : public testing::TestWithParam<ActivationType> {
 protected:
  static constexpr int64_t kK = 256;
  static constexpr int64_t kF = 160;
  static constexpr int64_t kRowCounts[] = {1, 2, 7, 8, 37};

  std::vector<float> expected(const Weight& weight, const std::vector<float>& x, int64_t m) const {
    return run_linear(1, weight, GetParam(), x.data(), m);
  }
};

TEST_P(SharedProducts, AGroupGivesTheBitsOfEachProductAlone) {
  const Weight weights[] = {make_weight(ElementType::kQ4_1, 75, kK), make_weight(ElementType::kBF16, 16, kK),
                            make_weight(ElementType::kQ8_0, 5, kK), make_weight(ElementType::kF32, 33, kK)};
  for (const int thread_count : {1, 2, 3, 8}) {
    Executor executor(thread_count);
    for (const int64_t m : kRowCounts) {
      const std::vector<float> x = random_floats(m * kK, static_cast<uint64_t>(m));
      LinearInput input;
      input.set(x.data(), m, kK);
      std::vector<LinearWeight> linear_weights;
      std::vector<std::vector<float>> y;
      for (const Weight& weight : weights) {
        linear_weights.emplace_back(executor, weight.tensor, GetParam());
        y.emplace_back(static_cast<size_t>(m * linear_weights.back().output_size()), std::nanf(""));
      }
      std::vector<LinearProduct> products;
      for (size_t i = 0; i < y.size(); ++i) products.push_back({&linear_weights[i], y[i].data()});
      linear_group(executor, input, products);
      for (size_t i = 0; i < y.size(); ++i) {
        EXPECT_EQ(y[i], expected(weights[i], x, m)) << i << ", " << m << " rows, " << thread_count << " threads";
      }
    }
  }
}

TEST_P(SharedProducts, GatedLinearGivesTheBitsOfItsChain) {
  const Weight weights[] = {make_weight(ElementType::kQ4_1, kF, kK), make_weight(ElementType::kF32, kF, kK),
                            make_weight(ElementType::kBF16, kF, kK)};
  const Weight down = make_weight(ElementType::kQ8_0, 20, kF);
  for (const int thread_count : {1, 2, 3}) {
    Executor executor(thread_count);
    const LinearWeight down_weight(executor, down.tensor, GetParam());
    for (size_t i = 0; i < 9; ++i) {
      const Weight& gating = weights[i / 3];
      const Weight& up = weights[i % 3];
      const LinearWeight gate_weight(executor, gating.tensor, GetParam());
      const LinearWeight up_weight(executor, up.tensor, GetParam());
      for (const int64_t m : kRowCounts) {
        const std::vector<float> x = random_floats(m * kK, static_cast<uint64_t>(m));
        std::vector<float> plain = expected(gating, x, m);
        const Nonlinearity f = i % 2 == 0 ? Nonlinearity::kSilu : Nonlinearity::kGelu;
        gate(executor, f, plain.data(), expected(up, x, m).data(), m * kF, plain.data());

        for (const bool leaves_int8 : {false, true}) {
          LinearInput input;
          input.set(x.data(), m, kK);
          std::vector<float> y(plain.size(), std::nanf(""));
          LinearInput y_input;
          y_input.set(y.data(), m, kF);
          gated_linear(executor, input, {&gate_weight, &up_weight, f}, y.data(), leaves_int8 ? &y_input : nullptr);
          EXPECT_EQ(y, plain) << i << ", " << m << " rows, " << thread_count << " threads";
          std::vector<float> z(static_cast<size_t>(m * 20));
          linear(executor, y_input, down_weight, z.data());
          EXPECT_EQ(z, expected(down, plain, m)) << i << ", " << m << " rows, " << thread_count << " threads";
        }
      }
    }
  }
}

// Groups of every size beside each other, empty ones too, with weights of different types.
TEST_P(SharedProducts, RowsByGroupHaveTheBitsOfTheirWeightAlone) {
  const Range groups[] = {{0, 1}, {1, 1}, {1, 39}, {39, 42}, {42, 42}};
  constexpr int64_t kRows = 42;
  const ElementType types[] = {ElementType::kQ4_1, ElementType::kBF16, ElementType::kQ8_0, ElementType::kF32,
                               ElementType::kF16};
  const std::vector<float> x = random_floats(kRows * kK, 5);
  Tensor bias = Tensor::f32({kF});
  std::copy_n(random_floats(kF, 6).begin(), kF, bias.mutable_floats());
  const GateFunction f(ClampedGate{.steepness = 1.7f, .limit = 0.5f});
  for (const int thread_count : {1, 2, 3, 8}) {
    Executor executor(thread_count);
    std::vector<LinearWeight> weights;
    std::vector<BiasedWeight> biased;
    std::vector<GatedWeights> gated;
    for (const ElementType type : types) {
      weights.emplace_back(executor, make_weight(type, kF, kK).tensor, GetParam());
    }
    for (size_t i = 0; i < std::size(types); ++i) {
      biased.push_back({&weights[i], i == 3 ? bias : Tensor()});
      gated.push_back({biased[i], {&weights[(i + 1) % std::size(types)], bias}});
    }
    LinearInput input;
    input.set(x.data(), kRows, kK);
    std::vector<float> y(kRows * kF, std::nanf(""));
    linear_by_group(executor, input, groups, biased, y.data());
    std::vector<float> h(kRows * kF, std::nanf(""));
    LinearInput h_input;
    h_input.set(h.data(), kRows, kF);
    gated_linear_by_group(executor, input, groups, gated, f, h.data(), &h_input);
    const LinearWeight down(executor, make_weight(ElementType::kQ8_0, 20, kF).tensor, GetParam());
    std::vector<float> z(kRows * 20);
    linear(executor, h_input, down, z.data());
    LinearInput h_again;
    h_again.set(h.data(), kRows, kF);
    std::vector<float> z_again(z.size());
    linear(executor, h_again, down, z_again.data());
    EXPECT_EQ(z, z_again) << "the int8 form that it left";

    const auto alone = [&](const BiasedWeight& weight, const Range& rows) {
      LinearInput part;
      part.set(x.data() + rows.begin * kK, rows.end - rows.begin, kK);
      std::vector<float> result(static_cast<size_t>((rows.end - rows.begin) * kF));
      linear(executor, part, *weight.weight, result.data());
      if (!weight.bias.is_empty()) {
        add_bias(executor, weight.bias.floats(), rows.end - rows.begin, kF, result.data());
      }
      return result;
    };
    for (size_t i = 0; i < std::size(groups); ++i) {
      const Range rows = groups[i];
      const auto of_group = [&](const std::vector<float>& all) {
        return std::vector<float>(all.begin() + rows.begin * kF, all.begin() + rows.end * kF);
      };
      EXPECT_EQ(of_group(y), alone(biased[i], rows)) << i << ", " << thread_count << " threads";
      std::vector<float> plain = alone(gated[i].gate, rows);
      gate(executor, f, plain.data(), alone(gated[i].up, rows).data(), (rows.end - rows.begin) * kF, plain.data());
      EXPECT_EQ(of_group(h), plain) << i << ", " << thread_count << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, SharedProducts, testing::Values(ActivationType::kF32, ActivationType::kInt8),
                         [](const auto& test) { return test.param == ActivationType::kF32 ? "F32" : "Int8"; });

TEST(Linear, BackwardWeightAddsTheOuterProducts) {
  const int64_t m = 19;
  const int64_t k = 33;
  const int64_t n = 21;
  const std::vector<float> x = random_floats(m * k, 41);
  const std::vector<float> d_y = random_floats(m * n, 43);
  std::vector<float> d_weight(static_cast<size_t>(n * k), 0.5f);
  Executor executor(2);
  linear_backward_weight(executor, x.data(), d_y.data(), m, k, n, d_weight.data());
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t l = 0; l < k; ++l) {
      double expected = 0.5;
      for (int64_t i = 0; i < m; ++i) {
        expected += static_cast<double>(d_y[static_cast<size_t>(i * n + j)]) * x[static_cast<size_t>(i * k + l)];
      }
      ASSERT_NEAR(d_weight[static_cast<size_t>(j * k + l)], expected, 1e-5);
    }
  }
}

}  // namespace
}  // namespace pelton
