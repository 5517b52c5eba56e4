// How long a step takes, as a line through what it does: fitted to a machine, for machines that are not there and for
// steps that are still to come.
#pragma once

#include <array>
#include <cstdint>

namespace pelton {

struct StepWork {
  int64_t decode_rows = 0;
  int64_t prompt_rows = 0;
};

struct StepTimes {
  double fixed_ms = 0;       // reading the weights once
  double decode_row_ms = 0;  // a row with its sequence's keys and values, and logits
  double prompt_row_ms = 0;  // a row of a chunk

  double estimate_ms(const StepWork& work) const {
    return fixed_ms + decode_row_ms * static_cast<double>(work.decode_rows) +
           prompt_row_ms * static_cast<double>(work.prompt_rows);
  }
};

// Least squares over the steps so far, of which older ones count less; beside them a prior that decides what they leave
// open, as long as all steps are alike.
class StepTimeEstimator {
 public:
  explicit StepTimeEstimator(const StepTimes& prior);
  void observe(const StepWork& work, double ms);
  StepTimes times() const;  // none negative

 private:
  using Vector = std::array<double, 3>;

  Vector prior_;
  std::array<Vector, 3> products_{};  // Σ x xᵀ
  Vector targets_{};                  // Σ x y
};

}  // namespace pelton
