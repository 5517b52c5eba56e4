// y = x · Wᵀ for a weight of any element type: the work of a language model.
//
// Two ways to read the activations can be asked for:
//   kF32   weights are decoded exactly as they lie in the file and multiplied in float32 (sums in float32);
//   kInt8  fast: weights are rearranged at load into tiles of 16 rows. How these are multiplied depends on their type:
//            block formats  each row of x is quantised once, in blocks of 32, to int8 with a float scale, shared by
//                           every matrix that reads it (kernels/qdot);
//            BF16           x is rounded to BF16 once, likewise shared (kernels/halfdot);
//            F16            x stays in float32 (kernels/halfdot);
//            F32            as with kF32.
// A row gives the same bits whatever the thread count and whatever other rows stand beside it: the order of each sum
// depends on K and the ISA only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/aligned.h"
#include "ops/elementwise.h"
#include "ops/executor.h"
#include "ops/largest_rows.h"
#include "tensor/tensor.h"

namespace pelton {

// kBF16 is what BF16 weights make of kInt8; it cannot be asked for.
enum class ActivationType { kF32, kBF16, kInt8 };

// How a weight of this type reads activations where `wanted` is asked for.
ActivationType activations_for(ElementType weight, ActivationType wanted);

// A matrix [N, K] made ready for multiplication. Immutable, cheap to copy (shares), any thread may read it.
class LinearWeight {
 public:
  LinearWeight() = default;
  // Keeps `weight` (any decodable type, [N, K]) alive and, for kInt8, a packed copy unless it is in F32.
  LinearWeight(Executor& executor, Tensor weight, ActivationType activations);
  // The matrix, or its transpose [K, N], rounded to BF16 as packed tiles alone: tensor() has a shape and no bytes.
  // Reads kBF16. For training in BF16, which multiplies by both.
  enum class Orientation : uint8_t { kPlain, kTransposed };
  static LinearWeight rounded(Executor& executor, const Tensor& weight, Orientation orientation);

  int64_t output_size() const { return weight_.shape()[0]; }  // N
  int64_t input_size() const { return weight_.shape()[1]; }   // K
  const Tensor& tensor() const { return weight_; }            // as it lies in the file
  // What really happens: activations_for() its type.
  ActivationType activations() const;
  // Bytes that one use at one row must read.
  int64_t traffic_bytes() const;

  struct Packed;  // defined in ops/column_product.h
  const Packed* packed() const { return packed_.get(); }

 private:
  Tensor weight_;
  std::shared_ptr<const Packed> packed_;
};

// The rows [M, K] that several linear layers read, and their int8 or BF16 form, made when the first one asks for it.
// Reused from step to step: grows once, then allocates nothing.
class LinearInput {
 public:
  // x: [M, K] row-major, finite, must stay unchanged until the next set().
  void set(const float* x, int64_t rows, int64_t columns);
  const float* rows() const { return x_; }
  int64_t row_count() const { return row_count_; }
  int64_t column_count() const { return column_count_; }

  struct Quantised;  // defined in ops/column_product.h
  // Makes the int8 form if it is not there yet.
  const Quantised& quantised(Executor& executor);

  struct Rounded;  // defined in ops/column_product.h
  // Makes the BF16 form if it is not there yet.
  const Rounded& rounded(Executor& executor);

  // For whoever makes the rows, and their int8 form part by part while they are in the cache: start_quantising() makes
  // room, before the region; from then on the form counts as made, so that quantise() must see every part before anyone
  // reads it. Columns: multiples of 32.
  void start_quantising();
  void quantise(Range rows, Range columns);

  LinearInput();
  ~LinearInput();
  LinearInput(LinearInput&&) noexcept;
  LinearInput& operator=(LinearInput&&) noexcept;

