// Queries, keys and values of the same rows, in one region: whoever makes the last columns of a head adds its bias,
// norms and rotates it, and puts keys and values into their pages.
#pragma once

#include <span>

#include "ops/attention.h"
#include "ops/executor.h"
#include "ops/linear.h"
#include "ops/rope.h"

namespace pelton {

// Of each head alone.
struct HeadNorm {
  const float* weight = nullptr;  // [head_width]; null: none
  float epsilon = 0;
};

// heads: N = head_count · head_width of the weight. table: of the M rows; null: not rotated.
struct HeadProjection {
  const LinearWeight* weight;
  const RopeTable* table;
  RopeShape heads;
  const float* bias = nullptr;  // [N]; null: none
  HeadNorm norm = {};
  std::span<const AdaptedRows> adapted = {};
};
struct QueryKeyValue {
  HeadProjection query, key, value;
};

// q [M, H, K], k and v [M, G, K] are assigned: the bits of linear(), add_bias(), rms_norm() and rope() for each.
struct QueryKeyValueRows {
  float* q;
  float* k;
  float* v;
};
void query_key_value(Executor& executor, LinearInput& x, const QueryKeyValue& projections,
                     const QueryKeyValueRows& rows);

// Keys and values go to the sequences' pages and nowhere else: the bytes that kv_write() stores.
struct KvTarget {
  std::span<const AttentionSequence> sequences;
  KvLayerCache& cache;
};
void query_key_value_write(Executor& executor, LinearInput& x, const QueryKeyValue& projections,
                           const AttentionShape& shape, const KvTarget& target, float* q);

}  // namespace pelton
