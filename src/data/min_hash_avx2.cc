#if defined(__x86_64__)
#include "data/min_hash_body.h"

namespace pelton::data {

void min_hash_avx2(const uint32_t* shingles, int64_t shingle_count, const MinHashFunctions& functions,
                   uint32_t* minima) {
  min_hash<4>(shingles, shingle_count, functions, minima);
}

}  // namespace pelton::data
#endif
