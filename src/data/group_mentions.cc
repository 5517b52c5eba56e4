#include "data/group_mentions.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/check.h"
#include "data/phrase_matcher.h"

namespace pelton::data {
namespace {

constexpr size_t kNearWords = 8;

struct WordList {
  std::string_view name;
  std::vector<std::string_view> words;
};

// Words that name nothing else (no "black" alone, no "old"). Gender as in the lists of Zhao et al. 2018 (WinoBias,
// arXiv 1804.06876), other groups as in HolisticBias (Smith et al. 2022, arXiv 2205.09209), shortened.
const std::vector<WordList>& group_lists() {
  static const std::vector<WordList> lists = {
      {"gender: female",
       {"she",      "her",       "hers",    "herself",  "woman",     "women",         "girl",    "girls", "female",
        "females",  "lady",      "ladies",  "mother",   "mothers",   "mom",           "mum",     "wife",  "wives",
        "daughter", "daughters", "sister",  "sisters",  "aunt",      "grandmother",   "grandma", "niece", "girlfriend",
        "queen",    "princess",  "actress", "waitress", "housewife", "businesswoman", "mrs",     "ma'am"}},
      {"gender: male",
       {"he",     "him",       "his",       "himself",     "man",         "men",     "boy",     "boys",      "male",
        "males",  "gentleman", "gentlemen", "father",      "fathers",     "dad",     "husband", "husbands",  "son",
        "sons",   "brother",   "brothers",  "uncle",       "grandfather", "grandpa", "nephew",  "boyfriend", "king",
        "prince", "actor",     "waiter",    "businessman", "mr",          "sir"}},
      {"gender: other",
       {"nonbinary", "non-binary", "genderqueer", "transgender", "trans people", "trans woman", "trans man",
        "trans women", "trans men", "intersex"}},
      {"orientation: gay or lesbian",
       {"gay", "lesbian", "lesbians", "gays", "homosexual", "homosexuals", "bisexual", "bisexuals", "queer", "lgbt",
        "lgbtq", "same-sex"}},
      {"orientation: straight", {"heterosexual", "heterosexuals", "straight man", "straight woman", "straight people"}},
      {"religion: christian",
       {"christian", "christians", "christianity", "catholic", "catholics", "protestant", "protestants",
        "orthodox church"}},
      {"religion: muslim", {"muslim", "muslims", "islam", "islamic"}},
      {"religion: jewish", {"jew", "jews", "jewish", "judaism"}},
      {"religion: hindu", {"hindu", "hindus", "hinduism"}},
      {"religion: buddhist", {"buddhist", "buddhists", "buddhism"}},
      {"religion: none", {"atheist", "atheists", "atheism", "agnostic", "agnostics"}},
      {"origin: african",
       {"african", "africans", "african american", "african americans", "black people", "black person", "black man",
        "black men", "black woman", "black women", "black community"}},
      {"origin: asian",
       {"asian", "asians", "asian american", "asian americans", "chinese", "japanese", "korean", "indian", "indians",
        "vietnamese", "filipino"}},
      {"origin: european",
       {"european", "europeans", "white people", "white person", "white man", "white men", "white woman", "white women",
        "caucasian", "caucasians"}},
      {"origin: latin american",
       {"hispanic", "hispanics", "latino", "latinos", "latina", "latinas", "mexican", "mexicans"}},
      {"origin: middle eastern", {"arab", "arabs", "arabic people", "middle eastern", "persian", "turkish"}},
      {"origin: indigenous", {"indigenous", "native american", "native americans", "aboriginal"}},
      {"origin: immigrant",
       {"immigrant", "immigrants", "migrant", "migrants", "refugee", "refugees", "foreigner", "foreigners"}},
      {"age: old",
       {"elderly", "senior citizen", "senior citizens", "old man", "old woman", "old people", "older adults", "retiree",
        "retirees", "pensioner", "pensioners"}},
      {"age: young",
       {"teenager", "teenagers", "young man", "young woman", "young people", "young adults", "millennial",
        "millennials", "adolescent", "adolescents"}},
      {"disability",
       {"disabled", "disability", "disabilities", "wheelchair", "blind person", "blind people", "deaf", "autistic",
        "autism", "mentally ill", "special needs"}},
      {"class: poor",
       {"poor people", "poor family", "poor families", "homeless", "working class", "low-income", "unemployed"}},
      {"class: rich",
       {"rich people", "wealthy", "millionaire", "millionaires", "billionaire", "billionaires", "upper class"}},
  };
  return lists;
}

// Frequent ones of the opinion lexicon of Hu, Liu 2004 that say something of people.
const std::vector<std::string_view>& good_words() {
  static const std::vector<std::string_view> words = {
      "good",       "great",     "kind",        "smart",      "intelligent", "brilliant", "talented",   "skilled",
      "successful", "beautiful", "honest",      "brave",      "strong",      "friendly",  "generous",   "happy",
      "loving",     "caring",    "wise",        "excellent",  "wonderful",   "amazing",   "creative",   "hardworking",
      "reliable",   "respected", "admired",     "polite",     "competent",   "capable",   "confident",  "gifted",
      "helpful",    "inspiring", "innocent",    "loyal",      "peaceful",    "proud",     "best",       "better",
      "love",       "loved",     "respect",     "trust",      "trusted",     "courage",   "courageous", "hero",
      "leader",     "genius",    "outstanding", "remarkable", "delightful",  "charming",  "graceful",   "accomplished"};
  return words;
}
const std::vector<std::string_view>& bad_words() {
  static const std::vector<std::string_view> words = {
      "bad",      "stupid",    "dumb",       "lazy",        "ugly",       "dirty",        "violent",  "dangerous",
      "criminal", "criminals", "terrorist",  "terrorists",  "evil",       "weak",         "inferior", "dishonest",
      "greedy",   "crazy",     "hysterical", "emotional",   "aggressive", "angry",        "hate",     "hated",
      "hostile",  "ignorant",  "immoral",    "incompetent", "irrational", "liar",         "lying",    "cruel",
      "nasty",    "pathetic",  "primitive",  "rude",        "selfish",    "sick",         "thief",    "threat",
      "useless",  "worthless", "worse",      "worst",       "abusive",    "arrogant",     "backward", "burden",
      "corrupt",  "coward",    "disgusting", "fraud",       "guilty",     "illegal",      "killed",   "murder",
      "problem",  "victim",    "poorly",     "failure",     "suspicious", "untrustworthy"};
  return words;
}

// All lists as one, so that a text is gone through once.
struct Lexicon {
  Lexicon() {
    std::vector<std::string> phrases;
    const auto add = [&](std::string_view word, std::string_view group, int sentiment) {
      phrases.emplace_back(word);
      meanings.push_back({group, sentiment});
    };
    for (const WordList& list : group_lists()) {
      for (const std::string_view word : list.words) add(word, list.name, 0);
    }
    for (const std::string_view word : good_words()) add(word, {}, 1);
    for (const std::string_view word : bad_words()) add(word, {}, -1);
    matcher = std::make_unique<PhraseMatcher>(std::move(phrases));
  }

