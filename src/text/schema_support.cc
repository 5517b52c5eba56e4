#include "text/schema_support.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include "base/check.h"
#include "base/error.h"

namespace pelton {
namespace {

// By year; those before 2019-09 have numbers.
enum Draft { kDraft4 = 4, kDraft6 = 6, kDraft7 = 7, kDraft2019 = 2019, kDraft2020 = 2020 };

// Where a keyword's value holds further schemas.
enum class Holds { kNothing, kSchema, kSchemaOrList, kList, kMap, kMapIfUsed, kReference };

struct Keyword {
  std::string_view name;
  KeywordSupport support;
  Holds holds = Holds::kNothing;
  std::string_view note = {};
  Draft first = kDraft4;  // the drafts that know it
  Draft last = kDraft2020;
};

constexpr auto kEnforced = KeywordSupport::kEnforced;
constexpr auto kAnnotation = KeywordSupport::kAnnotation;
constexpr auto kRefused = KeywordSupport::kRefused;

// Every keyword of drafts 4 to 2020-12, and what older ones and others left behind that constrains.
constexpr Keyword kKeywords[] = {
    {"type", kEnforced},
    {"enum", kEnforced},
    {"const", kEnforced},
    {"$ref", kEnforced, Holds::kReference, "within the schema"},
    {"allOf", kEnforced, Holds::kList},
    {"anyOf", kEnforced, Holds::kList},
    {"oneOf", kEnforced, Holds::kList, "where the options exclude each other by type or by a required constant"},
    {"properties", kEnforced, Holds::kMap, "written in the order of the schema"},
    {"required", kEnforced},
    {"additionalProperties", kEnforced, Holds::kSchema, "written after the properties that have names"},
    {"patternProperties", kEnforced, Holds::kMap, "where no name matches two patterns"},
    {"minProperties", kEnforced},
    {"maxProperties", kEnforced},
    {"items", kEnforced, Holds::kSchemaOrList},
    {"prefixItems", kEnforced, Holds::kList, {}, kDraft2020},
    {"additionalItems", kEnforced, Holds::kSchema},
    {"minItems", kEnforced},
    {"maxItems", kEnforced},
    {"minLength", kEnforced},
    {"maxLength", kEnforced},
    {"pattern", kEnforced, Holds::kNothing, "without look-around and back-references"},
    {"format", kEnforced},
    {"minimum", kEnforced},
    {"maximum", kEnforced},
    {"exclusiveMinimum", kEnforced},
    {"exclusiveMaximum", kEnforced},
    {"multipleOf", kEnforced},

    {"$schema", kAnnotation},
    {"$id", kAnnotation},
    {"id", kAnnotation},
    {"$anchor", kAnnotation},
    {"$vocabulary", kAnnotation},
    {"$comment", kAnnotation},
    {"$defs", kAnnotation, Holds::kMapIfUsed},
    {"definitions", kAnnotation, Holds::kMapIfUsed},
    {"title", kAnnotation},
    {"description", kAnnotation},
    {"default", kAnnotation},
    {"examples", kAnnotation},
    {"deprecated", kAnnotation},
    {"readOnly", kAnnotation},
    {"writeOnly", kAnnotation},
    {"contentMediaType", kAnnotation},
    {"contentEncoding", kAnnotation},
    {"contentSchema", kAnnotation},

    {"not", kRefused},
    {"if", kRefused},
    {"then", kRefused},
    {"else", kRefused},
    {"contains", kRefused},
    {"minContains", kRefused},
    {"maxContains", kRefused},
    {"uniqueItems", kRefused},
    {"propertyNames", kRefused},
    {"dependencies", kRefused},
    {"dependentRequired", kRefused},
    {"dependentSchemas", kRefused},
    {"unevaluatedItems", kRefused},
    {"unevaluatedProperties", kRefused},
    {"$dynamicRef", kRefused},
    {"$dynamicAnchor", kRefused},
    {"$recursiveRef", kRefused},
    {"$recursiveAnchor", kRefused},
    {"extends", kRefused, Holds::kNothing, "a keyword of draft 3"},
    {"disallow", kRefused, Holds::kNothing, "a keyword of draft 3"},
    {"divisibleBy", kRefused, Holds::kNothing, "a keyword of draft 3: write multipleOf"},
    {"x-guidance", kRefused, Holds::kNothing, "it would change how other keywords are read"},
};

// llguidance's, which it enforces by regular expressions.
constexpr std::string_view kFormats[] = {"date-time", "time", "date", "duration", "email",  "hostname",
                                         "ipv4",      "ipv6", "uuid", "uri",      "unknown"};

Draft draft_of(const json::object& schema) {
  const json::value* id = schema.if_contains("$schema");
  if (id == nullptr || !id->is_string()) return kDraft2020;
  const std::string_view name = id->get_string();
  constexpr std::pair<std::string_view, Draft> kDrafts[] = {
      {"draft-04", kDraft4}, {"draft-06", kDraft6}, {"draft-07", kDraft7}, {"2019-09", kDraft2019}};
  for (const auto& [part, draft] : kDrafts) {
    if (name.find(part) != std::string_view::npos) return draft;
  }
  return kDraft2020;
}

std::string draft_name(Draft draft) {
  if (draft == kDraft2019) return "draft 2019-09";
  if (draft == kDraft2020) return "draft 2020-12";
  return fmt::format("draft {}", static_cast<int>(draft));
}

// As JSON pointers write names (RFC 6901).
std::string pointer_part(std::string_view name) {
  std::string part;
  for (const char c : name) {
    if (c == '~') {
      part += "~0";
    } else if (c == '/') {
      part += "~1";
    } else {
      part += c;
    }
  }
  return part;
}

class Inspector {
 public:
  explicit Inspector(const json::value& root) : root_(root) {}

