#include "ops/attention.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"
#include "kernels/attention/attention.h"
#include "ops/grain.h"
#include "ops/scratch.h"

namespace pelton {
namespace {

constexpr int64_t kPage = KvLayerCache::kPageTokens;
constexpr int64_t kTile = kAttentionTileTokens;
static_assert(kPage == kAttentionPageTokens);

// Positions [256 c, 256 (c + 1)) make chunk c of a sequence. Every row sums up its chunks apart and adds them in
// ascending order, whether or not several threads share them: so the bits are the same. Long enough that adding (K
// products and two exponentials) is nothing beside the chunk (512 K products), short enough to share out a context of
// 500.
constexpr int64_t kChunk = 4 * kTile;

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Everything of one call that all its units share.
struct Job {
  const AttentionShape& shape;
  std::span<const AttentionSequence> sequences;
  const float* q;
  const KvLayerCache& cache;
  float* out;
  float* log_sum_exp;  // null: not wanted
  AttentionSinks sinks;
  const AttentionInt8Query* int8_queries{};  // [T, H], for a cache in 8 bits

  int64_t group_size() const { return shape.query_head_count / shape.key_value_head_count; }
  int64_t padded_width() const { return padded_head_width(shape.head_width); }
};

int64_t length_of(const AttentionSequence& sequence) { return sequence.first_position + sequence.row_count; }

// Some queries of one sequence, for some key/value heads. Query i of a head is row i / group size of the sequence, head
// i % group size of the group: all of them read the same keys and values.
struct Unit {
  const AttentionSequence* sequence;
  int64_t query_begin;
  int64_t query_count;  // <= kAttentionQueriesMax
  int64_t head_begin;   // of key/value heads
  int64_t head_count;
  int64_t context_begin;  // of the page with the first position that the first query sees
  int64_t context_end;    // after the last position that the last query sees

