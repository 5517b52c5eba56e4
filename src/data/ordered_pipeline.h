// Items are made one after another, worked on by several threads, and finished in the order in which they were made.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace pelton::data {

// Threads of its own: a region of the executor's would wait at its end for the slowest, which a stream need not.
template <typename Item>
struct OrderedPipeline {
  // Fills an item that may have been used before; false: there are no more. Never called twice at once.
  std::function<bool(Item&)> produce;
  // Called on all threads at once, each with an item of its own.
  std::function<void(Item&)> work;
  // In the order of produce(). Never called twice at once.
  std::function<void(Item&)> commit;

  // Returns when all is committed. The first exception ends the run and is thrown here; what was committed by then is
  // the beginning of the stream.
  void run(size_t thread_count) {
    for (size_t i = 0; i < 2 * thread_count + 2; ++i) free_.push_back(std::make_unique<Slot>());
    {
      std::vector<std::jthread> threads;
      for (size_t i = 1; i < thread_count; ++i) threads.emplace_back([this] { loop(); });
      loop();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  struct Slot {
    Item item;
    bool is_done = false;
  };

  void loop() {
    std::unique_lock lock(mutex_);
    while (!failure_) {
      if (!is_committing_ && !flying_.empty() && flying_.front()->is_done) {
        commit_first(lock);
      } else if (!is_producing_ && !is_exhausted_ && !free_.empty()) {
        produce_next(lock);
      } else if (is_exhausted_ && flying_.empty()) {
        break;
      } else {
        changed_.wait(lock);
      }
    }
    changed_.notify_all();
  }

  void commit_first(std::unique_lock<std::mutex>& lock) {
    is_committing_ = true;
    guarded(lock, [&, slot = flying_.front().get()] { commit(slot->item); });
    is_committing_ = false;
    if (failure_) return;
    free_.push_back(std::move(flying_.front()));
    flying_.pop_front();
    changed_.notify_all();
  }

  void produce_next(std::unique_lock<std::mutex>& lock) {
    std::unique_ptr<Slot> made = std::move(free_.back());
    free_.pop_back();
    Slot* slot = made.get();
    slot->is_done = false;
    is_producing_ = true;
    bool has_made = false;
    guarded(lock, [&] { has_made = produce(slot->item); });
    is_producing_ = false;
    if (!has_made) {
      is_exhausted_ = true;
      free_.push_back(std::move(made));
      changed_.notify_all();
      return;
    }
    flying_.push_back(std::move(made));
    changed_.notify_all();
    guarded(lock, [&] { work(slot->item); });
    slot->is_done = true;
    changed_.notify_all();
  }

  template <typename Function>
  void guarded(std::unique_lock<std::mutex>& lock, Function&& function) {
    lock.unlock();
    std::exception_ptr failure;
    try {
      function();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !failure_) failure_ = failure;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Slot>> free_;
  std::deque<std::unique_ptr<Slot>> flying_;  // made, not yet committed
  bool is_producing_ = false;
  bool is_committing_ = false;
  bool is_exhausted_ = false;
  std::exception_ptr failure_;
};

}  // namespace pelton::data
