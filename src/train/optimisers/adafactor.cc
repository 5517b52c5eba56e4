// Adafactor (Shazeer, Stern 2018, arXiv 1804.04235) with a given learning rate, as transformers has it without relative
// steps: of a matrix' squared gradients only the means of rows and columns are remembered, no mean of the gradients at
// all; an update whose root mean square is over 1 is scaled down to that.
#include <algorithm>
#include <array>
#include <cmath>

#include "train/optimisers/parameter_loop.h"

namespace pelton {
namespace {

constexpr double kDecayExponent = 0.8;  // β₂ of step t is 1 - t^-0.8
constexpr double kSquareMin = 1e-30;    // ε₁
constexpr double kUpdateMax = 1;        // d
constexpr int64_t kColumnBlock = 64;

bool is_factored(const Shape& shape) { return shape.rank() == 2 && shape[0] > 1 && shape[1] > 1; }

class Adafactor final : public Optimiser {
 public:
  Adafactor(std::span<const Parameter> parameters, const OptimiserOptions& options) : options_(options) {
    for (const Parameter& parameter : parameters) {
      const Shape& shape = parameter.value.shape();
      if (is_factored(parameter.value.shape())) {
        states_.push_back({parameter.name, Tensor::f32({shape[0]}), Tensor::f32({shape[1]}), {}});
      } else {
        states_.push_back({parameter.name, {}, {}, Tensor::f32(shape)});
      }
    }
  }

  void step(Executor& executor, std::span<Parameter> parameters, std::span<const Tensor> gradients,
            double learning_rate, int64_t step) override {
    const double beta2 = 1 - std::pow(static_cast<double>(step), -kDecayExponent);
    for (size_t i = 0; i < parameters.size(); ++i) {
      Parameter& parameter = parameters[i];
      const double rate = learning_rate * parameter.learning_rate;
      const double kept = parameter.decays ? 1 - rate * options_.weight_decay : 1;
      if (is_factored(parameter.value.shape())) {
        step_matrix(executor, parameter.value, gradients[i].floats(), states_[i], beta2, rate, kept);
      } else {
        step_vector(executor, parameter.value, gradients[i].floats(), states_[i].squares, beta2, rate, kept);
      }
    }
  }

  std::vector<NamedTensor> state() override {
    std::vector<NamedTensor> state;
    for (const State& one : states_) {
      if (one.squares.is_empty()) {
        state.push_back({"rows." + one.name, one.rows});
        state.push_back({"columns." + one.name, one.columns});
      } else {
        state.push_back({"squares." + one.name, one.squares});
      }
    }
    return state;
  }

 private:
  struct State {
    std::string name;
    Tensor rows, columns;  // of a matrix: means of squares
    Tensor squares;        // of anything else
  };

