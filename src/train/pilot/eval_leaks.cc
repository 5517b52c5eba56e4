#include "train/pilot/eval_leaks.h"

#include <optional>
#include <string_view>

#include "data/comparable_words.h"
#include "data/mix_hash.h"
#include "train/run_identity.h"

namespace pelton {
namespace {

// Strings, at any depth, but for what is no text of its own: ids, types and roles.
void append_texts(const json::value& value, std::string& text) {
  if (const json::string* string = value.if_string()) {
    text += std::string_view(*string);
    text += '\n';
  } else if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) append_texts(item, text);
  } else if (const json::object* object = value.if_object()) {
    for (const auto& [key, member] : *object) {
      if (key != "id" && key != "tool_call_id" && key != "type" && key != "role") append_texts(member, text);
    }
  }
}

void append_texts(const Content& content, std::string& text) {
  if (const auto* string = std::get_if<std::string>(&content)) {
    text += *string + "\n";
    return;
  }
  for (const json::value& message : std::get<json::array>(content)) {
    const json::value* role = message.is_object() ? message.get_object().if_contains("role") : nullptr;
    if (role == nullptr || (*role != "system" && *role != "developer")) append_texts(message, text);
  }
}

std::string text_of(const Record& record) {
  std::string text;
  append_texts(record.prompt, text);
  for (const Content& answer : record.answers) append_texts(answer, text);
  return text;
}

// None: there are no words.
std::optional<uint64_t> hash_of_words(std::string_view text) {
  std::vector<uint64_t> words;
  data::hash_words(text, data::WordNormalization::kWords, words);
  if (words.empty()) return std::nullopt;
  uint64_t hash = words.size();
  for (const uint64_t word : words) hash = data::mix_hash(hash ^ word);
  return hash;
}

}  // namespace

void EvalLeaks::add(const Record* record, const Example& example) {
  fingerprints_.insert(fingerprint_of({&example, 1}));
  if (record == nullptr) return;
  const std::string text = text_of(*record);
  if (const std::optional<uint64_t> hash = hash_of_words(text)) words_.insert(*hash);
  index_.add(example.place, text);
}

Leak EvalLeaks::find(const Record* record, const Example& example) const {
  if (fingerprints_.contains(fingerprint_of({&example, 1}))) return Leak::kSame;
  if (record == nullptr) return Leak::kNone;
  const std::string text = text_of(*record);
  const std::optional<uint64_t> hash = hash_of_words(text);
  const bool is_near = (hash && words_.contains(*hash)) || index_.find(text);
  return is_near ? Leak::kNearlySame : Leak::kNone;
}

}  // namespace pelton
