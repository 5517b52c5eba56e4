#include "ops/attention.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <numeric>

#include "base/file.h"
#include "base/golden_dir.h"
#include "base/json.h"
#include "ops/gradient_check.h"
#include "quant/half.h"

namespace pelton {
namespace {

// out [T, H, K] of one sequence whose first query row stands at position `first`; k, v hold all its positions.
struct PlainResult {
  Doubles out;
  Doubles log_sum_exp;
};
PlainResult plain_attention(const AttentionShape& shape, const Doubles& q, const Doubles& k, const Doubles& v,
                            int64_t first, const Doubles& sinks = {}) {
  const int64_t heads = shape.query_head_count;
  const int64_t key_heads = shape.key_value_head_count;
  const int64_t width = shape.head_width;
  const int64_t rows = static_cast<int64_t>(q.size()) / (heads * width);
  PlainResult result{Doubles(q.size(), 0.0), {}};
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t at = (row * heads + head) * width;
      const int64_t key_head = head / (heads / key_heads);
      // By hand, not by the shape's own functions: those are tested too.
      const int64_t reach = shape.window.value_or(std::numeric_limits<int32_t>::max());
      const int64_t begin = std::max<int64_t>(0, first + row + 1 - reach);
      const int64_t end = shape.is_causal ? first + row + 1 : std::min(first + rows, first + row + reach);
      Doubles scores;
      for (int64_t t = begin; t < end; ++t) {
        double score = 0;
        for (int64_t d = 0; d < width; ++d) {
          score += q[static_cast<size_t>(at + d)] * k[static_cast<size_t>((t * key_heads + key_head) * width + d)];
        }
        score *= static_cast<double>(shape.scale);
        if (shape.score_cap) {
          const auto cap = static_cast<double>(*shape.score_cap);
          score = cap * std::tanh(score / cap);
        }
        scores.push_back(score);
      }
      if (!sinks.empty()) scores.push_back(sinks[static_cast<size_t>(head)]);
      const double largest = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      for (double& score : scores) sum += score = std::exp(score - largest);
      result.log_sum_exp.push_back(largest + std::log(sum));
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t d = 0; d < width; ++d) {
          result.out[static_cast<size_t>(at + d)] += scores[static_cast<size_t>(t - begin)] / sum *
                                                     v[static_cast<size_t>((t * key_heads + key_head) * width + d)];
        }
      }
    }
  }
  return result;
}

// A sequence with its pages scattered over a cache.
struct TestSequence {
  int64_t length;
  std::vector<int32_t> pages;
  std::vector<float> q, k, v;  // of all positions
};

struct TestBatch {
  AttentionShape shape;
  ElementType type;
  std::vector<TestSequence> sequences;
  std::vector<float> sinks;  // empty: none
  int64_t page_count = 0;

  TestBatch(const AttentionShape& with, ElementType cache_type, const std::vector<int64_t>& lengths)
      : shape(with), type(cache_type) {
    Rng rng(11);
    std::vector<int32_t> free_pages;
    for (int64_t length : lengths) page_count += (length + 15) / 16;
    for (int32_t page = 0; page < page_count; ++page) free_pages.push_back(page);
    for (size_t i = free_pages.size(); i > 1; --i) std::swap(free_pages[i - 1], free_pages[rng.next_below(i)]);
    for (int64_t length : lengths) {
      TestSequence sequence;
      sequence.length = length;
      for (int64_t page = 0; page < (length + 15) / 16; ++page) {
        sequence.pages.push_back(free_pages.back());
        free_pages.pop_back();
      }
      sequence.q = random_floats(rng, length * shape.query_head_count * shape.head_width, 2);
      sequence.k = random_floats(rng, length * shape.key_value_head_count * shape.head_width, 2);
      sequence.v = random_floats(rng, length * shape.key_value_head_count * shape.head_width);
      sequences.push_back(std::move(sequence));
    }
  }

  Doubles stored(const std::vector<float>& values) const {
    Doubles result = to_doubles(values);
    if (type == ElementType::kBF16) {
      for (double& value : result) value = f32_from_bf16(bf16_from_f32(static_cast<float>(value)));
    }
    return result;
  }

