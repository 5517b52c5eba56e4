#include "ops/query_key_value.h"

#include <array>

#include "base/check.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "ops/scratch.h"

namespace pelton {
namespace {

// The places of queries, keys and values in a group of products.
enum : size_t { kQuery, kKey, kValue, kCount };

LinearProduct product_of(const HeadProjection& projection, float* y) {
  const RopeShape& heads = projection.heads;
  CHECK(projection.weight->output_size() == heads.head_count * heads.head_width);
  return {projection.weight, y, heads.head_width, projection.adapted};
}

// What comes between a head's product and its rotation, by the calling thread.
void add_bias_and_norm(const HeadProjection& projection, int64_t row_count, int64_t head, float* y) {
  if (projection.bias == nullptr && projection.norm.weight == nullptr) return;
  const ElementwiseKernels& elementwise = elementwise_kernels(active_isa());
  const NormKernels& norm = norm_kernels(active_isa());
  const int64_t width = projection.heads.head_width;
  for (int64_t row = 0; row < row_count; ++row) {
    float* x = y + (row * projection.heads.head_count + head) * width;
    if (projection.bias != nullptr) elementwise.add(x, projection.bias + head * width, width, x);
    if (projection.norm.weight == nullptr) continue;
    norm.scale(x, norm.inverse_rms(x, projection.norm.epsilon, width), projection.norm.weight, width, x);
  }
}

// `finish(place, head)` sees each head normed and rotated.
template <typename Finish>
void project(Executor& executor, LinearInput& x, const QueryKeyValue& projections, const QueryKeyValueRows& rows,
             const Finish& finish) {
  const std::array<const HeadProjection*, kCount> all = {&projections.query, &projections.key, &projections.value};
  const std::array<LinearProduct, kCount> products = {product_of(projections.query, rows.q),
                                                      product_of(projections.key, rows.k),
                                                      product_of(projections.value, rows.v)};
  for (const HeadProjection* projection : all) {
    CHECK(projection->table == nullptr || projection->table->row_count() == x.row_count());
  }
  linear_group(executor, x, products, [&](size_t place, int64_t head) {
    const HeadProjection& projection = *all[place];
    add_bias_and_norm(projection, x.row_count(), head, products[place].y);
    if (projection.table != nullptr) rope_head(*projection.table, projection.heads, head, products[place].y);
    finish(place, head);
  });
}

}  // namespace

void query_key_value(Executor& executor, LinearInput& x, const QueryKeyValue& projections,
                     const QueryKeyValueRows& rows) {
  project(executor, x, projections, rows, [](size_t, int64_t) {});
}

void query_key_value_write(Executor& executor, LinearInput& x, const QueryKeyValue& projections,
                           const AttentionShape& shape, const KvTarget& target, float* q) {
  for (const HeadProjection* projection : {&projections.key, &projections.value}) {
    CHECK(projection->heads.head_count == shape.key_value_head_count);
    CHECK(projection->heads.head_width == shape.head_width);
  }
  const int64_t count = x.row_count() * shape.key_value_head_count * shape.head_width;
  static thread_local Scratch<float> scratch;
  float* k = scratch.reserve(2 * count);
  float* v = k + count;
  project(executor, x, projections, {q, k, v}, [&](size_t place, int64_t head) {
    if (place == kKey) kv_write_head(shape, target.sequences, KvPart::kKeys, head, k, target.cache);
    if (place == kValue) kv_write_head(shape, target.sequences, KvPart::kValues, head, v, target.cache);
  });
}

}  // namespace pelton