  int64_t first_chunk() const { return context_begin / kChunk; }
  int64_t chunk_count() const { return ceil_divide(context_end, kChunk) - first_chunk(); }
  int64_t state_count() const { return head_count * query_count; }
};

int64_t state_floats(const Job& job, const Unit& unit) { return unit.state_count() * (2 + job.padded_width()); }

SoftmaxState state_at(const Unit& unit, float* memory) {
  return {memory, memory + unit.state_count(), memory + 2 * unit.state_count()};
}

void clear(const Job& job, const Unit& unit, const SoftmaxState& state) {
  std::fill_n(state.maximum, unit.state_count(), -std::numeric_limits<float>::infinity());
  std::fill_n(state.sum, unit.state_count() * (1 + job.padded_width()), 0.0f);  // sum and output lie together
}

// total += part, where part has seen later positions; for the states in `range`.
void merge(const Job& job, const SoftmaxState& part, const SoftmaxState& total, Range range) {
  const int64_t width = job.padded_width();
  for (int64_t i = range.begin; i < range.end; ++i) {
    if (part.sum[i] == 0) continue;  // a query that stands before this chunk, or whose window begins after it
    float* output = total.output + i * width;
    const float* part_output = part.output + i * width;
    if (total.sum[i] == 0) {  // its window begins in this chunk; the same bits as where the unit begins here too
      total.maximum[i] = part.maximum[i];
      total.sum[i] = part.sum[i];
      std::copy_n(part_output, width, output);
      continue;
    }
    const float maximum = std::max(total.maximum[i], part.maximum[i]);
    const float total_factor = std::exp(total.maximum[i] - maximum);
    const float part_factor = std::exp(part.maximum[i] - maximum);
    total.maximum[i] = maximum;
    total.sum[i] = total.sum[i] * total_factor + part.sum[i] * part_factor;
    for (int64_t d = 0; d < width; ++d) output[d] = output[d] * total_factor + part_output[d] * part_factor;
  }
}

// Query i of key/value head `head`, as an index into [T, H].
int64_t query_index(const Job& job, const Unit& unit, int64_t head, int64_t i) {
  const int64_t query = unit.query_begin + i;
  const int64_t row = unit.sequence->row_begin + query / job.group_size();
  return row * job.shape.query_head_count + head * job.group_size() + query % job.group_size();
}

// Writes the results of the states in `range`.
void finish(const Job& job, const Unit& unit, const SoftmaxState& state, Range range) {
  const int64_t width = job.shape.head_width;
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t index = query_index(job, unit, unit.head_begin + i / unit.query_count, i % unit.query_count);
    const float* sums = state.output + i * job.padded_width();
    float maximum = state.maximum[i];
    float sum = state.sum[i];
    float factor = 1.0f / sum;
    if (!job.sinks.empty()) {
      const float sink = job.sinks[static_cast<size_t>(index % job.shape.query_head_count)];
      maximum = std::max(maximum, sink);
      const float rescale = std::exp(state.maximum[i] - maximum);
      sum = sum * rescale + std::exp(sink - maximum);
      factor = rescale / sum;
    }
    for (int64_t d = 0; d < width; ++d) job.out[index * width + d] = sums[d] * factor;
    if (job.log_sum_exp != nullptr) job.log_sum_exp[index] = maximum + std::log(sum);
  }
}

auto attend_kernel(const AttentionKernels& kernels, ElementType type) {
  if (type == ElementType::kF32) return kernels.attend_f32;
  if (type == ElementType::kBF16) return kernels.attend_bf16;
  CHECK(type == ElementType::kI8);
  return kernels.attend_int8;
}

using TileBlocks = std::array<const std::byte*, kAttentionTilePages>;

// The blocks of one head for the pages from `position`'s on; beyond the last page of the context, that one again.
TileBlocks tile_blocks(const Job& job, const Unit& unit, int64_t head, int64_t position) {
  const int64_t block_bytes = job.cache.page_bytes() / job.shape.key_value_head_count;
  const int64_t last_page = (unit.context_end - 1) / kPage;
  TileBlocks blocks;
  for (int64_t i = 0; i < kAttentionTilePages; ++i) {
    const int64_t page = std::min(position / kPage + i, last_page);
    const int32_t page_id = unit.sequence->pages[static_cast<size_t>(page)];
    DCHECK(page_id >= 0 && page_id < job.cache.page_count());
    blocks[static_cast<size_t>(i)] = job.cache.page(page_id) + head * block_bytes;
  }
  return blocks;
}

// How many of a tile's tokens each query of the unit sees, and how many of those its window hides.
struct TileVisibility {
  int64_t visible_counts[kAttentionQueriesMax];
  int64_t hidden_counts[kAttentionQueriesMax];
  bool hides;  // any
};
void find_visible(const Job& job, const Unit& unit, int64_t position, int64_t token_count, TileVisibility& tile) {
  tile.hides = false;
  for (int64_t i = 0; i < unit.query_count; ++i) {
    const int64_t row_position = unit.sequence->first_position + (unit.query_begin + i) / job.group_size();
    tile.visible_counts[i] = job.shape.end_visible(row_position, length_of(*unit.sequence)) - position;
    if (!job.shape.window) continue;
    tile.hidden_counts[i] = job.shape.first_visible(row_position) - position;
    tile.hides |= tile.hidden_counts[i] > 0;
    if (tile.hidden_counts[i] >= token_count) tile.visible_counts[i] = 0;
  }
}

// Adds the unit's positions in one chunk to `state`. Heads are innermost: a page's heads lie together in memory.
// A window may begin amid a tile, whose pages before it are left out; tiles end at the same positions all the same.
void attend_chunk(const Job& job, const Unit& unit, int64_t chunk, const SoftmaxState& state) {
  const auto& kernels = attention_kernels(active_isa());
  const auto attend = attend_kernel(kernels, job.cache.type());
  const float* queries[kAttentionQueriesMax];
  AttentionInt8Query int8_queries[kAttentionQueriesMax];
  TileVisibility visibility;
  alignas(kCacheLineBytes) float weights[kAttentionQueriesMax * kTile];

  const int64_t begin = std::max(chunk * kChunk, unit.context_begin);
  const int64_t end = std::min((chunk + 1) * kChunk, unit.context_end);
  TileBlocks blocks = tile_blocks(job, unit, unit.head_begin, begin);
  int64_t tile_end = 0;
  for (int64_t position = begin; position < end; position = tile_end) {
    tile_end = (position / kTile + 1) * kTile;
    const int64_t token_count = std::min(tile_end, end) - position;
    find_visible(job, unit, position, token_count, visibility);
    for (int64_t head_index = 0; head_index < unit.head_count; ++head_index) {
      const int64_t head = unit.head_begin + head_index;
      const bool is_last_head = head_index + 1 == unit.head_count;
      const int64_t next_position = is_last_head ? tile_end : position;
      const bool has_next = next_position < unit.context_end;
      const TileBlocks next_blocks =
          has_next ? tile_blocks(job, unit, is_last_head ? unit.head_begin : head + 1, next_position) : blocks;
      for (int64_t i = 0; i < unit.query_count; ++i) {
        const int64_t index = query_index(job, unit, head, i);
        queries[i] = job.q + index * job.shape.head_width;
        if (job.int8_queries != nullptr) int8_queries[i] = job.int8_queries[index];
      }
      const int64_t first_state = head_index * unit.query_count;
      attend({.blocks = blocks.data(),
              .next_blocks = has_next ? next_blocks.data() : nullptr,
              .token_count = token_count,
              .head_width = job.shape.head_width,
              .scale = job.shape.scale,
              .query_count = unit.query_count,
              .queries = queries,
              .int8_queries = int8_queries,
              .visible_counts = visibility.visible_counts,
              .hidden_counts = visibility.hides ? visibility.hidden_counts : nullptr,
              .score_cap = job.shape.score_cap.value_or(kNoScoreCap),
              .weights = weights,
              .state = {state.maximum + first_state, state.sum + first_state,
                        state.output + first_state * job.padded_width()}});
      blocks = next_blocks;
    }
  }
}

// The whole unit on one thread. memory: room for two states.
void attend_unit(const Job& job, const Unit& unit, float* memory) {
  const int64_t floats = state_floats(job, unit);
  const SoftmaxState total = state_at(unit, memory);
  const SoftmaxState part = state_at(unit, memory + floats);
  clear(job, unit, total);
  attend_chunk(job, unit, unit.first_chunk(), total);
  for (int64_t chunk = 1; chunk < unit.chunk_count(); ++chunk) {
    clear(job, unit, part);
    attend_chunk(job, unit, unit.first_chunk() + chunk, part);
    merge(job, part, total, {0, unit.state_count()});
  }
  finish(job, unit, total, {0, unit.state_count()});
}

// Runs body(item, thread) for each item, the last one first (it is the longest where contexts grow), each on the thread
// that is free next. Without a region where `operations` are few.
template <typename Body>
void for_each_item(Executor& executor, int64_t count, int64_t operations, const Body& body) {
  if (operations < kParallelOperationsMin || count <= 1) {
    for (int64_t item = count - 1; item >= 0; --item) body(item, 0);
    return;
  }
  std::atomic<int64_t> rest = count;
  executor.parallel([&](int thread, int) {
    for (int64_t item = --rest; item >= 0; item = --rest) body(item, thread);
  });
}

// Units by chunks, for few units with long contexts: every (unit, chunk) leaves its own state, added up afterwards.
void attend_chunks_apart(Executor& executor, const Job& job, std::span<const Unit> units) {
  struct Item {
    const Unit* unit;
    int64_t chunk;
    int64_t first_float;
  };
  static thread_local std::vector<Item> items;
  static thread_local Scratch<float> scratch;
  items.clear();
  int64_t floats = 0;
  for (const Unit& unit : units) {
    for (int64_t chunk = 0; chunk < unit.chunk_count(); ++chunk) {
      items.push_back({&unit, unit.first_chunk() + chunk, floats});
      floats += state_floats(job, unit);
    }
  }
  // By local names: inside a region, a thread_local would be the other thread's own.
  const std::span<const Item> all_items = items;
  float* memory = scratch.reserve(floats);

  // In runs of consecutive chunks, so that each thread prefetches what it will read itself.
  executor.parallel_for(static_cast<int64_t>(all_items.size()), 1, [&](Range range) {
    for (int64_t index = range.begin; index < range.end; ++index) {
      const Item& item = all_items[static_cast<size_t>(index)];
      const SoftmaxState state = state_at(*item.unit, memory + item.first_float);
      clear(job, *item.unit, state);
      attend_chunk(job, *item.unit, item.chunk, state);
    }
  });
  for (int64_t start = 0; start < static_cast<int64_t>(all_items.size());) {
    const std::span<const Item> parts = all_items.subspan(static_cast<size_t>(start));  // of the unit, and what follows
    const Unit& unit = *parts[0].unit;
    constexpr int64_t kOperationsOfAMerge = 200;  // beside its row: two exponentials
    const int64_t operations = unit.chunk_count() * (kOperationsOfAMerge + job.padded_width());
    executor.parallel_for(unit.state_count(), parallel_grain(unit.state_count(), operations), [&](Range range) {
      const SoftmaxState total = state_at(unit, memory + parts[0].first_float);
      for (int64_t chunk = 1; chunk < unit.chunk_count(); ++chunk) {
        merge(job, state_at(unit, memory + parts[static_cast<size_t>(chunk)].first_float), total, range);
      }
      finish(job, unit, total, range);
    });
    start += unit.chunk_count();
  }
}

// `heads_together`: rows of one token keep all their heads in one unit.
void append_units(const Job& job, bool heads_together, std::vector<Unit>& units) {
  for (const AttentionSequence& sequence : job.sequences) {
    const int64_t query_count = sequence.row_count * job.group_size();
    const bool is_together = heads_together && sequence.row_count == 1 && query_count <= kAttentionQueriesMax;
    const int64_t heads_per_unit = is_together ? job.shape.key_value_head_count : 1;
    for (int64_t begin = 0; begin < query_count; begin += kAttentionQueriesMax) {
      const int64_t end = std::min(begin + kAttentionQueriesMax, query_count);
      const int64_t first_row = sequence.first_position + begin / job.group_size();
      const int64_t last_row = sequence.first_position + (end - 1) / job.group_size();
      const int64_t first_visible = job.shape.first_visible(first_row);
      const int64_t context_end = job.shape.end_visible(last_row, length_of(sequence));
      CHECK(ceil_divide(context_end, kPage) <= static_cast<int64_t>(sequence.pages.size()));
      for (int64_t head = 0; head < job.shape.key_value_head_count; head += heads_per_unit) {
        units.push_back(
            {&sequence, begin, end - begin, head, heads_per_unit, first_visible / kPage * kPage, context_end});
      }
    }
  }
}

// All queries of the rows in 8 bits, [T, H].
const AttentionInt8Query* quantise_queries(Executor& executor, const Job& job) {
  static thread_local Scratch<int8_t> values_scratch;
  static thread_local Scratch<AttentionInt8Query> queries_scratch;
  int64_t row_count = 0;
  for (const AttentionSequence& sequence : job.sequences) {
    row_count = std::max(row_count, sequence.row_begin + sequence.row_count);
  }
  const int64_t count = row_count * job.shape.query_head_count;
  const int64_t width = job.shape.head_width;
  const int64_t padded_width = (width + 3) / 4 * 4;
  int8_t* values = values_scratch.reserve(count * padded_width);
  AttentionInt8Query* queries = queries_scratch.reserve(count);
  const auto quantise_row = attention_kernels(active_isa()).quantise_row;
  executor.parallel_for(count, parallel_grain(count, width), [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) {
      int8_t* row = values + i * padded_width;
      const AttentionInt8Row quantised = quantise_row(job.q + i * width, width, row);
      std::fill(row + width, row + padded_width, int8_t{0});
      queries[i] = {row, quantised.scale * job.shape.scale, quantised.sum};
    }
  });
  return queries;
}

