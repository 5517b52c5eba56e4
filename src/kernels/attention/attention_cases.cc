#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "base/aligned.h"
#include "base/rng.h"
#include "kernels/attention/attention.h"

namespace pelton {
namespace {

std::vector<float> random_floats(Rng& rng, int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(rng.next_symmetric());
  return values;
}

std::vector<const float*> rows_of(const std::vector<float>& values, int64_t width) {
  std::vector<const float*> rows;
  for (size_t begin = 0; begin < values.size(); begin += static_cast<size_t>(width)) rows.push_back(&values[begin]);
  return rows;
}

struct CaseShape {
  int64_t head_width;
  int64_t query_count;
  int64_t token_count;
};

// What the cases with a cap or a window take: a cap that bends most scores, a window that begins amid a page.
struct CaseOptions {
  bool has_window = false;
  bool has_cap = false;

  float score_cap() const { return has_cap ? 0.75f : kNoScoreCap; }
  std::string suffix() const { return std::string(has_window ? ",window" : "") + (has_cap ? ",cap" : ""); }
};

enum class PageType { kF32, kBf16, kInt8 };

struct PageTypeName {
  PageType type;
  const char* name;
};
constexpr PageTypeName kPageTypes[] = {{PageType::kF32, "f32"}, {PageType::kBf16, "bf16"}, {PageType::kInt8, "int8"}};

int64_t block_bytes_of(PageType type, int64_t head_width) {
  if (type == PageType::kInt8) return attention_int8_block_bytes(head_width);
  return 2 * kAttentionPageTokens * head_width * (type == PageType::kBf16 ? 2 : 4);
}

void write_page(PageType type, const AttentionPageWrite& write) {
  if (type == PageType::kF32) return write_page_f32(write);
  if (type == PageType::kBf16) return write_page_bf16(write);
  write_page_int8(write, *attention_kernels_reference());
}

// The 8-bit form of queries, on the ISA under test.
struct Int8Queries {
  Int8Queries(Isa isa, const std::vector<const float*>& queries, int64_t width, float scale) {
    const int64_t padded_width = (width + 3) / 4 * 4;
    values.resize(queries.size() * static_cast<size_t>(padded_width));
    for (size_t i = 0; i < queries.size(); ++i) {
      int8_t* row = values.data() + static_cast<int64_t>(i) * padded_width;
      const AttentionInt8Row quantised = attention_kernels(isa).quantise_row(queries[i], width, row);
      rows.push_back({row, quantised.scale * scale, quantised.sum});
    }
  }
  std::vector<int8_t> values;
  std::vector<AttentionInt8Query> rows;
};

// Two tiles, so that the second rescales what the first one left.
OpCase attend_case(const PageTypeName& page_type, const CaseShape& shape, const CaseOptions& options) {
  struct Inputs {
    std::vector<float> queries;
    AlignedArray<std::byte> pages;
    std::vector<const std::byte*> blocks;
    std::vector<int64_t> first_visible_counts, visible_counts;  // of the first tile, of the second
    std::vector<int64_t> first_hidden_counts, hidden_counts;
  };
  // Copies, not a structured binding: clang 14 cannot capture one.
  const int64_t width = shape.head_width;
  const int64_t query_count = shape.query_count;
  const int64_t token_count = shape.token_count;
  Rng rng(static_cast<uint64_t>(width * 10000 + query_count * 100 + token_count));
  auto inputs = std::make_shared<Inputs>();
  inputs->queries = random_floats(rng, query_count * width);
  const PageType type = page_type.type;
  const int64_t block_bytes = block_bytes_of(type, width);
  inputs->pages = AlignedArray<std::byte>(static_cast<size_t>(2 * kAttentionTilePages * block_bytes));
  for (int64_t page = 0; page < 2 * kAttentionTilePages; ++page) {
    const std::vector<float> keys = random_floats(rng, kAttentionPageTokens * width);
    const std::vector<float> values = random_floats(rng, kAttentionPageTokens * width);
    std::byte* block = inputs->pages.data() + page * block_bytes;
    const AttentionPageWrite write = {keys.data(), values.data(), width, kAttentionPageTokens, 0, 1, width, block};
    write_page(type, write);
    inputs->blocks.push_back(block);
  }
  // From "does not see this tile at all" to "sees all of it".
  constexpr int64_t kWindow = 40;
  for (int64_t i = 0; i < query_count; ++i) {
    const int64_t count = token_count - query_count + 1 + i;
    const int64_t hidden_count = count - kWindow;
    const int64_t first_hidden_count = kAttentionTileTokens + hidden_count;
    const bool sees_first = !options.has_window || first_hidden_count < kAttentionTileTokens;
    inputs->first_visible_counts.push_back(sees_first ? kAttentionTileTokens : 0);
    inputs->visible_counts.push_back(count);
    inputs->first_hidden_counts.push_back(first_hidden_count);
    inputs->hidden_counts.push_back(hidden_count);
  }

  OpCase result;
  result.name = fmt::format("attend_{}/queries={},tokens={},K={}{}", page_type.name, query_count, token_count, width,
                            options.suffix());
  result.output_count = query_count * (2 + padded_head_width(width));
  // Scores are sums of `width` products of numbers in [-1, 1], of variance 1/9: two orders of one differ by about
  // width · 2^-24 / 3, and e^x passes that on. Outputs are sums of up to 128 such terms; the test divides by them.
  // In 8 bits two e^x that differ in their last bit may round to neighbours, 1/255 of the tile's largest weight apart.
  // A cap makes scores of at most 0.75 within 4 ulp of 2^-24.
  result.tolerance = type == PageType::kInt8 ? 1.0 / 255 : static_cast<double>(width + 16) * 0x1p-24;
  if (options.has_cap) result.tolerance += 4 * 0x1p-24;
  result.flops = 4.0 * static_cast<double>(query_count * (64 + token_count) * width);
  result.bytes = static_cast<double>(64 + token_count) / 16 * static_cast<double>(block_bytes);
  result.run = [=](Isa isa, std::span<float> output) {
    const int64_t count = query_count;
    const SoftmaxState state = {output.data(), output.data() + count, output.data() + 2 * count};
    std::fill(output.begin(), output.end(), 0.0f);
    std::fill_n(state.maximum, count, -std::numeric_limits<float>::infinity());
    std::vector<float> weights(static_cast<size_t>(count * kAttentionTileTokens));
    const std::vector<const float*> queries = rows_of(inputs->queries, width);
    const float scale = 0.5f;
    const Int8Queries int8_queries(isa, queries, width, scale);
    AttentionTile tile = {.blocks = inputs->blocks.data(),
                          .next_blocks = inputs->blocks.data() + kAttentionTilePages,
                          .token_count = kAttentionTileTokens,
                          .head_width = width,
                          .scale = scale,
                          .query_count = count,
                          .queries = queries.data(),
                          .int8_queries = int8_queries.rows.data(),
                          .visible_counts = inputs->first_visible_counts.data(),
                          .hidden_counts = options.has_window ? inputs->first_hidden_counts.data() : nullptr,
                          .score_cap = options.score_cap(),
                          .weights = weights.data(),
                          .state = state};
    const AttentionKernels& kernels = attention_kernels(isa);
    const auto attend = type == PageType::kF32    ? kernels.attend_f32
                        : type == PageType::kBf16 ? kernels.attend_bf16
                                                  : kernels.attend_int8;
    attend(tile);
    tile.blocks = tile.next_blocks;
    tile.next_blocks = nullptr;
    tile.token_count = token_count;
    tile.visible_counts = inputs->visible_counts.data();
    if (options.has_window) tile.hidden_counts = inputs->hidden_counts.data();
    attend(tile);
  };
  return result;
}

OpCase gradient_case(const CaseShape& shape, const CaseOptions& options) {
  struct Inputs {
    std::vector<float> queries, d_outputs, keys, values, log_sum_exp, dots;
    std::vector<int64_t> visible_counts, hidden_counts;
  };
  // Copies, not a structured binding: clang 14 cannot capture one.
  const int64_t width = shape.head_width;
  const int64_t query_count = shape.query_count;
  const int64_t token_count = shape.token_count;
  Rng rng(static_cast<uint64_t>(width * 100 + query_count));
  auto inputs = std::make_shared<Inputs>();
  inputs->queries = random_floats(rng, query_count * width);
  inputs->d_outputs = random_floats(rng, query_count * width);
  inputs->keys = random_floats(rng, kAttentionPageTokens * width);
  inputs->values = random_floats(rng, kAttentionPageTokens * width);
  inputs->log_sum_exp = random_floats(rng, query_count);
  inputs->dots = random_floats(rng, query_count);
  for (int64_t i = 0; i < query_count; ++i) {
    inputs->visible_counts.push_back(i + token_count - query_count);
    inputs->hidden_counts.push_back(2 * i - query_count / 2);  // from "none" to "more than there are"
  }

  OpCase result;
  result.name =
      fmt::format("attention_gradient/queries={},tokens={},K={}{}", query_count, token_count, width, options.suffix());
  result.output_count = query_count * (2 * kAttentionPageTokens + padded_head_width(width));
  // As above, with one more product and a sum of up to 16 terms.
  result.tolerance = static_cast<double>(width + 32) * 0x1p-23;
  result.flops = 6.0 * static_cast<double>(query_count * kAttentionPageTokens * width);
  result.bytes = 4.0 * static_cast<double>((2 * query_count + 2 * kAttentionPageTokens) * width);
  result.run = [=](Isa isa, std::span<float> output) {
    const AttentionKernels& kernels = attention_kernels(isa);
    std::fill(output.begin(), output.end(), 0.0f);
    float* probabilities = output.data();
    float* d_scores = probabilities + query_count * kAttentionPageTokens;
    const std::vector<const float*> queries = rows_of(inputs->queries, width);
    const std::vector<const float*> d_outputs = rows_of(inputs->d_outputs, width);
    kernels.gradient_block({.queries = queries.data(),
                            .d_outputs = d_outputs.data(),
                            .log_sum_exp = inputs->log_sum_exp.data(),
                            .d_output_dots = inputs->dots.data(),
                            .visible_counts = inputs->visible_counts.data(),
                            .hidden_counts = options.has_window ? inputs->hidden_counts.data() : nullptr,
                            .query_count = query_count,
                            .head_width = width,
                            .scale = 0.1f,
                            .score_cap = options.score_cap(),
                            .keys = inputs->keys.data(),
                            .values = inputs->values.data(),
                            .probabilities = probabilities,
                            .d_scores = d_scores});
    kernels.add_weighted_rows({.weights = d_scores,
                               .weight_stride = kAttentionPageTokens,
                               .weight_step = 1,
                               .rows = inputs->values.data(),
                               .row_stride = width,
                               .count = kAttentionPageTokens,
                               .head_width = width,
                               .output_count = query_count,
                               .output = d_scores + query_count * kAttentionPageTokens});
  };
  return result;
}

}  // namespace

void append_attention_cases(std::vector<OpCase>& cases) {
  for (int64_t head_width : {1, 16, 20, 64, 80, 96, 128}) {
    for (int64_t query_count : {1, 3, 5, 11, 32}) {
      for (int64_t token_count : {1, 17, 64}) {
        for (const PageTypeName& type : kPageTypes) {
          cases.push_back(attend_case(type, {head_width, query_count, token_count}, {}));
        }
      }
      cases.push_back(gradient_case({head_width, query_count, kAttentionPageTokens}, {}));
    }
  }
  for (const CaseOptions& options : {CaseOptions{true, false}, CaseOptions{false, true}, CaseOptions{true, true}}) {
    for (int64_t head_width : {20, 64}) {
      for (int64_t query_count : {1, 3, 11, 32}) {
        for (int64_t token_count : {1, 17, 64}) {
          for (const PageTypeName& type : kPageTypes) {
            cases.push_back(attend_case(type, {head_width, query_count, token_count}, options));
          }
        }
        cases.push_back(gradient_case({head_width, query_count, kAttentionPageTokens}, options));
      }
    }
  }
}

}  // namespace pelton
