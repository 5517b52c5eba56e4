// What a question asks for and in which style, and in what form an answer comes: by words and marks, to count what a
// data set covers. Openings, typos and informal words are English; of other languages they say "other" or no.
#pragma once

#include <string_view>

namespace pelton::data {

enum class QuestionKind { kInstruction, kQuestion, kOther };
std::string_view question_kind_name(QuestionKind kind);  // "instruction"

struct QuestionProfile {
  QuestionKind kind = QuestionKind::kOther;
  // The verb of an instruction or the word that asks, behind "please", "can you", …: "write", "what"; else "other".
  // Static.
  std::string_view opening = "other";
  bool is_short = false;     // at most 6 words
  bool is_long = false;      // at least 100
  bool is_sloppy = false;    // two or more of: begins small, a lone "i", no mark at its end, "??" or "!!"
  bool has_typos = false;    // a word of a list of common misspellings
  bool is_informal = false;  // "gonna", "u", "pls", …
  bool is_polite = false;    // "please", "thank you", …
};

// Looks at the first kilobytes of long texts. Any thread, as all of these.
QuestionProfile profile_question(std::string_view text);

// "json", "code", "table", "list", "markup", "prose"; "empty". Static.
std::string_view answer_form(std::string_view text);

// The answer works its way to a result in words: "step by step", "Step 1", "let's think", …
bool shows_steps(std::string_view answer);

}  // namespace pelton::data
