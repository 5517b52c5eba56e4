//! The C entries of include/pelton_bridge.h, where their contracts stand. Here only: borrow, call, catch, hand over.

#![allow(clippy::missing_safety_doc)] // stands in the header

mod bounded_thread;
mod chat_template;
mod grammar;
mod jinja_builtins;
mod nesting_guard;
mod parquet_file;
mod python_json;
mod tokenizer;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use chat_template::{ChatTemplate, Limits};
use grammar::{Grammar, GrammarLimits, GrammarState, Token, Vocabulary};
use parquet_file::{EncodedRows, ParquetReader, ParquetWriter, ReadLimits};
use tokenizer::Tokenizer;

#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub enum Status {
    Ok = 0,
    Invalid = 1,
    Exhausted = 2,
    Panic = 3,
}

/// Why a call failed: what the caller can do about it, and a sentence.
pub struct Failure {
    pub status: Status,
    pub message: String,
}

impl Failure {
    pub fn invalid(message: impl ToString) -> Self {
        Failure { status: Status::Invalid, message: message.to_string() }
    }
    pub fn exhausted(message: impl ToString) -> Self {
        Failure { status: Status::Exhausted, message: message.to_string() }
    }
    pub fn panic(payload: Box<dyn std::any::Any + Send>) -> Self {
        let message = match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (_, Some(text)) => text.to_string(),
            _ => "panic".to_string(),
        };
        Failure { status: Status::Panic, message }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    data: *const u8,
    size: usize,
}

impl Text {
    /// Safety: `data` points to `size` bytes that live and do not change for the call, or `size` is 0.
    unsafe fn get<'a>(self) -> Result<&'a str, Failure> {
        if self.size == 0 {
            return Ok("");
        }
        std::str::from_utf8(std::slice::from_raw_parts(self.data, self.size))
            .map_err(|error| Failure::invalid(format!("not valid UTF-8 at byte {}", error.valid_up_to())))
    }
}

/// An array that C owns until it calls the `free` of its type.
#[repr(C)]
pub struct Owned<T> {
    data: *mut T,
    size: usize,
}

impl<T> Owned<T> {
    const EMPTY: Self = Owned { data: std::ptr::null_mut(), size: 0 };

    fn from_vec(vec: Vec<T>) -> Self {
        let slice = Box::leak(vec.into_boxed_slice());
        Owned { data: slice.as_mut_ptr(), size: slice.len() }
    }
    /// Safety: came from `from_vec` and is not used again.
    unsafe fn free(self) {
        if !self.data.is_null() {
            drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.data, self.size)));
        }
    }
}