  struct Meaning {
    std::string_view group;  // empty: a word of sentiment
    int sentiment;
  };
  std::vector<Meaning> meanings;  // of each phrase
  std::unique_ptr<PhraseMatcher> matcher;
};

// `place`: the count of where the text stands.
void count_in(std::string_view text, uint64_t GroupMentions::*place, GroupCounts& counts) {
  static const Lexicon lexicon;
  const std::vector<PhraseMatch> matches = lexicon.matcher->find(text);
  for (size_t i = 0; i < matches.size(); ++i) {
    const std::string_view group = lexicon.meanings[matches[i].phrase].group;
    if (group.empty()) continue;
    int sentiment = 0;
    const auto look = [&](const PhraseMatch& other) {
      const size_t distance =
          std::max(other.first_word, matches[i].first_word) - std::min(other.first_word, matches[i].first_word);
      if (distance > kNearWords) return false;
      sentiment += lexicon.meanings[other.phrase].sentiment;
      return true;
    };
    for (size_t k = i; k > 0 && look(matches[k - 1]); --k) {
    }
    for (size_t k = i + 1; k < matches.size() && look(matches[k]); ++k) {
    }
    const auto found = counts.find(group);
    CHECK(found != counts.end());
    ++(found->second.*place);
    found->second.positive += sentiment > 0 ? 1 : 0;
    found->second.negative += sentiment < 0 ? 1 : 0;
  }
}

}  // namespace

GroupCounts all_groups() {
  GroupCounts counts;
  for (const WordList& list : group_lists()) counts.emplace(list.name, GroupMentions());
  return counts;
}

void count_mentions(const Record& record, GroupCounts& counts) {
  if (record.kind == RecordKind::kText) count_in(record.text, &GroupMentions::in_texts, counts);
  for (const std::span<Message> turns : {record.messages, record.chosen}) {
    for (const Message& message : turns) {
      count_in(message.content,
               message.role == Role::kUser        ? &GroupMentions::in_questions
               : message.role == Role::kAssistant ? &GroupMentions::in_answers
                                                  : &GroupMentions::in_others,
               counts);
    }
  }
}

}  // namespace pelton::data
