// The twin of a record that speaks of others: for data that treats groups alike, and for measuring whether a model
// does. The file of twins stands beside the file that it was made of; records that speak of nobody have no twin.
#include "data/counterfactual.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/name_value.h"
#include "data/step.h"

namespace pelton::data {
namespace {

class CounterfactualStep final : public RecordStep {
 public:
  CounterfactualStep(TermSwapper swapper, std::string field, bool keeps_others)
      : swapper_(std::move(swapper)), field_(std::move(field)), keeps_others_(keeps_others) {}

  Verdict apply(Record& record, Arena& arena) const override {
    size_t swapped = 0;
    std::string example;
    rewrite_each_text(record, [&](std::string_view& text) {
      std::optional<Counterfactual> made = swapper_.swap(text);
      if (!made) return;
      if (swapped == 0) example = std::move(made->example);
      swapped += made->swapped;
      text = arena.copy(made->text);
    });
    if (swapped == 0) return keeps_others_ ? Verdict::keep() : Verdict::drop("no_counterfactual");
    if (!field_.empty()) set_field(record, arena.copy(field_), arena.copy(record.id), arena);
    return Verdict::change("counterfactual",
                           swapped == 1 ? example : fmt::format("{}, and {} more", example, swapped - 1));
  }

 private:
  TermSwapper swapper_;
  std::string field_;
  bool keeps_others_;
};

std::vector<TermPair> pairs_of(StepOptions& options) {
  std::vector<TermPair> pairs;
  for (const std::string& text : options.strings("terms")) {
    const std::optional<NameValue> pair = split_name_value(text);
    if (!pair || pair->name.empty() || pair->value.empty()) {
      options.fail("terms", "a list of pairs such as [christian=muslim, church=mosque]");
    }
    pairs.emplace_back(pair->name, pair->value);
  }
  if (options.choice("swap", {"gender", "terms"}) == 0) {
    pairs.insert(pairs.end(), gender_terms().begin(), gender_terms().end());
  } else if (pairs.empty()) {
    options.fail("terms", "pairs of terms, as `swap: terms` asks for them alone");
  }
  return pairs;
}

}  // namespace

Step make_counterfactual(StepOptions& options) {
  TermSwapper swapper(pairs_of(options));
  std::string field = options.string("field", "counterfactual_of");
  const bool keeps_others = options.boolean("keep_others", false);
  return std::make_unique<const CounterfactualStep>(std::move(swapper), std::move(field), keeps_others);
}

}  // namespace pelton::data
