// How a model that was trained on short contexts stretches its rotary positions. Formulas: the papers named, and
// transformers' modeling_rope_utils for the order of operations.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/rope.h"

namespace pelton {

struct RopeScaling {
  std::string type = "default";  // "default", "linear", "dynamic", "yarn", "llama3", "longrope", "proportional"
  double theta = 10000;          // base of the frequencies
  int64_t rotated_width = 0;     // R: even, at least 2
  std::optional<double> factor;  // how many times longer; every type but "default" and "longrope" needs it
  int64_t original_context_length = 0;
  // llama3
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;
  // YaRN (Peng et al. 2023, arXiv 2309.00071)
  double beta_fast = 32;
  double beta_slow = 1;
  bool truncates = true;                      // rounds the bounds of the ramp to whole dimensions
  std::optional<double> attention_factor;     // absent: from the factor; LongRoPE's likewise
  std::optional<double> magnitude_scale;      // `mscale`
  std::optional<double> magnitude_scale_all;  // `mscale_all_dim`
  // LongRoPE (Ding et al. 2024, arXiv 2402.13753): [R/2] divisors of the frequencies, of sequences up to the original
  // context length and of longer ones.
  std::vector<double> short_divisors;
  std::vector<double> long_divisors;
  // proportional (Gemma 4): of the pairs of the whole width, the first share turns and the others stand still.
  double rotated_share = 1;

  friend bool operator==(const RopeScaling&, const RopeScaling&) = default;
};

// Frequencies and magnitude; the pairing is left at its default. Errors: kUnsupported (an unknown type,
// by name), kCorruptFile (parameters that give no frequency).
RopeParameters rope_parameters(const RopeScaling& scaling);

// GGUF files hold llama3's stretch as a table, of which its parameters are read back: "llama3" parameters that give
// `frequencies` up to 1e-5 of each, where `plain` gives those that were stretched; std::nullopt: there are none.
std::optional<RopeScaling> fit_llama3(const RopeScaling& plain, std::span<const float> frequencies);

}  // namespace pelton
