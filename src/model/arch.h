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

// How a tensor of one kind of files differs from the weight that the layer calls mean.
enum class WeightForm : uint8_t {
  kPlain,
  kHeadRows,                 // rows of heads to be rotated: in GGUF in another order where the pairs are interleaved
  kMinusOneInHuggingFace,    // the file holds the weight less 1 (Gemma's norms)
  kTransposedInHuggingFace,  // [in, out] (GPT-2's Conv1D); experts in blocks are not
  kTurnsInHuggingFace,       // where several share a tensor, their rows take turns (gpt-oss)
  kTransposedTurnsInHuggingFace,  // both
  kHeadByHeadInHuggingFace,       // of the weights that share the tensor: a head of each, then the next (GPT-NeoX)
};

// One weight in our naming and in the two that files use; "{}" stands for the layer's number, a second one for the
// expert's. Weights of one layer that have the same name in a file are one tensor there, with their rows one after the
// other in the order of the list. Where a file's name has no place for the expert, the tensor holds all of them, along
// its first dimension.
struct WeightName {
  std::string_view canonical;
  std::string_view hugging_face;
  std::string_view gguf;
  WeightForm form = WeightForm::kPlain;
};

struct Architecture {
  std::string_view name;
  std::span<const std::string_view> hugging_face_types;  // config.json's `model_type`
  std::span<const std::string_view> gguf_names;          // `general.architecture`; empty: none of its own
  std::span<const WeightName> weight_names;
  bool has_experts = false;  // of files that share their GGUF name with a dense family, those that say so are its
  // How all names in folders begin, unless they were saved without: then all do without. Empty: they never are.
  std::string_view hugging_face_prefix = {};
  // How tensors are called that files may hold beside the weights of the graph, from their beginning on: heads that
  // served to train an encoder.
  std::span<const std::string_view> unread_prefixes = {};
  // Errors: kUnsupported (an option of the family that Pelton lacks: named), kCorruptFile (a size that is missing or
  // absurd).
  ModelSpec (*spec_from_hugging_face)(const json::object& config);
  ModelSpec (*spec_from_gguf)(const GgufFile& file);  // null where there is no name
  Graph (*lower)(const ModelSpec& spec);

  // For files that are written (model/config_writer.h).
  bool interleaves_heads_in_gguf = false;  // WeightForm::kHeadRows: rotated pairs are neighbours there
  bool rounds_yarn_in_gguf = true;  // readers take a YaRN of it as one that truncates; false: as one that does not
  std::string_view hugging_face_class = {};  // config.json's `architectures`: "LlamaForCausalLM"
  // Another of the list, with the same weights: what GGUF files call this family, and what folders call it where its
  // layers have a window. Null: as it is.
  const Architecture* gguf_twin = nullptr;
  const Architecture* hugging_face_windowed_twin = nullptr;
  // What the family has beside the numbers that all share: keys under its GGUF name, fields of config.json. Null: none.
  void (*add_gguf_config)(const ModelSpec& spec, GgufMetadata& metadata) = nullptr;
  void (*add_hugging_face_config)(const ModelSpec& spec, json::object& config) = nullptr;
};

std::span<const Architecture* const> architectures();
// Error kUnsupported: names the unknown one and those that there are.
const Architecture& architecture_from_hugging_face(std::string_view model_type);
const Architecture& architecture_from_gguf(std::string_view name, bool has_experts = false);
// The same of a file's metadata. Error kCorruptFile: they name none.
const Architecture& architecture_of_gguf(const GgufFile& file);

}  // namespace pelton