  Doubles expected(const TestSequence& sequence) const {
    return plain_attention(shape, to_doubles(sequence.q), stored(sequence.k), stored(sequence.v), 0, to_doubles(sinks))
        .out;
  }

  // All rows of all sequences, given to the cache in steps: of each sequence, the first one takes at most `first_rows`
  // and the others at most `step_rows`.
  std::vector<std::vector<float>> run(int thread_count, int64_t first_rows, int64_t step_rows) const {
    Executor executor(thread_count);
    KvLayerCache cache(type, page_count, shape.key_value_head_count, shape.head_width);
    // What nobody wrote must not be read: NaN in either type.
    std::memset(cache.page(0), 0xFF, static_cast<size_t>(page_count * cache.page_bytes()));
    const int64_t query_width = shape.query_head_count * shape.head_width;
    const int64_t key_width = shape.key_value_head_count * shape.head_width;
    std::vector<std::vector<float>> outs(sequences.size());
    bool has_more = true;
    for (int64_t begin = 0, end_max = first_rows; has_more; begin = end_max, end_max += step_rows) {
      has_more = false;
      std::vector<AttentionSequence> step;
      std::vector<std::vector<int32_t>> step_pages(sequences.size());
      std::vector<float> q, k, v;
      int64_t row_count = 0;
      for (size_t s = 0; s < sequences.size(); ++s) {
        const TestSequence& sequence = sequences[s];
        const int64_t end = std::min(end_max, sequence.length);
        has_more |= end < sequence.length;
        if (begin >= end) continue;
        // Pages that no window of the step reaches: neither what they hold nor where they are may be looked at.
        std::vector<int32_t>& pages = step_pages[s] = sequence.pages;
        for (int64_t page = 0; page < begin / 16 && (page + 1) * 16 <= begin + 1 - shape.window.value_or(begin + 1);
             ++page) {
          int32_t& index = pages[static_cast<size_t>(page)];
          std::memset(cache.page(index), 0xFF, static_cast<size_t>(cache.page_bytes()));
          index = -1;
        }
        step.push_back({row_count, end - begin, begin, pages});
        q.insert(q.end(), sequence.q.begin() + begin * query_width, sequence.q.begin() + end * query_width);
        k.insert(k.end(), sequence.k.begin() + begin * key_width, sequence.k.begin() + end * key_width);
        v.insert(v.end(), sequence.v.begin() + begin * key_width, sequence.v.begin() + end * key_width);
        row_count += end - begin;
      }
      std::vector<float> out(q.size());
      kv_write(executor, shape, step, k.data(), v.data(), cache);
      paged_attention(executor, shape, step, q.data(), cache, out.data(), sinks);
      size_t index = 0;
      for (size_t s = 0; s < sequences.size(); ++s) {
        if (begin >= sequences[s].length) continue;
        const AttentionSequence& rows = step[index++];
        outs[s].insert(outs[s].end(), out.begin() + rows.row_begin * query_width,
                       out.begin() + (rows.row_begin + rows.row_count) * query_width);
      }
    }
    return outs;
  }
};

AttentionShape shape_of(int64_t heads, int64_t key_heads, int64_t width) {
  return {heads, key_heads, width, 1 / std::sqrt(static_cast<float>(width))};
}

struct Case {
  int64_t heads, key_heads, width;
  ElementType type;
  std::optional<int64_t> window = std::nullopt;
  std::optional<float> score_cap = std::nullopt;
  bool has_sinks = false;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.heads << "/" << c.key_heads << "x" << c.width << element_type_name(c.type);
  if (c.window) *out << " window " << *c.window;
  if (c.score_cap) *out << " cap " << *c.score_cap;
  if (c.has_sinks) *out << " sinks";
}

// Scores have a standard deviation of 4 / 3: the sinks of some heads outweigh all tokens, those of others hardly count.
std::vector<float> make_sinks(int64_t head_count) {
  Rng rng(31);
  return random_floats(rng, head_count, 6);
}