  std::vector<SchemaKeyword> run() {
    if (!root_.is_bool() && !root_.is_object()) {
      throw Error(ErrorCode::kInvalidArgument, "a JSON schema is an object, true or false");
    }
    visit(root_, "#");
    // A name (an anchor, an id) may mean any of the definitions. Whether it means one is for the compiler to say.
    for (size_t i = 0; refers_by_name_ && i < definitions_.size(); ++i) {
      const auto [map, path] = definitions_[i];
      visit_map(*map, path);
    }
    return std::move(keywords_);
  }

 private:
  void visit(const json::value& value, const std::string& path) {
    const json::object* schema = value.if_object();
    if (schema == nullptr || !visited_.insert(schema).second) return;
    const Draft outer = draft_;
    if (schema == root_.if_object() || schema->contains("$schema")) draft_ = draft_of(*schema);
    for (const auto& member : *schema) {
      const std::string name(member.key());
      visit_keyword(name, member.value(), path + "/" + pointer_part(name));
      if (name == "$id" && draft_ <= kDraft7 && schema->contains("$ref")) refuse_id_beside_reference();
    }
    draft_ = outer;
  }

  void visit_keyword(std::string_view name, const json::value& value, const std::string& path) {
    const auto keyword = std::find_if(std::begin(kKeywords), std::end(kKeywords),
                                      [&](const Keyword& known) { return known.name == name; });
    if (keyword == std::end(kKeywords)) {
      keywords_.push_back({path, KeywordSupport::kUnknown, "no keyword of JSON Schema"});
      return;
    }
    keywords_.push_back({path, keyword->support, std::string(keyword->note)});
    SchemaKeyword& found = keywords_.back();
    if (draft_ < keyword->first || draft_ > keyword->last) {
      found.support = kRefused;
      found.note = fmt::format("{} does not have it", draft_name(draft_));
    }
    if (name == "format") judge_format(value, found);
    visit_inner(keyword->holds, value, path);
  }

