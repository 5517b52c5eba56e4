#include "data/min_hash.h"

#include <algorithm>

#include "base/check.h"
#include "base/rng.h"

namespace pelton::data {

void min_hash_reference(const uint32_t* shingles, int64_t shingle_count, const MinHashFunctions& functions,
                        uint32_t* minima) {
  for (int64_t i = 0; i < functions.count; ++i) {
    for (int64_t s = 0; s < shingle_count; ++s) {
      uint32_t hash = (shingles[s] ^ functions.masks[i]) * functions.factors[i];
      hash = (hash ^ (hash >> 15)) * kMinHashScramble;
      minima[i] = std::min(minima[i], hash);
    }
  }
}

MinHashKernel min_hash_kernel([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return min_hash_avx512;
  if (isa == Isa::kAvx2) return min_hash_avx2;
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) return min_hash_neon;
#endif
  return min_hash_reference;
}

MinHash::MinHash(int64_t count, uint64_t seed) : count_(count), kernel_(min_hash_kernel(active_isa())) {
  CHECK(count > 0);
  const int64_t padded = (count + kMinHashLanes - 1) / kMinHashLanes * kMinHashLanes;
  Rng rng(seed);
  for (int64_t i = 0; i < padded; ++i) {
    const uint64_t bits = rng.next();
    masks_.push_back(static_cast<uint32_t>(bits >> 32));
    factors_.push_back(static_cast<uint32_t>(bits) | 1);
  }
}

void MinHash::sign(std::span<const uint32_t> shingles, std::vector<uint32_t>& signature) const {
  signature.assign(masks_.size(), UINT32_MAX);
  kernel_(shingles.data(), static_cast<int64_t>(shingles.size()),
          {masks_.data(), factors_.data(), static_cast<int64_t>(masks_.size())}, signature.data());
  signature.resize(static_cast<size_t>(count_));
}

}  // namespace pelton::data
