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

TEST(BufferPool, NothingOfNoLength) {
  BufferPool pool;
  EXPECT_EQ(pool.take(0).data(), nullptr);
  pool.give({});
  EXPECT_EQ(pool.kept_bytes(), 0U);
}

}  // namespace
}  // namespace pelton
