// For tests and fuzzing of tokenizers: texts full of what they treat specially, and tokenizers that show each boundary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace pelton {

// Valid UTF-8, the same for the same seed on every machine.
class HostileText {
 public:
  explicit HostileText(uint64_t seed) : random_(seed) {}

  std::string next() {
    std::string text;
    const size_t part_count = below(4) == 0 ? below(200) : below(16);
    for (size_t i = 0; i < part_count; ++i) append_part(text);
    return text;
  }

 private:
  static constexpr std::string_view kParts[] = {" ",
                                                " ",
                                                "  ",
                                                "   ",
                                                "\t",
                                                "\n",
                                                "\r",
                                                "\r\n",
                                                "\n\n",
                                                " \n",
                                                "\n ",
                                                "\u00A0",
                                                "\u0085",
                                                "\u2028",
                                                "\u3000",
                                                "\u200B",
                                                "\uFEFF",
                                                "\u180E",
                                                "\v",
                                                "\f",
                                                "\x1C",
                                                std::string_view("\0", 1),
                                                "\x7F",
                                                "a",
                                                "Z",
                                                "the",
                                                "The",
                                                "THE",
                                                "word",
                                                "Hello",
                                                "iPhone",
                                                "McDonald",
                                                "ABCdef",
                                                "abcDEF",
                                                "'",
                                                "'s",
                                                "'S",
                                                "'t",
                                                "'re",
                                                "'RE",
                                                "'Ve",
                                                "'ll",
                                                "'lL",
                                                "'l",
                                                "'d",
                                                "'m",
                                                "'r",
                                                "\u2019s",
                                                "'\u017F",
                                                "'\u212A",
                                                "0",
                                                "7",
                                                "12",
                                                "123",
                                                "1234",
                                                "1234567",
                                                "\u00BD",
                                                "\u0664\u0665",
                                                "\u216B",
                                                "\u4E00",
                                                "\u3400",
                                                "\u9FA5",
                                                "\u9FA6",
                                                ".",
                                                ",",
                                                "!",
                                                "?",
                                                "...",
                                                "--",
                                                "/",
                                                "//",
                                                "/\n",
                                                "!\n\n",
                                                "$",
                                                "+",
                                                "<",
                                                "<|",
                                                "|>",
                                                "_",
                                                "#",
                                                "@",
                                                "\u00E9",
                                                "e\u0301",
                                                "\u0301",
                                                "\u0301\u0327",
                                                "\u212B",
                                                "\u1E9B\u0323",
                                                "\u1100\u1161\u11A8",
                                                "\uAC00\u11A8",
                                                "\uAC01",
                                                "\u0958",
                                                "\uFB01",
                                                "\u017F",
                                                "\u0130",
                                                "\u01C5",
                                                "\u02B0",
                                                "\u05D0\u05D1",
                                                "\u0627\u0644",
                                                "\u0639\u064E",
                                                "\u0915\u094D\u0937",
                                                "\u0E01\u0E33",
                                                "\u65E5\u672C\u8A9E",
                                                "\u3042",
                                                "\u30AB\u3099",
                                                "\uD55C\uAD6D",
                                                "\u0416",
                                                "\u0444",
                                                "\U0001F600",
                                                "\U0001F44D\U0001F3FD",
                                                "\U0001F468\u200D\U0001F469\u200D\U0001F467",
                                                "\U0001F1E9\U0001F1EA",
                                                "\u2764\uFE0F",
                                                "\U00020000",
                                                "\U000E0041",
                                                "\U0010FFFF",
                                                "\uFFFD",
                                                "\uE000",
                                                "\U0001D400",
                                                "\U0001D7CE",
                                                "<|im_start|>",
                                                "<|im_end|>",
                                                "<|im_end",
                                                "<tool>",
                                                "<tool",
                                                "</s>",
                                                "\u2581",
                                                "\u0120",
                                                "<0x0A>"};

  size_t below(size_t end) { return static_cast<size_t>(random_() % end); }

  void append_part(std::string& text) {
    const size_t kind = below(16);
    if (kind == 0) {
      append_run(text);
    } else if (kind == 1) {
      append_code_point(text, 0x110000);
    } else if (kind == 2) {
      append_code_point(text, 0x3000);
    } else {
      text += kParts[below(std::size(kParts))];
    }
  }

  void append_run(std::string& text) {
    const std::string_view part = kParts[below(std::size(kParts))];
    const size_t count = below(8) == 0 ? below(300) : below(30);
    for (size_t i = 0; i < count; ++i) text += part;
  }

  void append_code_point(std::string& text, size_t end) {
    const auto code_point = static_cast<char32_t>(below(end));
    if (code_point < 0xD800 || code_point >= 0xE000) append_utf8(text, code_point);
  }

  std::mt19937_64 random_;
};

}  // namespace pelton
