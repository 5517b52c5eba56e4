// Against counts by hand: one block of width 8, 2 query heads on 1 key/value head of 4, vocabulary 10.
#include "plan/work.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "model/fusion.h"

namespace pelton {
namespace {

constexpr AttentionShape kShape = {.query_head_count = 2, .key_value_head_count = 1, .head_width = 4, .scale = 0.5f};

Graph one_block(const AttentionShape& shape = kShape, std::string_view sinks = {}) {
  GraphBuilder graph;
  const int64_t angles = graph.add_rope_table({.inverse_frequencies = {1.0f, 0.1f}});
  const ValueId x = graph.embedding("embedding", 10, 8);
  const ValueId n = graph.rms_norm(x, "norm", 1e-5f);
  const ValueId q = graph.rope(graph.linear(n, "query", 8), "query_rope", angles, {2, 4});
  const ValueId k = graph.linear(n, "key", 4);
  const ValueId v = graph.linear(n, "value", 4);
  const ValueId a = graph.attention(q, k, v, "attention", shape, sinks);
  const ValueId gated = graph.silu_gate(a, x, "gate");
  const ValueId last = graph.select_rows(graph.add(gated, x, "residual"), "select");
  return graph.finish(graph.linear_with(last, "output", "embedding", 10));
}

class StepWork : public testing::Test {
 protected:
  // Weights of one byte a parameter, keys and values in BF16.
  std::map<std::string, CallWork> by_name(const StepRows& rows) {
    const WorkModel model = {graph_, ElementType::kBF16, [&](std::string_view name) {
                               for (const WeightSpec& weight : graph_.weights) {
                                 if (weight.name == name) return weight.shape.element_count();
                               }
                               ADD_FAILURE() << name;
                               return int64_t{0};
                             }};
    const std::vector<CallWork> calls = step_work(model, rows);
    sum_ = total(calls);
    std::map<std::string, CallWork> named;
    for (size_t i = 0; i < calls.size(); ++i) named[graph_.calls[i].name] = calls[i];
    return named;
  }

