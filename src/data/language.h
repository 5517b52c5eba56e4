// In which language a text is written (CLD2, 83 languages).
#pragma once

#include <string_view>

namespace pelton::data {

struct Language {
  std::string_view code = "un";  // ISO 639-1 where there is one ("en", "zh", "zh-Hant"); "un": not known. Static
  double confidence = 0;         // share of the text's bytes that speak for it
};
// Of most of the text. Any thread. Bytes that are no UTF-8 are passed over.
Language detect_language(std::string_view text);

}  // namespace pelton::data
