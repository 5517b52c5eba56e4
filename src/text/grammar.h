// What an answer must look like: a JSON schema, a regular expression, a choice of texts or a grammar, compiled by
// `llguidance` for one vocabulary, then asked token by token which may come next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

// Of bridge/, whose header only text/ knows.
struct pelton_bridge_vocabulary;
struct pelton_bridge_grammar;
struct pelton_bridge_grammar_state;

namespace pelton {

enum class GrammarKind { kJsonSchema, kRegex, kChoice, kLark, kGbnf };
// "JSON schema", "regular expression", …
std::string_view grammar_kind_name(GrammarKind kind);

struct GrammarSource {
  GrammarKind kind;
  std::string text;  // kChoice: a JSON array of strings

  // Error kInvalidArgument: there is none, or one is empty.
  static GrammarSource choice(const std::vector<std::string>& texts);
  // Lark, or GBNF where its first rule is written "name ::=".
  static GrammarSource grammar(std::string text);
  // Any JSON object.
  static GrammarSource json_object();

  // NOLINTNEXTLINE(modernize-use-nullptr): clang 14 takes its own 0 for ours
  auto operator<=>(const GrammarSource&) const = default;
};

struct GrammarFree {
  void operator()(pelton_bridge_vocabulary* vocabulary) const;
  void operator()(pelton_bridge_grammar* grammar) const;
  void operator()(pelton_bridge_grammar_state* state) const;
};
using BridgeVocabulary = std::unique_ptr<pelton_bridge_vocabulary, GrammarFree>;
using BridgeGrammar = std::unique_ptr<pelton_bridge_grammar, GrammarFree>;
using BridgeGrammarState = std::unique_ptr<pelton_bridge_grammar_state, GrammarFree>;

// Compiled. Answers that follow one share what its lexer has learnt, under a lock.
class Grammar {
 public:
  explicit Grammar(BridgeGrammar grammar, GrammarKind kind) : grammar_(std::move(grammar)), kind_(kind) {}

 private:
  friend class GrammarState;
  BridgeGrammar grammar_;
  GrammarKind kind_;
};

// Where one answer stands. One thread at a time. After an error it gives only that.
class GrammarState {
 public:
  explicit GrammarState(std::shared_ptr<const Grammar> grammar);

  // Fills `mask`, of mask_word_count() words, with the tokens that may come next: token i is bit i % 32 of word i / 32.
  // An end token is in it only where the answer may end.
  // Error kInvalidArgument: the grammar is too complex at this point.
  void mask(std::span<uint32_t> mask);
  // A token of the mask. Error: as above; kInternal: it was none.
  void consume(TokenId token);
  // Nothing may follow: the answer is complete without an end token too.
  bool has_ended() const { return has_ended_; }

 private:
  std::shared_ptr<const Grammar> grammar_;
  BridgeGrammarState state_;
  bool has_ended_ = false;
};

// Compiles for one vocabulary, and remembers the last grammars by their content. Any thread.
class GrammarCompiler {
 public:
  // `vocabulary_size`: of the model's logits, which may be more than the tokenizer knows. `end_tokens` end an answer.
  GrammarCompiler(std::shared_ptr<const Tokenizer> tokenizer, int64_t vocabulary_size, std::vector<TokenId> end_tokens);
  ~GrammarCompiler();

  // Errors: kInvalidArgument (it doesn't parse; nothing can follow it; it's too complex), kUnsupported (a schema's
  // keyword that isn't enforced, by name: schema_support.h; a model without an end token).
  // Under a second for what is sensible, five at most; 256 MiB.
  std::shared_ptr<const Grammar> compile(const GrammarSource& source);
  // Of a grammar that was too complex for an answer: the next one starts afresh.
  void forget(const std::shared_ptr<const Grammar>& grammar);

  size_t mask_word_count() const { return (static_cast<size_t>(vocabulary_size_) + 31) / 32; }

 private:
  using Entry = std::pair<GrammarSource, std::shared_ptr<const Grammar>>;

  const pelton_bridge_vocabulary* vocabulary();
  std::shared_ptr<const Grammar> compile_anew(const GrammarSource& source);

  const std::shared_ptr<const Tokenizer> tokenizer_;
  const int64_t vocabulary_size_;
  const std::vector<TokenId> end_tokens_;

  std::mutex mutex_;
  BridgeVocabulary vocabulary_;  // made when the first grammar comes
  std::list<Entry> entries_;     // last used first
  std::map<std::reference_wrapper<const GrammarSource>, std::list<Entry>::iterator, std::less<GrammarSource>> index_;
};

}  // namespace pelton
