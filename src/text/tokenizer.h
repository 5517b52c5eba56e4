// Text to token ids and back, exactly as the reference libraries do it: byte-level BPE by our own encoder
// (byte_level_tokenizer.h) where it knows every part of the tokenizer, all else by Hugging Face's `tokenizers` behind
// bridge/. Immutable after construction: any number of threads may use one Tokenizer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/token_id.h"

namespace pelton {

// What a GGUF file says of its vocabulary (keys `tokenizer.ggml.*`), as plain data, so that text/ need not know io/.
struct GgufVocabulary {
  std::string model;                 // "gpt2" (byte-level BPE), "llama" (SentencePiece BPE) or "bert" (WordPiece)
  std::string pre;                   // "llama-bpe", "smollm", "qwen2", "gpt-2", "default", …; empty where absent
  std::vector<std::string> tokens;   // by id
  std::vector<float> scores;         // by id; empty where absent
  std::vector<int64_t> token_types;  // by id: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;   // "left right", best first
  std::optional<int64_t> bos, eos, unknown, padding;
  std::optional<int64_t> begin, separator, mask;  // WordPiece's [CLS], [SEP], [MASK]
  std::optional<bool> adds_bos, adds_eos, adds_space_prefix;
};

struct EncodeOptions {
  // Recognise the text of special tokens (<|im_start|>, </s>) as those tokens, as the reference libraries do. Off: they
  // are encoded as ordinary text.
  bool parse_special = true;
  // Add what the tokenizer's post-processor adds (BOS, EOS).
  bool add_special = true;
};

// A token that is matched in text before the model of the tokenizer sees it.
struct AddedToken {
  TokenId id;
  std::string text;
  bool is_special;              // a control token: never shown to a reader
  bool is_single_word = false;  // matches only where no letter, digit or underscore touches it
  bool strips_left = false;     // takes the white space before it along
  bool strips_right = false;    // … and after it
  bool is_normalized = false;   // matched after the text was normalised, and after all those that are not
};

// Two texts as one sequence.
struct TokenPair {
  std::vector<TokenId> tokens;
  std::vector<int32_t> types;  // of each: which text it counts to; all 0 where the model's family does not tell
};

// Where in a text an added token stands.
struct AddedTokenMatch {
  size_t begin;  // bytes
  size_t size;
  const AddedToken* token;
};

class Tokenizer {
 public:
  // Contents of a tokenizer.json. Errors: kCorruptFile, kUnsupported.
  static std::shared_ptr<const Tokenizer> from_json(std::string_view tokenizer_json);
  // Errors: kUnsupported (names the unknown `model`, `pre` or token type), kCorruptFile (counts that do not agree, ids
  // out of range).
  static std::shared_ptr<const Tokenizer> from_gguf(const GgufVocabulary& vocabulary);
  virtual ~Tokenizer() = default;

  // Error kInvalidArgument: `text` is not valid UTF-8 (says at which byte); or, without `parse_special`, the text of a
  // special token cannot be encoded as ordinary text by this vocabulary.
  virtual std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const = 0;
  // Encodes a text whose added tokens are `matches` (in order, disjoint) and no others: whatever else it spells is
  // ordinary text. With all the matches of find_added_tokens(), this is encode() without `add_special`. Errors: as
  // above.
  virtual std::vector<TokenId> encode_with(std::string_view text, std::span<const AddedTokenMatch> matches) const = 0;
  // Both texts with what the post-processor adds to a pair; the text of special tokens counts as those, as in encode()
  // by default. Errors: as encode(); kUnsupported (the tokenizer does not say how two texts go together).
  virtual TokenPair encode_pair(std::string_view first, std::string_view second) const;
  // The added tokens in `text`, as encode() with `parse_special` takes them.
  virtual std::vector<AddedTokenMatch> find_added_tokens(std::string_view text) const = 0;
  // The bytes that a token stands for in running text: one UTF-8 character may be spread over several tokens.
  // Control tokens give their spelling. Ids outside the vocabulary give "".
  virtual std::string_view token_bytes(TokenId token) const = 0;
  // All tokens as text, invalid UTF-8 replaced by U+FFFD; control tokens left out where `skip_special`.
  std::string decode(std::span<const TokenId> tokens, bool skip_special) const;

  virtual int32_t vocabulary_size() const = 0;
  virtual bool is_special(TokenId token) const = 0;
  // True where running text starts with a space that the tokenizer put there (SentencePiece's dummy prefix).
  virtual bool strips_first_space() const = 0;
  virtual std::optional<TokenId> find(std::string_view token) const = 0;
  virtual std::span<const AddedToken> added_tokens() const = 0;
  virtual std::optional<TokenId> bos() const = 0;
  // From GGUF's metadata; std::nullopt for a tokenizer.json (the model's configuration says it there).
  virtual std::optional<TokenId> eos() const = 0;
  // "byte-level BPE", "SentencePiece BPE", … for `pelton inspect`.
  virtual std::string_view kind() const = 0;
  // Whose code turns text into ids, for `pelton inspect`; empty for the fakes of tests.
  virtual std::string_view encoder() const { return {}; }
};

}  // namespace pelton
