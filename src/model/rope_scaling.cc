#include "model/rope_scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace pelton {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

double factor_of(const RopeScaling& scaling) {
  if (!scaling.factor) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("RoPE scaling \"{}\" needs a factor", scaling.type));
  }
  return *scaling.factor;
}

std::vector<double> plain_frequencies(const RopeScaling& scaling) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < scaling.rotated_width; i += 2) {
    frequencies.push_back(
        std::pow(scaling.theta, -static_cast<double>(i) / static_cast<double>(scaling.rotated_width)));
  }
  return frequencies;
}

// Position interpolation (Chen et al. 2023, arXiv 2306.15595).
void stretch_linear(const RopeScaling& scaling, std::vector<double>& frequencies) {
  for (double& frequency : frequencies) frequency /= factor_of(scaling);
}

// Llama 3.1: long waves are stretched, short ones kept, those between are blended.
void stretch_llama3(const RopeScaling& scaling, std::vector<double>& frequencies) {
  if (!(scaling.low_frequency_factor < scaling.high_frequency_factor)) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("RoPE scaling \"llama3\": low_freq_factor {} must be below high_freq_factor {}",
                            scaling.low_frequency_factor, scaling.high_frequency_factor));
  }
  const auto original = static_cast<double>(scaling.original_context_length);
  for (double& frequency : frequencies) {
    const double turns = original * frequency / kTwoPi;  // in the original context
    const double kept = std::clamp(
        (turns - scaling.low_frequency_factor) / (scaling.high_frequency_factor - scaling.low_frequency_factor), 0.0,
        1.0);
    frequency = (1 - kept) * frequency / factor_of(scaling) + kept * frequency;
  }
}

// The (fractional) dimension pair whose wave turns `turns` times in the original context.
double yarn_dimension(const RopeScaling& scaling, double turns) {
  return static_cast<double>(scaling.rotated_width) *
         std::log(static_cast<double>(scaling.original_context_length) / (turns * kTwoPi)) /
         (2 * std::log(scaling.theta));
}

void stretch_yarn(const RopeScaling& scaling, std::vector<double>& frequencies) {
  double low = yarn_dimension(scaling, scaling.beta_fast);
  double high = yarn_dimension(scaling, scaling.beta_slow);
  if (scaling.truncates) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(scaling.rotated_width - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double stretched = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / factor_of(scaling) * stretched + frequencies[i] * (1 - stretched);
  }
}

double yarn_magnitude(double factor, double scale) { return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0; }

// Pairs that stand still keep their place: the pair (i, i + R/2) spans the whole width.
void stop_unrotated(const RopeScaling& scaling, std::vector<double>& frequencies) {
  const auto kept = static_cast<size_t>(scaling.rotated_share * static_cast<double>(scaling.rotated_width) / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= scaling.factor.value_or(1);
  std::fill(frequencies.begin() + static_cast<std::ptrdiff_t>(std::min(kept, frequencies.size())), frequencies.end(),
            0);
}

float yarn_attention_factor(const RopeScaling& scaling) {
  if (scaling.attention_factor) return static_cast<float>(*scaling.attention_factor);
  if (scaling.magnitude_scale.value_or(0) != 0 && scaling.magnitude_scale_all.value_or(0) != 0) {
    return static_cast<float>(yarn_magnitude(factor_of(scaling), *scaling.magnitude_scale) /
                              yarn_magnitude(factor_of(scaling), *scaling.magnitude_scale_all));
  }
  return static_cast<float>(yarn_magnitude(factor_of(scaling), 1));
}

// Grows with what the longer contexts ask of the softmax.
float longrope_attention_factor(const RopeScaling& scaling) {
  if (scaling.attention_factor) return static_cast<float>(*scaling.attention_factor);
  const double factor = scaling.factor.value_or(1);
  if (factor <= 1) return 1;
  return static_cast<float>(
      std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(scaling.original_context_length))));
}

std::vector<double> divided(const std::vector<double>& frequencies, const std::vector<double>& divisors) {
  if (divisors.size() != frequencies.size()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("RoPE scaling \"longrope\": {} factors for {} pairs of dimensions",
                                                     divisors.size(), frequencies.size()));
  }
  std::vector<double> quotients;
  for (size_t i = 0; i < frequencies.size(); ++i) quotients.push_back(frequencies[i] / divisors[i]);
  return quotients;
}

void check_frequencies(const std::vector<double>& frequencies, std::string_view type) {
  for (const double frequency : frequencies) {
    if (!(frequency > 0 || (frequency == 0 && type == "proportional")) || !std::isfinite(frequency)) {
      throw Error(ErrorCode::kCorruptFile,
                  fmt::format("RoPE scaling \"{}\": the parameters give a frequency of {}", type, frequency));
    }
  }
}

}  // namespace

