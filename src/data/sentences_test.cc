#include "data/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace pelton::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Sentences, EndWithTheirWhiteSpace) {
  EXPECT_THAT(sentences_of("One. Two?  Three!"), ElementsAre("One. ", "Two?  ", "Three!"));
  EXPECT_THAT(sentences_of("First line\nsecond. Ünd drei."), ElementsAre("First line\n", "second. ", "Ünd drei."));
  EXPECT_THAT(sentences_of("これは文です。次の文。"), ElementsAre("これは文です。", "次の文。"));
  EXPECT_THAT(sentences_of("It is 3.5 m."), ElementsAre("It is 3.5 m."));
  EXPECT_THAT(sentences_of(""), IsEmpty());
}

TEST(Sentences, AreTheWholeTextWhateverItsBytes) {
  for (const std::string text : {"a\xFF\xFE. b\x80 c. \xE2\x82", "\r\n\r\n. . .", "\xF0\x9F\x8E\x89! ok"}) {
    std::string joined;
    for (const std::string_view sentence : sentences_of(text)) joined += sentence;
    EXPECT_EQ(joined, text);
  }
}

}  // namespace
}  // namespace pelton::data
