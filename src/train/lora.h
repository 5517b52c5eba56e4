// Which matrices LoRA changes, and how they begin.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/adapter.h"
#include "model/model.h"
#include "train/method.h"

namespace pelton {

// What A and B of a new adapter are.
enum class LoraStart {
  kZero,   // A random, B zero
  kPissa,  // W's largest singular values, their roots on both sides (Meng et al. 2024, arXiv 2404.02948)
  kOlora,  // an orthonormal basis of W's first columns, and W in it (Büyükakyüz 2024, arXiv 2406.01775)
};
// "zero", "pissa", "olora". Error kInvalidArgument: names them.
LoraStart parse_lora_start(std::string_view name);

struct LoraOptions {
  int64_t rank = 16;
  double alpha = 32;
  std::vector<std::string> targets;  // train/adapter_targets.h
  bool is_rank_stabilised = false;
  bool is_dora = false;  // magnitudes as the base's rows have them
  LoraStart start = LoraStart::kZero;
  uint64_t seed = 0;
};

// A new adapter. With kZero it changes nothing yet: B is zero, and A what PEFT makes of the seed where it visits the
// matrices in the order of the base's weights (with Llama's names it does). With the others it repeats a part of the
// base, which so counts twice until negative_of() the new adapter stands beside it too.
// Matrices that lie in one tensor of the base's Hugging Face form share one A, as the file that PEFT reads must.
// Errors kInvalidArgument: those of find_targets(); a rank that a matrix has not, with kPissa and kOlora.
Adapter make_lora(const Model& base, const LoraOptions& options);

// Minus what the adapter is now, in memory of its own; it has no DoRA.
Adapter negative_of(const Adapter& adapter);

// What is trained of an adapter: A and B of each matrix, and DoRA's magnitudes, an A that several share once. Names are
// those of the weights of with_adapter()'s model; `learning_rate` of B is b_rate.
std::vector<TrainedParameter> lora_parameters(const Adapter& adapter, double b_rate);

}  // namespace pelton
