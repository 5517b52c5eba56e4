// What a model is, as numbers: the same for serving and training, whatever file it came from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/rope_scaling.h"
#include "ops/rope.h"
#include "text/token_id.h"

namespace pelton {

// Letters as in every shape comment: D width, H query heads, G key/value heads, K head width, F feed-forward width,
// V vocabulary, L layers.
struct ModelSpec {
  std::string architecture;  // a name from the list in arch.h
  int64_t layer_count = 0;
  int64_t width = 0;
  int64_t query_head_count = 0;
  int64_t key_value_head_count = 0;
  int64_t head_width = 0;
  int64_t feed_forward_width = 0;
  int64_t vocabulary_size = 0;
  int64_t context_length = 0;  // positions that the model was made for
  float norm_epsilon = 0;
  bool has_tied_output = false;  // the output matrix is the embedding table
  RopeParameters rope;
  std::string rope_scaling;  // "none", "linear", "yarn", "llama3": for people
  RopeScaling rope_source;   // what `rope` was computed from, to write it into other files

  int64_t query_width() const { return query_head_count * head_width; }
  int64_t key_value_width() const { return key_value_head_count * head_width; }

  friend bool operator==(const ModelSpec&, const ModelSpec&) = default;
};

}  // namespace pelton
