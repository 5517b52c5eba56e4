#include "model/conversion_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "io/path_exists.h"
#include "io/safetensors.h"
#include "model/classifier.h"
#include "model/config_writer.h"
#include "model/gguf_vocabulary.h"
#include "model/model.h"
#include "model/prequantised.h"
#include "model/score_head.h"
#include "model/special_tokens.h"
#include "model/tokenizer_source.h"
#include "quant/blocks.h"
#include "text/gguf_tokenizer_json.h"
#include "text/gguf_vocabulary_from_json.h"
#include "text/tokenizer.h"

namespace pelton {
namespace {

constexpr uint32_t kQuantizationVersion = 2;  // of ggml's block formats, since 2023

bool is_block_format(ElementType type) { return info(type).block_elements > 1; }

// A number that is no integer by its type stays one to strict readers: 10000.0, not 10000.
std::string to_typed_text(const json::value& value) {
  std::string text;
  if (const json::object* object = value.if_object()) {
    for (const auto& [key, field] : *object) {
      text +=
          fmt::format("{}{}: {}", text.empty() ? "" : ", ", json::serialize(json::value(key)), to_typed_text(field));
    }
    return "{" + text + "}";
  }
  if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) text += (text.empty() ? "" : ", ") + to_typed_text(item);
    return "[" + text + "]";
  }
  text = to_json_text(value);
  if (value.is_double() && text.find_first_of(".en") == std::string::npos) text += ".0";  // no exponent, no "null"
  return text;
}

// One field a line, as people edit it.
std::string to_config_text(const json::object& object) {
  std::string text = "{";
  for (const auto& [key, value] : object) {
    text += fmt::format("{}\n  {}: {}", text.size() == 1 ? "" : ",", json::serialize(json::value(key)),
                        to_typed_text(value));
  }
  return text + "\n}\n";
}

