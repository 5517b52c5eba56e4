#include "server/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/cpu.h"
#include "base/version.h"
#include "model/decoder.h"
#include "model/model.h"

namespace pelton {
namespace {

constexpr uint64_t kFnvPrime = 0x100000001b3;  // Fowler, Noll, Vo; RFC 9923
constexpr int64_t kSampleCount = 16;
constexpr int64_t kSampleBytes = 64;

template <typename Number>
std::string text_of(const std::optional<Number>& number) {
  return number ? fmt::format("{}", *number) : "-";
}

}  // namespace

void Fingerprint::add_bytes(std::string_view bytes) {
  for (const char byte : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(byte)) * kFnvPrime;
}

void Fingerprint::add(std::string_view part) {
  add_bytes(fmt::format("{}:", part.size()));
  add_bytes(part);
}

void Fingerprint::add(const Tensor& weight) {
  add(element_type_name(weight.type()));
  for (int i = 0; i < weight.shape().rank(); ++i) add(fmt::format("{}", weight.shape()[i]));
  const auto* bytes = reinterpret_cast<const char*>(weight.data());
  const int64_t size = weight.size_bytes();
  for (int64_t i = 0; i < kSampleCount; ++i) {
    const int64_t begin = size / kSampleCount * i;
    const int64_t count = std::min(kSampleBytes, size - begin);
    add({bytes + begin, static_cast<size_t>(count)});
  }
}

std::string Fingerprint::text() const { return fmt::format("fp_{:016x}", hash_); }

std::string fingerprint_of(const ModelBundle& bundle, const EngineOptions& options) {
  Fingerprint fingerprint;
  fingerprint.add(kVersion);
  fingerprint.add(isa_name(active_isa()));
  fingerprint.add(options.activations == ActivationType::kF32 ? "f32" : "int8");
  fingerprint.add(element_type_name(options.kv_type.value_or(default_kv_type(options.activations))));
  fingerprint.add(bundle.name);
  if (bundle.chat_template != nullptr) fingerprint.add(bundle.chat_template->source());
  for (const TokenId token : bundle.end_tokens) fingerprint.add(fmt::format("{}", index_of(token)));
  const GenerationDefaults& defaults = bundle.generation;
  for (const auto& number : {defaults.temperature, defaults.top_p, defaults.min_p, defaults.repetition_penalty}) {
    fingerprint.add(text_of(number));
  }
  fingerprint.add(text_of(defaults.top_k));
  if (bundle.model != nullptr) {
    for (const WeightSpec& weight : bundle.model->graph.weights) {
      fingerprint.add(weight.name);
      fingerprint.add(bundle.model->weights.at(weight.name));
    }
  }
  return fingerprint.text();
}

}  // namespace pelton