/// Runs `work`, writes its result to `output` or its failure to `error`.
/// Safety: both point to writable places.
unsafe fn enter<T>(output: *mut T, error: *mut Owned<u8>, work: impl FnOnce() -> Result<T, Failure>) -> Status {
    error.write(Owned::EMPTY);
    match catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(Failure::panic(payload))) {
        Ok(value) => {
            output.write(value);
            Status::Ok
        }
        Err(failure) => {
            error.write(Owned::from_vec(failure.message.into_bytes()));
            failure.status
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_bytes_free(bytes: Owned<u8>) {
    bytes.free();
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_ids_free(ids: Owned<u32>) {
    ids.free();
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_tokenizer_load(
    tokenizer_json: Text,
    tokenizer: *mut *mut Tokenizer,
    error: *mut Owned<u8>,
) -> Status {
    enter(tokenizer, error, || Ok(Box::into_raw(Box::new(Tokenizer::load(tokenizer_json.get()?)?))))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_tokenizer_share(
    base: *const Tokenizer,
    added_tokens_json: Text,
    first_id: u32,
    tokenizer: *mut *mut Tokenizer,
    error: *mut Owned<u8>,
) -> Status {
    enter(tokenizer, error, || Ok(Box::into_raw(Box::new((*base).share(added_tokens_json.get()?, first_id)?))))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_tokenizer_encode(
    tokenizer: *const Tokenizer,
    text: Text,
    add_special: bool,
    ids: *mut Owned<u32>,
    error: *mut Owned<u8>,
) -> Status {
    enter(ids, error, || Ok(Owned::from_vec((*tokenizer).encode(text.get()?, add_special)?)))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_tokenizer_find(tokenizer: *const Tokenizer, token: Text, id: *mut u32) -> bool {
    let found = catch_unwind(AssertUnwindSafe(|| token.get().ok().and_then(|token| (*tokenizer).find(token))));
    match found {
        Ok(Some(found)) => {
            id.write(found);
            true
        }
        _ => false,
    }
}

#[no_mangle]
pub extern "C" fn pelton_bridge_is_numeric(code_point: u32) -> bool {
    char::from_u32(code_point).is_some_and(char::is_numeric)
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_compose(text: Text, composed: *mut Owned<u8>, error: *mut Owned<u8>) -> Status {
    enter(composed, error, || Ok(Owned::from_vec(tokenizer::compose(text.get()?)?.into_bytes())))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_tokenizer_free(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_template_parse(
    source: Text,
    limits: Limits,
    result: *mut *const ChatTemplate,
    error: *mut Owned<u8>,
) -> Status {
    enter(result, error, || Ok(Arc::into_raw(Arc::new(ChatTemplate::parse(source.get()?, limits)?))))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_template_render(
    template: *const ChatTemplate,
    variables_json: Text,
    now_unix_s: i64,
    rendered: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> Status {
    enter(rendered, error, || {
        let template = std::mem::ManuallyDrop::new(Arc::from_raw(template)); // still the caller's
        let text = template.render(variables_json.get()?, now_unix_s)?;
        Ok(Owned::from_vec(text.into_bytes()))
    })
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_template_free(template: *const ChatTemplate) {
    if !template.is_null() {
        drop(Arc::from_raw(template));
    }
}

/// Token i has the bytes from `ends[i - 1]` (0 for the first) to `ends[i]` of `bytes`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TokenTable {
    bytes: *const u8,
    ends: *const usize,
    is_special: *const bool,
    count: usize,
    end_tokens: *const u32,
    end_token_count: usize,
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_vocabulary_make(
    table: TokenTable,
    vocabulary: *mut *const Vocabulary,
    error: *mut Owned<u8>,
) -> Status {
    enter(vocabulary, error, || {
        let ends = std::slice::from_raw_parts(table.ends, table.count);
        let bytes = std::slice::from_raw_parts(table.bytes, ends.last().copied().unwrap_or(0));
        let is_special = std::slice::from_raw_parts(table.is_special, table.count);
        let end_tokens = std::slice::from_raw_parts(table.end_tokens, table.end_token_count);
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let tokens = begins
            .zip(ends)
            .zip(is_special)
            .map(|((begin, &end), &is_special)| Token { bytes: &bytes[begin..end], is_special });
        Ok(Arc::into_raw(Arc::new(Vocabulary::new(tokens, end_tokens)?)))
    })
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_vocabulary_free(vocabulary: *const Vocabulary) {
    if !vocabulary.is_null() {
        drop(Arc::from_raw(vocabulary));
    }
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_grammar_compile(
    vocabulary: *const Vocabulary,
    kind: grammar::Kind,
    text: Text,
    limits: GrammarLimits,
    grammar: *mut *mut Grammar,
    error: *mut Owned<u8>,
) -> Status {
    enter(grammar, error, || {
        let vocabulary = std::mem::ManuallyDrop::new(Arc::from_raw(vocabulary)); // still the caller's
        Ok(Box::into_raw(Box::new(vocabulary.compile(kind, text.get()?, limits)?)))
    })
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_grammar_free(grammar: *mut Grammar) {
    if !grammar.is_null() {
        drop(Box::from_raw(grammar));
    }
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_grammar_begin(
    grammar: *const Grammar,
    state: *mut *mut GrammarState,
    error: *mut Owned<u8>,
) -> Status {
    enter(state, error, || Ok(Box::into_raw(Box::new((*grammar).begin()))))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_grammar_mask(
    state: *mut GrammarState,
    words: *mut u32,
    word_count: usize,
    error: *mut Owned<u8>,
) -> Status {
    enter(&mut (), error, || (*state).mask(std::slice::from_raw_parts_mut(words, word_count)))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_grammar_consume(
    state: *mut GrammarState,
    token: u32,
    has_ended: *mut bool,
    error: *mut Owned<u8>,
) -> Status {
    enter(has_ended, error, || (*state).consume(token))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_grammar_state_free(state: *mut GrammarState) {
    if !state.is_null() {
        drop(Box::from_raw(state));
    }
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_open(
    path: Text,
    limits: ReadLimits,
    reader: *mut *mut ParquetReader,
    error: *mut Owned<u8>,
) -> Status {
    enter(reader, error, || Ok(Box::into_raw(Box::new(ParquetReader::open(path.get()?, limits)?))))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_read(
    reader: *const ParquetReader,
    lines: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> Status {
    enter(lines, error, || Ok(Owned::from_vec((*reader).read()?)))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_reader_free(reader: *mut ParquetReader) {
    if !reader.is_null() {
        drop(Box::from_raw(reader));
    }
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_create(
    path: Text,
    schema_json: Text,
    writer: *mut *mut ParquetWriter,
    error: *mut Owned<u8>,
) -> Status {
    enter(writer, error, || Ok(Box::into_raw(Box::new(ParquetWriter::create(path.get()?, schema_json.get()?)?))))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_encode(
    writer: *const ParquetWriter,
    lines: Text,
    rows: *mut *mut EncodedRows,
    error: *mut Owned<u8>,
) -> Status {
    enter(rows, error, || Ok(Box::into_raw(Box::new((*writer).encode(lines.get()?)?))))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_append(
    writer: *const ParquetWriter,
    rows: *mut EncodedRows,
    error: *mut Owned<u8>,
) -> Status {
    enter(&mut (), error, || (*writer).append(*Box::from_raw(rows)))
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_finish(writer: *const ParquetWriter, error: *mut Owned<u8>) -> Status {
    enter(&mut (), error, || (*writer).finish())
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_rows_free(rows: *mut EncodedRows) {
    if !rows.is_null() {
        drop(Box::from_raw(rows));
    }
}

#[no_mangle]
pub unsafe extern "C" fn pelton_bridge_parquet_writer_free(writer: *mut ParquetWriter) {
    if !writer.is_null() {
        drop(Box::from_raw(writer));
    }
}
