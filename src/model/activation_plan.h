// Which activations of a training pass stay in memory between forward and backward, and which are made again. Pure: a
// list of calls in, a plan out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/graph.h"
#include "nn/layer.h"

namespace pelton {

enum class ActivationCheckpointing : uint8_t {
  kNone,   // all that the backward reads stays
  kLayer,  // of each layer only what it was given; the rest is computed again when its backward comes (Chen et al.
           // 2016, arXiv 1604.06174)
};

// Calls [begin, end) that go backwards together.
struct PlanSegment {
  size_t begin;
  size_t end;
  bool is_recomputed;  // forward leaves nothing of its own but what others read
};

struct ActivationPlan {
  // By call.
  std::vector<Layer::BackwardReads> reads;  // nothing, of a call that has no backward

  // By value.
  std::vector<bool> depends;     // on a weight whose gradient is wanted
  std::vector<size_t> last_use;  // the last call that reads it, forwards; its writer if none does
  std::vector<bool> is_read;     // by a backward
  std::vector<bool> stays;       // after its last use forwards, until its writer's backward
  // It stays for backwards alone: fewer bits will do. No call of a recomputed segment starts from it.
  std::vector<bool> may_be_halved;

  std::vector<PlanSegment> segments;  // of the calls before tail_begin, in order
  size_t tail_begin = 0;              // of the calls after the choice of the rows for the logits, which work row by row
  std::optional<ValueId> selected;    // what that gives; none: the list has no such call
  bool backward_reads_logits = false;
};

// `layers`: of the graph's calls. is_wanted(name): of the weight of this name the gradient is.
ActivationPlan plan_activations(const Graph& graph, std::span<const std::unique_ptr<Layer>> layers,
                                const std::function<bool(const std::string&)>& is_wanted,
                                ActivationCheckpointing checkpointing);

}  // namespace pelton
