// Check digits that numbers of everyday life carry. Arguments hold digits (and letters where named), nothing else.
#pragma once

#include <string_view>

namespace pelton::data {

// ISO 7812: payment cards.
constexpr bool passes_luhn(std::string_view digits) {
  int sum = 0;
  bool doubles = false;
  for (size_t i = digits.size(); i-- > 0; doubles = !doubles) {
    const int digit = digits[i] - '0';
    sum += !doubles ? digit : digit < 5 ? 2 * digit : 2 * digit - 9;
  }
  return sum % 10 == 0;
}

// ISO 7064 MOD 97-10 as ISO 13616 uses it: upper-case letters count 10 to 35, the first four characters come last.
constexpr bool passes_iban_checksum(std::string_view iban) {
  int remainder = 0;
  for (size_t i = 0; i < iban.size(); ++i) {
    const char c = iban[(i + 4) % iban.size()];
    remainder = c >= '0' && c <= '9' ? remainder * 10 + (c - '0') : remainder * 100 + (c - 'A' + 10);
    remainder %= 97;
  }
  return remainder == 1;
}

}  // namespace pelton::data
