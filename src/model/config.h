// Reads a model's numbers out of config.json or GGUF metadata, under bounds, with errors that name the key.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "io/gguf.h"
#include "model/spec.h"
#include "ops/attention.h"

namespace pelton {

// config.json of a Hugging Face folder. Keeps a reference to `config`.
class HuggingFaceConfig {
 public:
  explicit HuggingFaceConfig(const json::object& config) : reader_(config, "config.json") {}

  // The numbers that decoder-only families share, with RoPE from `rope_parameters` (new spelling) or `rope_theta` and
  // `rope_scaling` (old). Errors: kCorruptFile, kUnsupported.
  ModelSpec common_spec(std::string_view architecture) const;
  // Error kUnsupported: the key is there and says something else.
  void require(std::string_view key, std::string_view expected) const;
  void require_false(std::string_view key) const;
  // Error kUnsupported: the key is there and not null.
  void require_absent(std::initializer_list<std::string_view> keys) const;

 private:
  int64_t size(std::string_view key, std::optional<int64_t> fallback) const;

  JsonReader reader_;
};

// Metadata of a GGUF file under "ARCHITECTURE.".
class GgufConfig {
 public:
  GgufConfig(const GgufFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  ModelSpec common_spec() const;
  // Error kUnsupported: the key is there with a value under which the model would be another one.
  void require_neutral(std::string_view key, std::initializer_list<double> neutral_values) const;

 private:
  int64_t size(std::string_view key, std::optional<int64_t> fallback) const;
  std::optional<double> number(std::string_view key) const;
  RopeParameters rope(ModelSpec& spec) const;
  void divide_by_table(const Tensor& divisors, RopeParameters& parameters) const;
  std::string full_key(std::string_view key) const { return prefix_ + "." + std::string(key); }

  const GgufFile& file_;
  std::string prefix_;
};

// What both sources must satisfy. Error kCorruptFile: heads that do not divide, an odd rotated width, absurd sizes.
void check_spec(const ModelSpec& spec, std::string_view source);

AttentionShape attention_shape(const ModelSpec& spec);

}  // namespace pelton
