#include "engine/kv_budget.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace pelton {
namespace {

constexpr int64_t kContextCountMax = 64;
constexpr int64_t kShareOfAvailable = 4;

KvPageCounts pages_of_context(const KvDemand& demand) {
  const int64_t pages = (demand.context_length + demand.page_token_count - 1) / demand.page_token_count;
  return {.global = demand.page_bytes > 0 ? pages : 0,
          .local = demand.local_page_bytes > 0 ? std::min(pages, demand.local_page_count_max) : 0};
}

KvPageCounts pages_of_use(const KvDemand& demand, const KvPageCounts& context) {
  return {.global = kContextCountMax * context.global,
          .local = std::min(kContextCountMax, demand.sequence_count_max) * context.local};
}

int64_t bytes_of(const KvPageCounts& pages, const KvDemand& demand) {
  return pages.global * demand.page_bytes + pages.local * demand.local_page_bytes;
}

}  // namespace

KvBytes kv_bytes_of_use(const KvDemand& demand) {
  const KvPageCounts context = pages_of_context(demand);
  return {.least = bytes_of(context, demand), .most = bytes_of(pages_of_use(demand, context), demand)};
}

KvPageCounts kv_page_counts(const KvDemand& demand) {
  const KvPageCounts context = pages_of_context(demand);
  const int64_t context_bytes = bytes_of(context, demand);
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
  const KvPageCounts most = pages_of_use(demand, context);
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
