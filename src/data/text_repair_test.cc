#include "data/text_repair.h"

#include <gtest/gtest.h>

namespace pelton::data {
namespace {

TEST(TextRepair, UnicodeForms) {
  EXPECT_EQ(normalize_unicode("e\u0301 ﬁ", UnicodeForm::kNfc), "é ﬁ");
  EXPECT_EQ(normalize_unicode("e\u0301 ﬁ Ⅳ", UnicodeForm::kNfkc), "é fi IV");
  EXPECT_EQ(normalize_unicode("e\u0301", UnicodeForm::kNone), "e\u0301");
  EXPECT_EQ(normalize_unicode("a\xFF\xE2\x82z", UnicodeForm::kNfc), "a\uFFFD\uFFFDz");
  EXPECT_EQ(normalize_unicode("", UnicodeForm::kNfc), "");
}

TEST(TextRepair, Invisible) {
  EXPECT_EQ(remove_invisible("\uFEFFa\u200Bb\x01"
                             "c\u00AD\u202Ed\te\n"),
            "abcd\te\n");
  EXPECT_EQ(remove_invisible("a\u200Db"), "ab");
  EXPECT_EQ(remove_invisible("👩\u200D💻 می\u200Cخواهم"), "👩\u200D💻 می\u200Cخواهم");
}

TEST(TextRepair, Mojibake) {
  EXPECT_EQ(repair_mojibake("cafÃ© â€œquotedâ€\u009D â‚¬5 naÃ¯ve"), "café “quoted” €5 naïve");
  EXPECT_EQ(repair_mojibake("cafÃƒÂ©"), "café");  // twice
  EXPECT_EQ(repair_mojibake("São Paulo, NÃO, Ãëë, 5 °C, ©, Ÿ"), "São Paulo, NÃO, Ãëë, 5 °C, ©, Ÿ");
}

TEST(TextRepair, Whitespace) {
  EXPECT_EQ(normalize_whitespace("\r\n a \u00A0 b\t c  \r\n\r\n\r\n\r\n  d\re \n\n"), " a b c\n\n  d\ne");
  EXPECT_EQ(normalize_whitespace("x\n```\nif  a:\n\n\n    b  \n```\ny  z"), "x\n```\nif  a:\n\n\n    b  \n```\ny z");
  EXPECT_EQ(normalize_whitespace(" \n\t\n"), "");
}

TEST(TextRepair, BrokenLines) {
  EXPECT_EQ(join_broken_lines("This is an exam-\nple that was\nbroken, for its\nwidth.\nNext one"),
            "This is an example that was broken, for its width.\nNext one");
  EXPECT_EQ(join_broken_lines("- one\nand\n\ntwo\n# head\nthree"), "- one\nand\n\ntwo\n# head\nthree");
  EXPECT_EQ(join_broken_lines("```\na\nb\n```\nc"), "```\na\nb\n```\nc");
}

TEST(TextRepair, TruncatedEnds) {
  EXPECT_EQ(cut_truncated_end("It is so. And then he went to the"), "It is so.");
  EXPECT_EQ(cut_truncated_end("He said \"no.\" And then"), "He said \"no.\"");
  EXPECT_EQ(cut_truncated_end("One.\n\nTwo without an end"), "One.");
  for (const std::string_view whole :
       {"It is so.", "Just a title", "One.\n- item", "See:\n```\ncode\n```", "Fine! 🙂", "(yes.)", ""}) {
    EXPECT_EQ(cut_truncated_end(whole), whole);
  }
}

}  // namespace
}  // namespace pelton::data
