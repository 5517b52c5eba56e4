#include "server/http/stop_signal.h"

#include <csignal>
#include <utility>

#include "server/http/beast.h"

namespace pelton {

class StopSignal::Impl {
 public:
  explicit Impl(std::function<void()> on_hangup) : on_hangup_(std::move(on_hangup)) {
    if (!on_hangup_) return;
    hangups_.add(SIGHUP);
    wait_for_hangup();
  }

  asio::io_context io{1};
  asio::signal_set signals{io, SIGINT, SIGTERM};

 private:
  void wait_for_hangup() {
    hangups_.async_wait([this](error_code code, int) {
      if (code) return;
      on_hangup_();
      wait_for_hangup();
    });
  }

  const std::function<void()> on_hangup_;
  asio::signal_set hangups_{io};
};

StopSignal::StopSignal(std::function<void()> on_hangup) : impl_(std::make_unique<Impl>(std::move(on_hangup))) {}
StopSignal::~StopSignal() = default;

void StopSignal::wait() {
  impl_->signals.async_wait([this](error_code, int) { impl_->io.stop(); });
  impl_->io.run();
  error_code ignored;
  impl_->signals.clear(ignored);
}

void StopSignal::interrupt() { impl_->io.stop(); }

}  // namespace pelton
