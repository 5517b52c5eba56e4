// Errors as clients know them, with an HTTP status: OpenAI's {"error": {"message", "type", "param", "code"}}, and on
// Anthropic's routes {"type": "error", "error": {"type", "message"}}.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "server/http/message.h"

namespace pelton {

enum class ErrorForm { kOpenAi, kAnthropic };
// By the route: Anthropic's from /v1/messages on, else OpenAI's.
ErrorForm error_form_of(std::string_view path);

// What base/error.h's table cannot say: statuses and codes that exist only in HTTP (404 model_not_found, 405, 413, …).
class HttpError : public std::exception {
 public:
  HttpError(int status, std::string code, std::string message, std::string parameter = {});
  // By the table of error codes.
  explicit HttpError(const Error& error);

  int status() const { return status_; }
  const char* what() const noexcept override { return message_.c_str(); }
  json::object body(ErrorForm form = ErrorForm::kOpenAi) const;
  // With Retry-After where trying again may help (429, 503).
  HttpResponse response(ErrorForm form = ErrorForm::kOpenAi) const;
  // Instead of a second from now, rounded up to whole ones.
  void set_retry_after(Duration time) { retry_after_ = time; }
  void add_header(std::string name, std::string value) { headers_.emplace_back(std::move(name), std::move(value)); }

 private:
  int status_;
  std::string code_;
  std::string message_;
  std::string parameter_;
  std::string type_;
  Duration retry_after_ = std::chrono::seconds(1);
  std::vector<std::pair<std::string, std::string>> headers_;
};

// To be called in a catch block: the exception in flight. A bug is logged, and told to the client without details.
HttpError current_http_error();

}  // namespace pelton
