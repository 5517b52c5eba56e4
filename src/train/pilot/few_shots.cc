#include "train/pilot/few_shots.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "train/example_reader.h"

namespace pelton {
namespace {

bool has_role(const json::value& message, std::string_view role) {
  return std::string_view(message.at("role").get_string()) == role;
}

bool is_for_system(const json::value& message) { return has_role(message, "system") || has_role(message, "developer"); }

const json::array* messages_of(const Content& content) { return std::get_if<json::array>(&content); }

// A shot as turns that nothing is learnt of, up to the last answer.
void append_turns(const Record& shot, json::array& turns) {
  json::array all = std::get<json::array>(shot.prompt);
  const json::array& answer = std::get<json::array>(shot.answers.front());
  all.insert(all.end(), answer.begin(), answer.end());
  while (!all.empty() && !has_role(all.back(), "assistant")) all.pop_back();
  for (json::value& message : all) {
    if (is_for_system(message)) continue;
    if (has_role(message, "assistant")) message.get_object()["weight"] = 0;
    turns.push_back(std::move(message));
  }
}

// Behind what the system is told.
void insert_turns(json::array& messages, const json::array& turns) {
  const auto place = std::find_if_not(messages.begin(), messages.end(), is_for_system);
  messages.insert(place, turns.begin(), turns.end());
}

// Of what `plain` asks for, up to its end; what stands before that may differ.
TrainingSequence with_same_answer(TrainingSequence sequence, const TrainingSequence& plain) {
  const auto first = std::find(plain.is_learnt.begin(), plain.is_learnt.end(), true) - plain.is_learnt.begin();
  const auto count = static_cast<std::ptrdiff_t>(plain.tokens.size()) - first;
  const auto begin = static_cast<std::ptrdiff_t>(sequence.tokens.size()) - count;
  if (begin < 1 || !std::equal(plain.tokens.begin() + first, plain.tokens.end(), sequence.tokens.begin() + begin)) {
    throw Error(ErrorCode::kInvalidArgument, "behind examples the record has other tokens than alone");
  }
  std::fill(sequence.is_learnt.begin(), sequence.is_learnt.end(), false);
  std::copy(plain.is_learnt.begin() + first, plain.is_learnt.end(), sequence.is_learnt.begin() + begin);
  return sequence;
}

}  // namespace

FewShots::FewShots(std::shared_ptr<const ModelBundle> bundle, const TuneRecipe& recipe, std::vector<Record> shots)
    : encoder_(bundle, {.sequence_length_max = std::numeric_limits<int64_t>::max(), .now_unix_s = recipe.now_unix_s}),
      length_max_(sequence_length_max(*bundle, recipe)),
      shots_(std::move(shots)) {}

FewShots::Question FewShots::ask(const Record& record, const Example& plain) const {
  for (size_t count = shots_.size(); count > 0; --count) {
    Example example = encoder_.encode(behind_shots(record, count));
    if (example.token_count() > length_max_) continue;
    example.sequences[0] = with_same_answer(std::move(example.sequences[0]), plain.sequences[0]);
    return {std::move(example), static_cast<int64_t>(count)};
  }
  return {plain, 0};
}

Record FewShots::behind_shots(const Record& record, size_t shot_count) const {
  const bool is_chat = messages_of(record.answers.front()) != nullptr;
  Record asked = record;
  json::array turns;
  std::string texts;
  for (size_t i = 0; i < shot_count; ++i) {
    const Record& shot = shots_[i];
    if ((messages_of(shot.answers.front()) != nullptr) != is_chat) {
      throw Error(ErrorCode::kInvalidArgument, "of examples and record one is a chat, and the other is none");
    }
    if (is_chat) {
      append_turns(shot, turns);
    } else {
      texts += std::get<std::string>(shot.prompt) + std::get<std::string>(shot.answers.front()) + "\n\n";
    }
  }
  if (!is_chat) {
    asked.prompt = texts + std::get<std::string>(record.prompt);
  } else {
    auto& prompt = std::get<json::array>(asked.prompt);
    insert_turns(prompt.empty() ? std::get<json::array>(asked.answers.front()) : prompt, turns);
  }
  return asked;
}

}  // namespace pelton
