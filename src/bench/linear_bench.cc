#include "bench/linear_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/clock.h"
#include "base/rng.h"
#include "bench/compute_path.h"
#include "model/model.h"

namespace pelton {
namespace {

// So much of a kind is read from memory rather than from a cache; more says nothing new.
constexpr int64_t kBytesPerKindMax = int64_t{256} << 20;

struct MatrixKind {
  int64_t output_size;
  int64_t input_size;
  ElementType type;

  bool operator<(const MatrixKind& other) const {
    return std::tie(output_size, input_size, type) < std::tie(other.output_size, other.input_size, other.type);
  }
  std::string name() const { return fmt::format("{} → {}, {}", input_size, output_size, element_type_name(type)); }
};

// By kind, each weight once.
std::map<MatrixKind, std::vector<Tensor>> matrices_of(const Model& model) {
  std::map<MatrixKind, std::vector<Tensor>> kinds;
  std::set<std::string> seen;
  for (const LayerCall& call : model.graph.calls) {
    if (!std::holds_alternative<LinearCall>(call.kind) || !seen.insert(call.weight).second) continue;
    const Tensor& weight = model.weights.at(call.weight);
    std::vector<Tensor>& same = kinds[{weight.shape()[0], weight.shape()[1], weight.type()}];
    if (static_cast<int64_t>(same.size() + 1) * weight.size_bytes() <= kBytesPerKindMax || same.empty()) {
      same.push_back(weight);
    }
  }
  return kinds;
}

class KindBench {
 public:
  KindBench(Executor& executor, const MatrixKind& kind, const std::vector<Tensor>& matrices,
            const LinearBenchOptions& options)
      : executor_(executor), kind_(kind), options_(options) {
    for (const Tensor& matrix : matrices) {
      as_int8_.emplace_back(executor, matrix, ActivationType::kInt8);
      as_f32_.emplace_back(executor, matrix, ActivationType::kF32);
    }
    const int64_t row_count = *std::max_element(options.row_counts.begin(), options.row_counts.end());
    Rng rng(1);
    x_.resize(static_cast<size_t>(row_count * kind.input_size));
    for (float& value : x_) value = rng.next_symmetric();
    y_.resize(static_cast<size_t>(row_count * kind.output_size));
  }

  LinearBenchResult run(int64_t row_count) {
    std::vector<LinearPathRate> rates;
    if (as_int8_.front().packed() != nullptr) {
      rates.push_back({LinearPath::kTiles, multiplication_type(kind_.type, ActivationType::kInt8), {}});
    }
    for (const LinearPath path : {LinearPath::kDots, LinearPath::kGemm}) {
      rates.push_back({path, multiplication_type(kind_.type, ActivationType::kF32), {}});
    }
    std::vector<std::vector<double>> measured(rates.size());
    for (int repetition = -1; repetition < options_.repeat_count; ++repetition) {  // the first warms up
      for (size_t i = 0; i < rates.size(); ++i) {
        const double rate = gop_per_second(rates[i].path, row_count);
        if (repetition >= 0) measured[i].push_back(rate);
      }
      options_.on_progress(fmt::format("{}, {} rows", kind_.name(), row_count));
    }
    for (size_t i = 0; i < rates.size(); ++i) rates[i].gop_per_second = spread_of(measured[i]);
    return {.matrix = kind_.name(),
            .matrix_count = static_cast<int64_t>(as_f32_.size()),
            .row_count = row_count,
            .rates = std::move(rates)};
  }

 private:
  double gop_per_second(LinearPath path, int64_t row_count) {
    const std::vector<LinearWeight>& weights = path == LinearPath::kTiles ? as_int8_ : as_f32_;
    const TimePoint start = clock_.now();
    for (const LinearWeight& weight : weights) {
      input_.set(x_.data(), row_count, kind_.input_size);  // its int8 form is made anew
      linear_by(executor_, input_, weight, path, y_.data());
    }
    const double elapsed = seconds(clock_.now() - start);
    const double operations = 2.0 * static_cast<double>(row_count * kind_.input_size * kind_.output_size) *
                              static_cast<double>(weights.size());
    return operations / elapsed * 1e-9;
  }

  Executor& executor_;
  const MatrixKind& kind_;
  const LinearBenchOptions& options_;
  SteadyClock clock_;
  std::vector<LinearWeight> as_int8_;
  std::vector<LinearWeight> as_f32_;
  LinearInput input_;
  std::vector<float> x_;  // [rows, K]
  std::vector<float> y_;  // [rows, N]
};

}  // namespace

std::vector<LinearBenchResult> run_linear_bench(const ModelBundle& bundle, const LinearBenchOptions& options) {
  Executor executor(options.thread_count);
  std::vector<LinearBenchResult> results;
  for (const auto& [kind, matrices] : matrices_of(*bundle.model)) {
    options.on_progress(fmt::format("{}: arranging weights", kind.name()));
    KindBench bench(executor, kind, matrices, options);
    for (const int64_t row_count : options.row_counts) results.push_back(bench.run(row_count));
  }
  return results;
}

}  // namespace pelton
