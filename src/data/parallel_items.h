// Work on the items 0 to count - 1 by an executor's threads, for work that may throw: the first error, by the number of
// the item, is thrown again when all threads have ended.
#pragma once

#include <cstdint>

#include "ops/executor.h"

namespace pelton::data {

// Items go out one by one, so they may differ in size; body(item) runs on several threads at once.
void for_each_item(Executor& executor, int64_t count, FunctionRef<void(int64_t item)> body);

}  // namespace pelton::data
