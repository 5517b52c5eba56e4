// The roofline model (Williams, Waterman, Patterson 2009): work takes at least as long as its bytes take to be read and
// as its operations take to be computed, whichever is longer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pelton {

struct Work {
  double bytes = 0;       // that must come from memory
  double operations = 0;  // a multiply-add counts as two

  Work& operator+=(const Work& other) {
    bytes += other.bytes;
    operations += other.operations;
    return *this;
  }
};

struct Limits {
  double bytes_per_second;
  double operations_per_second;
};

enum class Bound { kBandwidth, kCompute };
std::string_view bound_name(Bound bound);  // "bandwidth-bound"

struct Roofline {
  Bound bound;           // what the limit comes from
  double limit_seconds;  // the work cannot be done in less
};
// Both limits must be positive.
Roofline roofline(const Work& work, const Limits& limits);

// What a verdict is about: one phase of a model as it ran.
struct PhaseFacts {
  Bound bound = Bound::kBandwidth;
  double limit_share = 0;  // limit_seconds / seconds
  double limit_tokens_per_second = 0;
  bool is_decode = true;
  int64_t row_count = 1;  // rows of a step
  int thread_count = 1;
  int core_count = 1;
  bool kv_outweighs_weights = false;  // more bytes of keys and values than of weights
  double weight_bits = 16;            // per parameter, on average
  bool has_int8_activations = true;
};
// One line: what bounds the phase, how near the limit it is, what would help most.
// "bandwidth-bound, 84 % of at most 480 tok/s; a smaller weight type, more rows a step or speculation would help"
std::string verdict(const PhaseFacts& facts);

}  // namespace pelton