void attend(Executor& executor, Job job) {
  CHECK(job.shape.query_head_count % job.shape.key_value_head_count == 0);
  CHECK(job.shape.window.value_or(1) >= 1 && job.shape.score_cap.value_or(1) > 0);
  CHECK(job.sinks.empty() || static_cast<int64_t>(job.sinks.size()) == job.shape.query_head_count);
  if (job.cache.type() == ElementType::kI8) job.int8_queries = quantise_queries(executor, job);
  // Enough that a thread which started late or was interrupted can be made up for.
  const int64_t wanted_items = executor.thread_count() == 1 ? 1 : 4 * executor.thread_count();
  int64_t chunk_count = 0;
  for (const AttentionSequence& sequence : job.sequences) {
    chunk_count += ceil_divide(length_of(sequence), kChunk) - job.shape.first_visible(sequence.first_position) / kChunk;
  }
  static thread_local std::vector<Unit> units;
  units.clear();
  append_units(job, chunk_count >= wanted_items, units);

  int64_t operations = 0;
  for (const Unit& unit : units) {
    const int64_t position_count = unit.context_end - unit.context_begin;
    operations += unit.state_count() * position_count * job.shape.head_width / 2;  // vectors do several at once
  }
  const std::span<const Unit> all_units = units;
  const int64_t unit_count = static_cast<int64_t>(units.size());
  if (unit_count < wanted_items && chunk_count > unit_count && operations >= kParallelOperationsMin) {
    return attend_chunks_apart(executor, job, all_units);
  }
  int64_t floats_max = 0;
  for (const Unit& unit : units) floats_max = std::max(floats_max, state_floats(job, unit));
  // Cut out for all threads here: memory that each got for itself would grow whenever one meets a larger unit than
  // before.
  static thread_local Scratch<float> scratch;
  const int64_t thread_floats = (2 * floats_max + 15) / 16 * 16;
  float* memory = scratch.reserve(thread_floats * executor.thread_count());
  for_each_item(executor, unit_count, operations, [&](int64_t index, int thread) {
    attend_unit(job, all_units[static_cast<size_t>(index)], memory + thread * thread_floats);
  });
}

