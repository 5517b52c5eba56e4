// Asio, its TLS and Beast, compiled once for the server and the hub's client. src/CMakeLists.txt sets the macros that
// keep everybody else's copies out (BOOST_ASIO_SEPARATE_COMPILATION and its like).
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
