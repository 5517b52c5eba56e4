// How often texts speak of groups of people, and how kindly: words of lists, to see a data set's bias before a model
// has it. English. What a list counts is a hint and no verdict: words have other meanings, and "not good" has a good
// word.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "data/record.h"

namespace pelton::data {

struct GroupMentions {
  uint64_t in_texts = 0;
  uint64_t in_questions = 0;  // user's messages
  uint64_t in_answers = 0;    // assistant's messages
  uint64_t in_others = 0;     // of tools and system prompts
  uint64_t positive = 0;      // more good words than bad ones within 8 words
  uint64_t negative = 0;
  uint64_t count() const { return in_texts + in_questions + in_answers + in_others; }
};

// By "gender: female"; all groups of the lists are there from the start.
using GroupCounts = std::map<std::string, GroupMentions, std::less<>>;
GroupCounts all_groups();

// Adds what the record says, but for answers that were rejected.
void count_mentions(const Record& record, GroupCounts& counts);

}  // namespace pelton::data
