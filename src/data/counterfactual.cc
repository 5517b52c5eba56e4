#include "data/counterfactual.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/ascii.h"
#include "data/replace_spans.h"

namespace pelton::data {
namespace {

bool is_letter(char byte) {  // bytes of other characters count as letters
  return is_ascii_lower(byte) || is_ascii_upper(byte) || static_cast<unsigned char>(byte) >= 0x80;
}

// The word behind a term, where nothing but a space is between them; else empty.
std::string next_word(std::string_view text, size_t end) {
  if (end >= text.size() || text[end] != ' ') return {};
  size_t stop = end + 1;
  while (stop < text.size() && is_letter(text[stop])) ++stop;
  return ascii_lower(text.substr(end + 1, stop - end - 1));
}

// Words that no noun phrase begins with: behind "her" they say that she is an object ("told her that"), behind "his"
// that nothing is owned but named ("a friend of his and").
bool ends_a_phrase(std::string_view word) {
  static constexpr std::string_view kWords[] = {
      "",     "a",    "about",   "after",  "again", "all",   "an",    "and",   "are", "as",    "at",
      "away", "back", "because", "before", "but",   "by",    "can",   "could", "did", "do",    "does",
      "down", "for",  "from",    "had",    "has",   "have",  "he",    "how",   "i",   "if",    "in",
      "into", "is",   "it",      "not",    "of",    "off",   "on",    "or",    "out", "over",  "she",
      "so",   "than", "that",    "the",    "then",  "they",  "this",  "to",    "too", "until", "up",
      "was",  "we",   "were",    "what",   "when",  "where", "while", "who",   "why", "will",  "with"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

// The two words that are two others each.
std::string_view pronoun_for(std::string_view term, std::string_view next) {
  if (term == "her") return ends_a_phrase(next) ? "him" : "his";
  if (term == "his") return ends_a_phrase(next) ? "hers" : "her";
  return {};
}

std::string in_case_of(std::string_view original, std::string_view replacement) {
  const bool is_capital = !original.empty() && is_ascii_upper(original.front());
  const bool is_all_capitals =
      original.size() > 1 && is_capital &&
      std::none_of(original.begin(), original.end(), [](char byte) { return is_ascii_lower(byte); });
  if (is_all_capitals) return ascii_upper(replacement);
  std::string word(replacement);
  if (is_capital) word.front() = ascii_upper(word.substr(0, 1)).front();
  return word;
}

}  // namespace

TermSwapper::Terms TermSwapper::terms_of(const std::vector<TermPair>& pairs) {
  Terms terms;
  const auto add = [&](const std::string& term, const std::string& replacement) {
    if (std::find(terms.originals.begin(), terms.originals.end(), term) != terms.originals.end()) return;
    terms.originals.push_back(term);
    terms.replacements.push_back(replacement);
  };
  for (const auto& [one, other] : pairs) {
    add(one, other);
    add(other, one);
  }
  return terms;
}

TermSwapper::TermSwapper(const std::vector<TermPair>& pairs) : terms_(terms_of(pairs)), matcher_(terms_.originals) {}

std::optional<Counterfactual> TermSwapper::swap(std::string_view text) const {
  const std::vector<PhraseMatch> matches = matcher_.find(text);
  if (matches.empty()) return std::nullopt;
  Counterfactual made;
  made.swapped = matches.size();
  made.text = replace_spans(text, matches, [&](const PhraseMatch& match) {
    const std::string_view original = text.substr(match.begin, match.end - match.begin);
    std::string_view replacement = terms_.replacements[match.phrase];
    const std::string_view pronoun = pronoun_for(matcher_.phrase(match.phrase), next_word(text, match.end));
    // Of gender_terms() only: in pairs of others "her" is what they say.
    if (!pronoun.empty() && (replacement == "his" || replacement == "her")) replacement = pronoun;
    std::string word = in_case_of(original, replacement);
    if (made.example.empty()) made.example = fmt::format("{} → {}", original, word);
    return word;
  });
  return made;
}

const std::vector<TermPair>& gender_terms() {
  static const std::vector<TermPair> pairs = {
      {"he", "she"},
      {"his", "her"},
      {"him", "her"},
      {"his", "hers"},
      {"himself", "herself"},
      {"man", "woman"},
      {"men", "women"},
      {"boy", "girl"},
      {"boys", "girls"},
      {"male", "female"},
      {"males", "females"},
      {"gentleman", "lady"},
      {"gentlemen", "ladies"},
      {"father", "mother"},
      {"fathers", "mothers"},
      {"dad", "mom"},
      {"dads", "moms"},
      {"dad", "mum"},
      {"daddy", "mommy"},
      {"husband", "wife"},
      {"husbands", "wives"},
      {"son", "daughter"},
      {"sons", "daughters"},
      {"stepfather", "stepmother"},
      {"stepson", "stepdaughter"},
      {"brother", "sister"},
      {"brothers", "sisters"},
      {"uncle", "aunt"},
      {"uncles", "aunts"},
      {"grandfather", "grandmother"},
      {"grandfathers", "grandmothers"},
      {"grandpa", "grandma"},
      {"grandson", "granddaughter"},
      {"nephew", "niece"},
      {"nephews", "nieces"},
      {"boyfriend", "girlfriend"},
      {"boyfriends", "girlfriends"},
      {"bridegroom", "bride"},
      {"groom", "bride"},
      {"widower", "widow"},
      {"king", "queen"},
      {"kings", "queens"},
      {"prince", "princess"},
      {"princes", "princesses"},
      {"duke", "duchess"},
      {"actor", "actress"},
      {"actors", "actresses"},
      {"waiter", "waitress"},
      {"waiters", "waitresses"},
      {"businessman", "businesswoman"},
      {"businessmen", "businesswomen"},
      {"chairman", "chairwoman"},
      {"spokesman", "spokeswoman"},
      {"congressman", "congresswoman"},
      {"policeman", "policewoman"},
      {"salesman", "saleswoman"},
      {"fireman", "firewoman"},
      {"steward", "stewardess"},
      {"landlord", "landlady"},
      {"headmaster", "headmistress"},
      {"mr", "mrs"},
      {"mr", "ms"},
      {"sir", "madam"},
      {"sir", "ma'am"},
  };
  return pairs;
}

}  // namespace pelton::data
