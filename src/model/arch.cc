#include "model/arch.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace pelton {

// One line an architecture; each lives in arch/NAME.cc.
extern const Architecture kBert;
extern const Architecture kGemma;
extern const Architecture kGemma2;
extern const Architecture kGemma3;
extern const Architecture kGpt2;
extern const Architecture kGranite;
extern const Architecture kLlama;
extern const Architecture kMistral;
extern const Architecture kModernBert;
extern const Architecture kOlmo2;
extern const Architecture kPhi3;
extern const Architecture kQwen2;
extern const Architecture kQwen3;
extern const Architecture kSmolLm3;

namespace {

constexpr const Architecture* kArchitectures[] = {
    &kLlama, &kMistral, &kQwen2, &kQwen3,   &kGemma,   &kGemma2, &kGemma3,
    &kOlmo2, &kPhi3,    &kGpt2,  &kGranite, &kSmolLm3, &kBert,   &kModernBert,
};

const Architecture& find(std::string_view wanted, std::string_view kind,
                         std::span<const std::string_view> Architecture::*names) {
  std::string known;
  for (const Architecture* architecture : kArchitectures) {
    for (const std::string_view name : architecture->*names) {
      if (name == wanted) return *architecture;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
    }
  }
  throw Error(ErrorCode::kUnsupported, fmt::format("{} \"{}\" is not supported; supported: {}", kind, wanted, known));
}

}  // namespace

std::span<const Architecture* const> architectures() { return kArchitectures; }

const Architecture& architecture_from_hugging_face(std::string_view model_type) {
  return find(model_type, "model_type", &Architecture::hugging_face_types);
}

const Architecture& architecture_from_gguf(std::string_view name) {
  return find(name, "architecture", &Architecture::gguf_names);
}

}  // namespace pelton
