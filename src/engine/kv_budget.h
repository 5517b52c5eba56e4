// How many pages of keys and values this machine has room for.
#pragma once

#include <cstdint>
#include <optional>

namespace pelton {

struct KvDemand {
  int64_t page_bytes = 0;  // one page over all layers that see all positions; 0: there are none such
  // Of layers with a window; 0: there are none such.
  int64_t local_page_bytes = 0;
  int64_t local_page_count_max = 0;  // of one sequence (window_page_count_max())
  int64_t sequence_count_max = 64;   // that run at once
  int64_t page_token_count = 16;
  int64_t context_length = 0;
  std::optional<int64_t> bytes_max;  // what the user allows; absent: a quarter of what is available
  int64_t available_bytes = 0;
};

struct KvPageCounts {
  int64_t global = 0;
  int64_t local = 0;
};

struct KvBytes {
  int64_t least = 0;  // of one context
  int64_t most = 0;   // beyond which nobody has a use for more
};
KvBytes kv_bytes_of_use(const KvDemand& demand);

// As many pages as fit, but not more than 64 whole contexts need: memory for more is of no use. Layers with a window
// get as many as all sequences that run can hold, but none more than the others: short sequences need the same of both.
// Error kResourceExhausted: not even one context fits; names the sizes.
KvPageCounts kv_page_counts(const KvDemand& demand);

}  // namespace pelton
