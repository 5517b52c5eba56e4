#include "server/openai/grammar_fields.h"

#include <string>
#include <utility>
#include <vector>

namespace pelton::openai {
namespace {

void set(const JsonReader& reader, std::string_view name, GrammarSource source, std::optional<GrammarSource>& grammar) {
  if (grammar) reader.fail(name, "one form of the answer, not several");
  grammar = std::move(source);
}

std::string string_of(const JsonReader& reader, std::string_view name) {
  const std::optional<std::string> text = reader.string(name);
  if (!text) reader.fail(name, "a string");
  return *text;
}

}  // namespace

void read_response_format(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  const JsonReader format = JsonReader::of(*value, reader.path_of(name));
  const std::string type = format.string("type").value_or("");
  if (type == "text" || type == "json_object") {
    format.refuse_others({"type"});
    if (type == "json_object") set(reader, name, GrammarSource::json_object(), grammar);
    return;
  }
  if (type != "json_schema") format.fail("type", "\"text\", \"json_object\" or \"json_schema\"");
  format.refuse_others({"type", "json_schema"});
  const json::object* schema_fields = format.object("json_schema");
  if (schema_fields == nullptr) format.fail("json_schema", "an object");
  const JsonReader schema(*schema_fields, format.path_of("json_schema"));
  // Not strict, too, an answer is held to its schema.
  schema.refuse_others({"name", "description", "schema", "strict"});
  schema.boolean("strict");
  if (schema.value("schema") == nullptr) return set(reader, name, GrammarSource::json_object(), grammar);
  read_guided_json(schema, "schema", grammar);
}

void read_structured_outputs(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  const JsonReader outputs = JsonReader::of(*value, reader.path_of(name));
  outputs.refuse_others({"json", "regex", "choice", "grammar", "json_object"});
  read_guided_json(outputs, "json", grammar);
  read_guided_regex(outputs, "regex", grammar);
  read_guided_choice(outputs, "choice", grammar);
  read_guided_grammar(outputs, "grammar", grammar);
  if (outputs.boolean("json_object").value_or(false)) {
    set(outputs, "json_object", GrammarSource::json_object(), grammar);
  }
}

// A schema, or the text of one.
void read_guided_json(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  if (value->is_string()) return set(reader, name, {GrammarKind::kJsonSchema, string_of(reader, name)}, grammar);
  if (!value->is_object() && !value->is_bool()) reader.fail(name, "a JSON schema");
  set(reader, name, {GrammarKind::kJsonSchema, json::serialize(*value)}, grammar);
}

void read_guided_regex(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar) {
  if (reader.value(name) == nullptr) return;
  set(reader, name, {GrammarKind::kRegex, string_of(reader, name)}, grammar);
}

void read_guided_choice(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar) {
  const json::array* choices = reader.array(name);
  if (choices == nullptr) return;
  std::vector<std::string> texts;
  for (const json::value& choice : *choices) {
    if (!choice.is_string() || choice.get_string().empty()) reader.fail(name, "an array of strings, none empty");
    texts.emplace_back(choice.get_string());
  }
  if (texts.empty()) reader.fail(name, "at least one string");
  set(reader, name, GrammarSource::choice(texts), grammar);
}

void read_guided_grammar(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar) {
  if (reader.value(name) == nullptr) return;
  set(reader, name, GrammarSource::grammar(string_of(reader, name)), grammar);
}

}  // namespace pelton::openai