// Scores reach 4 sqrt(width), each a sum of `width` terms in float: that error, about width · 2^-24 at worst, passes
// into the weights; sums over the context are rounded at each token, below 2^-24 of the largest output each.
// In 8 bits the rounding of queries and keys moves a score by 0.0045 · 1.15 · sqrt(2) = 0.007 (standard deviation: a
// step's 2 / 127 over sqrt(12), times values of ±2, over `width` terms and divided by sqrt(width)), and so a weight by
// 0.7 %; values and weights are rounded to 1/254 and 1/510 of their largest. 3 % is four standard deviations.
// A cap adds 4 ulp of itself, of 2^-24 for the caps below.
double tolerance_of(ElementType type, int64_t head_width) {
  return type == ElementType::kI8 ? 0.03 : static_cast<double>(head_width + 64) * 0x1p-24;
}

class PagedAttention : public testing::TestWithParam<Case> {
 protected:
  PagedAttention() {
    shape.window = GetParam().window;
    shape.score_cap = GetParam().score_cap;
  }
  TestBatch make_batch() const {
    TestBatch batch(shape, GetParam().type, {75, 1, 16, 300});
    if (GetParam().has_sinks) batch.sinks = make_sinks(shape.query_head_count);
    return batch;
  }
  AttentionShape shape = shape_of(GetParam().heads, GetParam().key_heads, GetParam().width);
};

TEST_P(PagedAttention, IsWhatTheDefinitionSays) {
  const TestBatch batch = make_batch();
  const std::vector<std::vector<float>> outs = batch.run(2, 1000, 1);
  for (size_t s = 0; s < outs.size(); ++s) {
    EXPECT_LE(relative_error(outs[s], batch.expected(batch.sequences[s])),
              tolerance_of(GetParam().type, shape.head_width));
  }
}

TEST_P(PagedAttention, IsTheSameToTheBitHoweverItIsCutAndShared) {
  const TestBatch batch = make_batch();
  const std::vector<std::vector<float>> whole = batch.run(1, 1000, 1);
  EXPECT_EQ(batch.run(1, 1, 1), whole) << "token by token";
  for (int threads : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << threads << " threads");
    EXPECT_EQ(batch.run(threads, 1000, 1), whole);
    EXPECT_EQ(batch.run(threads, 7, 7), whole);
    EXPECT_EQ(batch.run(threads, 290, 1), whole);  // ten rows decoded one by one
  }
}

