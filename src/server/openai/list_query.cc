#include "server/openai/list_query.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "server/http/query.h"
#include "server/openai/field.h"
#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

constexpr int64_t kLimitMax = 10'000;  // OpenAI's of files

void read_order(const JsonReader& reader, std::string_view name, ListQuery& query) {
  const auto order = reader.string(name);
  if (!order) return;
  if (*order != "asc" && *order != "desc") reader.fail(name, "\"asc\" or \"desc\"");
  query.is_ascending = *order == "asc";
}

constexpr Field<ListQuery> kFields[] = {
    string<&ListQuery::after>("after"),
    integer<&ListQuery::limit>("limit", 1, kLimitMax),
};
constexpr Field<ListQuery> kFileFields[] = {
    string<&ListQuery::purpose>("purpose"),
    other<ListQuery, read_order>("order", R"({"enum": ["asc", "desc"]})"),
};

// A text as the kind of value that its field takes; what is no number stays a text, which the field then refuses.
json::value value_of(const std::string& text, bool is_integer) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = is_integer && error == std::errc() && end == text.data() + text.size();
  return is_number ? json::value(number) : json::value(json::string(text));
}

json::object object_of(std::string_view query) {
  json::object object;
  for (const auto& [name, text] : parse_query(query)) object[name] = value_of(text, name == "limit");
  return object;
}

}  // namespace

ListQuery parse_list_query(std::string_view query) {
  const json::object object = object_of(query);
  refuse_unknown(object, std::span<const Field<ListQuery>>(kFields));
  ListQuery result;
  read_fields(JsonReader(object, ""), std::span<const Field<ListQuery>>(kFields), result);
  return result;
}

ListQuery parse_file_list_query(std::string_view query) {
  const json::object object = object_of(query);
  refuse_unknown(object, std::span<const Field<ListQuery>>(kFields), std::span<const Field<ListQuery>>(kFileFields));
  ListQuery result;
  result.limit = kLimitMax;
  read_fields(JsonReader(object, ""), std::span<const Field<ListQuery>>(kFields), result);
  read_fields(JsonReader(object, ""), std::span<const Field<ListQuery>>(kFileFields), result);
  return result;
}

json::object list_query_schema() { return body_schema({}, std::span<const Field<ListQuery>>(kFields)); }

json::object file_list_query_schema() {
  return body_schema({}, std::span<const Field<ListQuery>>(kFields), std::span<const Field<ListQuery>>(kFileFields));
}

Page page_of(const std::vector<json::object>& all, const ListQuery& query) {
  auto begin = all.begin();
  if (query.after) {
    begin = std::find_if(all.begin(), all.end(),
                         [&](const json::object& one) { return one.at("id") == json::string(*query.after); });
    if (begin == all.end()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("after: there is no \"{}\" in this list", *query.after),
                  "after");
    }
    ++begin;
  }
  const auto end = begin + std::min<int64_t>(query.limit, all.end() - begin);
  return {json::array(begin, end), end != all.end()};
}

json::object list_answer(Page page) {
  json::object answer = {{"object", "list"}};
  answer["first_id"] = page.data.empty() ? json::value(nullptr) : page.data.front().at("id");
  answer["last_id"] = page.data.empty() ? json::value(nullptr) : page.data.back().at("id");
  answer["data"] = std::move(page.data);
  answer["has_more"] = page.has_more;
  return answer;
}

}  // namespace pelton::openai
