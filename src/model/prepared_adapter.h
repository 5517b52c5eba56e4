// An adapter made ready to run beside its base, for those rows of a step that want it: the base's weights are read once
// for all rows, whatever adapters these have. The list of layer calls stays the base's own, fused as ever
// (model/adapter.h has the other ways).
//
// y = W x + B (A x), scale in B, and of DoRA factors ⊙ y before the bias; of IA³ W (factors ⊙ x), or factors ⊙ y with
// the bias. For kInt8 A and B are rounded to BF16, as are the rows that they read; for kF32 nothing is rounded.
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/adapter.h"
#include "ops/linear.h"

namespace pelton {

class PreparedAdapter {
 public:
  PreparedAdapter(const Model& base, const Adapter& adapter, ActivationType activations);
  PreparedAdapter(PreparedAdapter&&) = default;  // not to be copied: terms() points into it
  PreparedAdapter& operator=(PreparedAdapter&&) = default;

  // By Graph::weights of the base; null: the adapter does not change it.
  std::span<const AdapterTerm* const> terms() const { return by_place_; }
  // Of no other adapter of this process, whatever became of it: what was computed with it can be named by it.
  uint64_t number() const { return number_; }
  int64_t size_bytes() const { return size_bytes_; }
  // 0: no matrix has A and B.
  int64_t rank_max() const { return rank_max_; }

 private:
  std::vector<AdapterTerm> terms_;
  std::vector<const AdapterTerm*> by_place_;
  uint64_t number_;
  int64_t size_bytes_ = 0;
  int64_t rank_max_ = 0;
};

}  // namespace pelton
