// What a body says of the form of its answer: OpenAI's `response_format`, vLLM's `structured_outputs` and its older
// `guided_…`.
#pragma once

#include <optional>
#include <string_view>

#include "server/openai/field.h"
#include "text/grammar.h"

namespace pelton::openai {

// Errors (each with the field's name): kInvalidArgument (a wrong type or value; `grammar` was given before, under this
// name or another), kUnsupported (a type or a member that is not supported).
void read_response_format(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar);
void read_structured_outputs(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar);
void read_guided_json(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar);
void read_guided_regex(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar);
void read_guided_choice(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar);
void read_guided_grammar(const JsonReader& reader, std::string_view name, std::optional<GrammarSource>& grammar);

}  // namespace pelton::openai
