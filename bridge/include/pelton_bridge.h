// What Pelton uses of the Rust world, as plain C: Hugging Face's `tokenizers`, the `minijinja` template engine,
// `llguidance` for grammars, `parquet` for files of that name.
//
// Errors     Every function that can fail returns a status. Unless it is PELTON_BRIDGE_OK, `*error` holds a message in
// UTF-8
//            (without a final NUL) that the caller frees, and no other output is written. A panic inside is caught and
//            comes back as PELTON_BRIDGE_PANIC. `error` must not be null; it is written in either case.
// Ownership  Inputs are borrowed for the call. Outputs belong to the caller, who gives each back once to the `free` of
// its
//            type. Freeing null, or a buffer whose `data` is null, does nothing.
// Threads    Tokenizers, templates, vocabularies and grammars are immutable: any number of threads may use one at a
//            time. A grammar's state belongs to one thread at a time. Nothing calls back.
//            A thread outlives its call only where a template or the compiling of a grammar ran away, see
//            pelton_bridge_template_render.
// Text       Always UTF-8 with a length; where the caller passes anything else, the call fails with
// PELTON_BRIDGE_INVALID.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  PELTON_BRIDGE_OK = 0,
  PELTON_BRIDGE_INVALID = 1,    // the input is malformed, or the template failed on it
  PELTON_BRIDGE_EXHAUSTED = 2,  // a template or grammar ran out of fuel, time or memory, nested too deep or wrote too
                                // much
  PELTON_BRIDGE_PANIC = 3,      // a bug of a library, caught
} pelton_bridge_status;

typedef struct {
  const char* data;
  size_t size;
} pelton_bridge_text;  // borrowed

typedef struct {
  char* data;
  size_t size;
} pelton_bridge_bytes;  // owned

typedef struct {
  uint32_t* data;
  size_t size;
} pelton_bridge_ids;  // owned

void pelton_bridge_bytes_free(pelton_bridge_bytes bytes);
void pelton_bridge_ids_free(pelton_bridge_ids ids);

// ---- Tokenizers ----

typedef struct pelton_bridge_tokenizer pelton_bridge_tokenizer;

// From the contents of a tokenizer.json. Its truncation and padding are dropped.
pelton_bridge_status pelton_bridge_tokenizer_load(pelton_bridge_text tokenizer_json,
                                                  pelton_bridge_tokenizer** tokenizer, pelton_bridge_bytes* error);

// A second tokenizer that shares the model (vocabulary, merges, cache) of `base`, with other added tokens: a JSON array
// of
// {"content", "single_word", "lstrip", "rstrip", "normalized", "special"}. Those that the model does not know get the
// ids first_id, first_id + 1, … in their order; first_id must be above every id of the model. May outlive `base`.
pelton_bridge_status pelton_bridge_tokenizer_share(const pelton_bridge_tokenizer* base,
                                                   pelton_bridge_text added_tokens_json, uint32_t first_id,
                                                   pelton_bridge_tokenizer** tokenizer, pelton_bridge_bytes* error);

// `add_special`: run the post-processor's additions (BOS, EOS).
pelton_bridge_status pelton_bridge_tokenizer_encode(const pelton_bridge_tokenizer* tokenizer, pelton_bridge_text text,
                                                    bool add_special, pelton_bridge_ids* ids,
                                                    pelton_bridge_bytes* error);

// False: no such token (or `token` is not UTF-8).
bool pelton_bridge_tokenizer_find(const pelton_bridge_tokenizer* tokenizer, pelton_bridge_text token, uint32_t* id);

// What the library's pre-tokenizer Digits takes for a digit. False for what is no character.
bool pelton_bridge_is_numeric(uint32_t code_point);

// Unicode's canonical composition (NFC), as the library's normaliser does it.
pelton_bridge_status pelton_bridge_compose(pelton_bridge_text text, pelton_bridge_bytes* composed,
                                           pelton_bridge_bytes* error);

void pelton_bridge_tokenizer_free(pelton_bridge_tokenizer* tokenizer);

