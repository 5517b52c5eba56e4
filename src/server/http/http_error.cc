#include "server/http/http_error.h"

#include "base/json_text.h"
#include "base/log.h"

namespace pelton {
namespace {

// Anthropic's kinds of error, by status.
const char* anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 408:
      return "timeout_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

}  // namespace

ErrorForm error_form_of(std::string_view path) {
  constexpr std::string_view kMessages = "/v1/messages";
  const bool is_below =
      path.starts_with(kMessages) && (path.size() == kMessages.size() || path[kMessages.size()] == '/');
  return is_below ? ErrorForm::kAnthropic : ErrorForm::kOpenAi;
}

HttpError::HttpError(int status, std::string code, std::string message, std::string parameter)
    : status_(status),
      code_(std::move(code)),
      message_(std::move(message)),
      parameter_(std::move(parameter)),
      type_(status >= 500 ? "server_error" : "invalid_request_error") {}

HttpError::HttpError(const Error& error)
    : HttpError(error_code_info(error.code()).http_status, std::string(error_code_info(error.code()).name),
                error.message(), error.parameter()) {
  type_ = error_code_info(error.code()).http_type;
}

json::object HttpError::body(ErrorForm form) const {
  if (form == ErrorForm::kAnthropic) {
    return {{"type", "error"}, {"error", {{"type", anthropic_type(status_)}, {"message", message_}}}};
  }
  json::value parameter;
  if (!parameter_.empty()) parameter = parameter_;
  return {{"error", {{"message", message_}, {"type", type_}, {"param", parameter}, {"code", code_}}}};
}

HttpResponse HttpError::response(ErrorForm form) const {
  HttpResponse response{.status = status_, .body = to_json_text(body(form)), .headers = headers_};
  if (status_ == 429 || status_ == 503) {
    const auto whole = std::chrono::ceil<std::chrono::seconds>(retry_after_).count();
    response.headers.emplace_back("Retry-After", std::to_string(whole));
  }
  return response;
}

HttpError current_http_error() {
  try {
    throw;
  } catch (const HttpError& error) {
    return error;
  } catch (...) {
    const Error error = current_error();
    if (error.code() == ErrorCode::kResourceExhausted) log::warning(error.message());
    if (error_code_info(error.code()).http_status >= 500) log::error("a request failed: " + error.message());
    if (error.code() != ErrorCode::kInternal) return HttpError(error);
    return HttpError(Error(ErrorCode::kInternal, "internal error; the server's log says more"));
  }
}

}  // namespace pelton
