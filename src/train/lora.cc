#include "train/lora.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "ops/gemm.h"
#include "ops/truncated_svd.h"
#include "quant/blocks.h"
#include "train/adapter_targets.h"

namespace pelton {
namespace {

// PyTorch's generator and its uniform numbers, so that a seed gives the A that PEFT gives after torch.manual_seed().
class TorchUniform {
 public:
  explicit TorchUniform(uint64_t seed) : generator_(static_cast<uint32_t>(seed)) {}

  void fill(float bound, int64_t count, float* values) {
    for (int64_t i = 0; i < count; ++i) {
      const auto unit = static_cast<float>(generator_() & 0xFFFFFFu) * 0x1p-24f;
      values[i] = std::fma(unit, bound + bound, -bound);
    }
  }
  void skip(int64_t count) { generator_.discard(static_cast<unsigned long long>(count)); }

 private:
  std::mt19937 generator_;
};

// Kaiming's bound (He et al. 2015, arXiv 1502.01852) with a = √5, in the order of PyTorch's operations.
float kaiming_bound(int64_t input_size) {
  const double deviation = std::sqrt(2.0 / (1 + 5)) / std::sqrt(static_cast<double>(input_size));
  return static_cast<float>(std::sqrt(3.0) * deviation);
}

// Rows of all of these, one below the other, in F32.
Tensor decoded_rows(const std::vector<Tensor>& matrices) {
  int64_t row_count = 0;
  for (const Tensor& matrix : matrices) row_count += matrix.shape()[0];
  Tensor values = Tensor::f32({row_count, matrices.front().shape()[1]});
  float* next = values.mutable_floats();
  for (const Tensor& matrix : matrices) {
    decode_function(matrix.type())(matrix.data(), next, matrix.shape().element_count());
    next += matrix.shape().element_count();
  }
  return values;
}

struct Factors {
  Tensor a, b;  // [R, K], [N, R]
};

// √values on both sides, of W / scale.
Factors pissa_factors(Executor& executor, const Tensor& matrix, const LoraOptions& options, float scale) {
  TruncatedSvd svd = truncated_svd(executor, matrix, options.rank, options.seed);
  for (int64_t r = 0; r < options.rank; ++r) {
    const float root = std::sqrt(svd.values[static_cast<size_t>(r)] / scale);
    for (int64_t k = 0; k < matrix.shape()[1]; ++k) svd.right.mutable_floats()[r * matrix.shape()[1] + k] *= root;
    for (int64_t n = 0; n < matrix.shape()[0]; ++n) svd.left.mutable_floats()[n * options.rank + r] *= root;
  }
  return {svd.right, svd.left};
}

Factors olora_factors(Executor& executor, const Tensor& matrix, int64_t rank) {
  const int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  Tensor basis = Tensor::f32({rank, rows});
  for (int64_t r = 0; r < rank; ++r) {
    for (int64_t n = 0; n < rows; ++n) basis.mutable_floats()[r * rows + n] = matrix.floats()[n * columns + r];
  }
  orthonormalise_rows(executor, basis);
  Factors factors{Tensor::f32({rank, columns}), Tensor::f32({rows, rank})};
  gemm_f32(executor, {.m = rank, .n = columns, .k = rows}, basis.floats(), matrix.floats(), factors.a.mutable_floats());
  for (int64_t i = 0; i < rank * rows; ++i) {
    factors.b.mutable_floats()[i % rows * rank + i / rows] = basis.floats()[i];
  }
  return factors;
}

// A and B of all matrices that lie in one tensor: one A, and each its rows of B.
void start_within_base(Executor& executor, const Model& base, const LoraOptions& options,
                       const std::vector<AdapterMatrix*>& together) {
  std::vector<Tensor> matrices;
  for (const AdapterMatrix* matrix : together) matrices.push_back(base.weights.at(matrix->weight));
  const Tensor values = decoded_rows(matrices);
  if (options.rank > std::min(values.shape()[0], values.shape()[1])) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("rank: {} has {} rows and {} columns, so that it has no part of rank {} to begin with",
                            together.front()->weight, values.shape()[0], values.shape()[1], options.rank),
                "rank");
  }
  const Factors factors = options.start == LoraStart::kPissa
                              ? pissa_factors(executor, values, options, together.front()->scale)
                              : olora_factors(executor, values, options.rank);
  const float* rows_of_b = factors.b.floats();
  for (AdapterMatrix* matrix : together) {
    matrix->a = factors.a;
    std::copy_n(rows_of_b, matrix->b.shape().element_count(), matrix->b.mutable_floats());
    rows_of_b += matrix->b.shape().element_count();
  }
}

}  // namespace

