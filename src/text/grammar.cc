#include "text/grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "text/bridge_call.h"
#include "text/gbnf.h"
#include "text/schema_support.h"

namespace pelton {
namespace {

#ifdef __SANITIZE_THREAD__
constexpr uint32_t kCompileMsMax = 120'000;
#else
constexpr uint32_t kCompileMsMax = 5000;
#endif
constexpr pelton_bridge_grammar_limits kLimits = {.memory_bytes_max = size_t{256} << 20,
                                                  .compile_ms_max = kCompileMsMax};
// Of remembered grammars, each of which may hold megabytes.
constexpr size_t kGrammarCountMax = 64;

pelton_bridge_grammar_kind bridge_kind(GrammarKind kind) {
  switch (kind) {
    case GrammarKind::kJsonSchema:
      return PELTON_BRIDGE_JSON_SCHEMA;
    case GrammarKind::kRegex:
      return PELTON_BRIDGE_REGEX;
    case GrammarKind::kChoice:
    case GrammarKind::kLark:
    case GrammarKind::kGbnf:
      return PELTON_BRIDGE_LARK;
  }
  PELTON_UNREACHABLE();
}

// One terminal: the lexer follows all the texts at once. Lark quotes as JSON does.
std::string choice_to_lark(const json::value& choice) {
  const json::array* texts = choice.if_array();
  const auto is_text = [](const json::value& text) { return text.is_string(); };
  if (texts == nullptr || texts->empty() || !std::all_of(texts->begin(), texts->end(), is_text)) {
    throw Error(ErrorCode::kInvalidArgument, "the choice must be a JSON array of strings, one at least");
  }
  std::string lark = "start: CHOICE\nCHOICE: ";
  for (const json::value& text : *texts) {
    if (!lark.ends_with(": ")) lark += " | ";
    lark += json::serialize(text);
  }
  return lark + "\n";
}

// What the library is to read.
std::string bridge_text_of(const GrammarSource& source) {
  if (source.kind == GrammarKind::kJsonSchema) return schema_for_compiler(source.text);
  if (source.kind == GrammarKind::kChoice) return choice_to_lark(parse_json(source.text, "the choice"));
  return source.kind == GrammarKind::kGbnf ? gbnf_to_lark(source.text) : source.text;
}

// What exhausts its limits is the request's fault: trying again later wouldn't help.
Error grammar_error(pelton_bridge_status status, const std::string& what, const BridgeBytes& error) {
  const bool is_exhausted = status == PELTON_BRIDGE_EXHAUSTED;
  return bridge_error(is_exhausted ? PELTON_BRIDGE_INVALID : status, ErrorCode::kInvalidArgument,
                      is_exhausted ? what + "too complex: " : what, error);
}

}  // namespace

void GrammarFree::operator()(pelton_bridge_vocabulary* vocabulary) const { pelton_bridge_vocabulary_free(vocabulary); }
void GrammarFree::operator()(pelton_bridge_grammar* grammar) const { pelton_bridge_grammar_free(grammar); }
void GrammarFree::operator()(pelton_bridge_grammar_state* state) const { pelton_bridge_grammar_state_free(state); }

std::string_view grammar_kind_name(GrammarKind kind) {
  switch (kind) {
    case GrammarKind::kJsonSchema:
      return "JSON schema";
    case GrammarKind::kRegex:
      return "regular expression";
    case GrammarKind::kChoice:
      return "choice";
    case GrammarKind::kLark:
      return "Lark grammar";
    case GrammarKind::kGbnf:
      return "GBNF grammar";
  }
  PELTON_UNREACHABLE();
}

GrammarSource GrammarSource::choice(const std::vector<std::string>& texts) {
  if (texts.empty()) throw Error(ErrorCode::kInvalidArgument, "a choice of no texts: give at least one");
  json::array list;
  for (const std::string& text : texts) {
    if (text.empty()) throw Error(ErrorCode::kInvalidArgument, "a choice may not be an empty text");
    list.emplace_back(text);
  }
  return {GrammarKind::kChoice, json::serialize(list)};
}

GrammarSource GrammarSource::grammar(std::string text) {
  size_t begin = 0;
  const auto skip = [&](std::string_view characters) {
    begin = std::min(text.find_first_not_of(characters, begin), text.size());
  };
  for (skip(" \t\r\n"); begin < text.size() && text[begin] == '#'; skip(" \t\r\n")) {
    begin = std::min(text.find('\n', begin), text.size());
  }
  skip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
  skip(" \t");
  const bool is_gbnf = std::string_view(text).substr(begin).starts_with("::=");
  return {is_gbnf ? GrammarKind::kGbnf : GrammarKind::kLark, std::move(text)};
}

GrammarSource GrammarSource::json_object() { return {GrammarKind::kJsonSchema, R"({"type":"object"})"}; }

GrammarState::GrammarState(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  BridgeBytes error;
  pelton_bridge_grammar_state* state = nullptr;
  const auto status = pelton_bridge_grammar_begin(grammar_->grammar_.get(), &state, error.out());
  if (status != PELTON_BRIDGE_OK) throw bridge_error(status, ErrorCode::kInternal, "a grammar does not begin: ", error);
  state_.reset(state);
}

void GrammarState::mask(std::span<uint32_t> mask) {
  BridgeBytes error;
  const auto status = pelton_bridge_grammar_mask(state_.get(), mask.data(), mask.size(), error.out());
  if (status == PELTON_BRIDGE_OK) return;
  throw grammar_error(status, fmt::format("the {}: ", grammar_kind_name(grammar_->kind_)), error);
}

void GrammarState::consume(TokenId token) {
  BridgeBytes error;
  const auto status =
      pelton_bridge_grammar_consume(state_.get(), static_cast<uint32_t>(index_of(token)), &has_ended_, error.out());
  if (status == PELTON_BRIDGE_OK) return;
  throw bridge_error(
      status, ErrorCode::kInternal,
      fmt::format("token {} does not follow in the {}: ", index_of(token), grammar_kind_name(grammar_->kind_)), error);
}

GrammarCompiler::GrammarCompiler(std::shared_ptr<const Tokenizer> tokenizer, int64_t vocabulary_size,
                                 std::vector<TokenId> end_tokens)
    : tokenizer_(std::move(tokenizer)), vocabulary_size_(vocabulary_size), end_tokens_(std::move(end_tokens)) {}

GrammarCompiler::~GrammarCompiler() = default;

std::shared_ptr<const Grammar> GrammarCompiler::compile(const GrammarSource& source) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(source); found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
  }
  std::shared_ptr<const Grammar> grammar = compile_anew(source);
  const std::lock_guard lock(mutex_);
  if (const auto found = index_.find(source); found != index_.end())
    return found->second->second;  // another was faster
  entries_.emplace_front(source, grammar);
  index_.emplace(std::cref(entries_.front().first), entries_.begin());
  if (entries_.size() > kGrammarCountMax) {
    index_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return grammar;
}

