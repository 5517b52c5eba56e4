// The form of texts: Unicode, mojibake, invisible characters, HTML, broken lines, white space, truncated ends. Each
// repair is an option; they are done in this order.
#include <fmt/format.h>

#include <array>

#include "data/html_text.h"
#include "data/step.h"
#include "data/text_repair.h"

namespace pelton::data {
namespace {

struct FormatOptions {
  UnicodeForm unicode = UnicodeForm::kNfc;
  bool repairs_mojibake = true;
  bool removes_invisible = true;
  bool strips_html = false;
  bool joins_lines = false;
  bool normalizes_whitespace = true;
  bool cuts_truncated = false;
};

class FormatStep final : public RecordStep {
 public:
  explicit FormatStep(const FormatOptions& options) : options_(options) {}

  Verdict apply(Record& record, Arena& arena) const override {
    std::string detail;
    bool is_changed = false;
    rewrite_each_text(record, [&](std::string_view& text) {
      const std::string repaired = repair(text, detail);
      if (repaired == text) return;
      is_changed = true;
      text = arena.copy(repaired);
    });
    return is_changed ? Verdict::change("format_repaired", std::move(detail)) : Verdict::keep();
  }

 private:
  std::string repair(std::string_view text, std::string& detail) const {
    std::string current(text);
    const auto step = [&](std::string_view name, std::string next) {
      if (next == current) return;
      current = std::move(next);
      if (detail.find(name) == std::string::npos) detail += fmt::format("{}{}", detail.empty() ? "" : ", ", name);
    };
    // Mojibake first: normalising would take its bytes apart.
    if (options_.repairs_mojibake) step("mojibake", repair_mojibake(current));
    step("unicode", normalize_unicode(current, options_.unicode));
    if (options_.strips_html) {
      if (std::optional<std::string> plain = html_text(current)) step("html", std::move(*plain));
    }
    if (options_.removes_invisible) step("invisible", remove_invisible(current));
    if (options_.joins_lines) step("lines", join_broken_lines(current));
    if (options_.normalizes_whitespace) step("whitespace", normalize_whitespace(current));
    if (options_.cuts_truncated) step("truncated", std::string(cut_truncated_end(current)));
    return current;
  }

  FormatOptions options_;
};

}  // namespace

Step make_format(StepOptions& options) {
  FormatOptions format;
  constexpr std::array kForms = {UnicodeForm::kNfc, UnicodeForm::kNfkc, UnicodeForm::kNone};
  format.unicode = kForms[options.choice("unicode", {"nfc", "nfkc", "none"})];
  const auto flag = [&](std::string_view name, bool& value) { value = options.boolean(name, value); };
  flag("mojibake", format.repairs_mojibake);
  flag("invisible", format.removes_invisible);
  flag("html", format.strips_html);
  flag("lines", format.joins_lines);
  flag("whitespace", format.normalizes_whitespace);
  flag("truncated", format.cuts_truncated);
  return std::make_unique<const FormatStep>(format);
}

}  // namespace pelton::data
