// Rewrites a model's list of layer calls for inference: neighbours become one call that does their work in fewer
// regions and passes, with the same bits. Training runs the plain list, which is also what the fused one is tested
// against. Pure: a list in, a list out. Values keep their numbers; one that a fused call keeps to itself is written by
// nobody.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "model/graph.h"

namespace pelton {

// What the table must know beside the list.
struct FusionContext {
  std::function<bool(std::string_view weight)> multiplies_int8;  // by canonical name
};

struct Fusion {
  std::string_view name;
  std::string_view pattern;      // in words
  std::string_view replacement;  // in words
  Graph (*rewrite)(const Graph& graph, const FusionContext& context);
};

// In the order in which they are applied.
std::span<const Fusion> fusions();

// All of them.
Graph fuse(const Graph& graph, const FusionContext& context);

}  // namespace pelton