LoraStart parse_lora_start(std::string_view name) {
  if (name == "zero") return LoraStart::kZero;
  if (name == "pissa") return LoraStart::kPissa;
  if (name == "olora") return LoraStart::kOlora;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("init: \"{}\" is none of zero, pissa, olora", name), "init");
}

Adapter make_lora(const Model& base, const LoraOptions& options) {
  const auto rank = static_cast<double>(options.rank);
  const auto scale = static_cast<float>(options.alpha / (options.is_rank_stabilised ? std::sqrt(rank) : rank));
  Executor executor;
  TorchUniform random(options.seed);
  std::map<std::string, Tensor> a_of_tensor;
  Adapter adapter;
  std::vector<std::string> tensors;  // of the adapter's matrices
  for (const TargetMatrix& target : find_targets(base, options.targets)) {
    tensors.push_back(target.tensor);
    const Shape shape = base.weights.at(target.weight).shape();
    const auto [a, is_new] = a_of_tensor.try_emplace(target.tensor);
    if (is_new) {
      a->second = Tensor::f32({options.rank, shape[1]});
      // PyTorch fills both matrices when it makes them, and PEFT then fills A again, and B with zeros.
      random.skip(options.rank * (shape[1] + target.row_count));
      random.fill(kaiming_bound(shape[1]), options.rank * shape[1], a->second.mutable_floats());
    }
    AdapterMatrix& matrix = adapter.matrices.emplace_back();
    matrix = {target.weight, a->second, Tensor::f32({shape[0], options.rank}), scale};
    if (!options.is_dora) continue;
    matrix.magnitude = Tensor::f32({shape[0]});
    RowNorms(executor, base.weights.at(matrix.weight)).compute(executor, matrix, matrix.magnitude.mutable_floats());
  }
  if (options.start != LoraStart::kZero) {
    std::map<std::string, std::vector<AdapterMatrix*>> together;
    for (size_t i = 0; i < tensors.size(); ++i) together[tensors[i]].push_back(&adapter.matrices[i]);
    for (const auto& [tensor, matrices] : together) start_within_base(executor, base, options, matrices);
  }
  return adapter;
}

Adapter negative_of(const Adapter& adapter) {
  const auto copy = [](const Tensor& values) {
    Tensor result = Tensor::f32(values.shape());
    std::copy_n(values.floats(), values.shape().element_count(), result.mutable_floats());
    return result;
  };
  std::map<const std::byte*, Tensor> copies_of_a;  // one that several share stays one
  Adapter negative;
  for (const AdapterMatrix& matrix : adapter.matrices) {
    const auto [a, is_new] = copies_of_a.try_emplace(matrix.a.data());
    if (is_new) a->second = copy(matrix.a);
    negative.matrices.push_back({matrix.weight, a->second, copy(matrix.b), -matrix.scale});
  }
  return negative;
}

std::vector<TrainedParameter> lora_parameters(const Adapter& adapter, double b_rate) {
  std::vector<TrainedParameter> parameters;
  std::map<const std::byte*, size_t> known;  // by the memory of A
  for (const AdapterMatrix& matrix : adapter.matrices) {
    const std::string a = matrix.weight + std::string(kLoraASuffix);
    const std::string b = matrix.weight + std::string(kLoraBSuffix);
    const auto [found, is_new] = known.try_emplace(matrix.a.data(), parameters.size());
    if (is_new) {
      parameters.push_back({{.name = a, .value = matrix.a}, {a}});
    } else {
      parameters[found->second].weights.push_back(a);
    }
    parameters.push_back({{.name = b, .value = matrix.b, .learning_rate = b_rate}, {b}});
    if (!matrix.is_dora()) continue;
    parameters.push_back({{.name = matrix.weight + ".magnitude", .value = matrix.magnitude},
                          {matrix.weight + std::string(kDoraFactorSuffix)}});
  }
  return parameters;
}

}  // namespace pelton
