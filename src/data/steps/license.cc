// Keeps records under the licences that are allowed.
#include <fmt/format.h>

#include <set>

#include "data/step.h"

namespace pelton::data {
namespace {

// "Apache 2.0" and "apache-2.0" are one licence.
std::string plain_name(std::string_view license) {
  std::string plain;
  for (const char c : license) {
    if (c >= 'A' && c <= 'Z') plain += static_cast<char>(c + ('a' - 'A'));
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '+') plain += c;
  }
  return plain;
}

class LicenseStep final : public RecordStep {
 public:
  LicenseStep(std::set<std::string> allowed, bool drops_unknown)
      : allowed_(std::move(allowed)), drops_unknown_(drops_unknown) {}

  Verdict apply(Record& record, Arena& /*arena*/) const override {
    const std::string_view license = license_of(record);
    const std::string plain = plain_name(license);
    if (plain.empty() || plain == "unknown" || plain == "other" || plain == "none") {
      return drops_unknown_ ? Verdict::drop("license_unknown", std::string(license)) : Verdict::keep();
    }
    return allowed_.contains(plain) ? Verdict::keep() : Verdict::drop("license_not_allowed", std::string(license));
  }

 private:
  std::set<std::string> allowed_;
  bool drops_unknown_;
};

}  // namespace

Step make_license(StepOptions& options) {
  std::set<std::string> allowed;
  for (const std::string& license : options.strings("allow")) allowed.insert(plain_name(license));
  if (allowed.empty()) options.fail("allow", "a list of licences, as \"apache-2.0\"");
  return std::make_unique<const LicenseStep>(std::move(allowed), options.choice("unknown", {"drop", "keep"}) == 0);
}

}  // namespace pelton::data
