#include "data/language.h"

#include <cld2/public/compact_lang_det.h>

#include <algorithm>
#include <string>

#include "text/utf8.h"

namespace pelton::data {

Language detect_language(std::string_view text) {
  // Enough to know, and the library counts in int.
  constexpr size_t kBytesMax = 256 << 10;
  text = text.substr(0, kBytesMax);
  std::string valid;
  if (find_invalid_utf8(text)) {
    for_each_character(text, [&](size_t, std::string_view character) { valid += character; });
    text = valid;
  }
  CLD2::Language languages[3];
  int percents[3];
  int bytes = 0;
  bool is_reliable = false;
  CLD2::DetectLanguageSummary(text.data(), static_cast<int>(text.size()), true, languages, percents, &bytes,
                              &is_reliable);
  if (languages[0] == CLD2::UNKNOWN_LANGUAGE) return {};
  return {CLD2::LanguageCode(languages[0]), percents[0] / 100.0};
}

}  // namespace pelton::data
