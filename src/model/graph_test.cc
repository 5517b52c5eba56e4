#include "model/graph.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <utility>

#include "model/arch.h"
#include "model/weights.h"

namespace pelton {
namespace {

ModelSpec tiny_spec(bool has_tied_output) {
  ModelSpec spec;
  spec.architecture = "llama";
  spec.layer_count = 2;
  spec.width = 12;
  spec.query_head_count = 3;
  spec.key_value_head_count = 1;
  spec.head_width = 4;
  spec.feed_forward_width = 20;
  spec.vocabulary_size = 50;
  spec.context_length = 64;
  spec.norm_epsilon = 1e-5f;
  spec.has_tied_output = has_tied_output;
  spec.rope.inverse_frequencies = {1.0f, 0.01f};
  return spec;
}

// What every executor of the list relies on.
void check_is_well_formed(const Graph& graph) {
  std::set<ValueId> written;
  for (const LayerCall& call : graph.calls) {
    for (const ValueId input : call.inputs) EXPECT_TRUE(written.contains(input)) << call.name;
    EXPECT_TRUE(written.insert(call.output).second) << call.name;
  }
  EXPECT_EQ(written.size(), graph.value_widths.size());
  EXPECT_TRUE(written.contains(graph.logits));
}

// What a family always has beside, by the names of its weights.
ModelSpec spec_for(const Architecture& architecture, ModelSpec spec) {
  for (const WeightName& name : architecture.weight_names) {
    if (name.canonical == "layers.{}.attention.key_value_down") {
      spec.latent = ModelSpec::Latent{16, 8, 6, 4, 8};
      spec.head_width = 10;
    }
    if (spec.latent || name.form == WeightForm::kHeadByHeadInHuggingFace) {
      spec.key_value_head_count = spec.query_head_count;
    }
  }
  return spec;
}

TEST(Graph, EveryArchitectureLowersToAWellFormedListWithNamedWeights) {
  for (const Architecture* architecture : architectures()) {
    for (const bool has_tied_output : {false, true}) {
      ModelSpec spec = spec_for(*architecture, tiny_spec(has_tied_output));
      if (architecture->has_experts) {
        spec.routing = {.expert_count = 3, .active_count = 2};
        spec.expert_width = 8;
      }
      const Graph graph = architecture->lower(spec);
      check_is_well_formed(graph);
      std::set<std::string> names;
      for (const WeightNaming naming : {WeightNaming::kHuggingFace, WeightNaming::kGguf}) {
        const WeightPlaces places = weight_places(graph, architecture->weight_names, naming);
        EXPECT_EQ(places.size(), graph.weights.size());
        for (const auto& [canonical, place] : places) {
          // No two weights lie at the same place.
          const std::string where =
              place.tensor + ":" + std::to_string(place.slice) + ":" + std::to_string(place.first_row);
          EXPECT_TRUE(names.insert(where).second) << where;
          EXPECT_EQ(place.tensor.find("{}"), std::string::npos);
        }
      }
    }
  }
}

TEST(Graph, LlamaHasOneCacheALayerAndSharesATiedTable) {
  const Architecture& llama = architecture_from_hugging_face("llama");
  const Graph tied = llama.lower(tiny_spec(true));
  EXPECT_EQ(tied.caches.size(), 2u);
  EXPECT_EQ(tied.calls.back().weight, "embedding");
  EXPECT_EQ(tied.value_widths[index_of(tied.logits)], 50);
  const Graph untied = llama.lower(tiny_spec(false));
  EXPECT_EQ(untied.weights.size(), tied.weights.size() + 1);
  EXPECT_NE(to_text(untied).find("layers.1.mlp.down"), std::string::npos);
}

TEST(Graph, LayersThatShareKeysAndValuesHaveNoCacheAndNoWeightsForThem) {
  ModelSpec spec = tiny_spec(true);
  spec.key_value_sources = {0, 0};
  const Graph graph = architecture_from_hugging_face("llama").lower(spec);
  EXPECT_EQ(graph.caches.size(), 1u);
  const auto has_weight = [&](std::string_view name) {
    return std::any_of(graph.weights.begin(), graph.weights.end(), [&](const auto& one) { return one.name == name; });
  };
  EXPECT_TRUE(has_weight("layers.0.attention.key"));
  EXPECT_TRUE(has_weight("layers.1.attention.query"));
  EXPECT_FALSE(has_weight("layers.1.attention.key"));
  EXPECT_FALSE(has_weight("layers.1.attention.value"));
}

TEST(Graph, ACacheHasAWindowWhereAllWhoReadItHaveOne) {
  const auto window_of = [](std::optional<int64_t> first, std::optional<int64_t> second) {
    GraphBuilder graph;
    const ValueId x = graph.embedding("x", 5, 8);
    for (const auto& [name, window] : {std::pair("a", first), std::pair("b", second)}) {
      graph.attention(x, x, x, name, {1, 1, 8, 1, window});
    }
    return graph.finish(x).window();
  };
  EXPECT_EQ(window_of(4, 7), 7);
  EXPECT_EQ(window_of(7, 4), 7);
  EXPECT_EQ(window_of(4, std::nullopt), std::nullopt);
  EXPECT_EQ(window_of(std::nullopt, 4), std::nullopt);
}

TEST(Graph, NamesOfFiles) {
  const Architecture& llama = architecture_from_gguf("llama");
  const Graph graph = llama.lower(tiny_spec(true));
  const WeightPlaces gguf = weight_places(graph, llama.weight_names, WeightNaming::kGguf);
  EXPECT_EQ(gguf.at("layers.1.mlp.up").tensor, "blk.1.ffn_up.weight");
  EXPECT_TRUE(gguf.at("layers.0.attention.query").has_head_rows);
  const WeightPlaces folder = weight_places(graph, llama.weight_names, WeightNaming::kHuggingFace);
  EXPECT_EQ(folder.at("layers.1.attention.query").tensor, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_FALSE(folder.at("layers.1.attention.value").has_head_rows);
}

TEST(Graph, WeightsThatShareATensorLieInItOneAfterTheOther) {
  const Architecture& phi3 = architecture_from_hugging_face("phi3");
  const WeightPlaces fused = weight_places(phi3.lower(tiny_spec(false)), phi3.weight_names, WeightNaming::kHuggingFace);
  EXPECT_EQ(fused.at("layers.0.attention.query").first_row, 0);
  EXPECT_EQ(fused.at("layers.0.attention.key").first_row, 12);
  EXPECT_EQ(fused.at("layers.0.attention.value").first_row, 16);
  EXPECT_EQ(fused.at("layers.0.attention.value").tensor_shape, (Shape{20, 12}));
  const Architecture& gpt2 = architecture_from_hugging_face("gpt2");
  const WeightPlaces turned = weight_places(gpt2.lower(tiny_spec(true)), gpt2.weight_names, WeightNaming::kHuggingFace);
  EXPECT_EQ(turned.at("layers.0.attention.value").tensor_shape, (Shape{12, 20}));
  EXPECT_EQ(turned.at("layers.0.attention.value.bias").tensor_shape, Shape{20});
}

TEST(Graph, AFactorOfOneAndNoCapAddNoCall) {
  GraphBuilder graph;
  const ValueId x = graph.embedding("embedding", 10, 8);
  EXPECT_EQ(graph.scale(x, "one", 1), x);
  EXPECT_EQ(graph.soft_cap(x, "none", std::nullopt), x);
  EXPECT_NE(graph.scale(x, "two", 2), x);
  EXPECT_NE(graph.soft_cap(x, "some", 5), x);
}

}  // namespace
}  // namespace pelton
