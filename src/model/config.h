// Reads a model's numbers out of config.json or GGUF metadata, under bounds, with errors that name the key.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "io/gguf.h"
#include "model/spec.h"
#include "ops/attention.h"

namespace pelton {

// A family's rule for files that do not say it layer by layer.
using LayerRule = std::function<bool(int64_t layer)>;

// config.json of a Hugging Face folder. Keeps a reference to `config`. What is read and has the wrong type or is out of
// bounds: kInvalidArgument, as JsonReader says; whoever knows that it is a file's makes kCorruptFile of it.
class HuggingFaceConfig {
 public:
  explicit HuggingFaceConfig(const json::object& config) : config_(config), reader_(config, "config.json") {}

  // What config.json leaves out where it is the family's default, and what the family understands.
  struct Family {
    bool has_tied_output = false;
    bool rotates_partially = false;               // partial_rotary_factor
    double rotated_share = 1;                     // where config.json does not say
    std::optional<int64_t> full_head_width = {};  // of layers that are not local, where it is another
  };
  // The numbers that decoder-only families share, with RoPE from `rope_parameters` (new spelling; also with one entry
  // for each type of layers) or `rope_theta`, `rope_scaling` and `rope_local_base_freq` (old). Errors: kCorruptFile,
  // kUnsupported.
  ModelSpec common_spec(std::string_view architecture, const Family& family) const;
  ModelSpec common_spec(std::string_view architecture) const { return common_spec(architecture, Family()); }
  // `sliding_window`, where it is there and not switched off, on the layers of which `layer_types` says so; where that
  // is missing, the rule does. Errors: kCorruptFile, kUnsupported (another type of layer).
  void read_window(ModelSpec& spec, const LayerRule& is_local) const;

  // Where the family says how many experts there are (`num_experts_per_tok` of them active) and how wide one is.
  struct ExpertKeys {
    std::string_view count;
    std::string_view width;
    std::string_view group_count = {};  // and of these, so many of a token
    std::string_view active_group_count = {};
  };
  void read_experts(ModelSpec& spec, const ExpertKeys& keys) const;

  // Error kCorruptFile: it is missing and there is no fallback.
  int64_t size(std::string_view key, std::optional<int64_t> fallback) const;
  int64_t count(std::string_view key, int64_t fallback) const;  // may be 0; null reads as 0
  // By layer, what `per_layer_config` says of the key; empty: nothing.
  std::map<int64_t, int64_t> layer_overrides(std::string_view key) const;
  std::optional<float> positive(std::string_view key) const;  // null reads as absent, and so does absent
  std::optional<float> epsilon(std::string_view key) const;   // of a norm, from 0 on: BERT's is 1e-12
  bool flag(std::string_view key, bool fallback) const { return reader_.boolean(key).value_or(fallback); }
  // Which layers are local by `layer_types`; none: it is not there. Errors: kCorruptFile, kUnsupported.
  std::optional<std::vector<bool>> local_layers(int64_t layer_count) const;
  bool is_classifier() const;  // `architectures` names a ...ForSequenceClassification
  // Classes of a ...ForSequenceClassification: those of `id2label`, else `num_labels`, else 2.
  int64_t label_count() const;
  // Whether `architectures` names the class.
  bool is_class(std::string_view name) const;
  // A list of 0 and 1, or of false and true, one for each layer at least; none: it is not there.
  std::optional<std::vector<bool>> layer_flags(std::string_view key, int64_t layer_count) const;

  // A list of layers' numbers; empty: it is not there.
  std::vector<int64_t> layer_numbers(std::string_view key) const;

  std::optional<std::string> string(std::string_view key) const { return reader_.string(key); }

  // Error kUnsupported: the key is there and says something else.
  void require(std::string_view key, std::initializer_list<std::string_view> expected) const;
  void require_false(std::string_view key) const { require_flag(key, false); }
  void require_true(std::string_view key) const { require_flag(key, true); }
  // Error kUnsupported: the key is there and not null.
  void require_absent(std::initializer_list<std::string_view> keys) const;

 private:
  void require_flag(std::string_view key, bool expected) const;
  RopeParameters read_rope(ModelSpec& spec, const Family& family) const;

  const json::object& config_;
  JsonReader reader_;
};

// Metadata of a GGUF file under "ARCHITECTURE.".
class GgufConfig {
 public:
  GgufConfig(const GgufFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  // RoPE's pairs are halves; interleaved ones are up to the architecture.
  ModelSpec common_spec() const;
  // Which linear layers have a bias: those whose tensors are there.
  void read_biases(ModelSpec& spec) const;
  // `attention.sliding_window`, where it is there and not 0, on the layers of which `attention.sliding_window_pattern`
  // says so; where that is missing, the rule does.
  void read_window(ModelSpec& spec, const LayerRule& is_local) const;
  // `expert_count`, `expert_used_count`, and `expert_feed_forward_length`, or `feed_forward_length` where that is
  // missing.
  void read_experts(ModelSpec& spec) const;

  int64_t size(std::string_view key, std::optional<int64_t> fallback) const;
  int64_t count(std::string_view key, int64_t fallback) const;  // may be 0
  std::optional<float> positive(std::string_view key) const;    // 0 reads as absent
  std::optional<float> epsilon(std::string_view key) const;

  // Error kUnsupported: one of the keys by which families differ is there with a value under which the model would be
  // another one. `understood`: those that the architecture reads.
  void refuse_other_families(std::initializer_list<std::string_view> understood) const;

 private:
  std::optional<double> number(std::string_view key) const;
  void require_neutral(std::string_view key, const std::vector<double>& neutral_values) const;
  RopeParameters rope(ModelSpec& spec) const;
  std::vector<float> divisors(std::string_view tensor, size_t count) const;
  // A number for all layers, or a list by layer: then its first, and the list where they differ.
  int64_t size_by_layer(std::string_view key, std::optional<int64_t> fallback, const ModelSpec& spec,
                        std::vector<int64_t>& by_layer) const;
  std::string full_key(std::string_view key) const { return prefix_ + "." + std::string(key); }

  const GgufFile& file_;
  std::string prefix_;
};

// What both sources must satisfy. Error kCorruptFile: heads that do not divide, absurd sizes.
void check_spec(const ModelSpec& spec, std::string_view source);

// Of each layer, by the rule.
std::vector<bool> list_layers(const ModelSpec& spec, const LayerRule& rule);

AttentionShape attention_shape(const ModelSpec& spec, int64_t layer);

}  // namespace pelton