RopeParameters rope_parameters(const RopeScaling& scaling) {
  std::vector<double> frequencies = plain_frequencies(scaling);
  RopeParameters parameters;
  if (scaling.type == "linear") {
    stretch_linear(scaling, frequencies);
  } else if (scaling.type == "dynamic") {
    parameters.growth = RopeGrowth{.theta = scaling.theta, .factor = factor_of(scaling)};
    parameters.short_length = scaling.original_context_length;
  } else if (scaling.type == "llama3") {
    stretch_llama3(scaling, frequencies);
  } else if (scaling.type == "yarn") {
    stretch_yarn(scaling, frequencies);
    parameters.magnitude = yarn_attention_factor(scaling);
  } else if (scaling.type == "longrope") {
    const std::vector<double> long_frequencies = divided(frequencies, scaling.long_divisors);
    check_frequencies(long_frequencies, scaling.type);
    parameters.long_inverse_frequencies.assign(long_frequencies.begin(), long_frequencies.end());
    parameters.short_length = scaling.original_context_length;
    parameters.magnitude = longrope_attention_factor(scaling);
    frequencies = divided(frequencies, scaling.short_divisors);
  } else if (scaling.type == "proportional") {
    stop_unrotated(scaling, frequencies);
  } else if (scaling.type != "default") {
    throw Error(ErrorCode::kUnsupported, fmt::format("RoPE scaling \"{}\" is not supported; supported: default, "
                                                     "dynamic, linear, llama3, longrope, proportional, yarn",
                                                     scaling.type));
  }
  check_frequencies(frequencies, scaling.type);
  parameters.inverse_frequencies.assign(frequencies.begin(), frequencies.end());
  return parameters;
}

namespace {

bool gives(const RopeScaling& scaling, std::span<const float> frequencies) {
  const RopeParameters got = rope_parameters(scaling);
  return std::equal(frequencies.begin(), frequencies.end(), got.inverse_frequencies.begin(),
                    got.inverse_frequencies.end(),
                    [](float a, float b) { return std::abs(a - b) <= 1e-5 * std::abs(b); });
}

// What stretch_llama3() calls `kept`, of one frequency.
struct KeptShare {
  double frequency;
  double kept;  // 0: stretched, 1: left as it is
};

RopeScaling llama3_with(RopeScaling scaling, double low_factor, double high_factor, double original_context) {
  scaling.low_frequency_factor = low_factor;
  scaling.high_frequency_factor = high_factor;
  scaling.original_context_length = std::max<int64_t>(std::llround(original_context), 1);
  return scaling;
}

}  // namespace

std::optional<RopeScaling> fit_llama3(const RopeScaling& plain, std::span<const float> frequencies) {
  const std::vector<double> unstretched = plain_frequencies(plain);
  if (unstretched.size() != frequencies.size() || frequencies.empty()) return std::nullopt;
  RopeScaling scaling = plain;
  scaling.type = "llama3";
  scaling.factor = 1;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    scaling.factor = std::max(*scaling.factor, unstretched[i] / static_cast<double>(frequencies[i]));
  }
  // A table is of float32: 7.9999998 was 8.
  const double rounded = std::round(*scaling.factor * 1024) / 1024;
  if (std::abs(*scaling.factor - rounded) < 1e-5 * rounded) scaling.factor = rounded;
  if (*scaling.factor <= 1) return std::nullopt;

  std::vector<KeptShare> blended;
  double lowest_kept = INFINITY;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double share = static_cast<double>(frequencies[i]) / unstretched[i];  // 1 / factor .. 1
    const double kept = (share - 1 / *scaling.factor) / (1 - 1 / *scaling.factor);
    if (kept > 1 - 1e-5) {
      lowest_kept = std::min(lowest_kept, unstretched[i]);
    } else if (kept > 1e-5) {
      blended.push_back({unstretched[i], kept});
    }
  }

  std::vector<RopeScaling> candidates;
  if (blended.empty()) {
    candidates.push_back(llama3_with(scaling, 1, 4, std::ceil(4 * kTwoPi / lowest_kept)));
  } else {
    // With the usual factors of 1 and 4, kept = (turns − 1) / 3.
    const KeptShare& sharpest = blended.back();
    candidates.push_back(llama3_with(scaling, 1, 4, (3 * sharpest.kept + 1) * kTwoPi / sharpest.frequency));
  }
  if (blended.size() >= 2) {
    // kept = slope · frequency + intercept. A low factor of 1 is as good as any: another one with another context gives
    // the same frequencies.
    const KeptShare& a = blended.front();
    const KeptShare& b = blended.back();
    const double slope = (a.kept - b.kept) / (a.frequency - b.frequency);
    const double intercept = a.kept - slope * a.frequency;
    const double high = 1 - 1 / intercept;
    if (intercept < 0) candidates.push_back(llama3_with(scaling, 1, high, slope * kTwoPi * (high - 1)));
  }
  for (const RopeScaling& candidate : candidates) {
    if (gives(candidate, frequencies)) return candidate;
  }
  return std::nullopt;
}

}  // namespace pelton
