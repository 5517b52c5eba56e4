// Errors of the world: files, requests, flags, budgets. A bug is a CHECK (check.h), never an Error.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace pelton {

enum class ErrorCode {
  kUsage,              // a command line that cannot be understood
  kInvalidArgument,    // a request or option with a value out of its domain
  kNotFound,           // a file, model or route that is not there
  kCorruptFile,        // a file whose bytes contradict its format
  kUnsupported,        // well formed, but not something that Pelton can do
  kContextTooLong,     // a prompt longer than the model's context
  kResourceExhausted,  // no memory, pages or queue space; may succeed later
  kCancelled,          // the caller gave up
  kUnavailable,        // the engine is stopping or has stopped
  kIo,                 // the system refused a read or a write
  kInternal,           // a bug that was caught at a boundary
  kPermission,         // somebody else's "no": a token is missing, or has no right
};

// What each code means at the edges of the program; the one table of its kind.
struct ErrorCodeInfo {
  std::string_view name;       // "invalid_argument"
  int http_status;             // 400
  std::string_view http_type;  // OpenAI's `error.type`: "invalid_request_error"
  int exit_code;               // 1: the work failed, 2: bad usage
};
const ErrorCodeInfo& error_code_info(ErrorCode code);

// The message names what, where, expected, got, and what to try.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, std::string parameter = {})
      : code_(code), message_(std::move(message)), parameter_(std::move(parameter)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // The request field or option at fault; empty where there is none.
  const std::string& parameter() const { return parameter_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
  std::string parameter_;
};

// The exception that is being handled, as an Error: an Error is itself, std::bad_alloc is kResourceExhausted, all else
// is a bug and kInternal. Only inside a catch block.
Error current_error();

}  // namespace pelton
