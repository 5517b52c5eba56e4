// How coroutines wait for Asio: what its users here share.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pelton {

namespace asio = boost::asio;
using boost::system::error_code;

// Completion token: suspends the coroutine; the outcome lands in `code` instead of an exception.
inline auto into(error_code& code) { return asio::redirect_error(asio::use_awaitable, code); }

}  // namespace pelton
