// The one list of what the server answers: by it requests are dispatched, and the API is described.
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"
#include "server/routes/routes.h"

namespace pelton {

struct Route {
  std::string_view method;
  // "{…}" at its end stands for the rest of the path, which may hold slashes; before more text, for a part without
  // any. Of several that fit the first in the list is taken.
  std::string_view path;
  std::string_view summary;
  void (*answer)(const routes::Call& call) = nullptr;            // at once
  routes::Start (*prepare)(const routes::Call& call) = nullptr;  // or on a worker
  json::object (*body)() = nullptr;                              // the JSON schema of what is posted
  json::object (*query)() = nullptr;                             // of what may stand behind "?"
  std::string_view body_type = "application/json";               // of what is posted
  bool streams = false;                                          // where the body asks for it
  std::string_view content_type = "application/json";
};

std::span<const Route> route_table();

}  // namespace pelton