// The rows of a step that one page takes.
struct PageRows {
  int64_t first_row;
  int64_t row_count;
  int64_t first_slot;
  int32_t page;
};

template <typename Visit>
void for_each_page(std::span<const AttentionSequence> sequences, const Visit& visit) {
  for (const AttentionSequence& sequence : sequences) {
    const int64_t end = sequence.first_position + sequence.row_count;
    for (int64_t page = sequence.first_position / kPage; page * kPage < end; ++page) {
      const int64_t first = std::max(sequence.first_position, page * kPage);
      visit(PageRows{.first_row = sequence.row_begin + first - sequence.first_position,
                     .row_count = std::min(end, (page + 1) * kPage) - first,
                     .first_slot = first - page * kPage,
                     .page = sequence.pages[static_cast<size_t>(page)]});
    }
  }
}

void write_page(ElementType type, const AttentionPageWrite& write) {
  if (type == ElementType::kF32) return write_page_f32(write);
  if (type == ElementType::kBF16) return write_page_bf16(write);
  write_page_int8(write, attention_kernels(active_isa()));
}

}  // namespace

KvLayerCache::KvLayerCache(ElementType type, int64_t page_count, int64_t key_value_head_count, int64_t head_width)
    : type_(type),
      page_count_(page_count),
      page_bytes_(key_value_head_count * kv_block_bytes(type, head_width)),
      memory_(static_cast<size_t>(page_count_ * page_bytes_)) {}

