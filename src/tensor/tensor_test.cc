#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace pelton {
namespace {

TEST(Shape, CountsElementsAndRows) {
  const Shape shape{2, 3, 5};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape.element_count(), 30);
  EXPECT_EQ(shape.innermost(), 5);
  EXPECT_EQ(shape.row_count(), 6);
  EXPECT_EQ(shape.to_string(), "[2, 3, 5]");
}

TEST(Shape, ScalarsAndEmptyOnes) {
  EXPECT_EQ(Shape().element_count(), 1);
  EXPECT_EQ(Shape().row_count(), 1);
  EXPECT_EQ(Shape().to_string(), "[]");
  EXPECT_EQ((Shape{0, 4}).element_count(), 0);
  EXPECT_EQ((Shape{4, 0}).row_count(), 0);
}

TEST(Shape, EqualityLooksAtTheRank) {
  Shape appended;
  appended.append(2);
  appended.append(3);
  EXPECT_EQ(appended, (Shape{2, 3}));
  EXPECT_NE(appended, (Shape{2, 3, 1}));
  EXPECT_NE(appended, (Shape{3, 2}));
  EXPECT_NE(Shape{0}, Shape());
}

TEST(ShapeDeathTest, FourDimensionsAreTheMost) {
  EXPECT_DEATH((Shape{1, 1, 1, 1, 1}), "rank_");
  Shape full{1, 1, 1, 1};
  EXPECT_DEATH(full.append(1), "rank_");
}

TEST(Tensor, OwnMemoryIsZeroedAndAligned) {
  Tensor tensor = Tensor::f32({3, 7});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % 64, 0u);
  EXPECT_EQ(tensor.size_bytes(), 84);
  for (int i = 0; i < 21; ++i) EXPECT_EQ(tensor.floats()[i], 0.0f);
}

TEST(Tensor, CopiesShareTheBytes) {
  Tensor tensor = Tensor::f32({4});
  const Tensor copy = tensor;
  tensor.mutable_floats()[2] = 5.0f;
  EXPECT_EQ(copy.floats()[2], 5.0f);
  EXPECT_EQ(copy.data(), tensor.data());
}

TEST(Tensor, RowsOfBlocks) {
  Tensor tensor(ElementType::kQ4_1, {3, 64});
  EXPECT_EQ(tensor.row_bytes(), 40);
  EXPECT_EQ(tensor.row(2) - tensor.data(), 80);
  EXPECT_EQ(tensor.size_bytes(), 120);
}

TEST(Tensor, SomeRowsAreAView) {
  Tensor tensor(ElementType::kQ4_1, {3, 64});
  const Tensor rows = tensor.rows(1, 2);
  EXPECT_EQ(rows.shape(), (Shape{2, 64}));
  EXPECT_EQ(rows.data(), tensor.row(1));
}

TEST(TensorDeathTest, RowsBeyondTheLastAreNotThere) {
  const Tensor tensor(ElementType::kQ4_1, {3, 64});
  EXPECT_DEATH(tensor.rows(2, 2), "count");
}

TEST(Tensor, EmptyShapesHaveMemoryToPointAt) {
  EXPECT_TRUE(Tensor().is_empty());
  const Tensor tensor(ElementType::kF32, {0, 8});
  EXPECT_FALSE(tensor.is_empty());
  EXPECT_EQ(tensor.size_bytes(), 0);
}

TEST(Tensor, KeepsTheOwnerOfForeignBytes) {
  auto owner = std::make_shared<std::vector<std::byte>>(9);
  const std::weak_ptr<void> watch = owner;
  const std::byte* unaligned = owner->data() + 1;
  {
    const Tensor tensor(ElementType::kF32, {2}, unaligned, std::move(owner));
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(tensor.data(), unaligned);
  }
  EXPECT_TRUE(watch.expired());
}

TEST(TensorDeathTest, ForeignBytesAndOtherTypesAreNotWritten) {
  std::byte bytes[8] = {};
  Tensor foreign(ElementType::kF32, {2}, bytes, nullptr);
  EXPECT_DEATH(foreign.mutable_floats(), "is_heap_");
  EXPECT_DEATH(foreign.mutable_data(), "is_heap_");
  Tensor integers(ElementType::kI32, {2});
  EXPECT_DEATH(integers.floats(), "kF32");
  EXPECT_DEATH(integers.mutable_floats(), "kF32");
}

}  // namespace
}  // namespace pelton
