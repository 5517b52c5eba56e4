#include "server/router.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/http_error.h"
#include "server/route_table.h"
#include "server/routes/routes.h"

namespace pelton {
namespace {

// What stands for "{…}" (empty where the route has none); absent: another path.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  const size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return pattern == path ? std::optional<std::string>("") : std::nullopt;
  const std::string_view end = pattern.substr(pattern.find('}') + 1);
  if (path.size() <= brace + end.size() || path.substr(0, brace) != pattern.substr(0, brace) || !path.ends_with(end)) {
    return std::nullopt;
  }
  const std::string_view part = path.substr(brace, path.size() - brace - end.size());
  if (!end.empty() && part.find('/') != std::string_view::npos) return std::nullopt;
  return std::string(part);
}

// A page of some website can make a browser post text/plain or a form to this machine without asking us, but not JSON,
// nor anything with a key in its headers.
void check_content_type(const HttpRequest& request) {
  const std::string type = request.content_type.substr(0, request.content_type.find(';'));
  if (request.origin.empty() || type == "application/json" || !request.credential.empty()) return;
  throw HttpError(415, "unsupported_media_type",
                  fmt::format("Content-Type must be application/json, not \"{}\"", type));
}

// On the reply's strand: an error becomes the reply.
template <typename Work>
void answer_guarded(Reply& reply, ErrorForm form, const Work& work) {
  try {
    work();
  } catch (...) {
    reply.respond(current_http_error().response(form));
  }
}

// On a worker: what is left to do on the strand, which may be to say what is wrong.
routes::Start prepare_guarded(const Route& route, const routes::Call& call) {
  try {
    return route.prepare(call);
  } catch (...) {
    const ErrorForm form = error_form_of(call.request.path);
    return [reply = call.reply, response = current_http_error().response(form)] { reply->respond(response); };
  }
}

void prepare_aside(const Route& route, routes::Call call) {
  // Nobody reads a request for a client that has left.
  const auto is_wanted = std::make_shared<std::atomic<bool>>(true);
  call.reply->on_abandoned([is_wanted] { *is_wanted = false; });
  call.is_wanted = [is_wanted] { return is_wanted->load(); };
  WorkerPool& workers = call.context.workers;
  const size_t bytes = call.request.body.size();
  workers.post(bytes, [&route, is_wanted, call = std::make_shared<const routes::Call>(std::move(call))] {
    if (!*is_wanted) return;
    call->reply->post([reply = call->reply, form = error_form_of(call->request.path),
                       start = prepare_guarded(route, *call)] { answer_guarded(*reply, form, start); });
  });
}

// A browser asks first whether a page of another origin may send what it wants to. It may where the reply names the
// page's origin, which the connection adds for those that the server's options allow.
HttpResponse preflight_response() {
  return {.status = 204,
          .headers = {{"Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS"},
                      {"Access-Control-Allow-Headers",
                       "Authorization, Content-Type, x-api-key, x-request-id, anthropic-version, anthropic-beta, "
                       "anthropic-dangerous-direct-browser-access"},
                      {"Access-Control-Max-Age", "3600"}}};
}

void dispatch_or_throw(const ApiContext& context, HttpRequest request, const std::shared_ptr<Reply>& reply) {
  if (request.method == "OPTIONS" && !request.origin.empty()) return reply->respond(preflight_response());
  std::shared_ptr<Caller> caller = context.access.admit(request);
  std::vector<std::string_view> methods;
  for (const Route& route : route_table()) {
    const auto parameter = match(route.path, request.path);
    if (!parameter) continue;
    const bool is_head = request.method == "HEAD" && route.method == "GET";
    if (request.method == route.method || is_head) {
      if (route.method == "POST") check_content_type(request);
      routes::Call call{.context = context,
                        .request = std::move(request),
                        .parameter = *parameter,
                        .reply = reply,
                        .caller = std::move(caller)};
      route.answer != nullptr ? route.answer(call) : prepare_aside(route, std::move(call));
      return;
    }
    if (std::find(methods.begin(), methods.end(), route.method) == methods.end()) methods.push_back(route.method);
  }
  if (methods.empty()) {
    throw HttpError(404, "not_found", fmt::format("no route {} {}", request.method, request.path));
  }
  HttpError error(405, "method_not_allowed", fmt::format("{} does not take {}", request.path, request.method));
  error.add_header("Allow", fmt::format("{}", fmt::join(methods, ", ")));
  throw error;
}

}  // namespace

void dispatch(const ApiContext& context, HttpRequest request, const std::shared_ptr<Reply>& reply) {
  const ErrorForm form = error_form_of(request.path);
  answer_guarded(*reply, form, [&] { dispatch_or_throw(context, std::move(request), reply); });
}

}  // namespace pelton
