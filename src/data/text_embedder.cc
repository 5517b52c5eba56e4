#include "data/text_embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "data/model_options.h"
#include "data/text_excerpt.h"
#include "engine/embedding_collector.h"
#include "model/bundle.h"
#include "model/decoder.h"
#include "model/model.h"

namespace pelton::data {
namespace {

constexpr int64_t kBytesPerTokenMax = 64;
constexpr size_t kTextsAtOnce = 256;  // asked of the engine together

std::shared_ptr<const ModelBundle> load_embedder(const std::string& model) {
  auto bundle = load_bundle(model);
  if (bundle->tokenizer == nullptr || bundle->model->spec.label_count > 0) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{} {}, so it makes no vectors of texts; all-MiniLM-L6-v2, or any model that generates text, does",
                    bundle->path.string(), bundle->tokenizer == nullptr ? "has no tokenizer" : "gives scores"));
  }
  return bundle;
}

int64_t token_count_max_of(const ModelBundle& bundle, int64_t wanted) {
  const int64_t context = bundle.model->spec.context_length;
  return std::min({wanted, context, bundle.embedding.token_count_max.value_or(context)});
}

// Nothing is generated, so one context of keys and values is enough.
EngineOptions engine_options(const ModelBundle& bundle, int64_t token_count_max, ActivationType activations) {
  EngineOptions options;
  options.activations = activations;
  options.context_length = token_count_max;
  options.caches_prefixes = false;
  if (!bundle.model->spec.is_encoder) {
    constexpr int64_t kPageTokens = KvLayerCache::kPageTokens;
    const KvPageBytes page = Decoder::kv_page_bytes(*bundle.model, default_kv_type(activations));
    options.kv_bytes_max = page.total() * ((token_count_max + kPageTokens - 1) / kPageTokens);
  }
  return options;
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos; }

// How many tokens the tokenizer puts behind each text ([SEP], an end token).
size_t closing_token_count(const Tokenizer& tokenizer) {
  const std::vector<TokenId> nothing = tokenizer.encode("", {});
  const std::vector<TokenId> something = tokenizer.encode("a", {});
  const auto mismatch = std::mismatch(nothing.rbegin(), nothing.rend(), something.rbegin(), something.rend());
  return static_cast<size_t>(mismatch.first - nothing.rbegin());
}

}  // namespace

class TextEmbedder::Impl {
 public:
  explicit Impl(const Options& options)
      : bundle_(load_embedder(options.model)),
        token_count_max_(token_count_max_of(*bundle_, options.token_count_max)),
        pooling_(options.pooling.value_or(bundle_->embedding.pooling)),
        closing_token_count_(closing_token_count(*bundle_->tokenizer)),
        engine_(bundle_, engine_options(*bundle_, token_count_max_, options.activations)) {}

  int64_t width() const { return engine_.embedding_width(); }

  std::vector<float> embed(std::span<const std::string_view> texts) {
    std::vector<float> vectors(texts.size() * static_cast<size_t>(width()));
    std::vector<size_t> asked;
    EmbeddingRequest request = new_request();
    for (size_t i = 0; i < texts.size(); ++i) {
      if (std::vector<TokenId> tokens = encode(texts[i]); !tokens.empty()) {
        request.inputs.push_back(std::move(tokens));
        asked.push_back(i);
      }
      if (asked.size() < kTextsAtOnce && i + 1 < texts.size()) continue;
      if (!asked.empty()) ask(std::exchange(request, new_request()), asked, vectors);
      asked.clear();
    }
    return vectors;
  }

 private:
  EmbeddingRequest new_request() const {
    return {.inputs = {}, .pooling = pooling_, .normalizes = true, .dimensions = {}};
  }

  // None: nothing is said.
  std::vector<TokenId> encode(std::string_view text) const {
    if (is_blank(text)) return {};
    const auto count_max = static_cast<size_t>(token_count_max_);
    const std::string_view beginning = beginning_of(text, count_max * kBytesPerTokenMax);
    std::vector<TokenId> tokens = bundle_->tokenizer->encode(bundle_->embedding.prompt + std::string(beginning), {});
    if (tokens.size() > count_max) {
      const size_t closing = std::min(closing_token_count_, count_max);
      std::copy(tokens.end() - static_cast<std::ptrdiff_t>(closing), tokens.end(),
                tokens.begin() + static_cast<std::ptrdiff_t>(count_max - closing));
      tokens.resize(count_max);
    }
    return tokens;
  }

  void ask(EmbeddingRequest request, std::span<const size_t> places, std::vector<float>& vectors) {
    const std::vector<std::vector<float>> answers = pelton::embed(engine_, std::move(request));
    for (size_t i = 0; i < answers.size(); ++i) {
      double squares = 0;
      for (const float number : answers[i]) squares += static_cast<double>(number) * static_cast<double>(number);
      if (!(std::abs(squares - 1) < 1e-3)) {
        throw Error(ErrorCode::kUnsupported,
                    fmt::format("{} makes of a text a vector without a direction: is the file damaged?",
                                bundle_->path.string()));
      }
      std::copy(answers[i].begin(), answers[i].end(),
                vectors.begin() + static_cast<std::ptrdiff_t>(places[i] * answers[i].size()));
    }
  }

  std::shared_ptr<const ModelBundle> bundle_;
  int64_t token_count_max_;
  Pooling pooling_;
  size_t closing_token_count_;
  Engine engine_;
};

TextEmbedder::TextEmbedder(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
TextEmbedder::~TextEmbedder() = default;
TextEmbedder::TextEmbedder(TextEmbedder&&) noexcept = default;
TextEmbedder& TextEmbedder::operator=(TextEmbedder&&) noexcept = default;

int64_t TextEmbedder::width() const { return impl_->width(); }

std::vector<float> TextEmbedder::embed(std::span<const std::string_view> texts) const { return impl_->embed(texts); }

TextEmbedder make_text_embedder(StepOptions& options) {
  TextEmbedder::Options embedder{.model = model_option(options), .pooling = std::nullopt};
  embedder.token_count_max = options.integer("tokens_max", embedder.token_count_max, 4, int64_t{1} << 20);
  const std::string pooling = options.string("pooling", "model");
  embedder.pooling = parse_pooling(pooling);
  if (!embedder.pooling && pooling != "model") options.fail("pooling", "one of model, cls, mean, last");
  embedder.activations = activations_option(options);
  try {
    return TextEmbedder(embedder);
  } catch (const Error& error) {
    options.fail("model", fmt::format("a model that makes vectors of texts: {}", error.message()));
  }
}

}  // namespace pelton::data
