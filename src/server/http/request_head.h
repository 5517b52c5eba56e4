// What a request's first line and headers say, checked: the parts of RFC 9112 that Beast leaves to its user.
#pragma once

#include <string>
#include <string_view>

#include "server/http/beast.h"

namespace pelton {

using HttpHeader = boost::beast::http::request_header<>;

// "/v1/models/a%2Fb?x=1" → "/v1/models/a/b". Error: HttpError 400.
std::string path_of_target(std::string_view target);
// The same → "x=1".
std::string query_of_target(std::string_view target);

// Error HttpError: Host missing, twice or malformed (400), a transfer coding but chunked (501), an unknown expectation
// (417).
void check_head(const HttpHeader& header);

// The secret of "Authorization: Bearer SECRET" (OpenAI's clients), else of "x-api-key" (Anthropic's); empty: none.
std::string credential_of(const HttpHeader& header);

// The client's x-request-id if it is short and harmless (it goes into the log and the reply), else a fresh one.
std::string request_id_of(const HttpHeader& header);

}  // namespace pelton
