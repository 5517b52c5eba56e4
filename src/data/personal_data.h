// Personal data and secrets in text: found by patterns that take linear time (RE2), checked by what such numbers must
// fulfil (Luhn, ISO 7064, ranges), so that versions, ISBNs, dates and hashes stay.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pelton::data {

enum class PersonalKind : uint8_t { kSecret, kEmail, kIban, kCard, kNationalId, kIp, kPhone };
inline constexpr int kPersonalKindCount = 7;
std::string_view personal_kind_name(PersonalKind kind);  // "national_id"

// A set of kinds, as a bit each.
using PersonalKinds = uint32_t;
constexpr PersonalKinds kind_bit(PersonalKind kind) { return PersonalKinds{1} << static_cast<unsigned>(kind); }
inline constexpr PersonalKinds kAllPersonalKinds = (PersonalKinds{1} << kPersonalKindCount) - 1;

struct PersonalSpan {
  size_t begin;  // bytes
  size_t end;
  PersonalKind kind;
};

// Ascending, none overlaps another: where two kinds do, the one that stands first in PersonalKind.
//   secret       keys with known prefixes (AWS, GitHub, GitLab, Slack, Google, OpenAI, Hugging Face, npm, Stripe), JSON
//                web tokens, private keys in PEM
//   iban         the length of its country, checksum (ISO 13616)
//   card         prefixes and lengths of the large schemes, Luhn (ISO 7812)
//   national_id  United States (SSN), United Kingdom (NINO), Spain (DNI), France (NIR), Italy (codice fiscale): where
//   they
//                have a checksum, it must hold
//   ip           version 4 and 6, not of the own machine, no mask
//   phone        international with + or (+, North American 3-3-4, others after a word that says so ("Tel.")
std::vector<PersonalSpan> find_personal_data(std::string_view text, PersonalKinds kinds = kAllPersonalKinds);

// What stands in for it: "[EMAIL]".
std::string personal_mask(PersonalKind kind);
// One of the same kind, of a range that nobody has (example.com, documentation networks, 555-01…); the same for the
// same original and seed, in whatever record it stands.
std::string personal_replacement(PersonalKind kind, std::string_view original, uint64_t seed);

}  // namespace pelton::data