  // Up to draft 7 what stands beside a reference does not count, and so does not say what the reference is relative to;
  // the compiler reads it as later drafts do.
  void refuse_id_beside_reference() {
    keywords_.back().support = kRefused;
    keywords_.back().note = "beside $ref it means nothing in this draft, and another schema in later ones";
  }

  static void judge_format(const json::value& value, SchemaKeyword& found) {
    const bool is_known = value.is_string() && std::find(std::begin(kFormats), std::end(kFormats),
                                                         std::string_view(value.get_string())) != std::end(kFormats);
    if (is_known) return;
    found.support = kRefused;
    found.note = fmt::format("of the formats these are enforced: {}", fmt::join(std::span(kFormats).first(10), ", "));
  }

  void visit_inner(Holds holds, const json::value& value, const std::string& path) {
    if (holds == Holds::kSchema || (holds == Holds::kSchemaOrList && !value.is_array())) {
      visit(value, path);
    } else if (holds == Holds::kList || holds == Holds::kSchemaOrList) {
      const json::array* list = value.if_array();
      for (size_t i = 0; list != nullptr && i < list->size(); ++i) visit((*list)[i], fmt::format("{}/{}", path, i));
    } else if (holds == Holds::kMap) {
      visit_map(value, path);
    } else if (holds == Holds::kMapIfUsed) {
      definitions_.emplace_back(&value, path);
    } else if (holds == Holds::kReference) {
      follow(value);
    }
  }

  void visit_map(const json::value& value, const std::string& path) {
    const json::object* map = value.if_object();
    if (map == nullptr) return;
    for (const auto& member : *map) visit(member.value(), path + "/" + pointer_part(member.key()));
  }

  void follow(const json::value& reference) {
    if (!reference.is_string()) return;
    const std::string_view text = reference.get_string();
    boost::system::error_code error;
    const json::value* target =
        text == "#" || text.starts_with("#/") ? root_.find_pointer(text.substr(1), error) : nullptr;
    if (target != nullptr) {
      visit(*target, std::string(text));
    } else {
      refers_by_name_ = true;
    }
  }

  const json::value& root_;
  Draft draft_ = kDraft2020;
  std::set<const json::object*> visited_;
  std::vector<std::pair<const json::value*, std::string>> definitions_;
  bool refers_by_name_ = false;
  std::vector<SchemaKeyword> keywords_;
};

}  // namespace

std::string_view keyword_support_name(KeywordSupport support) {
  switch (support) {
    case KeywordSupport::kEnforced:
      return "enforced";
    case KeywordSupport::kAnnotation:
      return "annotation";
    case KeywordSupport::kUnknown:
      return "ignored";
    case KeywordSupport::kRefused:
      return "refused";
  }
  PELTON_UNREACHABLE();
}

std::vector<SchemaKeyword> inspect_schema(const json::value& schema) { return Inspector(schema).run(); }

void check_schema_support(const json::value& schema) {
  for (const SchemaKeyword& keyword : inspect_schema(schema)) {
    if (keyword.support != KeywordSupport::kRefused) continue;
    const std::string_view name = std::string_view(keyword.path).substr(keyword.path.rfind('/') + 1);
    throw Error(ErrorCode::kUnsupported, fmt::format("the JSON schema: \"{}\" cannot be enforced ({}){}{}", name,
                                                     keyword.path, keyword.note.empty() ? "" : ": ", keyword.note));
  }
}

std::string schema_for_compiler(std::string_view schema) {
  const json::value parsed = parse_json(schema, "the JSON schema");
  check_schema_support(parsed);
  const json::object spacing = {{"whitespace_pattern", R"([ \t]{1,2}|\r?\n[ \t]{0,40})"}};
  const std::string member = R"({"x-guidance":)" + json::serialize(spacing);
  if (parsed.is_bool()) return parsed.get_bool() ? member + "}" : "false";
  // In the text, since a value would round its numbers.
  const std::string_view members = schema.substr(schema.find('{') + 1);
  return member + (parsed.get_object().empty() ? "" : ",") + std::string(members);
}

}  // namespace pelton