void GrammarCompiler::forget(const std::shared_ptr<const Grammar>& grammar) {
  const std::lock_guard lock(mutex_);
  const auto entry =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& other) { return other.second == grammar; });
  if (entry == entries_.end()) return;
  index_.erase(entry->first);
  entries_.erase(entry);
}

std::shared_ptr<const Grammar> GrammarCompiler::compile_anew(const GrammarSource& source) {
  const std::string text = bridge_text_of(source);
  BridgeBytes error;
  pelton_bridge_grammar* grammar = nullptr;
  const auto status = pelton_bridge_grammar_compile(vocabulary(), bridge_kind(source.kind), bridge_text(text), kLimits,
                                                    &grammar, error.out());
  if (status != PELTON_BRIDGE_OK) {
    throw grammar_error(status, fmt::format("the {}: ", grammar_kind_name(source.kind)), error);
  }
  return std::make_shared<Grammar>(BridgeGrammar(grammar), source.kind);
}

const pelton_bridge_vocabulary* GrammarCompiler::vocabulary() {
  const std::lock_guard lock(mutex_);
  if (vocabulary_ != nullptr) return vocabulary_.get();
  if (end_tokens_.empty()) {
    throw Error(ErrorCode::kUnsupported, "the model has no token that ends an answer, which a grammar needs");
  }
  std::string bytes;
  std::vector<size_t> ends;
  const auto is_special = std::make_unique<bool[]>(static_cast<size_t>(vocabulary_size_));
  for (int32_t id = 0; id < vocabulary_size_; ++id) {
    bytes += tokenizer_->token_bytes(TokenId{id});
    ends.push_back(bytes.size());
    is_special[static_cast<size_t>(id)] = tokenizer_->is_special(TokenId{id});
  }
  std::vector<uint32_t> end_tokens;
  for (const TokenId token : end_tokens_) end_tokens.push_back(static_cast<uint32_t>(index_of(token)));
  BridgeBytes error;
  pelton_bridge_vocabulary* made = nullptr;
  const auto status = pelton_bridge_vocabulary_make({.bytes = bytes.data(),
                                                     .ends = ends.data(),
                                                     .is_special = is_special.get(),
                                                     .count = ends.size(),
                                                     .end_tokens = end_tokens.data(),
                                                     .end_token_count = end_tokens.size()},
                                                    &made, error.out());
  if (status != PELTON_BRIDGE_OK) {
    throw bridge_error(status, ErrorCode::kUnsupported, "grammars over the model's vocabulary: ", error);
  }
  vocabulary_.reset(made);
  return made;
}

}  // namespace pelton