bool is_kv_type(ElementType type) {
  return std::find(std::begin(kKvTypes), std::end(kKvTypes), type) != std::end(kKvTypes);
}

std::string_view kv_type_name(ElementType type) {
  CHECK(is_kv_type(type));
  return type == ElementType::kI8 ? "int8" : element_type_name(type);
}

std::optional<ElementType> parse_kv_type(std::string_view name) {
  for (const ElementType type : kKvTypes) {
    if (kv_type_name(type) == name) return type;
  }
  return std::nullopt;
}

int64_t kv_block_bytes(ElementType type, int64_t head_width) {
  CHECK(is_kv_type(type));
  if (type == ElementType::kI8) return attention_int8_block_bytes(head_width);
  return 2 * KvLayerCache::kPageTokens * bytes_of(type, head_width);
}

void kv_write(Executor& executor, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
              const float* k, const float* v, KvLayerCache& cache) {
  const int64_t row_width = shape.key_value_head_count * shape.head_width;
  int64_t page_count = 0;
  int64_t row_count = 0;
  for_each_page(sequences, [&](const PageRows& rows) {
    ++page_count;
    row_count += rows.row_count;
  });
  if (page_count == 0) return;

  // Pages of all sequences in one count, of which each thread takes a range.
  const int64_t operations = 2 * row_count * row_width / page_count;
  executor.parallel_for(page_count, parallel_grain(page_count, operations), [&](Range range) {
    int64_t counted = 0;
    for_each_page(sequences, [&](const PageRows& rows) {
      const int64_t index = counted++;
      if (index < range.begin || index >= range.end) return;
      write_page(cache.type(), {.keys = k + rows.first_row * row_width,
                                .values = v + rows.first_row * row_width,
                                .token_stride = row_width,
                                .token_count = rows.row_count,
                                .first_slot = rows.first_slot,
                                .head_count = shape.key_value_head_count,
                                .head_width = shape.head_width,
                                .page = cache.page(rows.page)});
    });
  });
}

