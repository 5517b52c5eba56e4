// What systemd and programs like it tell a service, and want to hear from it, without their library: sd_listen_fds(3),
// sd_notify(3).
#pragma once

#include <optional>
#include <string_view>

namespace pelton {

struct ActivatedSocket {
  int descriptor = -1;
  bool is_local = false;  // a Unix socket
  bool is_ip_v6 = false;
};

// The listening socket that this process was started with (LISTEN_PID, LISTEN_FDS), once; absent: none.
// Error kUnsupported: several, or one that is no stream socket.
std::optional<ActivatedSocket> take_activated_socket();

// "READY=1", "STOPPING=1", … to $NOTIFY_SOCKET; nothing where there is none.
void notify_service_manager(std::string_view state);

}  // namespace pelton
