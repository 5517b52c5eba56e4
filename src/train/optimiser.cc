#include "train/optimiser.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "ops/elementwise.h"

namespace pelton {

std::unique_ptr<Optimiser> make_adafactor(std::span<const Parameter> parameters, const OptimiserOptions& options);
std::unique_ptr<Optimiser> make_adamw(std::span<const Parameter> parameters, const OptimiserOptions& options);
std::unique_ptr<Optimiser> make_adamw_8bit(std::span<const Parameter> parameters, const OptimiserOptions& options);
std::unique_ptr<Optimiser> make_lion(std::span<const Parameter> parameters, const OptimiserOptions& options);
std::unique_ptr<Optimiser> make_muon(std::span<const Parameter> parameters, const OptimiserOptions& options);
std::unique_ptr<Optimiser> make_sgd(std::span<const Parameter> parameters, const OptimiserOptions& options);
int64_t adafactor_state_bytes(std::string_view name, const Shape& shape, const OptimiserOptions& options);
int64_t adamw_state_bytes(std::string_view name, const Shape& shape, const OptimiserOptions& options);
int64_t adamw_8bit_state_bytes(std::string_view name, const Shape& shape, const OptimiserOptions& options);
int64_t lion_state_bytes(std::string_view name, const Shape& shape, const OptimiserOptions& options);
int64_t muon_state_bytes(std::string_view name, const Shape& shape, const OptimiserOptions& options);
int64_t sgd_state_bytes(std::string_view name, const Shape& shape, const OptimiserOptions& options);

namespace {

constexpr OptimiserKind kOptimisers[] = {
    {"adamw", "moments of the gradient and its square, decoupled decay", make_adamw, adamw_state_bytes},
    {"adamw_8bit", "the same, remembered in eight bits: a quarter of its memory", make_adamw_8bit,
     adamw_8bit_state_bytes},
    {"adafactor", "means of squared gradients by rows and columns: hardly any memory", make_adafactor,
     adafactor_state_bytes},
    {"lion", "the sign of a moment: half of AdamW's memory", make_lion, lion_state_bytes},
    {"muon", "orthogonalised momentum for matrices, AdamW for the rest", make_muon, muon_state_bytes},
    {"sgd", "the gradient, with momentum if asked", make_sgd, sgd_state_bytes},
};

}  // namespace

std::span<const OptimiserKind> optimiser_kinds() { return kOptimisers; }

const OptimiserKind& find_optimiser(std::string_view name) {
  std::string names;
  for (const OptimiserKind& kind : kOptimisers) {
    if (kind.name == name) return kind;
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw Error(ErrorCode::kInvalidArgument, fmt::format("optimiser: \"{}\" is none of {}", name, names), "optimiser");
}

double gradient_norm(Executor& executor, std::span<const Tensor> gradients) {
  // Blocks whose sums are added in their order: the same bits on any number of threads.
  constexpr int64_t kBlock = 1 << 14;
  double sum = 0;
  std::vector<double> blocks;
  for (const Tensor& gradient : gradients) {
    const int64_t count = gradient.shape().element_count();
    blocks.assign(static_cast<size_t>((count + kBlock - 1) / kBlock), 0);
    executor.parallel_for(static_cast<int64_t>(blocks.size()), 1, [&](Range range) {
      for (int64_t block = range.begin; block < range.end; ++block) {
        double squares = 0;
        for (int64_t i = block * kBlock; i < std::min(count, (block + 1) * kBlock); ++i) {
          const double value = gradient.floats()[i];
          squares += value * value;
        }
        blocks[static_cast<size_t>(block)] = squares;
      }
    });
    for (const double block : blocks) sum += block;
  }
  return std::sqrt(sum);
}

void scale_gradients(Executor& executor, std::span<Tensor> gradients, double factor) {
  for (Tensor& gradient : gradients) {
    scale(executor, gradient.floats(), static_cast<float>(factor), gradient.shape().element_count(),
          gradient.mutable_floats());
  }
}

}  // namespace pelton