// ---- Chat templates ----

typedef struct pelton_bridge_template pelton_bridge_template;

typedef struct {
  // Work that one rendering may do: an instruction, or 64 bytes of data made or read, costs one. Bounds time (about 20
  // ns each) and memory. At most 2.7 million, which the stack of a rendering is made for.
  uint64_t fuel;
  size_t output_bytes_max;
  // What one rendering may hold beside its variables, and what all of a template's may leave behind (a namespace that
  // was put into itself is never freed); after that it renders no more.
  size_t memory_bytes_max;
  uint32_t render_ms_max;  // of waiting; for parsing too
} pelton_bridge_limits;

// Parses Jinja source as Hugging Face does: trim_blocks, lstrip_blocks, no automatic escaping, Python's methods on
// strings, dicts and lists, `raise_exception`, `strftime_now`, `tojson` as Python's json.dumps(ensure_ascii=False). A
// source of more than 256 KiB is refused.
pelton_bridge_status pelton_bridge_template_parse(pelton_bridge_text source, pelton_bridge_limits limits,
                                                  pelton_bridge_template** result, pelton_bridge_bytes* error);

// `variables_json`: a JSON object, the names that the template sees. `now_unix_s`: what strftime_now formats, in local
// time. Renders on a thread of its own, whose stack no template can exhaust within its fuel; returns when it is done,
// or PELTON_BRIDGE_EXHAUSTED after render_ms_max, or at once when it would hold more than memory_bytes_max. A thread
// that came too late goes on to the end of its fuel, for 4 * render_ms_max of its own time at most; one that used up
// its time or memory stops, and keeps its memory. So do those of parsing. While there are four such threads in the
// program, nothing more is parsed or rendered.
pelton_bridge_status pelton_bridge_template_render(const pelton_bridge_template* self,
                                                   pelton_bridge_text variables_json, int64_t now_unix_s,
                                                   pelton_bridge_bytes* rendered, pelton_bridge_bytes* error);

void pelton_bridge_template_free(pelton_bridge_template* self);

// ---- Grammars that an answer must follow ----

typedef struct pelton_bridge_vocabulary pelton_bridge_vocabulary;
typedef struct pelton_bridge_grammar pelton_bridge_grammar;
typedef struct pelton_bridge_grammar_state pelton_bridge_grammar_state;

// Borrowed. Token i has the bytes from ends[i - 1] (0 for the first) to ends[i]; without bytes it is never allowed, nor
// with more than 1000. A special token is allowed only where a Lark grammar names it, or where an end token may come.
typedef struct {
  const char* bytes;
  const size_t* ends;      // [count]
  const bool* is_special;  // [count]
  size_t count;
  const uint32_t* end_tokens;  // that end an answer: [end_token_count], at least one
  size_t end_token_count;
} pelton_bridge_token_table;

// Takes about 1 µs a token.
pelton_bridge_status pelton_bridge_vocabulary_make(pelton_bridge_token_table table,
                                                   pelton_bridge_vocabulary** vocabulary, pelton_bridge_bytes* error);
void pelton_bridge_vocabulary_free(pelton_bridge_vocabulary* vocabulary);

typedef enum {
  PELTON_BRIDGE_JSON_SCHEMA = 0,
  PELTON_BRIDGE_REGEX = 1,  // the whole answer matches
  PELTON_BRIDGE_LARK = 2,   // llguidance's variant of Lark
} pelton_bridge_grammar_kind;

typedef struct {
  size_t memory_bytes_max;  // that compiling may hold
  uint32_t compile_ms_max;
} pelton_bridge_grammar_limits;

// Compiles on a thread of its own, as templates are parsed. A text of more than 1 MiB is refused, and what the library
// doesn't implement, by name. May outlive the vocabulary.
pelton_bridge_status pelton_bridge_grammar_compile(const pelton_bridge_vocabulary* vocabulary,
                                                   pelton_bridge_grammar_kind kind, pelton_bridge_text text,
                                                   pelton_bridge_grammar_limits limits, pelton_bridge_grammar** grammar,
                                                   pelton_bridge_bytes* error);
