// What a step of a model must read and compute, call by call, from the list of layer calls alone.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "model/graph.h"
#include "plan/roofline.h"
#include "tensor/element_type.h"

namespace pelton {

// The rows of one sequence in a step: at positions [first_position, first_position + row_count).
struct SequenceRows {
  int64_t row_count;
  int64_t first_position;
};

struct StepRows {
  std::vector<SequenceRows> sequences;
  int64_t logit_row_count;  // rows that reach the output matrix
};

struct CallWork {
  double weight_bytes = 0;      // each weight once, whatever the number of rows
  double kv_bytes = 0;          // read and written, each sequence's once
  double activation_bytes = 0;  // read and written; they stay in caches, so they are no part of memory()
  double operations = 0;        // a multiply-add counts as two, everything else as it is written

  Work memory() const { return {weight_bytes + kv_bytes, operations}; }
  CallWork& operator+=(const CallWork& other);
};

struct WorkModel {
  const Graph& graph;
  ElementType kv_type;
  std::function<int64_t(std::string_view weight)> weight_bytes;  // as the weight lies in memory, by canonical name
};

// By graph.calls. The rows go through every call, those before `select_rows` all of them.
std::vector<CallWork> step_work(const WorkModel& model, const StepRows& rows);
CallWork total(std::span<const CallWork> calls);

}  // namespace pelton
