// MinHash signatures (Broder 1997): the least value of each of many hash functions over a set. Two sets agree in one
// with the probability of their Jaccard similarity.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/cpu.h"

namespace pelton::data {

// hash_i(x) = scramble((x ^ mask_i) · factor_i): 32-bit lanes, which each instruction set has.
struct MinHashFunctions {
  const uint32_t* masks;
  const uint32_t* factors;  // odd
  int64_t count;            // a multiple of kMinHashLanes
};
inline constexpr int64_t kMinHashLanes = 16;
inline constexpr uint32_t kMinHashScramble = 0x85EBCA6Bu;  // MurmurHash3's

// minima[i] = min(minima[i], min over the shingles of hash_i). All instruction sets give the same.
using MinHashKernel = void (*)(const uint32_t* shingles, int64_t shingle_count, const MinHashFunctions& functions,
                               uint32_t* minima);
MinHashKernel min_hash_kernel(Isa isa);
void min_hash_reference(const uint32_t* shingles, int64_t shingle_count, const MinHashFunctions& functions,
                        uint32_t* minima);
void min_hash_avx2(const uint32_t* shingles, int64_t shingle_count, const MinHashFunctions& functions,
                   uint32_t* minima);
void min_hash_avx512(const uint32_t* shingles, int64_t shingle_count, const MinHashFunctions& functions,
                     uint32_t* minima);
void min_hash_neon(const uint32_t* shingles, int64_t shingle_count, const MinHashFunctions& functions,
                   uint32_t* minima);

// `count` functions of one seed. Immutable, any thread.
class MinHash {
 public:
  MinHash(int64_t count, uint64_t seed);

  // Replaces `signature` by one minimum of each function; of no shingle, all are 2^32 - 1.
  void sign(std::span<const uint32_t> shingles, std::vector<uint32_t>& signature) const;

 private:
  int64_t count_;
  std::vector<uint32_t> masks_;
  std::vector<uint32_t> factors_;
  MinHashKernel kernel_;
};

}  // namespace pelton::data
