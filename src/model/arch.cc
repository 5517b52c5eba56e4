#include "model/arch.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace pelton {

// One line an architecture; each lives in arch/NAME.cc.
extern const Architecture kBert;
extern const Architecture kCohere;
extern const Architecture kDeepSeek;
extern const Architecture kGemma;
extern const Architecture kGemma2;
extern const Architecture kGemma3;
extern const Architecture kGemma4;
extern const Architecture kGlm4;
extern const Architecture kGpt2;
extern const Architecture kGptNeoX;
extern const Architecture kGptOss;
extern const Architecture kGranite;
extern const Architecture kLlama;
extern const Architecture kMistral;
extern const Architecture kMixtral;
extern const Architecture kModernBert;
extern const Architecture kOlmo2;
extern const Architecture kPhi3;
extern const Architecture kQwen2;
extern const Architecture kQwen3;
extern const Architecture kQwen3Moe;
extern const Architecture kRoberta;
extern const Architecture kSmolLm3;
extern const Architecture kStarCoder2;

namespace {

constexpr const Architecture* kArchitectures[] = {
    &kLlama, &kMistral,  &kQwen2,   &kQwen3,    &kGemma,   &kGemma2,     &kGemma3,     &kGemma4,
    &kOlmo2, &kPhi3,     &kGpt2,    &kGranite,  &kSmolLm3, &kStarCoder2, &kGptNeoX,    &kCohere,
    &kGlm4,  &kDeepSeek, &kMixtral, &kQwen3Moe, &kGptOss,  &kBert,       &kModernBert, &kRoberta,
};

const Architecture& find(std::string_view wanted, bool has_experts, std::string_view kind,
                         std::span<const std::string_view> Architecture::*names) {
  std::string known;
  const Architecture* found = nullptr;
  for (const Architecture* architecture : kArchitectures) {
    for (const std::string_view name : architecture->*names) {
      if (name == wanted && (found == nullptr || architecture->has_experts == has_experts)) found = architecture;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
    }
  }
  if (found != nullptr) return *found;
  throw Error(ErrorCode::kUnsupported, fmt::format("{} \"{}\" is not supported; supported: {}", kind, wanted, known));
}

}  // namespace

std::span<const Architecture* const> architectures() { return kArchitectures; }

const Architecture& architecture_from_hugging_face(std::string_view model_type) {
  return find(model_type, false, "model_type", &Architecture::hugging_face_types);
}

const Architecture& architecture_from_gguf(std::string_view name, bool has_experts) {
  return find(name, has_experts, "architecture", &Architecture::gguf_names);
}

const Architecture& architecture_of_gguf(const GgufFile& file) {
  const auto name = file.string("general.architecture");
  if (!name) throw Error(ErrorCode::kCorruptFile, "GGUF metadata: general.architecture is missing");
  return architecture_from_gguf(*name, file.integer(*name + ".expert_count").value_or(0) > 0);
}

}  // namespace pelton