void kv_write_head(const AttentionShape& shape, std::span<const AttentionSequence> sequences, KvPart part, int64_t head,
                   const float* x, KvLayerCache& cache) {
  const int64_t row_width = shape.key_value_head_count * shape.head_width;
  const int64_t block_bytes = cache.page_bytes() / shape.key_value_head_count;
  for_each_page(sequences, [&](const PageRows& rows) {
    const float* source = x + rows.first_row * row_width + head * shape.head_width;
    write_page(cache.type(), {.keys = part == KvPart::kKeys ? source : nullptr,
                              .values = part == KvPart::kValues ? source : nullptr,
                              .token_stride = row_width,
                              .token_count = rows.row_count,
                              .first_slot = rows.first_slot,
                              .head_count = 1,
                              .head_width = shape.head_width,
                              .page = cache.page(rows.page) + head * block_bytes});
  });
}

void paged_attention(Executor& executor, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
                     const float* q, const KvLayerCache& cache, float* out, AttentionSinks sinks) {
  CHECK(shape.is_causal);
  attend(executor, {shape, sequences, q, cache, out, nullptr, sinks});
}

void attention(Executor& executor, const AttentionShape& shape, SequenceOffsets sequences, const float* q,
               const float* k, const float* v, float* out, float* log_sum_exp, AttentionSinks sinks) {
  // Copied into pages of their own, so that training and inference run the same kernels.
  std::vector<int32_t> pages;
  std::vector<AttentionSequence> paged;
  for (size_t s = 0; s + 1 < sequences.offsets.size(); ++s) {
    const int64_t begin = sequences.offsets[s];
    const int64_t length = sequences.offsets[s + 1] - begin;
    CHECK(length >= 0);
    if (length == 0) continue;
    paged.push_back({begin, length, 0, {}});
    for (int64_t page = 0; page < ceil_divide(length, kPage); ++page) {
      pages.push_back(static_cast<int32_t>(pages.size()));
    }
  }
  size_t first_page = 0;
  for (AttentionSequence& sequence : paged) {
    const size_t page_count = static_cast<size_t>(ceil_divide(sequence.row_count, kPage));
    sequence.pages = std::span(pages).subspan(first_page, page_count);
    first_page += page_count;
  }
  KvLayerCache cache(ElementType::kF32, static_cast<int64_t>(pages.size()), shape.key_value_head_count,
                     shape.head_width);
  kv_write(executor, shape, paged, k, v, cache);
  attend(executor, {shape, paged, q, cache, out, log_sum_exp, sinks});
}

}  // namespace pelton
