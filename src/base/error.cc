#include "base/error.h"

#include <array>
#include <new>

#include "base/check.h"

namespace pelton {
namespace {

struct Row {
  ErrorCode code;
  ErrorCodeInfo info;
};

constexpr std::array<Row, 12> kRows = {{
    {ErrorCode::kUsage, {"usage", 400, "invalid_request_error", 2}},
    {ErrorCode::kInvalidArgument, {"invalid_argument", 400, "invalid_request_error", 1}},
    {ErrorCode::kNotFound, {"not_found", 404, "invalid_request_error", 1}},
    {ErrorCode::kCorruptFile, {"corrupt_file", 422, "invalid_request_error", 1}},
    {ErrorCode::kUnsupported, {"unsupported", 400, "invalid_request_error", 1}},
    {ErrorCode::kContextTooLong, {"context_length_exceeded", 400, "invalid_request_error", 1}},
    {ErrorCode::kResourceExhausted, {"resource_exhausted", 429, "rate_limit_error", 1}},
    {ErrorCode::kCancelled, {"cancelled", 499, "cancelled", 1}},
    {ErrorCode::kUnavailable, {"unavailable", 503, "server_error", 1}},
    {ErrorCode::kIo, {"io", 500, "server_error", 1}},
    {ErrorCode::kInternal, {"internal", 500, "server_error", 1}},
    {ErrorCode::kPermission, {"permission", 403, "permission_error", 1}},
}};

}  // namespace

const ErrorCodeInfo& error_code_info(ErrorCode code) {
  for (const Row& row : kRows) {
    if (row.code == code) return row.info;
  }
  PELTON_UNREACHABLE();
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kResourceExhausted, "out of memory");
  } catch (const std::exception& exception) {
    return Error(ErrorCode::kInternal, std::string("unexpected: ") + exception.what());
  } catch (...) {
    return Error(ErrorCode::kInternal, "unexpected: an exception of unknown type");
  }
}

}  // namespace pelton