// The type that most of the matrices' values have.
ElementType main_type(const std::vector<PlannedTensor>& tensors) {
  std::map<ElementType, int64_t> elements;
  for (const PlannedTensor& tensor : tensors) {
    if (tensor.target.shape.rank() >= 2) elements[tensor.target.type] += tensor.target.shape.element_count();
  }
  const auto largest = std::max_element(elements.begin(), elements.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
  return largest == elements.end() ? ElementType::kF32 : largest->first;
}

// --- the weights

Tensor decoded(const Tensor& tensor) {
  Tensor values = Tensor::f32(tensor.shape());
  decode_function(tensor.type())(tensor.data(), values.mutable_floats(), tensor.shape().element_count());
  return values;
}

// A norm's weight as files hold it that add 1 to it.
Tensor minus_one(const Tensor& tensor) {
  Tensor result = decoded(tensor);
  for (int64_t i = 0; i < result.shape().element_count(); ++i) result.mutable_floats()[i] -= 1;
  return result;
}

// [in, out] of matrices [out, in] whose rows follow each other; as float32 where they were in blocks or not alike.
Tensor transposed(std::vector<Tensor> parts) {
  const ElementType type = parts.front().type();
  const bool is_kept = !is_block_format(type) &&
                       std::all_of(parts.begin(), parts.end(), [&](const Tensor& part) { return part.type() == type; });
  int64_t row_count = 0;
  for (Tensor& part : parts) {
    if (!is_kept) part = decoded(part);
    row_count += part.shape()[0];
  }
  const int64_t columns = parts.front().shape()[1], bytes = bytes_of(parts.front().type(), 1);
  Tensor result(parts.front().type(), {columns, row_count});
  int64_t target = 0;
  for (const Tensor& part : parts) {
    for (int64_t row = 0; row < part.shape()[0]; ++row, ++target) {
      for (int64_t column = 0; column < columns; ++column) {
        std::copy_n(part.row(row) + column * bytes, bytes,
                    result.mutable_data() + (column * row_count + target) * bytes);
      }
    }
  }
  return result;
}

// A tensor of which several weights have rows by turns; as float32 where they are not alike.
Tensor gathered(const Model& model, const std::vector<const WeightSpec*>& weights, const WeightPlaces& places,
                const Shape& shape) {
  std::vector<Tensor> parts;
  for (const WeightSpec* weight : weights) parts.push_back(model.weights.at(weight->name));
  const ElementType type = parts.front().type();
  const bool is_kept = std::all_of(parts.begin(), parts.end(), [&](const Tensor& part) { return part.type() == type; });
  if (!is_kept) std::transform(parts.begin(), parts.end(), parts.begin(), decoded);
  Tensor result(parts.front().type(), shape);
  const int64_t row_bytes = result.size_bytes() / shape[0];  // a vector has rows of one element
  for (size_t i = 0; i < parts.size(); ++i) {
    const WeightPlace& place = places.find(weights[i]->name)->second;
    for (int64_t row = 0; row < parts[i].shape()[0]; ++row) {
      std::copy_n(parts[i].data() + row * row_bytes, row_bytes,
                  result.mutable_data() + place.tensor_row(row) * row_bytes);
    }
  }
  return result;
}

RowOrder row_order(const Model& model, WeightNaming naming, const WeightPlace& place) {
  if (!place.has_head_rows || !model.architecture->interleaves_heads_in_gguf || naming == model.naming) {
    return RowOrder::kSame;
  }
  return naming == WeightNaming::kGguf ? RowOrder::kInterleave : RowOrder::kDeinterleave;
}

// All weights under the names of the other format, in the order of the layer calls, with the types that they have.
void add_weights(const Model& model, WeightNaming naming, ConversionPlan& plan) {
  const WeightPlaces places = weight_places(model.graph, model.architecture->weight_names, naming);
  std::map<std::string, std::vector<const WeightSpec*>, std::less<>> weights_of_tensor;
  std::vector<std::string> order;
  for (const WeightSpec& weight : model.graph.weights) {
    const WeightPlace& place = places.find(weight.name)->second;
    std::vector<const WeightSpec*>& weights = weights_of_tensor[place.tensor];
    if (weights.empty()) order.push_back(place.tensor);
    weights.push_back(&weight);
  }
  for (const std::string& name : order) {
    std::vector<const WeightSpec*>& weights = weights_of_tensor[name];
    std::sort(weights.begin(), weights.end(), [&](const WeightSpec* a, const WeightSpec* b) {
      const WeightPlace& of_a = places.find(a->name)->second;
      const WeightPlace& of_b = places.find(b->name)->second;
      return std::pair(of_a.slice, of_a.first_row) < std::pair(of_b.slice, of_b.first_row);
    });
    const WeightPlace& first = places.find(weights.front()->name)->second;
    PlannedTensor tensor{{name, model.weights.at(weights.front()->name).type(), first.tensor_shape}, {}};
    if (first.row_step > 1 || (first.is_transposed && first.is_sliced)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("writing {}, which holds turned experts, is not supported", name));
    }
    if (first.is_transposed) {
      std::vector<Tensor> matrices;
      for (const WeightSpec* weight : weights) matrices.push_back(model.weights.at(weight->name));
      tensor.parts.push_back({transposed(std::move(matrices))});
      tensor.target.type = tensor.parts.front().source.type();
      plan.tensors.push_back(std::move(tensor));
      continue;
    }
    if (first.run_rows > 0) {
      tensor.parts.push_back({gathered(model, weights, places, first.tensor_shape)});
      tensor.target.type = tensor.parts.front().source.type();
      plan.tensors.push_back(std::move(tensor));
      continue;
    }
    for (const WeightSpec* weight : weights) {
      const WeightPlace& place = places.find(weight->name)->second;
      const Tensor& source = model.weights.at(weight->name);
      PlannedRows rows{source, row_order(model, naming, place)};
      if (place.is_minus_one) rows.source = minus_one(source);
      if (rows.source.type() != source.type()) tensor.target.type = rows.source.type();
      tensor.parts.push_back(std::move(rows));
    }
    plan.tensors.push_back(std::move(tensor));
  }
}