 private:
  const float* x_ = nullptr;
  int64_t row_count_ = 0;
  int64_t column_count_ = 0;
  bool is_quantised_ = false;
  bool is_rounded_ = false;
  std::unique_ptr<Quantised> quantised_;
  std::unique_ptr<Rounded> rounded_;
};

// How a product is computed.
enum class LinearPath {
  kTiles,  // the packed tiles of kInt8, multiplied as they lie
  kDots,   // rows of the weight decoded some at a time, dot products of these with all rows of x
  kGemm,   // panels of the weight decoded, then a GEMM; its sums differ in the last bits with the number of rows
};
std::string_view linear_path_name(LinearPath path);  // "tiles"
// What linear() takes: kTiles where the weight has them, else kDots, which by `pelton bench linear` loses to a GEMM
// nowhere by more than a few per cent and gives the same bits for any number of rows.
LinearPath linear_path(const LinearWeight& weight);

// What an adapter makes of a product x · Wᵀ, for those of its rows that have the adapter (model/adapter.h):
// ((x ⊙ input_factors) · Wᵀ + (x · Aᵀ) · Bᵀ) ⊙ factors + addend, each where it is there. A row gives the same bits
// whatever other rows and adapters stand beside it.
struct AdapterTerm {
  LinearWeight a = {};        // [R, K], F32 or BF16; without it B is none either
  LinearWeight b = {};        // [N, R], likewise, with the adapter's scale in it
  Tensor input_factors = {};  // [K], F32
  Tensor factors = {};        // [N], F32
  Tensor addend = {};         // [N], F32

  bool has_low_rank() const { return !a.tensor().is_empty(); }
};
struct AdaptedRows {
  Range rows;  // not empty; those of one product do not overlap
  const AdapterTerm* term;
};

// y [M, N] = x [M, K] · Wᵀ. Assigns.
void linear(Executor& executor, LinearInput& x, const LinearWeight& weight, float* y,
            std::span<const AdaptedRows> adapted = {});
// The same by this path: to measure it. kTiles: the weight has them; the others: it has none.
void linear_by(Executor& executor, LinearInput& x, const LinearWeight& weight, LinearPath path, float* y);

// Several products of the same rows in one region: the bits of linear() for each.
struct LinearProduct {
  const LinearWeight* weight;
  float* y;                // [M, N]
  int64_t unit_width = 0;  // of the units below, divides N; 0: it has none
  std::span<const AdaptedRows> adapted = {};
};
void linear_group(Executor& executor, LinearInput& x, std::span<const LinearProduct> products);

// The same. Calls finish(product, unit) once for each unit of unit_width columns of y when it is there, all rows of it:
// the thread that makes the last of its columns does, in a region (ops/executor.h says what it may do there).
using FinishUnit = FunctionRef<void(size_t product, int64_t unit)>;
void linear_group(Executor& executor, LinearInput& x, std::span<const LinearProduct> products, FinishUnit finish);

// Of each row of x · Wᵀ the `count` largest, and no more: each thread keeps those of its own columns, and the product
// as a whole is written nowhere. The values of linear(), the choice of largest_of_rows().
void linear_largest(Executor& executor, LinearInput& x, const LinearWeight& weight, int64_t count, LargestRows& largest,
                    std::span<const AdaptedRows> adapted = {});

// y [M, F] = f(x · gateᵀ) · (x · upᵀ), in one region: the bits of linear() twice and gate(). `y_input`, where it isn't
// null, has been set to y, and may be left with its int8 form.
struct GatedProduct {
  const LinearWeight* gate;
  const LinearWeight* up;
  Nonlinearity f = Nonlinearity::kSilu;
  std::span<const AdaptedRows> gate_adapted = {};
  std::span<const AdaptedRows> up_adapted = {};
};
void gated_linear(Executor& executor, LinearInput& x, const GatedProduct& product, float* y, LinearInput* y_input);

// Products of groups of rows, each with a weight of its own, in one region: what experts compute. Groups are ranges of
// x's rows, back to back, as many as weights, and may be empty; all weights have one shape. A row's bits are those of
// linear() and add_bias().
struct BiasedWeight {
  const LinearWeight* weight;
  Tensor bias = {};  // [N], F32; empty: none
};
// y [M, N]
void linear_by_group(Executor& executor, LinearInput& x, std::span<const Range> groups,
                     std::span<const BiasedWeight> weights, float* y);
struct GatedWeights {
  BiasedWeight gate;
  BiasedWeight up;
};
// y [M, F] = f(gate, up); `y_input` as in gated_linear().
void gated_linear_by_group(Executor& executor, LinearInput& x, std::span<const Range> groups,
                           std::span<const GatedWeights> weights, const GateFunction& f, float* y,
                           LinearInput* y_input);

// d_x [M, K] = d_y [M, N] · W. Assigns. `weight` of any decodable type, decoded by panels.
void linear_backward_input(Executor& executor, const float* d_y, const Tensor& weight, int64_t rows, float* d_x);
// d_weight [N, K] += d_yᵀ [N, M] · x [M, K].
void linear_backward_weight(Executor& executor, const float* x, const float* d_y, int64_t rows, int64_t input_size,
                            int64_t output_size, float* d_weight);

}  // namespace pelton
