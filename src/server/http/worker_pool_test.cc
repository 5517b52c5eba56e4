#include "server/http/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "base/error.h"

namespace pelton {
namespace {

TEST(WorkerPool, RefusesWhatIsTooMuch) {
  WorkerPool pool({.thread_count = 1, .job_count_max = 2, .job_bytes_max = 100});
  std::promise<void> gate;
  std::promise<void> second_done;
  pool.post(60, [opened = gate.get_future().share()] { opened.wait(); });
  EXPECT_THROW(pool.post(41, [] {}), Error) << "bytes";
  pool.post(40, [&] { second_done.set_value(); });
  try {
    pool.post(0, [] {});
    ADD_FAILURE() << "a third job was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
  }
  gate.set_value();
  second_done.get_future().wait();
  std::promise<void> done;
  for (bool is_accepted = false; !is_accepted;) {  // until the second one is counted off
    try {
      pool.post(60, [&] { done.set_value(); });
      is_accepted = true;
    } catch (const Error&) {
      std::this_thread::yield();
    }
  }
  done.get_future().wait();
}

TEST(WorkerPool, OthersWorkWhileOneWaits) {
  WorkerPool pool({.thread_count = 1, .waiter_count_max = 2});
  std::promise<void> gate, third_refused;
  const std::shared_future<void> opened = gate.get_future().share();
  std::atomic<int> waited_count = 0;
  for (int i = 0; i < 2; ++i) {
    pool.post(0, [&] {
      pool.wait_aside([&] { opened.wait(); });
      ++waited_count;
    });
  }
  pool.post(0, [&] {  // on a thread of its own: both others wait
    EXPECT_THROW(pool.wait_aside([] {}), Error);
    third_refused.set_value();
  });
  third_refused.get_future().wait();
  EXPECT_EQ(waited_count, 0);
  gate.set_value();
  std::promise<void> done;
  pool.post(0, [&] {
    EXPECT_THROW(pool.wait_aside([] { throw Error(ErrorCode::kIo, "theirs"); }), Error);
    done.set_value();
  });
  done.get_future().wait();
  pool.stop();
  EXPECT_EQ(waited_count, 2);
}

TEST(WorkerPool, StopDropsWhatHasNotBegun) {
  std::atomic<bool> has_ended = false;
  std::promise<void> begun, gate;
  const auto waiting = std::make_shared<int>();
  {
    WorkerPool pool({.thread_count = 1});
    pool.post(0, [&, opened = gate.get_future().share()] {
      begun.set_value();
      opened.wait();
      has_ended = true;
    });
    begun.get_future().wait();
    pool.post(0, [waiting] {});
    std::thread stopping([&] { pool.stop(); });
    gate.set_value();
    stopping.join();
    EXPECT_TRUE(has_ended) << "what has begun is waited for";
  }
  EXPECT_EQ(waiting.use_count(), 1) << "nothing is kept of a job that was dropped";
}

}  // namespace
}  // namespace pelton
