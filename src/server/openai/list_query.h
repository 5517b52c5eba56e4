// What stands behind the "?" of requests for lists, and the page of a list that it asks for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace pelton::openai {

struct ListQuery {
  std::optional<std::string> after;  // the id that the page before ended with
  int64_t limit = 20;
  bool is_ascending = false;           // of files: the oldest first
  std::optional<std::string> purpose;  // of files
};

// Errors: those of parse_query() and of the fields; kInvalidArgument: a name that is not known.
ListQuery parse_list_query(std::string_view query);       // after, limit
ListQuery parse_file_list_query(std::string_view query);  // order and purpose, too
// The same as JSON schemas.
json::object list_query_schema();
json::object file_list_query_schema();

struct Page {
  json::array data;
  bool has_more;
};
// Of `all` objects, each with an id, in their order. Error kInvalidArgument, parameter "after": none of them has that
// id.
Page page_of(const std::vector<json::object>& all, const ListQuery& query);
// {"object": "list", "data": […], "first_id", "last_id", "has_more"}
json::object list_answer(Page page);

}  // namespace pelton::openai
