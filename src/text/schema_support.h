// What of a JSON schema an answer is held to, keyword by keyword. Nothing is loosened silently: a keyword that
// constrains and isn't enforced is refused by its name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton {

enum class KeywordSupport {
  kEnforced,
  kAnnotation,  // tells readers something, or is read by other keywords ($defs)
  kUnknown,     // no keyword of any draft: JSON Schema says to ignore it
  kRefused,
};
// "enforced", "annotation", "ignored", "refused".
std::string_view keyword_support_name(KeywordSupport support);

struct SchemaKeyword {
  std::string path;  // "#/properties/size/not"
  KeywordSupport support;
  std::string note;  // how it is enforced, or why not; may be empty
};

// All keywords of the schema and of those that it refers to (#/… only; definitions that nothing refers to have none),
// in the order of the text. The grammar's compiler may still refuse values (a oneOf whose options do not exclude each
// other, a pattern with look-around). Error kInvalidArgument: it's neither an object nor a boolean.
std::vector<SchemaKeyword> inspect_schema(const json::value& schema);

// Errors: the above; kUnsupported: the first keyword that is refused.
void check_schema_support(const json::value& schema);

// The schema as the grammar's compiler is to read it. Between two tokens of JSON stands at most one line end with its
// indentation: a model may otherwise fill the whole answer with white space. Errors: the above; it doesn't parse.
std::string schema_for_compiler(std::string_view schema);

}  // namespace pelton