  static void step_matrix(Executor& executor, Tensor& value, const float* gradient, State& state, double beta2,
                          double rate, double kept) {
    const int64_t row_count = value.shape()[0], column_count = value.shape()[1];
    const int64_t row_grain = std::max<int64_t>(1, kParameterGrain / column_count);
    float* rows = state.rows.mutable_floats();
    float* columns = state.columns.mutable_floats();
    const auto blend = [&](float old, double mean) {
      return static_cast<float>(beta2 * static_cast<double>(old) + (1 - beta2) * mean);
    };
    executor.parallel_for(row_count, row_grain, [&](Range range) {
      for (int64_t row = range.begin; row < range.end; ++row) {
        double sum = 0;
        for (int64_t column = 0; column < column_count; ++column) {
          const double g = gradient[row * column_count + column];
          sum += g * g + kSquareMin;
        }
        rows[row] = blend(rows[row], sum / static_cast<double>(column_count));
      }
    });
    executor.parallel_for(column_count, kColumnBlock, [&](Range range) {
      for (int64_t first = range.begin; first < range.end; first += kColumnBlock) {
        const int64_t count = std::min(kColumnBlock, range.end - first);
        std::array<double, kColumnBlock> sums{};
        for (int64_t row = 0; row < row_count; ++row) {
          const float* line = gradient + row * column_count + first;
          for (int64_t i = 0; i < count; ++i) {
            const double g = line[i];
            sums[static_cast<size_t>(i)] += g * g + kSquareMin;
          }
        }
        for (int64_t i = 0; i < count; ++i) {
          columns[first + i] = blend(columns[first + i], sums[static_cast<size_t>(i)] / static_cast<double>(row_count));
        }
      }
    });

    double row_sum = 0;
    for (int64_t row = 0; row < row_count; ++row) row_sum += rows[row];
    const double row_mean = row_sum / static_cast<double>(row_count);
    std::vector<float> column_roots(static_cast<size_t>(column_count));
    for (int64_t column = 0; column < column_count; ++column) {
      column_roots[static_cast<size_t>(column)] = 1 / std::sqrt(columns[column]);
    }
    const auto update_at = [&](int64_t row, int64_t column, float row_root) {
      return gradient[row * column_count + column] * row_root * column_roots[static_cast<size_t>(column)];
    };
    const auto row_root = [&](int64_t row) { return static_cast<float>(std::sqrt(row_mean / rows[row])); };
    std::vector<double> squares(static_cast<size_t>(row_count));
    executor.parallel_for(row_count, row_grain, [&](Range range) {
      for (int64_t row = range.begin; row < range.end; ++row) {
        double sum = 0;
        for (int64_t column = 0; column < column_count; ++column) {
          const double update = update_at(row, column, row_root(row));
          sum += update * update;
        }
        squares[static_cast<size_t>(row)] = sum;
      }
    });
    const auto size = static_cast<float>(rate / excess(squares, row_count * column_count));
    float* values = value.mutable_floats();
    executor.parallel_for(row_count, row_grain, [&](Range range) {
      for (int64_t row = range.begin; row < range.end; ++row) {
        for (int64_t column = 0; column < column_count; ++column) {
          float& number = values[row * column_count + column];
          number = static_cast<float>(kept) * number - size * update_at(row, column, row_root(row));
        }
      }
    });
  }

  static void step_vector(Executor& executor, Tensor& value, const float* gradient, Tensor& squares, double beta2,
                          double rate, double kept) {
    const int64_t count = value.shape().element_count();
    float* square = squares.mutable_floats();
    std::vector<double> sums(static_cast<size_t>((count + kParameterGrain - 1) / kParameterGrain));
    executor.parallel_for(static_cast<int64_t>(sums.size()), 1, [&](Range range) {
      for (int64_t block = range.begin; block < range.end; ++block) {
        for (int64_t i = block * kParameterGrain; i < std::min(count, (block + 1) * kParameterGrain); ++i) {
          const double g = gradient[i];
          square[i] = static_cast<float>(beta2 * static_cast<double>(square[i]) + (1 - beta2) * (g * g + kSquareMin));
          sums[static_cast<size_t>(block)] += g * g / static_cast<double>(square[i]);
        }
      }
    });
    const auto size = static_cast<float>(rate / excess(sums, count));
    float* values = value.mutable_floats();
    executor.parallel_for(count, kParameterGrain, [&](Range range) {
      for (int64_t i = range.begin; i < range.end; ++i) {
        values[i] = static_cast<float>(kept) * values[i] - size * gradient[i] / std::sqrt(square[i]);
      }
    });
  }

  // By how much an update is too large.
  static double excess(const std::vector<double>& square_sums, int64_t count) {
    double sum = 0;
    for (const double one : square_sums) sum += one;
    return std::max(1.0, std::sqrt(sum / static_cast<double>(count)) / kUpdateMax);
  }

  OptimiserOptions options_;
  std::vector<State> states_;
};

}  // namespace

int64_t adafactor_state_bytes(std::string_view /*name*/, const Shape& shape, const OptimiserOptions& /*options*/) {
  return (is_factored(shape) ? shape[0] + shape[1] : shape.element_count()) * int64_t{sizeof(float)};
}

std::unique_ptr<Optimiser> make_adafactor(std::span<const Parameter> parameters, const OptimiserOptions& options) {
  return std::make_unique<Adafactor>(parameters, options);
}

}  // namespace pelton
