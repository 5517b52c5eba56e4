#include "data/chat_profile.h"

#include <algorithm>
#include <cctype>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/ascii.h"
#include "base/json.h"
#include "data/phrase_matcher.h"

namespace pelton::data {
namespace {

using Words = std::unordered_set<std::string_view>;

// What instructions begin with: the most frequent ones of Self-Instruct (Wang et al. 2022, arXiv 2212.10560, figure 2)
// and their like.
const Words& instruction_verbs() {
  static const Words verbs = {
      "add",        "analyze",   "analyse",    "answer",     "arrange",   "ask",       "assess",     "assume",
      "brainstorm", "build",     "calculate",  "categorize", "change",    "check",     "choose",     "classify",
      "clean",      "combine",   "come",       "compare",    "complete",  "compose",   "compute",    "consider",
      "construct",  "continue",  "contrast",   "convert",    "correct",   "count",     "craft",      "create",
      "debug",      "decide",    "define",     "derive",     "describe",  "design",    "detect",     "determine",
      "develop",    "discuss",   "divide",     "draft",      "draw",      "edit",      "elaborate",  "estimate",
      "evaluate",   "examine",   "expand",     "explain",    "express",   "extract",   "fill",       "find",
      "fix",        "format",    "formulate",  "generate",   "get",       "give",      "guess",      "help",
      "highlight",  "identify",  "illustrate", "imagine",    "implement", "improve",   "infer",      "insert",
      "interpret",  "introduce", "invent",     "judge",      "label",     "list",      "look",       "make",
      "match",      "modify",    "name",       "optimize",   "organize",  "outline",   "paraphrase", "parse",
      "pick",       "plan",      "play",       "predict",    "prepare",   "present",   "produce",    "propose",
      "prove",      "provide",   "rank",       "rate",       "read",      "recommend", "reduce",     "refactor",
      "rename",     "reorder",   "rephrase",   "replace",    "reply",     "research",  "respond",    "return",
      "reverse",    "review",    "rewrite",    "role",       "search",    "select",    "sentence",   "set",
      "show",       "simplify",  "simulate",   "solve",      "sort",      "split",     "state",      "suggest",
      "summarize",  "summarise", "take",       "teach",      "tell",      "think",     "transform",  "translate",
      "turn",       "update",    "use",        "verify",     "visualize", "write"};
  return verbs;
}

const Words& question_words() {
  static const Words words = {"what",  "what's", "whats", "how",   "how's",  "why",   "who",    "who's",
                              "whom",  "whose",  "when",  "where", "which",  "is",    "are",    "am",
                              "was",   "were",   "do",    "does",  "did",    "can",   "could",  "will",
                              "would", "should", "shall", "may",   "might",  "must",  "has",    "have",
                              "had",   "if",     "in",    "isn't", "aren't", "don't", "doesn't"};
  return words;
}

// Of Wikipedia's list of common misspellings, those that are no other word.
const Words& misspellings() {
  static const Words words = {
      "teh",        "recieve",   "recieved",   "definately", "seperate",   "seperated",   "occured",   "untill",
      "wich",       "becuase",   "becasue",    "beleive",    "freind",     "freinds",     "thier",     "adress",
      "enviroment", "goverment", "tommorow",   "tommorrow",  "wierd",      "alot",        "acheive",   "accross",
      "agressive",  "begining",  "calender",   "collegue",   "comming",    "diffrent",    "diferent",  "embarass",
      "existance",  "foriegn",   "grammer",    "happend",    "immediatly", "independant", "knowlege",  "lenght",
      "neccessary", "necesary",  "noticable",  "occassion",  "paralel",    "peice",       "posible",   "prefered",
      "publically", "realy",     "recomend",   "refered",    "relevent",   "succesful",   "sucessful", "suprise",
      "tendancy",   "truely",    "usefull",    "writting",   "wirte",      "waht",        "hwo",       "pyhton",
      "funtion",    "fucntion",  "exmaple",    "exemple",    "explane",    "sentance",    "langauge",  "genrate",
      "taht",       "thsi",      "adn",        "hte",        "jsut",       "liek",        "probaly",   "basicly",
      "arguement",  "catagory",  "concious",   "dissapear",  "foward",     "garantee",    "millenium", "mispell",
      "persue",     "posession", "resistence", "sieze",      "speach",     "strenght",    "thats",     "whats",
      "dont",       "doesnt",    "didnt",      "cant",       "wont",       "isnt",        "im",        "ive",
      "youre",      "theyre",    "couldnt",    "wouldnt",    "shouldnt"};
  return words;
}

const Words& informal_words() {
  static const Words words = {"u",     "ur",   "pls",  "plz",  "thx",   "ty",    "lol",   "lmao",  "rofl",  "idk",
                              "imo",   "imho", "btw",  "omg",  "gonna", "wanna", "gotta", "kinda", "sorta", "cuz",
                              "coz",   "ya",   "yo",   "yeah", "yep",   "nope",  "dunno", "lemme", "gimme", "ain't",
                              "y'all", "tho",  "thru", "hey",  "hiya",  "sup",   "dude",  "bro",   "asap",  "np",
                              "tbh",   "smth", "abt",  "w/",   "b4",    "gr8",   "r",     "n"};
  return words;
}

// What comes before the verb. Longer ones first, where one begins another.
constexpr std::string_view kFillers[] = {"i would like you to",
                                         "i'd like you to",
                                         "i want you to",
                                         "i need you to",
                                         "would you please",
                                         "could you please",
                                         "can you please",
                                         "would you",
                                         "could you",
                                         "will you",
                                         "can you",
                                         "can u",
                                         "could u",
                                         "help me to",
                                         "help me",
                                         "your task is to",
                                         "you are to",
                                         "you should",
                                         "you must",
                                         "let's",
                                         "please",
                                         "kindly",
                                         "pls",
                                         "plz",
                                         "hello",
                                         "hey",
                                         "hi",
                                         "okay",
                                         "ok",
                                         "now",
                                         "so",
                                         "then",
                                         "just"};

bool is_letter_byte(char byte) {
  const auto c = static_cast<unsigned char>(byte);
  return std::isalnum(c) != 0 || c >= 0x80 || c == '\'' || c == '/';
}

// Small letters, ASCII's; a typographic apostrophe is a plain one.
std::string folded(std::string_view text) {
  constexpr std::string_view kApostrophe = "\xE2\x80\x99";
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with(kApostrophe)) {
      result += '\'';
      i += kApostrophe.size() - 1;
    } else {
      result += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
    }
  }
  return result;
}