void pelton_bridge_grammar_free(pelton_bridge_grammar* grammar);

// Where an answer stands that has no token yet. May outlive the grammar. Once a call on it has failed, all do.
pelton_bridge_status pelton_bridge_grammar_begin(const pelton_bridge_grammar* grammar,
                                                 pelton_bridge_grammar_state** state, pelton_bridge_bytes* error);
// The tokens that may come next: token i is bit i % 32 of words[i / 32]; word_count is (count + 31) / 32.
// PELTON_BRIDGE_EXHAUSTED: the grammar is too complex at this point (milliseconds of work; states of the lexer, which
// all answers of a grammar share).
pelton_bridge_status pelton_bridge_grammar_mask(pelton_bridge_grammar_state* state, uint32_t* words, size_t word_count,
                                                pelton_bridge_bytes* error);
// A token that was allowed. `has_ended`: nothing but an end token may follow.
pelton_bridge_status pelton_bridge_grammar_consume(pelton_bridge_grammar_state* state, uint32_t token, bool* has_ended,
                                                   pelton_bridge_bytes* error);
void pelton_bridge_grammar_state_free(pelton_bridge_grammar_state* state);

// ---- Parquet ----

typedef struct pelton_bridge_parquet_reader pelton_bridge_parquet_reader;
typedef struct pelton_bridge_parquet_writer pelton_bridge_parquet_writer;
typedef struct pelton_bridge_parquet_rows pelton_bridge_parquet_rows;

// What one opening or reading may hold and take; it works on a thread of its own, as templates are parsed. There is
// one call at a time on a reader.
typedef struct {
  size_t memory_bytes_max;
  uint32_t wait_ms_max;
} pelton_bridge_parquet_limits;

// PELTON_BRIDGE_INVALID: no such file, no Parquet, a kind of compression that is not built in (brotli), columns that
// are nested more than 64 deep.
pelton_bridge_status pelton_bridge_parquet_open(pelton_bridge_text path, pelton_bridge_parquet_limits limits,
                                                pelton_bridge_parquet_reader** reader, pelton_bridge_bytes* error);
// The next rows, at most some MB of them or one: a line of JSON each. Nothing: there are no more. Nulls are left out,
// bytes are in hexadecimal digits, times are in ISO 8601.
pelton_bridge_status pelton_bridge_parquet_read(const pelton_bridge_parquet_reader* reader, pelton_bridge_bytes* lines,
                                                pelton_bridge_bytes* error);
void pelton_bridge_parquet_reader_free(pelton_bridge_parquet_reader* reader);

// Makes a file with the columns of {"type": "struct", "fields": [{"name": …, "type": …}, …]}. A type is bool, int (64
// bits), double, text, list (with an "item" of a type) or struct. All values may be null.
pelton_bridge_status pelton_bridge_parquet_create(pelton_bridge_text path, pelton_bridge_text schema_json,
                                                  pelton_bridge_parquet_writer** writer, pelton_bridge_bytes* error);
// Lines of JSON as a row group, in memory. Any number of threads at once.
pelton_bridge_status pelton_bridge_parquet_encode(const pelton_bridge_parquet_writer* writer, pelton_bridge_text lines,
                                                  pelton_bridge_parquet_rows** rows, pelton_bridge_bytes* error);
// Takes `rows`, also where it fails.
pelton_bridge_status pelton_bridge_parquet_append(const pelton_bridge_parquet_writer* writer,
                                                  pelton_bridge_parquet_rows* rows, pelton_bridge_bytes* error);
// What was appended is a file now.
pelton_bridge_status pelton_bridge_parquet_finish(const pelton_bridge_parquet_writer* writer,
                                                  pelton_bridge_bytes* error);
void pelton_bridge_parquet_rows_free(pelton_bridge_parquet_rows* rows);
void pelton_bridge_parquet_writer_free(pelton_bridge_parquet_writer* writer);

#ifdef __cplusplus
}
#endif
