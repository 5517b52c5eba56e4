#include "server/router.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/http_error.h"
#include "server/routes/routes.h"

namespace pelton {
namespace {

struct Route {
  std::string_view method;
  std::string_view path;  // "{…}" at its end stands for the rest of the path, which may hold slashes
  void (*answer)(const routes::Call& call);
};

constexpr Route kRoutes[] = {
    {"GET", "/health", routes::health},
    {"GET", "/v1/models", routes::list_models},
    {"GET", "/v1/models/{id}", routes::show_model},
    {"POST", "/v1/chat/completions", routes::complete_chat},
    {"POST", "/v1/completions", routes::complete_text},
};

// What stands for "{…}" (empty where the route has none); absent: another path.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  const size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return pattern == path ? std::optional<std::string>("") : std::nullopt;
  if (path.size() <= brace || path.substr(0, brace) != pattern.substr(0, brace)) return std::nullopt;
  return std::string(path.substr(brace));
}

// A page of some website can make a browser post text/plain or a form to this machine without asking us, but not JSON.
void check_content_type(const HttpRequest& request) {
  const std::string type = request.content_type.substr(0, request.content_type.find(';'));
  if (request.origin.empty() || type == "application/json") return;
  throw HttpError(415, "unsupported_media_type",
                  fmt::format("Content-Type must be application/json, not \"{}\"", type));
}

void dispatch_or_throw(const ApiContext& context, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  std::vector<std::string_view> methods;
  for (const Route& route : kRoutes) {
    const auto parameter = match(route.path, request.path);
    if (!parameter) continue;
    const bool is_head = request.method == "HEAD" && route.method == "GET";
    if (request.method == route.method || is_head) {
      if (route.method == "POST") check_content_type(request);
      route.answer({context, request, *parameter, reply});
      return;
    }
    methods.push_back(route.method);
  }
  if (methods.empty()) {
    throw HttpError(404, "not_found", fmt::format("no route {} {}", request.method, request.path));
  }
  HttpError error(405, "method_not_allowed", fmt::format("{} does not take {}", request.path, request.method));
  error.add_header("Allow", fmt::format("{}", fmt::join(methods, ", ")));
  throw error;
}

}  // namespace

void dispatch(const ApiContext& context, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  try {
    dispatch_or_throw(context, request, reply);
  } catch (...) {
    reply->respond(current_http_error().response());
  }
}

}  // namespace pelton