std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    while (i < text.size() && is_letter_byte(text[i])) ++i;
    if (i > begin) words.push_back(text.substr(begin, i - begin));
    while (i < text.size() && !is_letter_byte(text[i])) ++i;
  }
  return words;
}

std::string_view without_space(std::string_view text) { return trimmed(text, " \t\r\n"); }

// How many words are of a filler that they begin with; 0: none.
size_t filler_size(std::span<const std::string_view> words) {
  for (const std::string_view filler : kFillers) {
    size_t count = 0;
    size_t position = 0;
    while (position < filler.size()) {
      const size_t end = std::min(filler.find(' ', position), filler.size());
      if (count == words.size() || words[count] != filler.substr(position, end - position)) break;
      ++count;
      position = end + 1;
    }
    if (position >= filler.size()) return count;
  }
  return 0;
}

void find_opening(std::span<const std::string_view> words, bool has_question_mark, QuestionProfile& profile) {
  while (const size_t count = filler_size(words)) words = words.subspan(count);
  const auto verb = words.empty() ? instruction_verbs().end() : instruction_verbs().find(words.front());
  const auto asking = words.empty() ? question_words().end() : question_words().find(words.front());
  if (verb != instruction_verbs().end()) {
    profile.kind = QuestionKind::kInstruction;
    profile.opening = *verb;
  } else if (asking != question_words().end()) {
    profile.kind = QuestionKind::kQuestion;
    profile.opening = *asking;
  } else if (has_question_mark) {
    profile.kind = QuestionKind::kQuestion;
  }
}