// Puts a changed model's weights in place of what a plan took over from its source as it lay there: those that are not
// a view into a file. Types stay, but with a mix vectors are in F32 as everywhere.
void put_changed_weights(const Model& model, WeightNaming naming, const TypeMix* mix, ConversionPlan& plan) {
  ConversionPlan of_model;
  add_weights(model, naming, of_model);
  plan.head_width = model.spec.head_width;
  std::map<std::string_view, PlannedTensor*> planned;
  for (PlannedTensor& tensor : plan.tensors) planned.emplace(tensor.target.name, &tensor);
  const std::string_view prefix = naming == WeightNaming::kHuggingFace ? model.architecture->hugging_face_prefix : "";
  for (PlannedTensor& tensor : of_model.tensors) {
    const bool is_changed = std::any_of(tensor.parts.begin(), tensor.parts.end(),
                                        [](const PlannedRows& rows) { return rows.source.is_heap(); });
    if (!is_changed) continue;
    std::string_view name = tensor.target.name;
    auto found = planned.find(name);
    if (found == planned.end() && name.starts_with(prefix)) found = planned.find(name.substr(prefix.size()));
    if (found == planned.end() || found->second->target.shape != tensor.target.shape) {
      throw Error(ErrorCode::kUnsupported, fmt::format("the source has no tensor {} {}, which the changed weights need",
                                                       tensor.target.name, tensor.target.shape.to_string()));
    }
    found->second->parts = std::move(tensor.parts);
    if (mix != nullptr && tensor.target.shape.rank() < 2) found->second->target.type = ElementType::kF32;
  }
}

// Where a changed model scores and the source in a folder's names does not (model/score_head.h): the head in place of
// the output matrix. False: there is none to put there.
bool put_new_head(const Model& changed, const TypeMix* mix, ConversionPlan& plan) {
  if (changed.spec.label_count == 0) return false;
  const auto name_of = [&](std::string_view canonical) -> std::string_view {
    for (const WeightName& name : changed.architecture->weight_names) {
      if (name.canonical == canonical) return name.hugging_face;
    }
    return {};
  };
  const auto is_named = [](std::string_view name) {
    return [name](const PlannedTensor& tensor) { return tensor.target.name == name; };
  };
  const std::string_view head = name_of(kScoreHead);
  if (std::any_of(plan.tensors.begin(), plan.tensors.end(), is_named(head))) return false;
  std::erase_if(plan.tensors, is_named(name_of("output")));
  const Tensor& weight = changed.weights.at(kScoreHead);
  const ElementType type = mix != nullptr ? mix->base : ElementType::kF32;
  plan.tensors.push_back({{std::string(head), type, weight.shape()}, {{weight}}});
  return true;
}

// A reward: a number as it is.
ClassifierSettings settings_of_new_head(const ModelSpec& spec) {
  return {ScoreActivation::kIdentity, numbered_labels(spec)};
}

// --- GGUF as the target

// Chooses the types of all tensors of a plan, whose targets have their GGUF names and the sources' types.
void choose_gguf_types(const TypeMix* mix, bool keeps_vectors, ConversionPlan& plan) {
  std::vector<TensorEntry> entries;
  for (const PlannedTensor& tensor : plan.tensors) entries.push_back(tensor.target);
  const ModelTensors model = describe_tensors(entries);
  bool requantises = false;
  for (PlannedTensor& tensor : plan.tensors) {
    TensorEntry& target = tensor.target;
    if (mix == nullptr) {
      if (!keeps_vectors && is_floating(target.type) && !is_matrix(target)) target.type = ElementType::kF32;
      // FP8, which BF16 holds exactly.
      if (is_floating(target.type) && info(target.type).gguf_id < 0) target.type = ElementType::kBF16;
      continue;
    }
    const TypeChoice choice = choose_type(*mix, target, model);
    requantises |= is_block_format(target.type) && is_block_format(choice.type) && target.type != choice.type;
    target.type = choice.type;
    if (choice.wanted) plan.fallbacks.push_back({target, *choice.wanted});
  }
  if (requantises) {
    plan.notes.emplace_back(
        "the source is quantised already: what it lost stays lost, and quantising again adds to it; the original "
        "weights give a better file of this type");
  }
}

void add_file_type(const TypeMix* mix, ConversionPlan& plan) {
  const TypeMix* named = mix != nullptr ? mix : plain_type_mix(main_type(plan.tensors));
  if (named != nullptr) plan.metadata.add("general.file_type", named->gguf_file_type);
  const bool is_quantised = std::any_of(plan.tensors.begin(), plan.tensors.end(), [](const PlannedTensor& tensor) {
    return is_block_format(tensor.target.type);
  });
  if (is_quantised) plan.metadata.add("general.quantization_version", kQuantizationVersion);
}

// Of a model that is no classifier nothing.
void add_classifier(const ClassifierSettings& settings, ConversionPlan& plan) {
  if (settings.labels.empty()) return;
  add_classifier_settings(settings, plan.architecture->gguf_names.front(), plan.metadata);
  plan.notes.emplace_back(
      "GGUF cannot say how a classifier's scores are shown: readers choose by the number of labels");
}

