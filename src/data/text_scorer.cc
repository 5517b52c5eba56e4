#include "data/text_scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "data/model_options.h"
#include "model/bundle.h"
#include "model/decoder.h"
#include "model/model.h"
#include "ops/cross_entropy.h"

namespace pelton::data {
namespace {

constexpr int64_t kStepRows = 128;  // whose logits are there at once
constexpr int64_t kPageTokens = KvLayerCache::kPageTokens;

std::shared_ptr<const ModelBundle> load_generator(const std::string& model) {
  auto bundle = load_bundle(model);
  const ModelSpec& spec = bundle->model->spec;
  if (spec.is_encoder || spec.label_count > 0 || bundle->tokenizer == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} is no model that says how a text goes on", bundle->path.string()), "model");
  }
  return bundle;
}

}  // namespace

class TextScorer::Impl {
 public:
  explicit Impl(const Options& options)
      : bundle_(load_generator(options.model)),
        token_count_max_(std::min(options.token_count_max, bundle_->model->spec.context_length)),
        pages_(static_cast<size_t>((token_count_max_ + kPageTokens - 1) / kPageTokens)),
        decoder_(executor_, bundle_->model,
                 {.activations = options.activations,
                  .kv_type = default_kv_type(options.activations),
                  .page_count = static_cast<int64_t>(pages_.size()),
                  .row_count_max = kStepRows,
                  .context_length = token_count_max_}) {
    std::iota(pages_.begin(), pages_.end(), 0);
  }

  std::optional<Score> score(std::string_view before, std::string_view text) {
    size_t first_scored = 0;
    const std::vector<int32_t> tokens = encode(before, text, first_scored);
    if (first_scored >= tokens.size()) return std::nullopt;
    const std::lock_guard lock(mutex_);
    double sum = 0;
    for (size_t begin = 0; begin + 1 < tokens.size();) {
      const size_t end = std::min(begin + static_cast<size_t>(kStepRows), tokens.size() - 1);
      sum += step(tokens, begin, end, first_scored);
      begin = end;
    }
    const auto count = static_cast<int64_t>(tokens.size() - first_scored);
    return Score{count, sum / static_cast<double>(count)};
  }

 private:
  // first_scored: the first token of `text` that has one before it.
  std::vector<int32_t> encode(std::string_view before, std::string_view text, size_t& first_scored) const {
    const Tokenizer& tokenizer = *bundle_->tokenizer;
    const EncodeOptions as_text{.parse_special = false, .add_special = false};
    std::vector<int32_t> tokens;
    const auto append = [&](const std::vector<TokenId>& more, size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) tokens.push_back(index_of(more[i]));
    };
    if (const auto bos = tokenizer.bos(); bos && adds_bos()) tokens.push_back(index_of(*bos));
    const std::vector<TokenId> given = tokenizer.encode(before, as_text);
    const auto given_max = static_cast<size_t>(token_count_max_ / 2);
    append(given, given.size() - std::min(given.size(), given_max), given.size());
    first_scored = std::max<size_t>(1, tokens.size());
    const std::vector<TokenId> scored = tokenizer.encode(text, as_text);
    append(scored, 0, std::min(scored.size(), static_cast<size_t>(token_count_max_) - tokens.size()));
    return tokens;
  }

  bool adds_bos() const {
    const std::vector<TokenId> tokens = bundle_->tokenizer->encode("", {.parse_special = false});
    return !tokens.empty() && tokens.front() == bundle_->tokenizer->bos();
  }

  // -ln p of the tokens behind rows [begin, end), as far as they are scored.
  double step(const std::vector<int32_t>& tokens, size_t begin, size_t end, size_t first_scored) {
    batch_.tokens.assign(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                         tokens.begin() + static_cast<std::ptrdiff_t>(end));
    batch_.sequences = {{.row_begin = 0,
                         .row_count = static_cast<int64_t>(end - begin),
                         .first_position = static_cast<int64_t>(begin),
                         .pages = pages_}};
    batch_.logit_rows.clear();
    targets_.clear();
    for (size_t row = std::max(begin, first_scored - 1); row < end; ++row) {
      batch_.logit_rows.push_back(static_cast<int32_t>(row - begin));
      targets_.push_back(tokens[row + 1]);
    }
    const std::span<const float> logits = decoder_.step(batch_);
    scores_.resize(targets_.size());
    target_log_probabilities(
        executor_,
        {logits.data(), targets_.data(), static_cast<int64_t>(targets_.size()), bundle_->model->spec.vocabulary_size},
        scores_.data());
    return -std::accumulate(scores_.begin(), scores_.end(), 0.0);
  }

  std::shared_ptr<const ModelBundle> bundle_;
  int64_t token_count_max_;
  std::vector<int32_t> pages_;
  Executor executor_;
  Decoder decoder_;
  std::mutex mutex_;  // of all below, and of the decoder
  StepBatch batch_;
  std::vector<int32_t> targets_;
  std::vector<float> scores_;
};

TextScorer::TextScorer(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
TextScorer::~TextScorer() = default;

std::optional<TextScorer::Score> TextScorer::score(std::string_view before, std::string_view text) const {
  return impl_->score(before, text);
}

TextScorer::Options scorer_options(StepOptions& options) {
  TextScorer::Options scorer{.model = model_option(options)};
  scorer.token_count_max = options.integer("tokens_max", scorer.token_count_max, 4, int64_t{1} << 20);
  scorer.activations = activations_option(options);
  return scorer;
}

double perplexity_of(const TextScorer::Score& score) { return std::exp(score.mean_nll); }

}  // namespace pelton::data
