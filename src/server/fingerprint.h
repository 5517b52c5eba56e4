// OpenAI's `system_fingerprint`: where it is the same, the same request with the same seed gives the same answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "model/bundle.h"

namespace pelton {

// 64 bits of FNV-1a over parts, each with its length, so that "ab" + "c" is not "a" + "bc".
class Fingerprint {
 public:
  void add(std::string_view part);
  // Type, shape, and bytes from all over the data: enough to tell a tuned or requantised model from its parent, and
  // little enough to read at each start.
  void add(const Tensor& weight);
  std::string text() const;  // "fp_0123456789abcdef"

 private:
  void add_bytes(std::string_view bytes);

  uint64_t hash_ = 0xcbf29ce484222325;
};

// Of Pelton's version and instruction set; the model: name, weights, template, end tokens, its makers' defaults; and
// those of `options` that alter results: the form of activations, keys and values, the order of sums. Not of the number
// of threads, the queue or the context.
std::string fingerprint_of(const ModelBundle& bundle, const EngineOptions& options);

}  // namespace pelton
