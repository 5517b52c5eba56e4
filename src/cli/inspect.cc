// `pelton inspect`: what a model file holds.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/inspect_schema.h"
#include "cli/inspection.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "ops/attention.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "MODEL is a GGUF file, a Hugging Face folder, a .safetensors file, or the short name of a model in the cache. A "
    "model\n"
    "that Pelton cannot run is shown too, with the reason; the exit code is 0 for it as well. Scripts look at "
    "\"runnable\" in\n"
    "--json: false, with the reason in \"problem\".\n"
    "\n"
    "Examples:\n"
    "  pelton inspect model.gguf\n"
    "  pelton inspect folder/ --tensors --plan\n"
    "  pelton inspect model.gguf --template > template.jinja\n"
    "  pelton inspect model.gguf --json --metadata\n"
    "  pelton inspect schema person.schema.json\n";

constexpr size_t kLineBytesMax = 100;

struct InspectOptions {
  std::string model;
  bool shows_template = false;
  bool shows_metadata = false;
  bool shows_tensors = false;
  bool shows_plan = false;
  bool as_json = false;
};

// --- JSON

json::object token_to_json(const SpecialToken& token) { return {{"id", token.id}, {"text", valid_utf8(token.text)}}; }

json::array tokens_to_json(const std::vector<SpecialToken>& tokens) {
  json::array array;
  for (const SpecialToken& token : tokens) array.push_back(token_to_json(token));
  return array;
}

json::object spec_to_json(const ModelSpec& spec) {
  return {{"layers", spec.layer_count},           {"width", spec.width},
          {"query_heads", spec.query_head_count}, {"key_value_heads", spec.key_value_head_count},
          {"head_width", spec.head_width},        {"feed_forward_width", spec.feed_forward_width},
          {"vocabulary", spec.vocabulary_size},   {"context_length", spec.context_length},
          {"norm_epsilon", spec.norm_epsilon},    {"tied_output", spec.has_tied_output},
          {"encoder", spec.is_encoder},           {"labels", spec.label_count},
          {"rope_scaling", spec.rope_scaling}};
}

json::value experts_to_json(const Inspection& inspection) {
  if (!inspection.spec || !inspection.spec->has_experts()) return nullptr;
  const ModelSpec& spec = *inspection.spec;
  json::object experts = {{"count", spec.routing.expert_count},
                          {"active", spec.routing.active_count},
                          {"width", spec.expert_width},
                          {"layers", spec.expert_layer_count()},
                          {"parameters", nullptr},
                          {"active_parameters", nullptr}};
  if (inspection.parameters) experts["parameters"] = *inspection.parameters;
  if (inspection.active_parameters) experts["active_parameters"] = *inspection.active_parameters;
  return experts;
}

bool has_window(const KvCacheShape& cache) { return cache.window.has_value(); }

json::object memory_to_json(const Inspection& inspection) {
  json::object memory = {{"weights_bytes", inspection.weight_bytes()}};
  if (!inspection.spec || inspection.spec->is_encoder) return memory;
  const std::vector<KvCacheShape> caches = kv_caches(*inspection.spec);
  memory["kv_layers"] = caches.size();
  memory["kv_window_layers"] = std::count_if(caches.begin(), caches.end(), has_window);
  for (ElementType type : kKvTypes) {
    const ModelSpec& spec = *inspection.spec;
    memory[fmt::format("kv_{}_bytes_per_token", kv_type_name(type))] = kv_bytes(spec, type, 1);
    memory[fmt::format("kv_{}_bytes_full_context", kv_type_name(type))] = kv_bytes(spec, type, spec.context_length);
  }
  return memory;
}

json::value vocabulary_to_json(const std::optional<VocabularyFacts>& facts) {
  if (!facts) return nullptr;
  return {{"kind", valid_utf8(facts->kind)},
          {"encoder", facts->encoder.empty() ? json::value(nullptr) : json::value(facts->encoder)},
          {"vocabulary", facts->size},
          {"bos", facts->bos ? json::value(token_to_json(*facts->bos)) : json::value(nullptr)},
          {"ends", tokens_to_json(facts->ends)},
          {"special", tokens_to_json(facts->special)}};
}

