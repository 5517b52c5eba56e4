// The list of architectures, and what each one has to say: its numbers, its names, its layer calls.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "io/gguf.h"
#include "io/gguf_metadata.h"
#include "model/graph.h"
#include "model/spec.h"

namespace pelton {

// One weight in our naming and in the two that files use; "{}" stands for the layer's number.
struct WeightName {
  std::string_view canonical;
  std::string_view hugging_face;
  std::string_view gguf;
  // llama.cpp's converter reorders the rows of each head so that rotated pairs are neighbours.
  bool is_interleaved_in_gguf = false;
};

struct Architecture {
  std::string_view name;
  std::span<const std::string_view> hugging_face_types;  // config.json's `model_type`
  std::span<const std::string_view> gguf_names;          // `general.architecture`
  std::span<const WeightName> weight_names;
  // Errors: kUnsupported (an option of the family that Pelton lacks: named), kCorruptFile (a size that is missing or
  // absurd).
  ModelSpec (*spec_from_hugging_face)(const json::object& config);
  ModelSpec (*spec_from_gguf)(const GgufFile& file);
  Graph (*lower)(const ModelSpec& spec);

  // For files that are written (model/config_writer.h).
  std::string_view hugging_face_class = {};  // config.json's `architectures`: "LlamaForCausalLM"
  // What the family has beside the numbers that all share: keys under its GGUF name, fields of config.json. Null: none.
  void (*add_gguf_config)(const ModelSpec& spec, GgufMetadata& metadata) = nullptr;
  void (*add_hugging_face_config)(const ModelSpec& spec, json::object& config) = nullptr;
};

std::span<const Architecture* const> architectures();
// Error kUnsupported: names the unknown one and those that there are.
const Architecture& architecture_from_hugging_face(std::string_view model_type);
const Architecture& architecture_from_gguf(std::string_view name);

}  // namespace pelton
