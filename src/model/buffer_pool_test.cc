#include "model/buffer_pool.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

TEST(BufferPool, GivesAgainWhatFits) {
  BufferPool pool;
  pool.start_step();
  BufferPool::Buffer first = pool.take(1000);
  EXPECT_GE(first.size(), 1000U);
  const float* memory = first.data();
  pool.give(std::move(first));
  EXPECT_NE(pool.take(10).data(), memory) << "far too large";
  EXPECT_EQ(pool.take(990).data(), memory) << "nearly as large";
}

TEST(BufferPool, WhatTheLastStepDidNotUseGoesBack) {
  BufferPool pool;
  pool.start_step();
  BufferPool::Buffer buffer = pool.take(1000);
  const float* memory = buffer.data();
  pool.give(std::move(buffer));
  pool.start_step();  // used in the step that ends here
  buffer = pool.take(1000);
  EXPECT_EQ(buffer.data(), memory);
  pool.give(std::move(buffer));
  pool.start_step();
  pool.start_step();  // a step without it
  EXPECT_EQ(pool.kept_bytes(), 0U);
}

TEST(BufferPool, CountsWhatItWouldTake) {
  BufferPool real, counting(BufferPool::Mode::kCount);
  for (BufferPool* pool : {&real, &counting}) {
    pool->start_step();
    BufferPool::Buffer first = pool->take(1024), second = pool->take(2048);
    EXPECT_EQ(first.size(), 1024U);
    pool->give(std::move(first));
    first = pool->take(1000);  // the same again
    EXPECT_EQ(pool->bytes_max(), 3072 * sizeof(float));
    pool->give(std::move(first));
    pool->give(std::move(second));
    pool->start_step();
    pool->start_step();  // both went back
    first = pool->take(512);
    EXPECT_EQ(pool->bytes_max(), 3072 * sizeof(float));
    EXPECT_EQ(first.data() == nullptr, pool == &counting);
  }
}

TEST(BufferPool, NothingOfNoLength) {
  BufferPool pool;
  EXPECT_EQ(pool.take(0).data(), nullptr);
  pool.give({});
  EXPECT_EQ(pool.kept_bytes(), 0U);
}

}  // namespace
}  // namespace pelton
