#include "server/http/stop_signal.h"

#include <csignal>

#include "server/http/beast.h"

namespace pelton {

class StopSignal::Impl {
 public:
  asio::io_context io{1};
  asio::signal_set signals{io, SIGINT, SIGTERM};
};

StopSignal::StopSignal() : impl_(std::make_unique<Impl>()) {}
StopSignal::~StopSignal() = default;

void StopSignal::wait() {
  impl_->signals.async_wait([](error_code, int) {});
  impl_->io.run();
  error_code ignored;
  impl_->signals.clear(ignored);
}

void StopSignal::interrupt() { impl_->io.stop(); }

}  // namespace pelton
