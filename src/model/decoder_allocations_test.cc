// A step of the decoder allocates nothing once its like has been seen. Counts the C library's allocations of the
// whole program, on every thread; not under sanitizers, which bring their own.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>

#include "base/error.h"
#include "base/golden_dir.h"
#include "io/hf_folder.h"
#include "model/bundle.h"
#include "model/decoder.h"
#include "model/model.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
std::atomic<int64_t> allocation_count = 0;
}  // namespace

// glibc's own, under the names that its headers do not declare.
extern "C" {
// NOLINTBEGIN(readability-identifier-naming)
void* __libc_malloc(size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
// NOLINTEND(readability-identifier-naming)

void* malloc(size_t bytes) {
  ++allocation_count;
  return __libc_malloc(bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  ++allocation_count;
  return __libc_memalign(alignment, bytes);
}
void* realloc(void* memory, size_t bytes) {
  ++allocation_count;
  return __libc_realloc(memory, bytes);
}
}

namespace pelton {
namespace {

void expect_no_allocations(const std::shared_ptr<const Model>& model, ActivationType activations) {
  Executor executor(2);
  Decoder decoder(executor, model,
                  {.activations = activations, .kv_type = default_kv_type(activations), .page_count = 8});
  const std::vector<int32_t> first_pages = {0, 2, 4, 6};
  const std::vector<int32_t> second_pages = {1, 3, 5, 7};
  const StepBatch prompts = {.tokens = std::vector<int32_t>(60, 3),
                             .sequences = {{0, 30, 0, first_pages}, {30, 30, 0, second_pages}},
                             .logit_rows = {29, 59}};
  const auto allocates = [&](const StepBatch& batch) {
    const int64_t before = allocation_count;
    decoder.step(batch);
    return allocation_count != before;
  };
  // A kind of step that comes for the first time may make room, and so may oneDNN on a thread that takes part for the
  // first time, which is for the system to decide: once a thread each. What every step or every other one does, shows.
  const int64_t allowed = 2 * executor.thread_count();
  constexpr int kStepCount = 30;
  int64_t prompt_steps = 0;
  int64_t decode_steps = 0;
  for (int32_t i = 0; i < kStepCount; ++i) prompt_steps += allocates(prompts) ? 1 : 0;
  for (int32_t i = 0; i < kStepCount; ++i) {
    decode_steps += allocates({.tokens = {1, 2},
                               .sequences = {{0, 1, 30 + i, first_pages}, {1, 1, 30 + i, second_pages}},
                               .logit_rows = {0, 1}})
                        ? 1
                        : 0;
  }
  EXPECT_LE(prompt_steps, allowed);
  EXPECT_LE(decode_steps, allowed);
}

class DecoderAllocations : public testing::TestWithParam<ActivationType> {};

TEST_P(DecoderAllocations, AStepAllocatesNothingOnceItsLikeWasSeen) {
  const std::filesystem::path folder = std::filesystem::path(kGoldenDir) / "arch" / "llama";
  expect_no_allocations(load_hugging_face_model(folder, read_hf_folder(folder).config), GetParam());
}

TEST_P(DecoderAllocations, NeitherWithExperts) {
  const std::filesystem::path folder = std::filesystem::path(kGoldenDir) / "arch" / "mixtral";
  expect_no_allocations(load_hugging_face_model(folder, read_hf_folder(folder).config), GetParam());
}

TEST_P(DecoderAllocations, NeitherWithQuantisedWeights) {
  const char* path = std::getenv("PELTON_DEMO_MODEL");
  std::shared_ptr<const ModelBundle> bundle;
  try {
    bundle = load_bundle(path != nullptr ? path : "smollm2-135m-instruct-q4_1");
  } catch (const Error& error) {
    GTEST_SKIP() << "no demo model: " << error.what();
  }
  expect_no_allocations(bundle->model, GetParam());
}

TEST(AllocationCount, CountsWhatTheProgramAllocates) {
  const int64_t before = allocation_count;
  const std::vector<float> floats(1000);
  const AlignedArray<float> aligned(1000);
  EXPECT_EQ(allocation_count - before, 2) << floats.data() << aligned.data();
}

INSTANTIATE_TEST_SUITE_P(Activations, DecoderAllocations, testing::Values(ActivationType::kInt8, ActivationType::kF32));

}  // namespace
}  // namespace pelton

#endif
