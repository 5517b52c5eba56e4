#include "load/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace pelton {
namespace {

// Common words, of which most vocabularies have each as one token.
constexpr const char* kWords[] = {
    "time",     "people",     "year",        "way",       "day",    "man",       "thing",  "woman",   "life",
    "child",    "world",      "school",      "state",     "family", "student",   "group",  "country", "problem",
    "hand",     "part",       "place",       "case",      "week",   "company",   "system", "program", "question",
    "work",     "government", "number",      "night",     "point",  "home",      "water",  "room",    "mother",
    "area",     "money",      "story",       "fact",      "month",  "lot",       "right",  "study",   "book",
    "eye",      "job",        "word",        "business",  "issue",  "side",      "kind",   "head",    "house",
    "service",  "friend",     "father",      "power",     "hour",   "game",      "line",   "end",     "member",
    "law",      "car",        "city",        "community", "name",   "president", "team",   "minute",  "idea",
    "kid",      "body",       "information", "back",      "parent", "face",      "others", "level",   "office",
    "door",     "health",     "person",      "art",       "war",    "history",   "party",  "result",  "change",
    "morning",  "reason",     "research",    "girl",      "guy",    "moment",    "air",    "teacher", "force",
    "education"};

constexpr int64_t kBytesPerToken = 4;  // of English, roughly
constexpr int64_t kTokensMin = 4;

int64_t parse_count(std::string_view text, std::string_view whole) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > 100'000'000) {
    throw Error(ErrorCode::kUsage, fmt::format("\"{}\": \"{}\" is no number of tokens", whole, text));
  }
  return value;
}

std::string_view text_of(const json::object& turn, std::string_view from) {
  const json::value* who = turn.if_contains("from");
  const json::value* value = turn.if_contains("value");
  if (who == nullptr || value == nullptr || !who->is_string() || !value->is_string()) return {};
  if (std::string_view(who->get_string()) != from) return {};
  return value->get_string();
}

}  // namespace

SyntheticWorkload parse_synthetic(std::string_view text) {
  SyntheticWorkload workload;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest = part.size() < rest.size() ? rest.substr(part.size() + 1) : std::string_view();
    const size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
    if (name == "in") {
      workload.prompt_token_count = parse_count(value, text);
    } else if (name == "out") {
      workload.answer_token_count = parse_count(value, text);
    } else if (name == "shared-prefix") {
      workload.shared_prefix_token_count = parse_count(value, text);
    } else {
      throw Error(ErrorCode::kUsage, fmt::format("\"{}\": not of the form in=N,out=N,shared-prefix=N", text));
    }
  }
  if (workload.prompt_token_count < 1 || workload.answer_token_count < 1) {
    throw Error(ErrorCode::kUsage, fmt::format("\"{}\": prompt and answer have at least one token", text));
  }
  if (workload.shared_prefix_token_count > workload.prompt_token_count) {
    throw Error(ErrorCode::kUsage, fmt::format("\"{}\": the shared prefix is longer than the prompt", text));
  }
  return workload;
}

TokenCost fit_token_cost(int64_t words_a, int64_t tokens_a, int64_t words_b, int64_t tokens_b) {
  const double slope = static_cast<double>(tokens_b - tokens_a) / static_cast<double>(words_b - words_a);
  const double per_word = slope > 0 ? slope : 1;
  return {.base = static_cast<double>(tokens_a) - per_word * static_cast<double>(words_a), .per_word = per_word};
}

std::string random_words(int64_t count, Rng& rng) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) text += ' ';
    text += kWords[rng.next_below(std::size(kWords))];
  }
  return text;
}

std::vector<LoadPrompt> synthetic_prompts(const SyntheticWorkload& workload, const TokenCost& cost, int64_t count,
                                          Rng& rng) {
  const auto words_for = [&](double tokens) { return std::max<int64_t>(std::llround(tokens / cost.per_word), 0); };
  const auto shared = static_cast<double>(workload.shared_prefix_token_count);
  const auto whole = static_cast<double>(workload.prompt_token_count);
  // What the template adds before the text counts as shared, too.
  const int64_t shared_words = workload.shared_prefix_token_count > 0 ? words_for(shared - cost.base) : 0;
  const int64_t own_words = std::max<int64_t>(words_for(whole - cost.base) - shared_words, 1);
  const std::string prefix = random_words(shared_words, rng);
  std::vector<LoadPrompt> prompts;
  prompts.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    std::string text = prefix.empty() ? "" : prefix + " ";
    text += random_words(own_words, rng);
    prompts.push_back({std::move(text), workload.answer_token_count});
  }
  return prompts;
}

std::vector<LoadPrompt> sharegpt_prompts(std::string_view json_text, int64_t token_count_max) {
  constexpr size_t kBytesMax = size_t{4} << 30;
  const json::value parsed = parse_json(json_text, "the dataset", {.bytes_max = kBytesMax});
  if (!parsed.is_array()) throw Error(ErrorCode::kInvalidArgument, "the dataset is no JSON array (ShareGPT's form)");
  std::vector<LoadPrompt> prompts;
  for (const json::value& entry : parsed.get_array()) {
    const json::object* fields = entry.if_object();
    const json::value* turns = fields != nullptr ? fields->if_contains("conversations") : nullptr;
    if (turns == nullptr || !turns->is_array() || turns->get_array().size() < 2) continue;
    const json::array& turn = turns->get_array();
    if (!turn[0].is_object() || !turn[1].is_object()) continue;
    const std::string_view question = text_of(turn[0].get_object(), "human");
    const auto prompt_tokens = static_cast<int64_t>(question.size()) / kBytesPerToken;
    const auto answer_tokens = static_cast<int64_t>(text_of(turn[1].get_object(), "gpt").size()) / kBytesPerToken;
    if (std::min(prompt_tokens, answer_tokens) < kTokensMin || prompt_tokens + answer_tokens > token_count_max)
      continue;
    prompts.push_back({std::string(question), answer_tokens});
  }
  if (prompts.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "the dataset holds no conversation of a fitting length (ShareGPT's form: "
                "[{\"conversations\": [{\"from\": \"human\", \"value\": …}, …]}, …])");
  }
  return prompts;
}

}  // namespace pelton
