#include "data/record_filter.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton::data {
namespace {

bool matches(const std::vector<std::string>& conditions) {
  Arena arena;
  Record record;
  record.id = "7";
  record.text = "The Wheel turns";
  set_field(record, "score", 0.5, arena);
  set_field(record, "ok", true, arena);
  set_field(record, "meta.license", std::string_view("mit"), arena);
  set_field(record, "none", std::monostate(), arena);
  return RecordFilter(conditions).matches(record, arena);
}

TEST(RecordFilter, Conditions) {
  for (const std::string condition :
       {"score=0.5",           "score == 0.50", "score>=0.5",   "score <= 0.5", "score < 1",   "score>0",
        "score != 1",          "score != x",    "text ~ wheel", "text ~ TURNS", "words = 3",   "bytes = 15",
        "turns = 0",           "format = text", "id = 7",       "ok = true",    "ok != false", "license = mit",
        "meta.license != gpl", "missing != 1",  "none != 1",    "text > S",     "text < U"}) {
    EXPECT_TRUE(matches({condition})) << condition;
  }
  for (const std::string condition :
       {"score = 0.6", "score > 0.5", "score < 0.5", "score ~ 0", "score = x", "text ~ jet", "missing = 1",
        "missing < 1", "none = 1", "ok = 1", "ok > false", "license = gpl", "text >= U"}) {
    EXPECT_FALSE(matches({condition})) << condition;
  }
  EXPECT_TRUE(matches({"score > 0", "words < 4"}));
  EXPECT_FALSE(matches({"score > 0", "words > 4"}));
  EXPECT_TRUE(matches({}));
}

TEST(RecordFilter, RefusesWhatIsNoCondition) {
  for (const std::string text : {"", "score", "= 1", "score ! 1"}) EXPECT_THROW(matches({text}), Error) << text;
}

}  // namespace
}  // namespace pelton::data
