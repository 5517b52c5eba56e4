#include "data/phrase_matcher.h"

#include <algorithm>
#include <utility>

#include "data/character_class.h"
#include "data/comparable_words.h"
#include "text/utf8.h"

namespace pelton::data {
namespace {

struct PhraseList {
  std::string_view name;
  std::vector<std::string_view> phrases;
};

// What answers say in place of, or beside, what was asked for.
const std::vector<PhraseList>& phrase_lists() {
  static const std::vector<PhraseList> lists = {
      {"refusal",
       {"I cannot assist with that",
        "I can't assist with that",
        "I cannot help with that",
        "I can't help with that",
        "I'm unable to assist",
        "I am unable to assist",
        "I'm unable to help",
        "I am unable to help",
        "I cannot fulfill this request",
        "I can't fulfill this request",
        "I cannot fulfill your request",
        "I can't fulfill your request",
        "I cannot comply with",
        "I can't comply with",
        "I cannot provide that",
        "I can't provide that",
        "I must decline",
        "I have to decline",
        "I won't be able to",
        "I will not be able to",
        "I'm not able to help",
        "I am not able to help",
        "I'm sorry, but I can't",
        "I'm sorry, but I cannot",
        "I am sorry, but I can't",
        "I am sorry, but I cannot",
        "Sorry, I can't",
        "Sorry, I cannot",
        "I apologize, but I can't",
        "I apologize, but I cannot"}},
      {"hedging",
       {"it is important to note that", "it's important to note that", "it is worth noting that",
        "it's worth noting that", "it is important to remember that", "it's important to remember that",
        "it should be noted that", "please note that", "keep in mind that", "bear in mind that", "it depends on",
        "there is no one-size-fits-all", "may or may not", "to some extent", "it could be argued that",
        "generally speaking", "in most cases", "results may vary"}},
      {"unasked_advice",
       {"consult a professional",
        "consult with a professional",
        "consult a qualified",
        "consult with a qualified",
        "consult your doctor",
        "seek professional advice",
        "seek professional help",
        "seek medical advice",
        "seek legal advice",
        "speak with a healthcare professional",
        "talk to a healthcare provider",
        "I would recommend consulting",
        "I recommend consulting",
        "always do your own research",
        "if you have any further questions",
        "feel free to ask",
        "let me know if you need",
        "I hope this helps",
        "don't hesitate to ask",
        "don't hesitate to reach out"}},
      {"ai_disclosure",
       {"as an AI language model", "as a language model", "as an AI assistant", "as an artificial intelligence",
        "as an AI", "I'm just an AI", "I am just an AI", "I'm an AI", "I am an AI", "my training data",
        "my knowledge cutoff", "I don't have personal opinions", "I do not have personal opinions",
        "I don't have feelings", "I do not have feelings", "OpenAI", "trained by"}},
  };
  return lists;
}

// Where the first word at or behind `position` begins.
size_t begin_of_word(std::string_view text, size_t position) {
  while (position < text.size()) {
    const Utf8Part part = next_utf8_part(text.substr(position));
    if (part.state == Utf8State::kCharacter) {
      const char32_t code_point = code_point_of(text.substr(position, part.size));
      if ((character_class(code_point) & (kLetter | kAsciiDigit)) != 0 || code_point == '_') break;
    }
    position += part.size;
  }
  return position;
}

}  // namespace

PhraseMatcher::PhraseMatcher(std::vector<std::string> phrases) : phrases_(std::move(phrases)) {
  for (size_t i = 0; i < phrases_.size(); ++i) {
    Candidate candidate{i, {}};
    hash_words(phrases_[i], WordNormalization::kWords, candidate.words);
    if (!candidate.words.empty()) by_first_word_[candidate.words.front()].push_back(std::move(candidate));
  }
  for (auto& [word, candidates] : by_first_word_) {
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.words.size() > b.words.size(); });
  }
}

std::vector<PhraseMatch> PhraseMatcher::find(std::string_view text) const {
  static thread_local std::vector<uint64_t> words;
  static thread_local std::vector<size_t> ends;
  hash_words(text, WordNormalization::kWords, words, ends);
  std::vector<PhraseMatch> matches;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto candidates = by_first_word_.find(words[i]);
    if (candidates == by_first_word_.end()) continue;
    const auto found = std::find_if(candidates->second.begin(), candidates->second.end(), [&](const Candidate& one) {
      return one.words.size() <= words.size() - i &&
             std::equal(one.words.begin(), one.words.end(), words.begin() + static_cast<std::ptrdiff_t>(i));
    });
    if (found == candidates->second.end()) continue;
    const size_t last = i + found->words.size() - 1;
    matches.push_back({found->phrase, i, begin_of_word(text, i == 0 ? 0 : ends[i - 1]), ends[last]});
    i = last;
  }
  return matches;
}

std::vector<std::string_view> phrase_list_names() {
  std::vector<std::string_view> names;
  for (const PhraseList& list : phrase_lists()) names.push_back(list.name);
  return names;
}

std::vector<std::string> phrase_list(std::string_view name) {
  for (const PhraseList& list : phrase_lists()) {
    if (list.name == name) return {list.phrases.begin(), list.phrases.end()};
  }
  return {};
}

}  // namespace pelton::data
