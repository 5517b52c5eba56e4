// Personal data and secrets: masked, replaced by made-up ones, or a reason to drop the record.
#include "data/personal_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "data/replace_spans.h"
#include "data/step.h"

namespace pelton::data {
namespace {

enum class PersonalAction { kMask, kReplace, kDrop };

class PersonalDataStep final : public RecordStep {
 public:
  PersonalDataStep(PersonalKinds kinds, PersonalAction action, uint64_t seed)
      : kinds_(kinds), action_(action), seed_(seed) {}

  Verdict apply(Record& record, Arena& arena) const override {
    std::array<int, kPersonalKindCount> counts{};
    if (action_ == PersonalAction::kDrop) {
      for_each_text(record, [&](std::string_view text) { count(find_personal_data(text, kinds_), counts); });
    } else {
      rewrite_each_text(record, [&](std::string_view& text) { rewrite(text, arena, counts); });
    }
    std::string detail;
    for (size_t kind = 0; kind < counts.size(); ++kind) {
      if (counts[kind] == 0) continue;
      detail += fmt::format("{}{} {}", detail.empty() ? "" : ", ", counts[kind],
                            personal_kind_name(static_cast<PersonalKind>(kind)));
    }
    if (detail.empty()) return Verdict::keep();
    if (action_ == PersonalAction::kDrop) return Verdict::drop("personal_data", std::move(detail));
    return Verdict::change(action_ == PersonalAction::kMask ? "personal_data_masked" : "personal_data_replaced",
                           std::move(detail));
  }

 private:
  static void count(const std::vector<PersonalSpan>& spans, std::array<int, kPersonalKindCount>& counts) {
    for (const PersonalSpan& span : spans) ++counts[static_cast<size_t>(span.kind)];
  }

  void rewrite(std::string_view& text, Arena& arena, std::array<int, kPersonalKindCount>& counts) const {
    const std::vector<PersonalSpan> spans = find_personal_data(text, kinds_);
    if (spans.empty()) return;
    count(spans, counts);
    text = arena.copy(replace_spans(text, spans, [&](const PersonalSpan& span) {
      const std::string_view original = text.substr(span.begin, span.end - span.begin);
      return action_ == PersonalAction::kMask ? std::string(personal_mask(span.kind))
                                              : personal_replacement(span.kind, original, seed_);
    }));
  }

  PersonalKinds kinds_;
  PersonalAction action_;
  uint64_t seed_;
};

}  // namespace

Step make_personal_data(StepOptions& options) {
  PersonalKinds kinds = 0;
  std::vector<std::string> all;
  for (int kind = 0; kind < kPersonalKindCount; ++kind) {
    all.emplace_back(personal_kind_name(static_cast<PersonalKind>(kind)));
  }
  for (const std::string& name : options.strings("kinds", all)) {
    const auto found = std::find(all.begin(), all.end(), name);
    if (found == all.end()) options.fail("kinds", fmt::format("a list of: {}", fmt::join(all, ", ")));
    kinds |= PersonalKinds{1} << (found - all.begin());
  }
  const auto action = static_cast<PersonalAction>(options.choice("action", {"mask", "replace", "drop"}));
  const auto seed = static_cast<uint64_t>(options.integer("seed", 0, 0));
  return std::make_unique<const PersonalDataStep>(kinds, action, seed);
}

}  // namespace pelton::data
