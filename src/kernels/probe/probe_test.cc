#include "kernels/probe/probe.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/aligned.h"
#include "base/rng.h"

namespace pelton {
namespace {

TEST(Probe, EveryIsaReadsEveryWord) {
  constexpr size_t kWords = 3 * ProbeKernels::kReadGrainBytes / sizeof(uint64_t);
  AlignedArray<uint64_t> words(kWords);
  Rng rng(7);
  for (uint64_t& word : words) word = rng.next();
  const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
  constexpr auto kBytes = static_cast<int64_t>(kWords * sizeof(uint64_t));
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(isa_name(isa));
    const uint64_t before = probe_kernels(isa).read(bytes, kBytes);
    EXPECT_EQ(before, probe_kernels_reference()->read(bytes, kBytes));
    for (size_t i = 0; i < kWords; ++i) {
      words[i] ^= 1;
      ASSERT_EQ(probe_kernels(isa).read(bytes, kBytes), before ^ 1) << "word " << i << " is not read";
      words[i] ^= 1;
    }
    EXPECT_EQ(probe_kernels(isa).read(bytes, 0), 0u);
  }
}

TEST(Probe, PeaksAreNamedAndCounted) {
  for (const Isa isa : supported_isas()) {
    std::set<std::string> types;
    for (const PeakProbe& peak : probe_kernels(isa).peaks) {
      EXPECT_TRUE(types.insert(peak.type).second);
      EXPECT_GT(peak.operations_per_iteration, 0);
      EXPECT_EQ(peak.run(3), peak.run(3));
      EXPECT_NE(peak.run(3), 0u) << "nothing was computed";
    }
    EXPECT_TRUE(types.contains("f32"));
  }
}

}  // namespace
}  // namespace pelton
