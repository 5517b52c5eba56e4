// Sums, multiples, bounds and nonlinearities on Vec; compiled once per ISA. Formulas: elementwise_reference.cc.
#pragma once

#include "kernels/elementwise/elementwise.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

void add(const float* a, const float* b, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, read(a) + read(b)); });
}

void scale(const float* x, float factor, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, splat(factor) * read(x)); });
}

void soft_cap(const float* x, float cap, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, splat(cap) * tanh(read(x) / splat(cap))); });
}

void soft_cap_backward(const float* y, float cap, const float* d_y, int64_t count, float* d_x) {
  for_each_vec(count, [&](auto read, auto write) {
    const Vec tanh_x = read(y) / splat(cap);
    write(d_x, read(d_y) * fma_negated(tanh_x, tanh_x, splat(1)));
  });
}

// Nonlinearities of the form f(z) = z · sigmoid(w(z)), each given by w and its derivative.
struct Silu {
  static Vec argument(Vec z) { return z; }
  static Vec slope(Vec) { return splat(1); }
};
struct Gelu {
  static constexpr float kFactor = 1.5957691216057308f;  // √(8/π)
  static constexpr float kCubic = 0.044715f;
  static Vec argument(Vec z) { return splat(kFactor) * fma(splat(kCubic) * z * z, z, z); }
  static Vec slope(Vec z) { return splat(kFactor) * fma(splat(3 * kCubic) * z, z, splat(1)); }
};

template <typename Function>
Vec sigmoid_of(Vec z) {
  return splat(1) / (splat(1) + exp(-Function::argument(z)));
}

template <typename Function>
Vec value_of(Vec z) {
  return z / (splat(1) + exp(-Function::argument(z)));
}

// s + z s (1 - s) w'(z), s = sigmoid(w(z)).
template <typename Function>
Vec slope_of(Vec z, Vec sigmoid) {
  return sigmoid * fma(z * Function::slope(z), splat(1) - sigmoid, splat(1));
}

template <typename Function>
void gated(const float* gate, const float* up, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, value_of<Function>(read(gate)) * read(up)); });
}

template <typename Function>
void gated_backward(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate, float* d_up) {
  for_each_vec(count, [&](auto read, auto write) {
    const Vec z = read(gate);
    const Vec incoming = read(d_y);
    const Vec sigmoid = sigmoid_of<Function>(z);
    const Vec d_value = incoming * read(up);
    write(d_gate, d_value * slope_of<Function>(z, sigmoid));
    write(d_up, incoming * z * sigmoid);
  });
}

// 1 where x < bound, else 0. Numbers of float32 about `bound` differ by more than 1e-30.
Vec is_below(Vec x, Vec bound) { return max(splat(0), min(splat(1), (bound - x) * splat(1e30f))); }

void clamped_gate(const ClampedGate& bounds, const float* gate, const float* up, int64_t count, float* y) {
  const Vec limit = splat(bounds.limit);
  for_each_vec(count, [&](auto read, auto write) {
    const Vec z = min(limit, read(gate));  // in this order NaN stays NaN
    const Vec u = max(-limit, min(limit, read(up)));
    write(y, z / (splat(1) + exp(splat(-bounds.steepness) * z)) * (splat(1) + u));
  });
}

void clamped_gate_backward(const ClampedGate& bounds, const float* gate, const float* up, const float* d_y,
                           int64_t count, float* d_gate, float* d_up) {
  const Vec limit = splat(bounds.limit);
  const Vec steepness = splat(bounds.steepness);
  for_each_vec(count, [&](auto read, auto write) {
    const Vec gate_in = read(gate);
    const Vec up_in = read(up);
    const Vec incoming = read(d_y);
    const Vec z = min(limit, gate_in);
    const Vec u = max(-limit, min(limit, up_in));
    const Vec sigmoid = splat(1) / (splat(1) + exp(-steepness * z));
    const Vec slope = sigmoid * fma(steepness * z, splat(1) - sigmoid, splat(1));
    write(d_gate, incoming * (splat(1) + u) * slope * is_below(gate_in, limit));
    write(d_up, incoming * z * sigmoid * is_below(up_in, limit) * is_below(-up_in, limit));
  });
}

