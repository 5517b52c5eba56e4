// English words as the quality filters count them: near to what spaCy's rule-based tokenizer (3.8, `spacy.blank("en")`)
// gives, because datatrove applies the published thresholds to its words. White space separates; then punctuation,
// quotes, currency and symbols are cut off the ends one by one, contractions in two ("do" "n't", "it" "'s"), a unit
// from its number, and what is left at hyphens and some signs between letters; URLs stay whole. Written anew by those
// rules, some thirty times as fast. Not the same: its list of single exceptions (about 1,300 with emoticons and
// abbreviations) is here only as far as texts have them often.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace pelton::data {

// Replaces `words` by views of `text`. Bytes that are no UTF-8 count as symbols.
void split_words(std::string_view text, std::vector<std::string_view>& words);

// The same, kept until this thread asks for those of another text: filters in a row ask for the same.
const std::vector<std::string_view>& words_of(std::string_view text);

// Sentences as spaCy's sentencizer counts them: a full stop or its like that stands as a word ends one, with the
// punctuation that follows.
int count_sentences(std::string_view text);

}  // namespace pelton::data