// --- vocabulary, from a folder

std::optional<int64_t> token_id(const Tokenizer& tokenizer, const HfFolder& folder, std::string_view kind) {
  const std::string text = special_token_text(folder.tokenizer_config, std::string(kind) + "_token");
  if (!text.empty()) {
    if (const auto token = tokenizer.find(text)) return index_of(*token);
  }
  const std::string key = std::string(kind) + "_token_id";
  for (const json::object* config : {&folder.config, folder.generation_config ? &*folder.generation_config : nullptr}) {
    if (config == nullptr) continue;
    const json::value* id = config->if_contains(key);
    if (id != nullptr && id->is_int64() && id->get_int64() >= 0) return id->get_int64();
  }
  return std::nullopt;
}

// All tokens that end an answer, the one that `eos` names first.
std::vector<int64_t> end_tokens(const HfFolder& folder, std::optional<int64_t> eos) {
  std::vector<int64_t> ends;
  const auto add = [&](int64_t id) {
    if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  };
  if (eos) add(*eos);
  for (const int64_t id : end_token_ids(folder.config)) add(id);
  if (folder.generation_config) {
    for (const int64_t id : end_token_ids(*folder.generation_config)) add(id);
  }
  return ends;
}

void add_vocabulary(const HfFolder& folder, const ModelSpec& spec, ConversionPlan& plan) {
  const std::optional<std::string> tokenizer_json = folder_tokenizer_json(folder.path);
  if (!tokenizer_json) {
    plan.notes.emplace_back("the folder has no tokenizer, so the file takes token ids only, no text");
    return add_no_gguf_vocabulary(plan.metadata);
  }
  const std::shared_ptr<const Tokenizer> tokenizer = Tokenizer::from_json(*tokenizer_json);
  GgufVocabularyOptions options;
  options.token_count = spec.vocabulary_size;
  options.bos = token_id(*tokenizer, folder, "bos");
  options.eos = token_id(*tokenizer, folder, "eos");
  options.unknown = token_id(*tokenizer, folder, "unk");
  options.padding = token_id(*tokenizer, folder, "pad");
  const std::vector<int64_t> ends = end_tokens(folder, options.eos);
  if (!options.eos && !ends.empty()) options.eos = ends.front();
  const ConvertedVocabulary converted = gguf_vocabulary_from_json(*tokenizer_json, *tokenizer, options);
  plan.notes.insert(plan.notes.end(), converted.notes.begin(), converted.notes.end());
  add_gguf_vocabulary(converted.vocabulary, plan.metadata);

  // GGUF has names for three tokens that end an answer.
  constexpr std::string_view kFurtherEnds[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
  for (size_t i = 1; i < ends.size(); ++i) {
    if (i <= std::size(kFurtherEnds)) {
      plan.metadata.add(kFurtherEnds[i - 1], static_cast<uint32_t>(ends[i]));
    } else {
      plan.notes.push_back(fmt::format("token {} ends answers too, which GGUF cannot say of more than three", ends[i]));
    }
  }
  if (folder.chat_template) plan.metadata.add("tokenizer.chat_template", *folder.chat_template);
}

// --- a folder as the target

void check_folder_mix(const TypeMix* mix) {
  if (mix == nullptr || !info(mix->base).safetensors_name.empty()) return;
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("a Hugging Face folder cannot hold {}; choose f32, f16 or bf16, or a destination that ends in "
                  ".gguf",
                  mix->name));
}

std::string_view torch_name(ElementType type) {
  switch (type) {
    case ElementType::kF16:
      return "float16";
    case ElementType::kBF16:
      return "bfloat16";
    default:
      return "float32";
  }
}

// Both spellings: transformers before 5 reads `torch_dtype`.
void set_dtype(ElementType type, json::object& config) {
  config["dtype"] = torch_name(type);
  config["torch_dtype"] = torch_name(type);
}

std::string token_text(const GgufVocabulary& vocabulary, std::optional<int64_t> id) {
  return id && *id >= 0 && static_cast<size_t>(*id) < vocabulary.tokens.size()
             ? vocabulary.tokens[static_cast<size_t>(*id)]
             : "";
}

