#include "engine/kv_budget.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace pelton {
namespace {

constexpr int64_t kContextCountMax = 64;
constexpr int64_t kShareOfAvailable = 4;

}  // namespace

KvPageCounts kv_page_counts(const KvDemand& demand) {
  const int64_t context_pages = (demand.context_length + demand.page_token_count - 1) / demand.page_token_count;
  const KvPageCounts context{
      .global = demand.page_bytes > 0 ? context_pages : 0,
      .local = demand.local_page_bytes > 0 ? std::min(context_pages, demand.local_page_count_max) : 0};
  const int64_t context_bytes = context.global * demand.page_bytes + context.local * demand.local_page_bytes;
  const int64_t bytes = demand.bytes_max.value_or(demand.available_bytes / kShareOfAvailable);
  if (bytes < context_bytes) {
    constexpr double kMiB = 1 << 20;
    throw Error(
        ErrorCode::kResourceExhausted,
        fmt::format("keys and values of one context of {} tokens take {:.0f} MiB, but {} {:.0f} MiB; choose a shorter "
                    "context or give them more memory",
                    demand.context_length, static_cast<double>(context_bytes) / kMiB,
                    demand.bytes_max ? "they are allowed" : "a quarter of the available memory is",
                    static_cast<double>(bytes) / kMiB),
        "kv_bytes_max");
  }
  const KvPageCounts most{.global = kContextCountMax * context.global,
                          .local = std::min(kContextCountMax, demand.sequence_count_max) * context.local};
  if (context.local == 0) return {.global = std::min(bytes / demand.page_bytes, most.global), .local = 0};
  if (context.global == 0) return {.global = 0, .local = std::min(bytes / demand.local_page_bytes, most.local)};

  KvPageCounts counts;
  const int64_t equal = bytes / (demand.page_bytes + demand.local_page_bytes);
  counts.local = std::min(equal, most.local);
  counts.global = (bytes - counts.local * demand.local_page_bytes) / demand.page_bytes;
  if (counts.global < context.global) {  // one context comes before many windows
    counts.global = context.global;
    counts.local = std::min((bytes - counts.global * demand.page_bytes) / demand.local_page_bytes, most.local);
  }
  counts.global = std::min(counts.global, most.global);
  return counts;
}

}  // namespace pelton