  Graph graph_ = one_block();
  CallWork sum_;
};

TEST_F(StepWork, OneRow) {
  auto work = by_name({.sequences = {{.row_count = 1, .first_position = 5}}, .logit_row_count = 1});
  EXPECT_EQ(work["embedding"].weight_bytes, 8);
  EXPECT_EQ(work["norm"].weight_bytes, 8);
  EXPECT_EQ(work["norm"].operations, 4 * 8);
  EXPECT_EQ(work["query"].weight_bytes, 64);
  EXPECT_EQ(work["query"].operations, 2 * 8 * 8);
  EXPECT_EQ(work["query"].activation_bytes, 4 * (8 + 8));
  EXPECT_EQ(work["key"].operations, 2 * 8 * 4);
  EXPECT_EQ(work["query_rope"].operations, 3 * 8);
  // Six positions read, one written, each 4 key and 4 value elements of 2 bytes.
  EXPECT_EQ(work["attention"].kv_bytes, 7 * 16);
  EXPECT_EQ(work["attention"].operations, 6 * 4 * 2 * 4);
  EXPECT_EQ(work["gate"].operations, 4 * 8);
  EXPECT_EQ(work["residual"].operations, 8);
  EXPECT_EQ(work["residual"].activation_bytes, 4 * 3 * 8);
  EXPECT_EQ(work["output"].weight_bytes, 80);
  EXPECT_EQ(work["output"].operations, 2 * 8 * 10);
  EXPECT_EQ(sum_.memory().bytes, 8 + 8 + 64 + 32 + 32 + 7 * 16 + 80);
}

TEST_F(StepWork, RowsShareWeightsButNotKeysAndValues) {
  auto one = by_name({.sequences = {{1, 5}}, .logit_row_count = 1});
  auto two = by_name({.sequences = {{1, 5}, {1, 5}}, .logit_row_count = 2});
  EXPECT_EQ(two["query"].weight_bytes, one["query"].weight_bytes);
  EXPECT_EQ(two["query"].operations, 2 * one["query"].operations);
  EXPECT_EQ(two["attention"].kv_bytes, 2 * one["attention"].kv_bytes);
  EXPECT_EQ(two["output"].operations, 2 * one["output"].operations);
}

TEST_F(StepWork, AChunkOfAPromptIsCausal) {
  auto work = by_name({.sequences = {{.row_count = 3, .first_position = 2}}, .logit_row_count = 1});
  EXPECT_EQ(work["embedding"].weight_bytes, 3 * 8);
  EXPECT_EQ(work["query"].operations, 3 * 2 * 8 * 8);
  EXPECT_EQ(work["attention"].kv_bytes, (5 + 3) * 16);
  EXPECT_EQ(work["attention"].operations, (3 + 4 + 5) * 4 * 2 * 4);
  EXPECT_EQ(work["output"].operations, 2 * 8 * 10);  // one row of logits
}

TEST_F(StepWork, AWindowLeavesOutWhatIsBeforeIt) {
  AttentionShape shape = kShape;
  shape.window = 4;
  graph_ = one_block(shape, "sinks");
  // Positions 2, 3, 4 and 5: the first two rows see 3 and 4 positions, the others 4 each; 0 is seen, all in all.
  auto chunk = by_name({.sequences = {{.row_count = 4, .first_position = 2}}, .logit_row_count = 1});
  EXPECT_EQ(chunk["attention"].kv_bytes, (6 + 4) * 16);
  EXPECT_EQ(chunk["attention"].operations, (3 + 4 + 4 + 4) * 4 * 2 * 4);
  EXPECT_EQ(chunk["attention"].weight_bytes, 2);
  auto late = by_name({.sequences = {{.row_count = 1, .first_position = 9}}, .logit_row_count = 1});
  EXPECT_EQ(late["attention"].kv_bytes, (4 + 1) * 16);
  EXPECT_EQ(late["attention"].operations, 4 * 4 * 2 * 4);
  auto two = by_name({.sequences = {{.row_count = 2, .first_position = 9}}, .logit_row_count = 1});
  EXPECT_EQ(two["attention"].kv_bytes, (5 + 2) * 16);
  EXPECT_EQ(two["attention"].operations, (4 + 4) * 4 * 2 * 4);
}

TEST_F(StepWork, WithoutLogitsTheOutputMatrixIsNotRead) {
  auto work = by_name({.sequences = {{4, 0}}, .logit_row_count = 0});
  EXPECT_EQ(work["output"].weight_bytes, 0);
  EXPECT_EQ(work["output"].operations, 0);
  EXPECT_EQ(work["query"].weight_bytes, 64);
}

TEST_F(StepWork, BiasesNormsAndNonlinearitiesOfOtherFamilies) {
  GraphBuilder builder;
  const ValueId x = builder.embedding("embedding", 10, 8);
  const ValueId placed = builder.add(x, builder.position_embedding("position", 16, 8), "placed");
  const ValueId norm = builder.layer_norm(placed, "norm", 1e-5f);
  const ValueId up = builder.gelu(builder.linear(norm, "up", 16, Bias::kYes), "gelu");
  const ValueId gated = builder.gelu_gate(up, up, "gate");
  graph_ = builder.finish(builder.soft_cap(builder.scale(gated, "scale", 2), "cap", 5));
  auto work = by_name({.sequences = {{.row_count = 2, .first_position = 5}}, .logit_row_count = 2});
  EXPECT_EQ(work["position"].weight_bytes, 2 * 8);
  EXPECT_EQ(work["norm"].weight_bytes, 8 + 8);
  EXPECT_EQ(work["norm"].operations, 2 * 7 * 8);
  EXPECT_EQ(work["up"].weight_bytes, 8 * 16 + 16);
  EXPECT_EQ(work["up"].operations, 2 * (2 * 8 * 16 + 16));
  EXPECT_EQ(work["gelu"].operations, 2 * 10 * 16);
  EXPECT_EQ(work["gate"].operations, 2 * 11 * 16);
  EXPECT_EQ(work["scale"].operations, 2 * 16);
  EXPECT_EQ(work["cap"].operations, 2 * 6 * 16);
}

// Fusing saves passes over activations and nothing else.
TEST(FusedStepWork, IsThatOfThePlainListWithFewerActivationBytes) {
  GraphBuilder builder;
  const ValueId x = builder.embedding("embedding", 10, 32);
  const ValueId sum = builder.add(x, builder.linear(x, "first", 32), "sum");
  const ValueId norm = builder.rms_norm(sum, "norm", 1e-5f);
  const ValueId gate = builder.linear(norm, "gate", 64);
  const ValueId gated = builder.silu_gate(gate, builder.linear(norm, "up", 64), "gated");
  const Graph plain = builder.finish(builder.add(sum, builder.linear(gated, "down", 32), "result"));
  const Graph fused = fuse(plain, {[](std::string_view) { return true; }});
  ASSERT_EQ(fused.calls.size(), 6u);

  const StepRows rows = {.sequences = {{.row_count = 3, .first_position = 0}}, .logit_row_count = 3};
  const auto work_of = [&](const Graph& graph) {
    return total(step_work({graph, ElementType::kBF16, [](std::string_view) { return int64_t{100}; }}, rows));
  };
  const CallWork before = work_of(plain);
  const CallWork after = work_of(fused);
  EXPECT_EQ(after.weight_bytes, before.weight_bytes);
  EXPECT_EQ(after.operations, before.operations);
  // The sum is not read again for its norm; gate and up (64 each) are neither written nor read, and the norm is read
  // once for both.
  EXPECT_EQ(before.activation_bytes - after.activation_bytes, 4 * 3 * (32 + 4 * 64 + 32));
}

TEST_F(StepWork, OfExpertsCountsThoseThatSomeRowReaches) {
  GraphBuilder graph;
  const ValueId x = graph.embedding("embedding", 10, 8);
  const ValueId router = graph.linear(x, "router", 4);
  const ExpertsCall kind = {{.expert_count = 4, .active_count = 2}, Nonlinearity::kSilu, 16, false};
  graph_ = graph.finish(graph.experts(x, router, "experts", kind));
  constexpr double kAllBytes = 4 * 3 * 16 * 8;
  auto one = by_name({.sequences = {{.row_count = 1, .first_position = 5}}, .logit_row_count = 1});
  EXPECT_EQ(one["experts"].weight_bytes, kAllBytes / 2);
  EXPECT_EQ(one["experts"].operations, 2 * (2 * 3 * 16 * 8 + 4 * 16 + 2 * 8));
  EXPECT_EQ(one["experts"].activation_bytes, 4 * (8 + 4 + 8));
  // A row leaves out half of the experts: three rows leave out all three times, an eighth.
  auto three = by_name({.sequences = {{.row_count = 3, .first_position = 5}}, .logit_row_count = 3});
  EXPECT_EQ(three["experts"].weight_bytes, kAllBytes * 7 / 8);
  EXPECT_EQ(three["experts"].operations, 3 * one["experts"].operations);
  EXPECT_EQ(active_parameter_count(graph_), 10 * 8 + 4 * 8 + 2 * 3 * 16 * 8);
}

}  // namespace
}  // namespace pelton