void add_tokenizer_files(const GgufFile& source, const ModelSpec& spec, json::object& config, ConversionPlan& plan) {
  const GgufVocabulary vocabulary = read_gguf_vocabulary(source);
  if (vocabulary.model.empty() && vocabulary.tokens.empty()) {
    plan.notes.emplace_back("the file has no vocabulary, so the folder has no tokenizer.json");
    return;
  }
  json::array ends;
  for (const std::string_view key : {"eos", "eot", "eom"}) {
    const auto id = source.integer(fmt::format("tokenizer.ggml.{}_token_id", key));
    if (id && std::find(ends.begin(), ends.end(), json::value(*id)) == ends.end()) ends.push_back(*id);
  }
  json::object generation;
  const auto add_id = [&](const char* key, std::optional<int64_t> id) {
    if (!id) return;
    config[key] = *id;
    generation[key] = *id;
  };
  add_id("bos_token_id", vocabulary.bos);
  add_id("eos_token_id", vocabulary.eos);
  add_id("pad_token_id", vocabulary.padding);
  if (ends.size() > 1) generation["eos_token_id"] = ends;

  json::object tokenizer_config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                   {"clean_up_tokenization_spaces", false},
                                   {"model_max_length", spec.context_length}};
  const auto add_token = [&](const char* key, std::optional<int64_t> id) {
    const std::string text = token_text(vocabulary, id);
    if (!text.empty()) tokenizer_config[key] = text;
  };
  add_token("bos_token", vocabulary.bos);
  add_token("eos_token", vocabulary.eos);
  add_token("unk_token", vocabulary.unknown);
  add_token("pad_token", vocabulary.padding);
  if (const auto source_text = source.string("tokenizer.chat_template"))
    tokenizer_config["chat_template"] = *source_text;

  plan.files.emplace_back("tokenizer.json", json::serialize(gguf_tokenizer_json(vocabulary)));
  plan.files.emplace_back("tokenizer_config.json", to_config_text(tokenizer_config));
  if (!generation.empty()) plan.files.emplace_back("generation_config.json", to_config_text(generation));
}

}  // namespace

ConversionPlan plan_gguf_to_gguf(const GgufFile& source, const TypeMix* mix, const Model* changed) {
  ConversionPlan plan;
  plan.alignment = source.alignment();
  for (const TensorEntry& entry : source.entries()) plan.tensors.push_back({entry, {{*source.find(entry.name)}}});
  choose_gguf_types(mix, /*keeps_vectors=*/true, plan);
  if (changed != nullptr) put_changed_weights(*changed, WeightNaming::kGguf, mix, plan);
  const std::set<std::string_view> rewritten = {"general.alignment", "general.file_type",
                                                "general.quantization_version"};
  for (const GgufEncodedPair& pair : source.encoded_metadata()) {
    const bool is_kept = (!rewritten.contains(pair.key) || (mix == nullptr && pair.key != "general.alignment")) &&
                         !pair.key.starts_with("split.");  // what is written is one file
    if (is_kept) plan.metadata.add_encoded(pair.key, pair.value);
  }
  if (mix != nullptr) add_file_type(mix, plan);
  return plan;
}

ConversionPlan plan_folder_to_gguf(const HfFolder& source, const TypeMix* mix, const Model* changed) {
  const std::shared_ptr<const Model> model = load_hugging_face_model(source.path, source.config);
  ConversionPlan plan;
  plan.architecture = &architecture_for_gguf(*model->architecture);
  plan.spec = model->spec;
  plan.head_width = model->spec.head_width;
  add_weights(*model, WeightNaming::kGguf, plan);
  for (NamedTensor& table : gguf_rope_divisors(model->spec)) {
    TensorEntry target{table.name, table.tensor.type(), table.tensor.shape()};
    plan.tensors.push_back({std::move(target), {{std::move(table.tensor)}}});
  }
  choose_gguf_types(mix, /*keeps_vectors=*/false, plan);
  if (changed != nullptr) put_changed_weights(*changed, WeightNaming::kGguf, mix, plan);

  add_gguf_config(*plan.architecture, model->spec, plan.metadata);
  add_classifier(read_classifier_settings(source.config, model->spec), plan);
  plan.metadata.add("general.type", "model");
  const std::filesystem::path folder = std::filesystem::absolute(source.path).lexically_normal();
  plan.metadata.add("general.name",
                    (folder.has_filename() ? folder.filename() : folder.parent_path().filename()).string());
  add_file_type(mix, plan);
  add_vocabulary(source, model->spec, plan);
  return plan;
}

