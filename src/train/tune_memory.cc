#include "train/tune_memory.h"

#include <fmt/format.h>

#include <utility>

#include "base/available_memory.h"
#include "base/byte_size.h"
#include "report/text_table.h"

namespace pelton {

TuneMemory::TuneMemory(const ResidentBytes& before, std::shared_ptr<const Model> base, const TuneRecipe& recipe,
                       const TuneData& data)
    : base_(std::move(base)),
      recipe_(recipe),
      data_(data),
      held_bytes_(before.of_files + resident_bytes().anonymous),
      plan_(plan_memory(base_, recipe, data.examples, data.evaluation, held_bytes_)) {
  const int64_t left = available_memory_bytes();
  available_bytes_ = left == 0 ? 0 : left + held_bytes_;
}

std::string TuneMemory::refusal() const {
  return fmt::format("the run would need {} of memory, and there are {}; {}", format_byte_size(plan_.total_bytes()),
                     format_byte_size(available_bytes_), advice());
}

std::string TuneMemory::advice() const {
  const auto fitting =
      find_fitting_recipe(base_, recipe_, data_.examples, data_.evaluation, held_bytes_, available_bytes_);
  if (!fitting) return "no change of the recipe that is known would make it fit; a smaller model, or shorter records";
  return fmt::format("{} would fit, with {}", fitting->changes, format_byte_size(fitting->total_bytes));
}

std::string to_text(const MemoryPlan& plan) {
  TextTable table({{"", Align::kLeft}, {"memory"}, {"", Align::kLeft}});
  for (const MemoryPart& part : plan.parts) table.add_row({part.name, format_byte_size(part.bytes), part.arithmetic});
  table.add_row({"all", format_byte_size(plan.total_bytes()), "at most, at once"});
  return table.to_string();
}

}  // namespace pelton