json::object inspection_to_json(const Inspection& inspection, const InspectOptions& options) {
  json::array types;
  for (const ElementTypeUse& use : inspection.types) {
    types.push_back({{"type", element_type_name(use.type)},
                     {"tensors", use.tensor_count},
                     {"parameters", use.element_count},
                     {"bytes", use.bytes}});
  }
  json::object object = {{"name", valid_utf8(inspection.name)},
                         {"path", valid_utf8(inspection.path)},
                         {"format", inspection.format},
                         {"architecture", valid_utf8(inspection.architecture)},
                         {"quantisation", nullptr},
                         {"runnable", !inspection.problem},
                         {"problem", nullptr},
                         {"parameters", inspection.element_count()},
                         {"tensor_count", inspection.tensors.size()},
                         {"types", std::move(types)},
                         {"spec", nullptr},
                         {"experts", experts_to_json(inspection)},
                         {"memory", memory_to_json(inspection)},
                         {"tokenizer", vocabulary_to_json(inspection.vocabulary)},
                         {"chat_template", nullptr}};
  if (!inspection.quantisation.empty()) object["quantisation"] = valid_utf8(inspection.quantisation);
  if (inspection.problem) object["problem"] = valid_utf8(*inspection.problem);
  if (inspection.spec) object["spec"] = spec_to_json(*inspection.spec);
  if (inspection.chat_template) object["chat_template"] = valid_utf8(*inspection.chat_template);
  if (options.shows_metadata) {
    json::object metadata;
    for (const auto& [key, value] : inspection.metadata) metadata[valid_utf8(key)] = valid_utf8(value);
    object["metadata"] = std::move(metadata);
  }
  if (options.shows_tensors) {
    json::array tensors;
    for (const TensorEntry& entry : inspection.tensors) {
      json::array shape;
      for (int axis = 0; axis < entry.shape.rank(); ++axis) shape.push_back(entry.shape[axis]);
      tensors.push_back(
          {{"name", valid_utf8(entry.name)}, {"type", element_type_name(entry.type)}, {"shape", std::move(shape)}});
    }
    object["tensors"] = std::move(tensors);
  }
  if (options.shows_plan) object["plan"] = inspection.plan ? json::value(to_json(*inspection.plan)) : nullptr;
  return object;
}

// --- Text

std::string line(std::string_view label, std::string_view value) { return fmt::format("{:<14} {}\n", label, value); }

// "134.5 M"
std::string rounded_count(int64_t count) {
  const double value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.2f} G", value / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.1f} M", value / 1e6);
  return fmt::format("{}", count);
}

std::string output_to_text(const ModelSpec& spec) {
  if (spec.label_count > 0) return fmt::format("{} scores of a text or pair", spec.label_count);
  if (spec.is_encoder) return fmt::format("embeddings of {} numbers", spec.width);
  return fmt::format("{} logits, {}", spec.vocabulary_size,
                     spec.has_tied_output ? "from the embedding table" : "from a matrix of its own");
}

std::string spec_to_text(const ModelSpec& spec) {
  return line("Sizes", fmt::format("{} layers, width {}, {} query heads on {} key/value heads of {}, feed-forward {}",
                                   spec.layer_count, spec.width, spec.query_head_count, spec.key_value_head_count,
                                   spec.head_width, spec.feed_forward_width)) +
         line("Context", fmt::format("{} tokens, RoPE scaling {}", spec.context_length, spec.rope_scaling)) +
         line("Output", output_to_text(spec));
}

std::string experts_to_text(const Inspection& inspection) {
  if (!inspection.spec || !inspection.spec->has_experts()) return "";
  const ModelSpec& spec = *inspection.spec;
  std::string text =
      line("Experts", fmt::format("{} of width {} in {} layers, {} active for each token", spec.routing.expert_count,
                                  spec.expert_width, spec.expert_layer_count(), spec.routing.active_count));
  if (inspection.active_parameters) {
    text += line("", fmt::format("{} of {} parameters are active", rounded_count(*inspection.active_parameters),
                                 rounded_count(*inspection.parameters)));
  }
  return text;
}

std::string types_to_text(const Inspection& inspection) {
  std::string text =
      line("Weights", fmt::format("{} parameters in {} tensors, {}", rounded_count(inspection.element_count()),
                                  inspection.tensors.size(), format_byte_size(inspection.weight_bytes())));
  for (const ElementTypeUse& use : inspection.types) {
    text += line(
        "", fmt::format("{:<5} {:>9} in {} tensor{}, {}", element_type_name(use.type), rounded_count(use.element_count),
                        use.tensor_count, use.tensor_count == 1 ? "" : "s", format_byte_size(use.bytes)));
  }
  return text;
}

std::string token_to_text(const SpecialToken& token) {
  return fmt::format("{} {}", token.id, one_line(token.text, kLineBytesMax));
}

std::string tokens_to_text(const std::vector<SpecialToken>& tokens, size_t count_max) {
  std::string text;
  for (size_t i = 0; i < std::min(tokens.size(), count_max); ++i) {
    text += (i == 0 ? "" : ", ") + token_to_text(tokens[i]);
  }
  if (tokens.size() > count_max) text += fmt::format(", … ({} in all)", tokens.size());
  return tokens.empty() ? "none" : text;
}

std::string vocabulary_to_text(const std::optional<VocabularyFacts>& facts) {
  if (!facts) return line("Tokens", "no tokenizer");
  constexpr size_t kSpecialTokensShown = 6;
  const std::string encoder = facts->encoder.empty() ? "" : ", encoder: " + facts->encoder;
  return line("Tokens", fmt::format("{}, {} tokens{}", one_line(facts->kind, kLineBytesMax), facts->size, encoder)) +
         line("", "begin: " + (facts->bos ? token_to_text(*facts->bos) : "none")) +
         line("", "end: " + tokens_to_text(facts->ends, kSpecialTokensShown)) +
         line("", "special: " + tokens_to_text(facts->special, kSpecialTokensShown));
}