void gelu(const float* x, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, value_of<Gelu>(read(x))); });
}

void gelu_backward(const float* x, const float* d_y, int64_t count, float* d_x) {
  for_each_vec(count, [&](auto read, auto write) {
    const Vec z = read(x);
    write(d_x, read(d_y) * slope_of<Gelu>(z, sigmoid_of<Gelu>(z)));
  });
}

// 1 - Φ(|z|), Φ that of the normal distribution: erfc(x) = t (a1 + t (a2 + …)) e^(-x²) with t = 1 / (1 + p x), within
// 1.5e-7 (Abramowitz and Stegun 7.1.26). `density` becomes e^(-z²/2). Without cancellation where z is far below 0.
Vec normal_above(Vec magnitude, Vec& density) {
  density = exp(splat(-0.5f) * magnitude * magnitude);
  const Vec t = splat(1) / fma(splat(0.3275911f * 0.70710678f), magnitude, splat(1));
  Vec sum = fma(splat(1.061405429f), t, splat(-1.453152027f));
  sum = fma(sum, t, splat(1.421413741f));
  sum = fma(sum, t, splat(-0.284496736f));
  sum = fma(sum, t, splat(0.254829592f));
  return splat(0.5f) * sum * t * density;
}

Vec magnitude_of(Vec z) { return max(z, -z); }

// z Φ(z): z - z q for positive z, z q for negative ones.
Vec gelu_erf_of(Vec z) {
  Vec density;
  return fma_negated(magnitude_of(z), normal_above(magnitude_of(z), density), max(z, splat(0)));
}

struct NormalDistribution {
  Vec below;    // Φ(z)
  Vec density;  // φ(z)
};
NormalDistribution normal_of(Vec z) {
  Vec density;
  const Vec above = normal_above(magnitude_of(z), density);
  const Vec sign = z / max(magnitude_of(z), splat(1e-30f));
  return {fma(splat(0.5f) - above, sign, splat(0.5f)), splat(0.39894228f) * density};
}
Vec slope_of(Vec z, const NormalDistribution& normal) { return fma(z, normal.density, normal.below); }

void gelu_erf(const float* x, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, gelu_erf_of(read(x))); });
}

void gelu_erf_backward(const float* x, const float* d_y, int64_t count, float* d_x) {
  for_each_vec(count, [&](auto read, auto write) {
    const Vec z = read(x);
    write(d_x, read(d_y) * slope_of(z, normal_of(z)));
  });
}

void gelu_erf_gate(const float* gate, const float* up, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, gelu_erf_of(read(gate)) * read(up)); });
}

void gelu_erf_gate_backward(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                            float* d_up) {
  for_each_vec(count, [&](auto read, auto write) {
    const Vec z = read(gate);
    const Vec incoming = read(d_y);
    const NormalDistribution normal = normal_of(z);
    const Vec d_value = incoming * read(up);
    write(d_gate, d_value * slope_of(z, normal));
    write(d_up, incoming * z * normal.below);
  });
}

constexpr ElementwiseKernels kKernels = {.add = add,
                                         .scale = scale,
                                         .soft_cap = soft_cap,
                                         .soft_cap_backward = soft_cap_backward,
                                         .silu_gate = gated<Silu>,
                                         .silu_gate_backward = gated_backward<Silu>,
                                         .gelu_gate = gated<Gelu>,
                                         .gelu_gate_backward = gated_backward<Gelu>,
                                         .clamped_gate = clamped_gate,
                                         .clamped_gate_backward = clamped_gate_backward,
                                         .gelu = gelu,
                                         .gelu_backward = gelu_backward,
                                         .gelu_erf_gate = gelu_erf_gate,
                                         .gelu_erf_gate_backward = gelu_erf_gate_backward,
                                         .gelu_erf = gelu_erf,
                                         .gelu_erf_backward = gelu_erf_backward};

}  // namespace
}  // namespace pelton
