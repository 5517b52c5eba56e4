// For tests only: the answer to a request without a socket.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "server/http/message.h"

namespace pelton {

// Waits for the one answer; what is posted meanwhile, from any thread, runs one after the other on the thread that
// waits.
class WaitingReply final : public Reply {
 public:
  void post(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    wake_.notify_one();
  }
  void respond(HttpResponse response) override { response_ = std::move(response); }
  void begin_events() override {}
  void send_event(std::string_view, std::string_view) override {}
  void end_events() override {}
  void on_abandoned(std::function<void()>) override {}
  void on_delivered(std::function<void(Duration)>) override {}

  HttpResponse wait() {
    while (!response_) next()();
    return *response_;
  }

 private:
  std::function<void()> next() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !posted_.empty(); });
    std::function<void()> work = std::move(posted_.front());
    posted_.pop_front();
    return work;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> posted_;
  std::optional<HttpResponse> response_;  // of the waiting thread
};

}  // namespace pelton
