// The licence that a repository's card (README.md) states.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace pelton {

struct License {
  std::string id;    // the hub's identifier: "apache-2.0", "other"; several joined by ", "; empty: none stated
  std::string name;  // where the identifier is "other"
  std::string link;

  bool is_stated() const { return !id.empty() || !name.empty(); }
};

// "apache-2.0", "other (llama3.2)", "not stated". For people.
std::string to_string(const License& license);

// From the front matter (YAML between two lines "---") of a card: the fields license, license_name and license_link as
// plain or quoted scalars, or license as a list. What is written in another way reads as not stated.
License license_of_card(std::string_view card);

// From the same fields as JSON: the hub's `cardData`, and what to_json() made. Fields of other types are not read.
License license_of_json(const json::object& fields);
json::object to_json(const License& license);

}  // namespace pelton
