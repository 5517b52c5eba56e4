#include "data/personal_data.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

#include "data/checksums.h"
#include "data/mix_hash.h"

namespace pelton::data {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alphanumeric(char c) { return is_digit(c) || is_upper(c) || (c >= 'a' && c <= 'z'); }
char char_before(std::string_view text, size_t position) { return position == 0 ? ' ' : text[position - 1]; }
char char_at(std::string_view text, size_t position) { return position < text.size() ? text[position] : ' '; }

std::string digits_of(std::string_view text) {
  std::string digits;
  std::copy_if(text.begin(), text.end(), std::back_inserter(digits), is_digit);
  return digits;
}

// Matches of `pattern`'s first group that `accepts(begin, end)`.
template <typename Accepts>
void find_matches(std::string_view text, const RE2& pattern, PersonalKind kind, const Accepts& accepts,
                  std::vector<PersonalSpan>& found) {
  re2::StringPiece rest(text.data(), text.size());
  re2::StringPiece match;
  while (RE2::FindAndConsume(&rest, pattern, &match)) {
    const auto begin = static_cast<size_t>(match.data() - text.data());
    const size_t end = begin + match.size();
    if (accepts(begin, end)) found.push_back({begin, end, kind});
  }
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  return !is_alphanumeric(char_before(text, begin)) && !is_alphanumeric(char_at(text, end));
}

void find_secrets(std::string_view text, std::vector<PersonalSpan>& found) {
  static const RE2 kPattern(
      R"(((?:AKIA|ASIA)[0-9A-Z]{16}\b)"
      R"(|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_\-]{20,64})"
      R"(|xox[abprs]-[A-Za-z0-9\-]{10,250}|AIza[0-9A-Za-z_\-]{35}|sk-[A-Za-z0-9_\-]{20,200}|hf_[A-Za-z0-9]{30,40})"
      R"(|npm_[A-Za-z0-9]{36}|[sr]k_live_[0-9A-Za-z]{16,99})"
      R"(|eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]+)"
      R"(|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[^-]*(?:-----END (?:[A-Z]+ )?PRIVATE KEY-----)?))");
  find_matches(
      text, kPattern, PersonalKind::kSecret,
      [&](size_t begin, size_t end) {
        // "sk-" and "xox" begin words and names too: keys hold digits, but for those of a fixed form.
        const bool has_digit = std::any_of(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                           text.begin() + static_cast<std::ptrdiff_t>(end), is_digit);
        const bool has_fixed_form = text[begin] == '-' || text[begin] == 'A' || text[begin] == 'g';
        return (has_digit || has_fixed_form) && !is_alphanumeric(char_before(text, begin));
      },
      found);
}

void find_emails(std::string_view text, std::vector<PersonalSpan>& found) {
  if (text.find('@') == std::string_view::npos) return;
  static const RE2 kPattern(
      R"(([A-Za-z0-9_][A-Za-z0-9._%+\-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}))");
  find_matches(
      text, kPattern, PersonalKind::kEmail,
      [&](size_t begin, size_t end) { return char_at(text, end) != '@' && char_before(text, begin) != '@'; }, found);
}

// Lengths of ISO 13616's registry.
const std::unordered_map<std::string_view, size_t>& iban_lengths() {
  static const std::unordered_map<std::string_view, size_t> kLengths = {
      {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
      {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DK", 18}, {"DO", 28},
      {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23},
      {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26},
      {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20},
      {"LV", 21}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NL", 18},
      {"NO", 15}, {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"SA", 24},
      {"SC", 31}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"ST", 25}, {"SV", 28}, {"TL", 23}, {"TN", 24},
      {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20}};
  return kLengths;
}

// Reads as many letters and digits as its country says, with single spaces between them.
void find_ibans(std::string_view text, std::vector<PersonalSpan>& found) {
  for (size_t begin = 0; begin + 15 <= text.size(); ++begin) {
    if (!is_upper(text[begin]) || !is_upper(text[begin + 1]) || !is_digit(text[begin + 2]) ||
        !is_digit(text[begin + 3]) || is_alphanumeric(char_before(text, begin))) {
      continue;
    }
    const auto length = iban_lengths().find(text.substr(begin, 2));
    if (length == iban_lengths().end()) continue;
    std::string iban;
    size_t end = begin;
    for (; end < text.size() && iban.size() < length->second; ++end) {
      const char c = text[end];
      if (is_digit(c) || is_upper(c)) {
        iban.push_back(c);
      } else if (c != ' ' || text[end - 1] == ' ') {
        break;
      }
    }
    if (iban.size() != length->second || is_alphanumeric(char_at(text, end)) || !passes_iban_checksum(iban)) continue;
    found.push_back({begin, end, PersonalKind::kIban});
    begin = end - 1;
  }
}

// The schemes' prefixes and lengths.
bool has_card_prefix(std::string_view digits) {
  const size_t length = digits.size();
  const auto prefix = [&](size_t count) {
    int value = 0;
    for (const char c : digits.substr(0, count)) value = value * 10 + (c - '0');
    return value;
  };
  if (digits[0] == '4') return length == 13 || length == 16 || length == 19;  // Visa
  if ((prefix(2) >= 51 && prefix(2) <= 55) || (prefix(4) >= 2221 && prefix(4) <= 2720))
    return length == 16;                                                                                // Mastercard
  if (prefix(2) == 34 || prefix(2) == 37) return length == 15;                                          // Amex
  if (prefix(4) == 6011 || prefix(2) == 65 || prefix(2) == 35 || prefix(2) == 62) return length == 16;  // Discover, JCB
  return (prefix(2) == 36 || prefix(2) == 38 || prefix(3) == 300) && length == 14;                      // Diners
}

void find_cards(std::string_view text, std::vector<PersonalSpan>& found) {
  static const RE2 kPattern(
      R"((\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{4}(?:[ \-]\d{3})?|\d{4}[ \-]\d{6}[ \-]\d{4,5}|\d{13,19}))");
  find_matches(
      text, kPattern, PersonalKind::kCard,
      [&](size_t begin, size_t end) {
        if (!stands_alone(text, begin, end) || char_before(text, begin) == '.' || char_before(text, begin) == '-')
          return false;
        if ((char_at(text, end) == '.' || char_at(text, end) == '-') && is_digit(char_at(text, end + 1))) return false;
        const std::string digits = digits_of(text.substr(begin, end - begin));
        return has_card_prefix(digits) && passes_luhn(digits);
      },
      found);
}

bool is_valid_ssn(std::string_view digits) {
  return digits.substr(0, 3) != "000" && digits.substr(0, 3) != "666" && digits[0] != '9' &&
         digits.substr(3, 2) != "00" && digits.substr(5) != "0000";
}

int64_t number_of(std::string_view digits) {
  int64_t value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

bool is_valid_dni(std::string_view dni) {
  return dni.back() == "TRWAGMYFPDXBNJZSQVHLCKE"[number_of(dni.substr(0, 8)) % 23];
}

bool is_valid_nir(std::string_view digits) {
  return number_of(digits.substr(13)) == 97 - number_of(digits.substr(0, 13)) % 97;
}

// The check letter of the decree of 23 December 1976: odd places count by a table, even ones by their order.
bool is_valid_codice_fiscale(std::string_view code) {
  constexpr std::array<int, 26> kOdd = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                        20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
  int sum = 0;
  for (size_t i = 0; i < 15; ++i) {
    const int order = is_digit(code[i]) ? code[i] - '0' : code[i] - 'A';
    sum += i % 2 == 0 ? kOdd[static_cast<size_t>(order)] : order;
  }
  return code[15] - 'A' == sum % 26;
}

void find_national_ids(std::string_view text, std::vector<PersonalSpan>& found) {
  static const RE2 kPattern(
      R"((\d{3}-\d{2}-\d{4}|[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]|\d{8}-?[A-Z])"
      R"(|[12] ?\d{2} ?[01]\d ?\d{2} ?\d{3} ?\d{3} ?\d{2}|[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]))");
  find_matches(
      text, kPattern, PersonalKind::kNationalId,
      [&](size_t begin, size_t end) {
        if (!stands_alone(text, begin, end) || char_before(text, begin) == '-' || char_at(text, end) == '-')
          return false;
        const std::string_view match = text.substr(begin, end - begin);
        std::string plain;
        std::copy_if(match.begin(), match.end(), std::back_inserter(plain), is_alphanumeric);
        if (plain.size() == 16) return is_valid_codice_fiscale(plain);
        if (is_upper(plain[0])) return true;  // a NINO has no check digit
        if (is_upper(plain.back())) return is_valid_dni(plain);
        return plain.size() == 9 ? is_valid_ssn(plain) : is_valid_nir(plain);
      },
      found);
}

bool is_own_or_mask(std::string_view address) {
  return address.starts_with("0.") || address.starts_with("127.") || address.starts_with("255.");
}

void find_ips(std::string_view text, std::vector<PersonalSpan>& found) {
  static const RE2 kVersion4(R"(((?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)))");
  static const RE2 kVersionBefore(R"((?i)(?:version|ver\.?|release|v|\sv\.)\s*$)");
  find_matches(
      text, kVersion4, PersonalKind::kIp,
      [&](size_t begin, size_t end) {
        if (!stands_alone(text, begin, end) || char_before(text, begin) == '.' || char_before(text, begin) == '-')
          return false;
        if (char_at(text, end) == '.' && is_digit(char_at(text, end + 1))) return false;
        if (is_own_or_mask(text.substr(begin, end - begin))) return false;
        const std::string_view before = text.substr(begin < 12 ? 0 : begin - 12, std::min<size_t>(begin, 12));
        return !RE2::PartialMatch(re2::StringPiece(before.data(), before.size()), kVersionBefore);
      },
      found);
  static const RE2 kVersion6(R"(((?:[0-9A-Fa-f]{1,4}:{1,2}){2,7}[0-9A-Fa-f]{1,4}))");
  find_matches(
      text, kVersion6, PersonalKind::kIp,
      [&](size_t begin, size_t end) {
        if (!stands_alone(text, begin, end) || char_before(text, begin) == ':' || char_at(text, end) == ':')
          return false;
        const std::string address(text.substr(begin, end - begin));
        in6_addr binary{};
        return std::any_of(address.begin(), address.end(), is_digit) &&
               inet_pton(AF_INET6, address.c_str(), &binary) == 1;
      },
      found);
}

void find_phones(std::string_view text, std::vector<PersonalSpan>& found) {
  static const RE2 kPattern(
      R"((\(?\+\d{1,3}\)?(?:[ .\-/]?\(?\d{1,5}\)?){2,6}|\(\d{3}\) ?\d{3}[ .\-]\d{4}|\d{3}[.\-]\d{3}[.\-]\d{4}))");
  const auto accepts = [&](size_t begin, size_t end) {
    const char before = char_before(text, begin);
    if (is_alphanumeric(before) || before == '-' || before == '.' || before == '+' ||
        is_alphanumeric(char_at(text, end))) {
      return false;
    }
    if ((char_at(text, end) == '-' || char_at(text, end) == '.') && is_digit(char_at(text, end + 1))) return false;
    const std::string digits = digits_of(text.substr(begin, end - begin));
    return digits.size() >= 8 && digits.size() <= 15;  // ITU E.164
  };
  find_matches(text, kPattern, PersonalKind::kPhone, accepts, found);
  static const RE2 kAfterWord(
      R"((?i)\b(?:tel|telephone|phone|fax|mobile|cell|telefon|mobil|handy|téléphone|teléfono)\b[.:]*\s{0,2}(\(?0?\d{1,5}\)?(?:[ .\-/]?\d{2,5}){1,5}))");
  find_matches(text, kAfterWord, PersonalKind::kPhone, accepts, found);
}

}  // namespace

std::string_view personal_kind_name(PersonalKind kind) {
  constexpr std::array<std::string_view, kPersonalKindCount> kNames = {"secret",      "email", "iban", "card",
                                                                       "national_id", "ip",    "phone"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<PersonalSpan> find_personal_data(std::string_view text, PersonalKinds kinds) {
  using Find = void (*)(std::string_view, std::vector<PersonalSpan>&);
  constexpr std::array<Find, kPersonalKindCount> kFinders = {find_secrets,      find_emails, find_ibans, find_cards,
                                                             find_national_ids, find_ips,    find_phones};
  std::vector<PersonalSpan> candidates;
  for (size_t kind = 0; kind < kFinders.size(); ++kind) {
    if ((kinds >> kind & 1) != 0) kFinders[kind](text, candidates);
  }
  // In the order of the kinds: whoever comes later gives way.
  std::map<size_t, PersonalSpan> taken;  // by where they end
  for (const PersonalSpan& span : candidates) {
    const auto next = taken.upper_bound(span.begin);
    if (next == taken.end() || next->second.begin >= span.end) taken.emplace(span.end, span);
  }
  std::vector<PersonalSpan> spans;
  for (const auto& [end, span] : taken) spans.push_back(span);
  return spans;
}

std::string personal_mask(PersonalKind kind) {
  std::string mask = fmt::format("[{}]", personal_kind_name(kind));
  for (char& c : mask) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  return mask;
}

std::string personal_replacement(PersonalKind kind, std::string_view original, uint64_t seed) {
  uint64_t hash = mix_hash(seed + 1);
  for (const char c : original) hash = mix_hash(hash ^ static_cast<unsigned char>(c)) + 1;
  switch (kind) {
    case PersonalKind::kSecret:
      return fmt::format("SECRET-{:016x}", hash);
    case PersonalKind::kEmail:
      return fmt::format("user-{:08x}@example.com", static_cast<uint32_t>(hash));
    case PersonalKind::kIban:
      return fmt::format("XX00{:016}", hash % 10'000'000'000'000'000);
    case PersonalKind::kCard:
      return fmt::format("0000 {:04} {:04} {:04}", hash % 10000, hash / 10000 % 10000, hash / 100000000 % 10000);
    case PersonalKind::kNationalId:
      return fmt::format("000-{:02}-{:04}", hash % 100, hash / 100 % 10000);
    case PersonalKind::kIp: {  // RFC 5737
      constexpr std::array<std::string_view, 3> kNetworks = {"192.0.2", "198.51.100", "203.0.113"};
      return fmt::format("{}.{}", kNetworks[hash % 3], hash / 3 % 256);
    }
    case PersonalKind::kPhone:
      return fmt::format("+1 {:03}-555-01{:02}", 200 + hash % 800, hash / 800 % 100);
  }
  return {};
}

}  // namespace pelton::data
