// The macros come first.
// clang-format off
#include "server/http/beast.h"
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
