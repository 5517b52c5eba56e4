#include "data/parallel_items.h"

#include <atomic>
#include <exception>
#include <mutex>

namespace pelton::data {

void for_each_item(Executor& executor, int64_t count, FunctionRef<void(int64_t item)> body) {
  std::atomic<int64_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  int64_t error_item = count;
  executor.parallel([&](int /*thread*/, int /*thread_count*/) {
    for (int64_t item = next++; item < count; item = next++) {
      try {
        body(item);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (item < error_item) {
          error = std::current_exception();
          error_item = item;
        }
      }
    }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace pelton::data