// "keep keys and values: 4 of 8 layers, 3 of them of the last 12 tokens alone"; empty where all keep all.
std::string kv_layers_to_text(const ModelSpec& spec) {
  const std::vector<KvCacheShape> caches = kv_caches(spec);
  const auto window_count = std::count_if(caches.begin(), caches.end(), has_window);
  if (static_cast<int64_t>(caches.size()) == spec.layer_count && window_count == 0) return "";
  std::string text = fmt::format("keys and values are kept by {} of {} layers", caches.size(), spec.layer_count);
  if (window_count > 0) text += fmt::format(", by {} of them of the last {} tokens alone", window_count, *spec.window);
  return line("", text);
}

std::string memory_to_text(const Inspection& inspection) {
  std::string text =
      line("Memory", fmt::format("{} of weights, mapped from the file; int8 activations add a rearranged copy",
                                 format_byte_size(inspection.weight_bytes())));
  if (!inspection.spec || inspection.spec->is_encoder) return text;
  for (ElementType type : kKvTypes) {
    const ModelSpec& spec = *inspection.spec;
    text += line("", fmt::format("keys and values in {}: {} a token, {} for the full context", kv_type_name(type),
                                 format_byte_size(kv_bytes(spec, type, 1)),
                                 format_byte_size(kv_bytes(spec, type, spec.context_length))));
  }
  text += kv_layers_to_text(*inspection.spec);
  return text;
}

std::string template_to_text(const std::optional<std::string>& chat_template) {
  if (!chat_template) return line("Chat template", "none");
  return line("Chat template", fmt::format("{} bytes (--template prints it): {}", chat_template->size(),
                                           one_line(*chat_template, kLineBytesMax)));
}

std::string inspection_to_text(const Inspection& inspection, const InspectOptions& options) {
  std::string text = line("Model", one_line(inspection.name, kLineBytesMax)) + line("Format", inspection.format);
  if (!inspection.architecture.empty()) text += line("Architecture", one_line(inspection.architecture, kLineBytesMax));
  if (!inspection.quantisation.empty()) text += line("Quantised", one_line(inspection.quantisation, kLineBytesMax));
  if (inspection.spec) text += spec_to_text(*inspection.spec) + experts_to_text(inspection);
  text += types_to_text(inspection) + memory_to_text(inspection) + vocabulary_to_text(inspection.vocabulary) +
          template_to_text(inspection.chat_template);
  constexpr size_t kProblemBytesMax = 1000;
  text += line("Runs", inspection.problem ? "no: " + one_line(*inspection.problem, kProblemBytesMax) : "yes");
  if (options.shows_metadata) {
    text += "\nMetadata\n";
    for (const auto& [key, value] : inspection.metadata) {
      text += fmt::format("  {} = {}\n", one_line(key, kLineBytesMax), one_line(value, kLineBytesMax));
    }
  }
  if (options.shows_tensors) {
    text += "\nTensors\n";
    for (const TensorEntry& entry : inspection.tensors) {
      text += fmt::format("  {:<44} {:<5} {}\n", one_line(entry.name, kLineBytesMax), element_type_name(entry.type),
                          entry.shape.to_string());
    }
  }
  if (options.shows_plan) {
    text += inspection.plan ? to_text(*inspection.plan) : "\nNo plan: the model does not run\n";
  }
  return text;
}

int inspect(const InspectOptions& options) {
  const Inspection inspection = inspect_model(options.model);
  if (options.shows_template) {
    if (!inspection.chat_template) {
      throw Error(ErrorCode::kNotFound, fmt::format("{} has no chat template", inspection.path));
    }
    print_text(*inspection.chat_template);
  } else if (options.as_json) {
    print_json(inspection_to_json(inspection, options));
  } else {
    print_text(inspection_to_text(inspection, options));
  }
  return 0;
}

}  // namespace

std::function<int()> add_inspect(CLI::App& app) {
  const auto options = std::make_shared<InspectOptions>();
  app.add_option("model", options->model, "What to look into")->type_name("MODEL");
  app.add_flag("--metadata", options->shows_metadata, "List all metadata too");
  app.add_flag("--tensors", options->shows_tensors, "List all tensors too");
  app.add_flag("--plan", options->shows_plan, "List the layer calls too, before and after fusing");
  CLI::Option* json = app.add_flag("--json", options->as_json, "Print one JSON object");
  app.add_flag("--template", options->shows_template, "Print the chat template and nothing else")->excludes(json);
  app.footer(kNotes);
  return [options, inspects_schema = add_inspect_schema(app)] {
    int exit_code = 0;
    if (inspects_schema(exit_code)) return exit_code;
    if (options->model.empty()) throw Error(ErrorCode::kUsage, "model is required");
    return inspect(*options);
  };
}

}  // namespace pelton::cli
