// Keeps records in some languages; writes the language into a field.
#include "data/language.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/step.h"

namespace pelton::data {
namespace {

class LanguageStep final : public RecordStep {
 public:
  LanguageStep(std::vector<std::string> kept, double confidence_min, std::string field)
      : kept_(std::move(kept)), confidence_min_(confidence_min), field_(std::move(field)) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const Language language = detect_language(whole_text(record, arena));
    const auto detail = [&] { return fmt::format("{}, {:.2f}", language.code, language.confidence); };
    if (!kept_.empty() && std::find(kept_.begin(), kept_.end(), language.code) == kept_.end()) {
      return Verdict::drop("other_language", detail());
    }
    if (language.confidence < confidence_min_) return Verdict::drop("language_not_sure", detail());
    if (field_.empty()) return Verdict::keep();
    const Field* own = find_field(record, field_);
    const std::string_view* known = own == nullptr ? nullptr : std::get_if<std::string_view>(&own->value);
    if (known != nullptr && *known == language.code) return Verdict::keep();
    set_field(record, arena.copy(field_), language.code, arena);
    return Verdict::change("language_noted", detail());
  }

 private:
  std::vector<std::string> kept_;
  double confidence_min_;
  std::string field_;
};

}  // namespace

Step make_language(StepOptions& options) {
  std::vector<std::string> kept = options.strings("keep");
  const double confidence_min = options.number("confidence_min", 0, 0, 1);
  return std::make_unique<const LanguageStep>(std::move(kept), confidence_min, options.string("field", ""));
}

}  // namespace pelton::data