ConversionPlan plan_gguf_to_folder(const GgufFile& source, const TypeMix* mix, const Model* changed) {
  check_folder_mix(mix);
  const std::shared_ptr<const Model> model = load_gguf_model(source);
  ConversionPlan plan;
  plan.architecture = &architecture_for_hugging_face(*model->architecture, model->spec);
  plan.spec = changed != nullptr ? changed->spec : model->spec;  // which may have got a head
  plan.head_width = model->spec.head_width;
  add_weights(*model, WeightNaming::kHuggingFace, plan);
  bool decodes = false;
  for (PlannedTensor& tensor : plan.tensors) {
    ElementType& type = tensor.target.type;
    decodes |= is_block_format(type);
    if (is_block_format(type)) type = ElementType::kF32;
    if (mix != nullptr) type = tensor.target.shape.rank() >= 2 ? mix->base : ElementType::kF32;
  }
  const bool has_new_head = changed != nullptr && put_new_head(*changed, mix, plan);
  if (changed != nullptr) put_changed_weights(*changed, WeightNaming::kHuggingFace, mix, plan);
  if (decodes && mix == nullptr) {
    plan.notes.emplace_back(
        "quantised weights become f32, which holds them exactly; --type bf16 halves the folder and rounds them");
  }

  json::object config = hugging_face_config(*plan.architecture, plan.spec);
  if (plan.spec.label_count > 0) {
    const ClassifierSettings settings =
        has_new_head ? settings_of_new_head(plan.spec) : read_classifier_settings(source, plan.spec);
    write_classifier_settings(settings, plan.architecture->hugging_face_class, config);
  }
  set_dtype(main_type(plan.tensors), config);
  add_tokenizer_files(source, model->spec, config, plan);
  if (!is_same_model(plan.architecture->spec_from_hugging_face(config), plan.spec)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("this {} model has numbers that its config.json cannot say", plan.architecture->name));
  }
  plan.files.emplace_back("config.json", to_config_text(config));
  return plan;
}

ConversionPlan plan_folder_to_folder(const HfFolder& source, const TypeMix* mix, const Model* changed) {
  check_folder_mix(mix);
  constexpr uint64_t kFileBytesMax = uint64_t{256} << 20;
  ConversionPlan plan;
  // What others quantised is written as what it decodes to.
  const bool is_quantised = !quantisation_name(source.config).empty();
  const std::shared_ptr<const TensorSource> tensors =
      dequantised_tensors(source.config, open_safetensors_folder(source.path));
  for (const TensorEntry& entry : tensors->entries()) {
    PlannedTensor tensor{entry, {{*tensors->find(entry.name)}}};
    if (entry.type == ElementType::kMXFP4) {  // [out, in] there, [in, out] in folders of other types
      throw Error(ErrorCode::kUnsupported,
                  "a folder in MXFP4 cannot become one of another type; choose a destination that ends in .gguf");
    }
    if (is_block_format(entry.type)) tensor.target.type = ElementType::kF32;
    if (mix != nullptr && is_floating(entry.type) && entry.shape.rank() >= 2) tensor.target.type = mix->base;
    plan.tensors.push_back(std::move(tensor));
  }
  const bool has_new_head = changed != nullptr && put_new_head(*changed, mix, plan);
  if (changed != nullptr) put_changed_weights(*changed, WeightNaming::kHuggingFace, mix, plan);
  json::object config = source.config;
  config.erase("quantization_config");
  if (has_new_head) {
    write_classifier_settings(settings_of_new_head(changed->spec), changed->architecture->hugging_face_class, config);
  }
  if (mix != nullptr) set_dtype(mix->base, config);
  if (is_quantised && mix == nullptr) set_dtype(main_type(plan.tensors), config);
  plan.files.emplace_back("config.json", to_config_text(config));
  for (const std::string_view name : {"generation_config.json", "tokenizer.json", "tokenizer_config.json",
                                      "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "vocab.json",
                                      "merges.txt", "chat_template.jinja", "chat_template.json"}) {
    const std::filesystem::path path = source.path / name;
    if (path_exists(path)) plan.files.emplace_back(name, read_file(path, kFileBytesMax));
  }
  return plan;
}

}  // namespace pelton
