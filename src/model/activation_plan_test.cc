#include "model/activation_plan.h"

#include <gtest/gtest.h>

#include "nn/elementwise_layers.h"
#include "nn/rms_norm_layer.h"

namespace pelton {
namespace {

// Two layers of y = x + gelu(norm(x)), and a norm behind them.
struct Chain {
  Graph graph;
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<ValueId> sums, normed, bent;
  ValueId table{}, last{};
};

Chain make_chain() {
  Chain chain;
  GraphBuilder builder;
  chain.table = builder.embedding("table", 10, 8);
  ValueId x = chain.table;
  for (int layer = 0; layer < 2; ++layer) {
    builder.set_prefix("layers." + std::to_string(layer) + ".");
    chain.normed.push_back(builder.rms_norm(x, "norm", 1e-5F));
    chain.bent.push_back(builder.gelu(chain.normed.back(), "gelu"));
    x = builder.add(x, chain.bent.back(), "add");
    chain.sums.push_back(x);
  }
  builder.set_prefix("");
  chain.last = builder.rms_norm(x, "norm", 1e-5F);
  chain.graph = builder.finish(chain.last);
  for (const LayerCall& call : chain.graph.calls) {
    if (std::holds_alternative<RmsNormCall>(call.kind)) {
      chain.layers.push_back(std::make_unique<RmsNormLayer>(Tensor::f32({8}), 1e-5F));
    } else if (std::holds_alternative<GeluCall>(call.kind)) {
      chain.layers.push_back(std::make_unique<GeluLayer>(Nonlinearity::kGelu));
    } else {
      chain.layers.push_back(std::make_unique<AddLayer>());  // also stands for the table, whose backward reads nothing
    }
  }
  return chain;
}

ActivationPlan plan(const Chain& chain, std::string_view wanted, ActivationCheckpointing checkpointing) {
  return plan_activations(
      chain.graph, chain.layers, [&](const std::string& name) { return name.find(wanted) != std::string::npos; },
      checkpointing);
}

TEST(ActivationPlan, WithoutCheckpointsAllThatBackwardsReadStays) {
  const Chain chain = make_chain();
  const ActivationPlan plan_none = plan(chain, "", ActivationCheckpointing::kNone);
  for (const ValueId value : {chain.table, chain.sums[0], chain.sums[1], chain.normed[0], chain.normed[1]}) {
    EXPECT_TRUE(plan_none.stays[index_of(value)]);
    EXPECT_TRUE(plan_none.may_be_halved[index_of(value)]);
  }
  for (const ValueId value : chain.bent) EXPECT_FALSE(plan_none.stays[index_of(value)]);
}

TEST(ActivationPlan, WithThemOfLayersOnlyWhatTheyWereGiven) {
  const Chain chain = make_chain();
  const ActivationPlan plan_layer = plan(chain, "", ActivationCheckpointing::kLayer);
  ASSERT_EQ(plan_layer.segments.size(), 4U);
  EXPECT_FALSE(plan_layer.segments[0].is_recomputed);
  EXPECT_TRUE(plan_layer.segments[1].is_recomputed);
  EXPECT_TRUE(plan_layer.segments[2].is_recomputed);
  EXPECT_FALSE(plan_layer.segments[3].is_recomputed);
  for (const ValueId value : {chain.table, chain.sums[0]}) {  // layers start from these: exactly
    EXPECT_TRUE(plan_layer.stays[index_of(value)]);
    EXPECT_FALSE(plan_layer.may_be_halved[index_of(value)]);
  }
  EXPECT_TRUE(plan_layer.stays[index_of(chain.sums[1])]);  // the last norm's backward reads it
  EXPECT_TRUE(plan_layer.may_be_halved[index_of(chain.sums[1])]);
  for (const ValueId value : {chain.normed[0], chain.normed[1], chain.bent[0], chain.bent[1]}) {
    EXPECT_FALSE(plan_layer.stays[index_of(value)]);
  }
}

TEST(ActivationPlan, NothingStaysOfLayersThatNobodyTrains) {
  const Chain chain = make_chain();
  for (const auto checkpointing : {ActivationCheckpointing::kNone, ActivationCheckpointing::kLayer}) {
    const ActivationPlan partial = plan(chain, "layers.1.", checkpointing);
    EXPECT_FALSE(partial.segments[1].is_recomputed);
    EXPECT_FALSE(partial.stays[index_of(chain.table)]);
    EXPECT_FALSE(partial.stays[index_of(chain.normed[0])]);
    EXPECT_TRUE(partial.stays[index_of(chain.sums[0])]);
  }
}

}  // namespace
}  // namespace pelton