bool is_sloppy(std::string_view text) {
  int signs = std::islower(static_cast<unsigned char>(text.front())) != 0 ? 1 : 0;
  signs += std::string(".?!:;\"')]}`>").find(text.back()) == std::string::npos &&
                   static_cast<unsigned char>(text.back()) < 0x80
               ? 1
               : 0;
  const std::vector<std::string_view> words = words_in(text);
  signs += std::find(words.begin(), words.end(), "i") != words.end() ? 1 : 0;
  signs += text.find("??") != std::string_view::npos || text.find("!!") != std::string_view::npos ? 1 : 0;
  return signs >= 2;
}

template <typename Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    visit(without_space(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// The line below a Markdown table's head: | --- | :--: |
bool is_table_rule(std::string_view line) {
  return line.find('|') != std::string_view::npos && line.find('-') != std::string_view::npos &&
         line.find_first_not_of("|-: ") == std::string_view::npos;
}

bool is_list_item(std::string_view line) {
  if (line.starts_with("- ") || line.starts_with("* ") || line.starts_with("• ")) return true;
  const size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  return digits > 0 && digits < 4 && (line.substr(digits).starts_with(". ") || line.substr(digits).starts_with(") "));
}

bool is_json(std::string_view text) {
  if (!text.starts_with('{') && !text.starts_with('[')) return false;
  boost::system::error_code error;
  json::parse(text, error);
  return !error;
}

}  // namespace

std::string_view question_kind_name(QuestionKind kind) {
  return kind == QuestionKind::kInstruction ? "instruction" : kind == QuestionKind::kQuestion ? "question" : "other";
}

QuestionProfile profile_question(std::string_view text) {
  constexpr size_t kBytesMax = 16 << 10;
  constexpr size_t kShortWordsMax = 6;
  constexpr size_t kLongWordsMin = 100;
  QuestionProfile profile;
  text = without_space(text.substr(0, kBytesMax));
  if (text.empty()) return profile;
  const std::string small = folded(text);
  const std::vector<std::string_view> words = words_in(small);
  find_opening(words, text.find('?') != std::string_view::npos, profile);
  profile.is_short = words.size() <= kShortWordsMax;
  profile.is_long = words.size() >= kLongWordsMin;
  profile.is_sloppy = is_sloppy(text);
  const auto has_one_of = [&](const Words& list) {
    return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return list.contains(word); });
  };
  profile.has_typos = has_one_of(misspellings());
  profile.is_informal = has_one_of(informal_words());
  static const Words polite = {"please", "thanks", "thank", "kindly", "grateful", "appreciate"};
  profile.is_polite = has_one_of(polite);
  return profile;
}

std::string_view answer_form(std::string_view text) {
  constexpr std::string_view kFence = "```";
  text = without_space(text);
  if (text.empty()) return "empty";
  if (is_json(text)) return "json";
  if (text.starts_with("```json") && text.find(kFence, kFence.size()) == text.size() - kFence.size()) return "json";
  if (text.find(kFence) != std::string_view::npos) return "code";
  size_t lines = 0;
  size_t items = 0;
  bool has_table = false;
  std::string_view before;
  for_each_line(text, [&](std::string_view line) {
    lines += line.empty() ? 0 : 1;
    items += is_list_item(line) ? 1 : 0;
    has_table |= is_table_rule(line) && before.find('|') != std::string_view::npos;
    before = line;
  });
  if (has_table) return "table";
  if (items >= 2 && 3 * items >= lines) return "list";
  if (text.starts_with('<') && text.ends_with('>')) return "markup";
  return "prose";
}

bool shows_steps(std::string_view answer) {
  static const PhraseMatcher matcher({"step by step", "let's think", "let us think", "let me think", "step 1",
                                      "step one", "first we need to", "so the answer is", "therefore the answer is",
                                      "the final answer is"});
  return !matcher.find(answer).empty();
}

}  // namespace pelton::data
