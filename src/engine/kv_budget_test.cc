#include "engine/kv_budget.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton {
namespace {

TEST(KvPageCount, TakesAQuarterOfWhatIsAvailable) {
  EXPECT_EQ(kv_page_counts({.page_bytes = 10, .context_length = 100, .available_bytes = 4000}).global, 100);
}

TEST(KvPageCount, DoesNotExceed64Contexts) {
  EXPECT_EQ(kv_page_counts({.page_bytes = 1, .context_length = 33, .available_bytes = 1 << 30}).global, 64 * 3);
}

TEST(KvPageCount, FollowsTheUser) {
  EXPECT_EQ(kv_page_counts({.page_bytes = 10, .context_length = 16, .bytes_max = 55, .available_bytes = 0}).global, 5);
}

// 10 pages of a context of 160 tokens, 3 of them in layers with a window; 4 sequences run at once.
KvPageCounts with_window(int64_t page_bytes, int64_t local_page_bytes, int64_t bytes_max) {
  return kv_page_counts({.page_bytes = page_bytes,
                         .local_page_bytes = local_page_bytes,
                         .local_page_count_max = 3,
                         .sequence_count_max = 4,
                         .context_length = 160,
                         .bytes_max = bytes_max});
}

TEST(KvPageCount, LayersWithAWindowGetWhatAllSequencesCanHold) {
  const KvPageCounts counts = with_window(10, 5, 1000);
  EXPECT_EQ(counts.local, 4 * 3);
  EXPECT_EQ(counts.global, (1000 - 4 * 3 * 5) / 10);
}

TEST(KvPageCount, LayersWithAWindowGetNoMoreThanTheOthers) {
  const KvPageCounts counts = with_window(10, 5, 165);
  EXPECT_EQ(counts.local, 11);
  EXPECT_EQ(counts.global, 11);
}

TEST(KvPageCount, OneContextComesBeforeManyWindows) {
  const KvPageCounts counts = with_window(10, 5, 116);
  EXPECT_EQ(counts.global, 10);
  EXPECT_EQ(counts.local, 3);
  EXPECT_THROW(with_window(10, 5, 114), Error);
}

TEST(KvPageCount, AModelOfWindowsAloneNeedsNoMoreThanThese) {
  const KvPageCounts counts = with_window(0, 5, 1000);
  EXPECT_EQ(counts.global, 0);
  EXPECT_EQ(counts.local, 4 * 3);
  EXPECT_THROW(with_window(0, 5, 14), Error);
}

TEST(KvPageCount, RefusesLessThanOneContext) {
  try {
    kv_page_counts({.page_bytes = 1 << 20, .context_length = 160, .bytes_max = 9 << 20});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
    EXPECT_EQ(error.message(),
              "keys and values of one context of 160 tokens take 10 MiB, but they are allowed 9 MiB; choose a shorter "
              "context or give them more memory");
  }
}

TEST(KvBytesOfUse, LessIsRefusedAndMoreIsOfNoUse) {
  KvDemand demand{.page_bytes = 1000,
                  .local_page_bytes = 300,
                  .local_page_count_max = 5,
                  .sequence_count_max = 8,
                  .page_token_count = 16,
                  .context_length = 1000};  // 63 pages, the last not full
  const KvBytes bytes = kv_bytes_of_use(demand);
  EXPECT_EQ(bytes.least, 63 * 1000 + 5 * 300);
  demand.bytes_max = bytes.least;
  EXPECT_EQ(kv_page_counts(demand).global, 63);
  demand.bytes_max = bytes.least - 1;
  EXPECT_THROW(kv_page_counts(demand), Error);
  demand.bytes_max = bytes.most;
  const KvPageCounts most = kv_page_counts(demand);
  EXPECT_EQ(most.global * 1000 + most.local * 300, bytes.most);
  demand.bytes_max = 2 * bytes.most;
  EXPECT_EQ(kv_page_counts(demand).global, most.global);
}

}  // namespace
}  // namespace pelton
