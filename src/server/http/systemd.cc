#include "server/http/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/log.h"

namespace pelton {
namespace {

constexpr int kFirstDescriptor = 3;  // SD_LISTEN_FDS_START

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

std::optional<ActivatedSocket> take_activated_socket() {
  if (variable("LISTEN_PID") != std::to_string(::getpid())) return std::nullopt;
  const std::string count = variable("LISTEN_FDS");
  // Whoever this process starts must not take it for its own.
  ::unsetenv("LISTEN_PID");
  ::unsetenv("LISTEN_FDS");
  ActivatedSocket socket{.descriptor = kFirstDescriptor};
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int type = 0;
  socklen_t type_size = sizeof type;
  const bool is_stream = ::getsockopt(socket.descriptor, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 &&
                         type == SOCK_STREAM &&
                         ::getsockname(socket.descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (count != "1" || !is_stream) {
    throw Error(ErrorCode::kUnsupported, "LISTEN_FDS: one listening stream socket is expected, and not something else");
  }
  ::fcntl(socket.descriptor, F_SETFD, FD_CLOEXEC);
  socket.is_local = address.ss_family == AF_UNIX;
  socket.is_ip_v6 = address.ss_family == AF_INET6;
  return socket;
}

void notify_service_manager(std::string_view state) {
  const std::string path = variable("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  std::copy(path.begin(), path.end(), address.sun_path);
  if (path.front() == '@') address.sun_path[0] = '\0';  // a name without a file
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const ssize_t sent =
      ::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  if (sent < 0) log::warning(std::string("NOTIFY_SOCKET: ") + std::strerror(errno));
  ::close(descriptor);
}

}  // namespace pelton