// Head by head, keys and values apart: the bytes of the whole step's write.
TEST_P(PagedAttention, AHeadsKeysAndValuesCanBeWrittenApart) {
  const TestBatch batch(shape, GetParam().type, {37});
  Executor executor(2);
  const TestSequence& sequence = batch.sequences[0];
  const auto make_cache = [&] {
    KvLayerCache cache(GetParam().type, batch.page_count, shape.key_value_head_count, shape.head_width);
    std::memset(cache.page(0), 0xFF, static_cast<size_t>(cache.page_count() * cache.page_bytes()));
    return cache;
  };
  KvLayerCache whole = make_cache();
  KvLayerCache apart = make_cache();
  for (const auto& [first, end] : {std::pair{0, 5}, std::pair{5, 36}, std::pair{36, 37}}) {
    const AttentionSequence step = {0, end - first, first, sequence.pages};
    const float* k = sequence.k.data() + first * shape.key_value_head_count * shape.head_width;
    const float* v = sequence.v.data() + first * shape.key_value_head_count * shape.head_width;
    kv_write(executor, shape, {&step, 1}, k, v, whole);
    for (int64_t head = 0; head < shape.key_value_head_count; ++head) {
      kv_write_head(shape, {&step, 1}, KvPart::kValues, head, v, apart);
      kv_write_head(shape, {&step, 1}, KvPart::kKeys, head, k, apart);
    }
    EXPECT_EQ(std::memcmp(whole.page(0), apart.page(0), static_cast<size_t>(whole.page_count() * whole.page_bytes())),
              0);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PagedAttention,
                         testing::Values(Case{9, 3, 64, ElementType::kF32}, Case{9, 3, 64, ElementType::kBF16},
                                         Case{4, 4, 16, ElementType::kBF16}, Case{8, 1, 20, ElementType::kF32},
                                         Case{8, 1, 20, ElementType::kBF16}, Case{40, 1, 80, ElementType::kBF16},
                                         Case{6, 2, 96, ElementType::kF32}, Case{2, 2, 128, ElementType::kBF16},
                                         Case{3, 1, 7, ElementType::kF32}, Case{9, 3, 64, ElementType::kI8},
                                         Case{8, 1, 20, ElementType::kI8}, Case{40, 1, 80, ElementType::kI8},
                                         Case{3, 1, 7, ElementType::kI8}, Case{2, 2, 128, ElementType::kI8}));

std::vector<Case> cases_with_options() {
  std::vector<Case> cases;
  for (const ElementType type : kKvTypes) {
    for (const int64_t window : {1, 16, 40, 257}) cases.push_back({9, 3, 64, type, window});
    cases.push_back({9, 3, 64, type, std::nullopt, 2.0f});
    cases.push_back({9, 3, 64, type, std::nullopt, std::nullopt, true});
    cases.push_back({8, 1, 20, type, 40, 2.0f});
    cases.push_back({40, 1, 80, type, 100, std::nullopt, true});
    cases.push_back({3, 1, 7, type, std::nullopt, 2.0f, true});
    cases.push_back({4, 4, 16, type, 33, 2.0f, true});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Options, PagedAttention, testing::ValuesIn(cases_with_options()));

// --- what the options leave as it is

class AttentionOption : public testing::TestWithParam<ElementType> {
 protected:
  TestBatch batch{shape_of(6, 2, 32), GetParam(), {75, 300}};
  const std::vector<std::vector<float>> plain = batch.run(2, 290, 1);
};
INSTANTIATE_TEST_SUITE_P(KvTypes, AttentionOption, testing::ValuesIn(kKvTypes));

TEST_P(AttentionOption, AWindowAsLongAsTheSequenceIsNone) {
  for (const int64_t window : {int64_t{300}, int64_t{301}, std::numeric_limits<int64_t>::max()}) {
    batch.shape.window = window;
    EXPECT_EQ(batch.run(2, 290, 1), plain) << window;
  }
  batch.shape.window = 299;
  EXPECT_NE(batch.run(2, 290, 1), plain);
}

TEST_P(AttentionOption, ASinkOfMinusInfinityIsNone) {
  batch.sinks.assign(6, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(batch.run(2, 290, 1), plain);
  batch.sinks.back() = -1;
  EXPECT_NE(batch.run(2, 290, 1), plain);
}

TEST_P(AttentionOption, ASinkAboveAllTokensTakesTheWholeSoftmax) {
  batch.sinks.assign(6, 200.0f);
  const std::vector<std::vector<float>> outs = batch.run(2, 290, 1);
  for (const float value : outs[0]) ASSERT_EQ(value, 0.0f);
}

// Scores stay below 4 sqrt(32) = 23: s - c tanh(s / c) = s³ / 3c² < 1e-4 · 2^-24 for c = 3e7, beside tanh's own 4 ulp.
// In 8 bits, weights that lie between two steps may round to the other one: the case's tolerance holds.
TEST_P(AttentionOption, AHighCapChangesNothingToSpeakOf) {
  batch.shape.score_cap = 3e7f;
  const std::vector<std::vector<float>> outs = batch.run(2, 290, 1);
  for (size_t s = 0; s < outs.size(); ++s) {
    EXPECT_LE(relative_error(outs[s], to_doubles(plain[s])), tolerance_of(GetParam(), 32 + 23 * 8));
  }
}

// A prefill leaves the pages before its rows' windows alone: where values there are NaN, rows that see none of them do
// not notice.
TEST_P(AttentionOption, AWindowIsNotReadBeforeItsFirstPageInAPrefillEither) {
  batch.shape.window = 50;
  const std::vector<std::vector<float>> expected = batch.run(2, 1000, 1);
  Executor executor(2);
  const TestSequence& sequence = batch.sequences[1];
  const int64_t query_width = 6 * 32;
  KvLayerCache cache(GetParam(), batch.page_count, 2, 32);
  const AttentionSequence rows = {0, sequence.length, 0, sequence.pages};
  kv_write(executor, batch.shape, {&rows, 1}, sequence.k.data(), sequence.v.data(), cache);
  // The first 128 positions, all of which the first 128 rows may see and those from 128 + 49 on do not. Rows are
  // taken some at a time, and the first of them decides.
  constexpr int64_t kPoisoned = 128;
  constexpr int64_t kRowsTogetherMax = 32;
  for (int64_t page = 0; page < kPoisoned / 16; ++page) {
    std::memset(cache.page(sequence.pages[static_cast<size_t>(page)]), 0xFF, static_cast<size_t>(cache.page_bytes()));
  }
  std::vector<float> out(sequence.q.size());
  paged_attention(executor, batch.shape, {&rows, 1}, sequence.q.data(), cache, out.data());
  const int64_t first = (kPoisoned + 49 + kRowsTogetherMax) * query_width;
  EXPECT_EQ(std::vector<float>(out.begin() + first, out.end()),
            std::vector<float>(expected[1].begin() + first, expected[1].end()));
}

// One long sequence: the context is shared out among threads in chunks.
TEST(PagedAttentionLong, ChunksOfTheContextAddUpToTheSameBits) {
  // Windows that begin amid a page, a tile and a chunk, and span two chunks or four.
  for (const std::optional<int64_t> window : {std::optional<int64_t>(), {300}, {777}}) {
    for (ElementType type : kKvTypes) {
      SCOPED_TRACE(testing::Message() << element_type_name(type) << " window " << window.value_or(0));
      AttentionShape shape = shape_of(6, 2, 32);
      shape.window = window;
      const TestBatch batch(shape, type, {1100});
      const std::vector<std::vector<float>> whole = batch.run(1, 2000, 1);
      EXPECT_LE(relative_error(whole[0], batch.expected(batch.sequences[0])), tolerance_of(type, 64));
      for (int threads : {2, 3}) {
        EXPECT_EQ(batch.run(threads, 1090, 1), whole);
        EXPECT_EQ(batch.run(threads, 300, 300), whole);
        EXPECT_EQ(batch.run(threads, 1070, 5), whole);
      }
    }
  }
}

// Scores that differ by hundreds, in ascending order, so that every tile rescales what came before it.
TEST(PagedAttentionLong, RescalesWhenALaterTokenWins) {
  const AttentionShape shape = {1, 1, 1, 1.0f};
  constexpr int64_t kLength = 600;
  Executor executor(2);
  std::vector<int32_t> pages(38);
  std::iota(pages.begin(), pages.end(), 0);
  const std::vector<float> q(kLength, 1.0f);
  std::vector<float> k(kLength);
  std::vector<float> v(kLength);
  for (size_t t = 0; t < kLength; ++t) {
    k[t] = static_cast<float>(t);
    v[t] = static_cast<float>(t % 10);
  }
  KvLayerCache cache(ElementType::kF32, 38, 1, 1);
  const AttentionSequence sequence = {0, kLength, 0, pages};
  std::vector<float> out(kLength);
  kv_write(executor, shape, {&sequence, 1}, k.data(), v.data(), cache);
  paged_attention(executor, shape, {&sequence, 1}, q.data(), cache, out.data());
  const Doubles expected = plain_attention(shape, to_doubles(q), to_doubles(k), to_doubles(v), 0).out;
  EXPECT_LE(relative_error(out, expected), 0x1p-20);
}

AttentionShape with_options(AttentionShape shape, std::optional<int64_t> window, std::optional<float> score_cap) {
  shape.window = window;
  shape.score_cap = score_cap;
  return shape;
}

struct TrainingCase {
  AttentionShape shape;
  std::vector<int64_t> offsets;
  size_t step;  // every step-th element of a gradient is checked
  bool has_sinks = false;
};

class TrainingAttention : public testing::TestWithParam<TrainingCase> {
 protected:
  const AttentionShape shape = GetParam().shape;
  const std::vector<int64_t> offsets = GetParam().offsets;
  const int64_t row_count = offsets.back();
  Rng rng{21};
  const int64_t query_floats = row_count * shape.query_head_count * shape.head_width;
  const int64_t key_floats = row_count * shape.key_value_head_count * shape.head_width;
  const std::vector<float> q = random_floats(rng, query_floats, 2);
  const std::vector<float> k = random_floats(rng, key_floats, 2);
  const std::vector<float> v = random_floats(rng, key_floats);
  const std::vector<float> d_out = random_floats(rng, query_floats);
  const std::vector<float> sinks = GetParam().has_sinks ? make_sinks(shape.query_head_count) : std::vector<float>();

  PlainResult plain(const Doubles& with_q, const Doubles& with_k, const Doubles& with_v,
                    const Doubles& with_sinks) const {
    PlainResult result;
    const auto rows = [](const Doubles& all, int64_t begin, int64_t end, int64_t width) {
      return Doubles(all.begin() + begin * width, all.begin() + end * width);
    };
    const int64_t query_width = shape.query_head_count * shape.head_width;
    const int64_t key_width = shape.key_value_head_count * shape.head_width;
    for (size_t s = 0; s + 1 < offsets.size(); ++s) {
      const PlainResult part = plain_attention(shape, rows(with_q, offsets[s], offsets[s + 1], query_width),
                                               rows(with_k, offsets[s], offsets[s + 1], key_width),
                                               rows(with_v, offsets[s], offsets[s + 1], key_width), 0, with_sinks);
      result.out.insert(result.out.end(), part.out.begin(), part.out.end());
      result.log_sum_exp.insert(result.log_sum_exp.end(), part.log_sum_exp.begin(), part.log_sum_exp.end());
    }
    return result;
  }

  static constexpr float kSinksBefore = 0.5f;
  struct Result {
    std::vector<float> out, log_sum_exp, d_q, d_k, d_v, d_sinks;
    bool operator==(const Result&) const = default;
  };
  Result run(int thread_count) const {
    Executor executor(thread_count);
    Result r;
    r.out.resize(q.size());
    r.log_sum_exp.resize(static_cast<size_t>(row_count * shape.query_head_count));
    r.d_q.assign(q.size(), NAN);  // all are assigned
    r.d_k.assign(k.size(), NAN);
    r.d_v.assign(v.size(), NAN);
    r.d_sinks.assign(sinks.size(), kSinksBefore);  // added to
    attention(executor, shape, {offsets}, q.data(), k.data(), v.data(), r.out.data(), r.log_sum_exp.data(), sinks);
    attention_backward(executor, shape, {offsets},
                       {q.data(), k.data(), v.data(), r.out.data(), r.log_sum_exp.data(), sinks}, d_out.data(),
                       {r.d_q.data(), r.d_k.data(), r.d_v.data(), sinks.empty() ? nullptr : r.d_sinks.data()});
    return r;
  }
};

TEST_P(TrainingAttention, ForwardAndGradientsAreThoseOfTheDefinition) {
  const Result got = run(2);
  const Doubles at_q = to_doubles(q);
  const Doubles at_k = to_doubles(k);
  const Doubles at_v = to_doubles(v);
  const Doubles at_sinks = to_doubles(sinks);
  const PlainResult expected = plain(at_q, at_k, at_v, at_sinks);
  const double tolerance = static_cast<double>(shape.head_width + 64) * 0x1p-24;  // as for paged attention
  EXPECT_LE(relative_error(got.out, expected.out), tolerance);
  EXPECT_LE(relative_error(got.log_sum_exp, expected.log_sum_exp), tolerance);

  // Each gradient goes through the probabilities again and through sums over rows or tokens.
  const size_t step = GetParam().step;
  const auto loss = [&](const Doubles& x, const Doubles& y, const Doubles& z) {
    return weighted_sum(plain(x, y, z, at_sinks).out, d_out);
  };
  EXPECT_LE(gradient_error(
                got.d_q, [&](const Doubles& x) { return loss(x, at_k, at_v); }, at_q, step),
            4 * tolerance);
  EXPECT_LE(gradient_error(
                got.d_k, [&](const Doubles& x) { return loss(at_q, x, at_v); }, at_k, step),
            4 * tolerance);
  EXPECT_LE(gradient_error(
                got.d_v, [&](const Doubles& x) { return loss(at_q, at_k, x); }, at_v, step),
            4 * tolerance);
  if (sinks.empty()) return;
  std::vector<float> d_sinks = got.d_sinks;
  for (float& value : d_sinks) value -= kSinksBefore;
  EXPECT_LE(
      gradient_error(
          d_sinks, [&](const Doubles& x) { return weighted_sum(plain(at_q, at_k, at_v, x).out, d_out); }, at_sinks),
      4 * tolerance);
}

TEST_P(TrainingAttention, DoesNotDependOnTheThreadCount) {
  const Result one = run(1);
  EXPECT_EQ(run(2), one);
  EXPECT_EQ(run(3), one);
}

INSTANTIATE_TEST_SUITE_P(Shapes, TrainingAttention,
                         testing::Values(TrainingCase{shape_of(4, 2, 5), {0, 5, 5, 24, 25}, 1},
                                         TrainingCase{shape_of(3, 1, 16), {0, 17, 33}, 5},
                                         TrainingCase{shape_of(6, 2, 20), {0, 75, 91}, 101},
                                         TrainingCase{shape_of(2, 2, 64), {0, 40}, 97}));

INSTANTIATE_TEST_SUITE_P(
    Options, TrainingAttention,
    testing::Values(TrainingCase{with_options(shape_of(4, 2, 5), 2, std::nullopt), {0, 5, 5, 24, 25}, 1},
                    TrainingCase{with_options(shape_of(4, 2, 5), 7, std::nullopt), {0, 5, 5, 24, 25}, 1},
                    TrainingCase{with_options(shape_of(3, 1, 16), 33, std::nullopt), {0, 17, 117}, 31},
                    TrainingCase{with_options(shape_of(3, 1, 16), std::nullopt, 2.0f), {0, 17, 33}, 5},
                    TrainingCase{shape_of(3, 1, 16), {0, 17, 33}, 5, true},
                    TrainingCase{with_options(shape_of(4, 2, 5), 7, 2.0f), {0, 5, 5, 24, 25}, 1, true},
                    TrainingCase{with_options(shape_of(6, 2, 20), 40, 2.0f), {0, 75, 91}, 101, true}));

AttentionShape in_both_directions(AttentionShape shape, std::optional<int64_t> window) {
  shape.window = window;
  shape.is_causal = false;
  return shape;
}

// Longer than a chunk of the context too (256 positions), and windows that begin and end amid tiles.
INSTANTIATE_TEST_SUITE_P(
    InBothDirections, TrainingAttention,
    testing::Values(TrainingCase{in_both_directions(shape_of(4, 2, 5), std::nullopt), {0, 5, 5, 24, 25}, 1},
                    TrainingCase{in_both_directions(shape_of(4, 4, 5), 2), {0, 5, 24}, 1},
                    TrainingCase{in_both_directions(shape_of(4, 2, 5), 4), {0, 5, 5, 40, 41}, 1},
                    TrainingCase{in_both_directions(shape_of(3, 1, 16), 33), {0, 17, 150}, 41},
                    TrainingCase{in_both_directions(shape_of(2, 2, 8), std::nullopt), {0, 270, 271}, 811},
                    TrainingCase{in_both_directions(shape_of(2, 2, 8), 65), {0, 330}, 997},
                    TrainingCase{in_both_directions(with_options(shape_of(4, 2, 5), 3, 2.0f), 3), {0, 19}, 1, true}));

TEST(AttentionInBothDirections, AWindowAsLongAsTheSequenceIsNone) {
  Executor executor(2);
  Rng rng(5);
  const std::vector<int64_t> offsets = {0, 40};
  const std::vector<float> q = random_floats(rng, 40 * 2 * 8);
  const std::vector<float> k = random_floats(rng, 40 * 8);
  const std::vector<float> v = random_floats(rng, 40 * 8);
  const auto run = [&](std::optional<int64_t> window) {
    std::vector<float> out(q.size());
    attention(executor, in_both_directions(shape_of(2, 1, 8), window), {offsets}, q.data(), k.data(), v.data(),
              out.data(), nullptr);
    return out;
  };
  EXPECT_EQ(run(40), run(std::nullopt));
  EXPECT_NE(run(39), run(std::nullopt));
}

// Against numbers that numpy computed (tests/golden/attention/make_expected.py).
class GoldenAttention : public testing::Test {
 protected:
  GoldenAttention() {
    const std::filesystem::path path = std::filesystem::path(kGoldenDir) / "attention" / "expected.json";
    fields = parse_json(read_file(path, 1 << 20), "expected.json").get_object();
    const auto whole = [&](std::string_view name) { return json::value_to<int64_t>(fields.at(name)); };
    const auto real = [&](std::string_view name) { return json::value_to<float>(fields.at(name)); };
    shape = {whole("query_head_count"), whole("key_value_head_count"),
             whole("head_width"),       real("scale"),
             whole("window"),           real("score_cap")};
  }
  Doubles numbers(std::string_view name) const { return json::value_to<Doubles>(fields.at(name)); }
  std::vector<float> floats(std::string_view name) const { return json::value_to<std::vector<float>>(fields.at(name)); }

  json::object fields;
  AttentionShape shape{};
  Executor executor{2};
};

TEST_F(GoldenAttention, ForwardAndGradientsWithWindowSinksAndCapAreNumpys) {
  const std::vector<float> q = floats("q");
  const std::vector<float> k = floats("k");
  const std::vector<float> v = floats("v");
  const std::vector<float> sinks = floats("sinks");
  const std::vector<float> d_out = floats("d_out");
  const std::vector<int64_t> offsets = {0,
                                        static_cast<int64_t>(q.size()) / (shape.query_head_count * shape.head_width)};
  std::vector<float> out(q.size());
  std::vector<float> log_sum_exp(q.size() / static_cast<size_t>(shape.head_width));
  std::vector<float> d_q(q.size());
  std::vector<float> d_k(k.size());
  std::vector<float> d_v(v.size());
  std::vector<float> d_sinks(sinks.size());
  attention(executor, shape, {offsets}, q.data(), k.data(), v.data(), out.data(), log_sum_exp.data(), sinks);
  attention_backward(executor, shape, {offsets}, {q.data(), k.data(), v.data(), out.data(), log_sum_exp.data(), sinks},
                     d_out.data(), {d_q.data(), d_k.data(), d_v.data(), d_sinks.data()});
  const double tolerance = tolerance_of(ElementType::kF32, shape.head_width);
  EXPECT_LE(relative_error(out, numbers("out")), tolerance);
  EXPECT_LE(relative_error(log_sum_exp, numbers("log_sum_exp")), tolerance);
  EXPECT_LE(relative_error(d_q, numbers("d_q")), 4 * tolerance);
  EXPECT_LE(relative_error(d_k, numbers("d_k")), 4 * tolerance);
  EXPECT_LE(relative_error(d_v, numbers("d_v")), 4 * tolerance);
  EXPECT_LE(relative_error(d_sinks, numbers("d_sinks")), 4 * tolerance);
}

TEST_F(GoldenAttention, PagesOfEveryTypeGiveNumpysOutputs) {
  const std::vector<float> q = floats("q");
  const std::vector<float> sinks = floats("sinks");
  const int64_t row_count = static_cast<int64_t>(q.size()) / (shape.query_head_count * shape.head_width);
  const std::vector<int32_t> pages = {2, 0, 1};
  for (const ElementType type : kKvTypes) {  // multiples of 1/16 up to 2: exact in BF16
    KvLayerCache cache(type, 3, shape.key_value_head_count, shape.head_width);
    const AttentionSequence sequence = {0, row_count, 0, pages};
    std::vector<float> out(q.size());
    kv_write(executor, shape, {&sequence, 1}, floats("k").data(), floats("v").data(), cache);
    paged_attention(executor, shape, {&sequence, 1}, q.data(), cache, out.data(), sinks);
    EXPECT_LE(relative_error(out, numbers("out")), tolerance_of(type, shape.head_width)) << element_type_name(type);
  }
}

TEST(TrainingAttentionEmpty, NoRows) {
  Executor executor(2);
  const AttentionShape shape = shape_of(2, 1, 8);
  const std::vector<int64_t> offsets = {0, 0};
  attention(executor, shape, {offsets}, nullptr, nullptr, nullptr, nullptr, nullptr);
  attention_backward(executor, shape, {offsets}, {}, nullptr, {});
}

}  // namespace
}  // namespace pelton
