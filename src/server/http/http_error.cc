#include "server/http/http_error.h"

#include "base/json_text.h"
#include "base/log.h"

namespace pelton {

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

json::object HttpError::body() const {
  json::value parameter;
  if (!parameter_.empty()) parameter = parameter_;
  return {{"error", {{"message", message_}, {"type", type_}, {"param", parameter}, {"code", code_}}}};
}

HttpResponse HttpError::response() const {
  HttpResponse response{.status = status_, .body = to_json_text(body()), .headers = headers_};
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
