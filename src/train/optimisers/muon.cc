// Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): of a matrix' momentum the nearest matrix with
// equal singular values, by five steps of Newton and Schulz; scaled so that its numbers are as large as AdamW's updates
// (Liu et al. 2025, arXiv 2502.16982), whose learning rate it can have. Vectors, embeddings and the output matrix go by
// AdamW.
#include <algorithm>
#include <cmath>

#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "train/optimisers/parameter_loop.h"

namespace pelton {

std::unique_ptr<Optimiser> make_adamw(std::span<const Parameter> parameters, const OptimiserOptions& options);
int64_t adamw_state_bytes(std::string_view name, const Shape& shape, const OptimiserOptions& options);

namespace {

constexpr double kMomentumDefault = 0.95;
constexpr int kNewtonSchulzSteps = 5;
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;  // the post's polynomial a·x + b·x³ + c·x⁵
constexpr double kAdamWSize = 0.2;                          // root mean square of AdamW's updates

bool is_hidden_matrix(std::string_view name, const Shape& shape) {
  const bool is_vocabulary = name.starts_with("embedding") || name == "output";
  return shape.rank() == 2 && shape[0] > 1 && shape[1] > 1 && !is_vocabulary;
}

// In place: `matrix` [rows, columns] of Frobenius norm at most 1, rows <= columns.
void orthogonalise(Executor& executor, int64_t rows, int64_t columns, float* matrix) {
  std::vector<float> product(static_cast<size_t>(rows * rows)), polynomial(product.size());
  std::vector<float> next(static_cast<size_t>(rows * columns));
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    gemm_f32(executor, {.m = rows, .n = rows, .k = columns, .is_b_transposed = true}, matrix, matrix, product.data());
    gemm_f32(executor, {.m = rows, .n = rows, .k = rows}, product.data(), product.data(), polynomial.data());
    for (size_t i = 0; i < product.size(); ++i) polynomial[i] = kB * product[i] + kC * polynomial[i];
    gemm_f32(executor, {.m = rows, .n = columns, .k = rows}, polynomial.data(), matrix, next.data());
    executor.parallel_for(rows * columns, kParameterGrain, [&](Range range) {
      for (int64_t i = range.begin; i < range.end; ++i) matrix[i] = kA * matrix[i] + next[static_cast<size_t>(i)];
    });
  }
}

class Muon final : public Optimiser {
 public:
  Muon(std::span<const Parameter> parameters, const OptimiserOptions& options) : options_(options) {
    std::vector<Parameter> rest;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const bool is_hidden = is_hidden_matrix(parameters[i].name, parameters[i].value.shape());
      (is_hidden ? matrix_indices_ : rest_indices_).push_back(i);
      (is_hidden ? matrices_ : rest).push_back(parameters[i]);
    }
    momenta_ = zeros_like(matrices_);
    adamw_ = make_adamw(rest, options);
  }

  void step(Executor& executor, std::span<Parameter> parameters, std::span<const Tensor> gradients,
            double learning_rate, int64_t step) override {
    std::vector<Parameter> rest;
    std::vector<Tensor> rest_gradients;
    for (const size_t index : rest_indices_) {
      rest.push_back(parameters[index]);  // shares its memory
      rest_gradients.push_back(gradients[index]);
    }
    adamw_->step(executor, rest, rest_gradients, learning_rate, step);
    for (size_t i = 0; i < matrix_indices_.size(); ++i) {
      Parameter& parameter = parameters[matrix_indices_[i]];
      step_matrix(executor, parameter, gradients[matrix_indices_[i]].floats(), momenta_[i],
                  learning_rate * parameter.learning_rate);
    }
  }

  std::vector<NamedTensor> state() override {
    std::vector<NamedTensor> state = adamw_->state();
    append_state(state, "momentum", matrices_, momenta_);
    return state;
  }

 private:
  void step_matrix(Executor& executor, Parameter& parameter, const float* gradient, Tensor& momentum_tensor,
                   double rate) const {
    const int64_t rows = parameter.value.shape()[0], columns = parameter.value.shape()[1];
    const int64_t count = rows * columns;
    const auto kept_momentum = static_cast<float>(options_.momentum > 0 ? options_.momentum : kMomentumDefault);
    float* momentum = momentum_tensor.mutable_floats();
    // The iteration wants the short side in front; Nesterov's look ahead.
    const bool is_tall = rows > columns;
    Tensor direction = Tensor::f32({std::min(rows, columns), std::max(rows, columns)});
    float* update = direction.mutable_floats();
    executor.parallel_for(rows, std::max<int64_t>(1, kParameterGrain / columns), [&](Range range) {
      for (int64_t row = range.begin; row < range.end; ++row) {
        for (int64_t column = 0; column < columns; ++column) {
          const int64_t i = row * columns + column;
          momentum[i] = kept_momentum * momentum[i] + (1 - kept_momentum) * gradient[i];
          update[is_tall ? column * rows + row : i] = kept_momentum * momentum[i] + (1 - kept_momentum) * gradient[i];
        }
      }
    });
    const double norm = gradient_norm(executor, {&direction, 1});
    scale(executor, update, static_cast<float>(1 / (norm + 1e-7)), count, update);
    orthogonalise(executor, std::min(rows, columns), std::max(rows, columns), update);

    const auto kept = static_cast<float>(parameter.decays ? 1 - rate * options_.weight_decay : 1);
    const auto size = static_cast<float>(rate * kAdamWSize * std::sqrt(static_cast<double>(std::max(rows, columns))));
    float* value = parameter.value.mutable_floats();
    executor.parallel_for(rows, std::max<int64_t>(1, kParameterGrain / columns), [&](Range range) {
      for (int64_t row = range.begin; row < range.end; ++row) {
        for (int64_t column = 0; column < columns; ++column) {
          const int64_t i = row * columns + column;
          value[i] = kept * value[i] - size * update[is_tall ? column * rows + row : i];
        }
      }
    });
  }

  OptimiserOptions options_;
  std::vector<size_t> matrix_indices_, rest_indices_;  // into the parameters
  std::vector<Parameter> matrices_;
  std::vector<Tensor> momenta_;
  std::unique_ptr<Optimiser> adamw_;  // of the rest
};

}  // namespace

int64_t muon_state_bytes(std::string_view name, const Shape& shape, const OptimiserOptions& options) {
  if (!is_hidden_matrix(name, shape)) return adamw_state_bytes(name, shape, options);
  return shape.element_count() * int64_t{sizeof(float)};
}

std::unique_ptr<Optimiser> make_muon(std::span<const Parameter> parameters, const OptimiserOptions& options) {
  return std::make_unique<Muon>(parameters, options);
}

}  // namespace pelton
