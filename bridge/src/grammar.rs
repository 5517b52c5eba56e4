//! Grammars that an answer must follow, by `llguidance`: compiled under limits, then asked token by token.

use std::time::Duration;

use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use llguidance::{Matcher, ParserFactory, TokenParser};

use crate::{bounded_thread, Failure};

#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    JsonSchema = 0,
    Regex = 1,
    Lark = 2,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct GrammarLimits {
    memory_bytes_max: usize,
    compile_ms_max: u32,
}

/// What a model can say: the bytes of its tokens, arranged for looking them up by prefix.
pub struct Vocabulary {
    factory: ParserFactory,
}

/// One token of the table that Vocabulary::new() gets.
pub struct Token<'a> {
    pub bytes: &'a [u8],
    pub is_special: bool,
}

/// The trie keeps depths in 10 bits.
const TOKEN_BYTES_MAX: usize = 1000;
/// Of source text. The largest schemas in use have some megabytes, most of it descriptions.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// A lexer's states are kept for all answers that follow the grammar: up to 2 kB each.
const LEXER_STATES_MAX: usize = 50_000;

struct Environment {
    trie: TokTrie,
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }
    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.greedy_tokenize(bytes)
    }
    /// No token is forced: how to cut a text is the model's choice.
    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}

impl Vocabulary {
    /// `end_tokens`: those that end an answer; at least one.
    pub fn new<'a>(tokens: impl Iterator<Item = Token<'a>>, end_tokens: &[TokenId]) -> Result<Self, Failure> {
        let marker = TokTrie::SPECIAL_TOKEN_MARKER;
        let words: Vec<Vec<u8>> = tokens
            .map(|token| match token.bytes {
                [] => Vec::new(),
                long if long.len() > TOKEN_BYTES_MAX => Vec::new(),
                bytes if token.is_special => [&[marker], bytes].concat(),
                [first, ..] if *first == marker => Vec::new(), // in no valid text
                bytes => bytes.to_vec(),
            })
            .collect();
        let Some(&end_token) = end_tokens.first() else {
            return Err(Failure::invalid("the vocabulary has no token that ends an answer"));
        };
        if end_tokens.iter().any(|&token| token as usize >= words.len()) {
            return Err(Failure::invalid("an end token is outside of the vocabulary"));
        }
        let info = TokRxInfo::new(words.len() as u32, end_token);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(end_tokens);
        let environment: TokEnv = std::sync::Arc::new(Environment { trie });
        let capabilities = InferenceCapabilities::default();
        let mut factory = ParserFactory::new(&environment, capabilities, &SlicedBiasComputer::general_slices())
            .map_err(Failure::invalid)?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.max_lexer_states = LEXER_STATES_MAX;
        limits.verbose_errors = false;
        let vocabulary = Vocabulary { factory };
        // What the library makes once for the whole program is made here: a thread that stopped half-way through would
        // make all others wait for it.
        vocabulary.compile_here(Kind::Regex, "a").map_err(Failure::invalid)?;
        Ok(vocabulary)
    }

    pub fn compile(
        self: &std::sync::Arc<Self>,
        kind: Kind,
        text: &str,
        limits: GrammarLimits,
    ) -> Result<Grammar, Failure> {
        if text.len() > SOURCE_BYTES_MAX {
            return Err(Failure::invalid(format!("it has {} bytes, more than {SOURCE_BYTES_MAX}", text.len())));
        }
        let (this, text) = (std::sync::Arc::clone(self), text.to_string());
        let work = move || {
            bounded_thread::allow_memory(limits.memory_bytes_max);
            this.compile_here(kind, &text).map_err(|error| Failure::invalid(plain_message(&error)))
        };
        let parser = bounded_thread::run(Duration::from_millis(limits.compile_ms_max.into()), work, |_, _| ())?;
        Ok(Grammar { parser })
    }

    fn compile_here(&self, kind: Kind, text: &str) -> anyhow::Result<TokenParser> {
        let grammar = match kind {
            Kind::JsonSchema => TopLevelGrammar::from_json_schema(serde_json::from_str(text)?),
            Kind::Regex => TopLevelGrammar::from_regex(text),
            Kind::Lark => TopLevelGrammar::from_lark(text.to_string()),
        };
        self.factory.create_parser(grammar)
    }
}

/// The library's messages, without the dumps of its state that it may append.
fn plain_message(error: &impl ToString) -> String {
    let text = error.to_string();
    let end = ["\n<state>", "\n<non-verbose/>", "\n<backtrace>"].iter().filter_map(|mark| text.find(mark)).min();
    text[..end.unwrap_or(text.len())].trim().to_string()
}

/// Immutable but for what its lexer remembers, which answers share under a lock.
pub struct Grammar {
    parser: TokenParser,
}

impl Grammar {
    pub fn begin(&self) -> GrammarState {
        GrammarState { matcher: Matcher::new(Ok(self.parser.clone())) }
    }
}

/// Where one answer stands.
pub struct GrammarState {
    matcher: Matcher,
}

impl GrammarState {
    /// Writes the bits of the tokens that may come next: token i is bit i % 32 of words[i / 32].
    pub fn mask(&mut self, words: &mut [u32]) -> Result<(), Failure> {
        let mask = self.matcher.compute_mask_or_eos().map_err(|error| Failure::exhausted(plain_message(&error)))?;
        let bits = mask.as_slice();
        if bits.len() < words.len() {
            return Err(Failure::invalid("the mask is longer than the vocabulary"));
        }
        words.copy_from_slice(&bits[..words.len()]);
        Ok(())
    }

    /// True: nothing may follow.
    pub fn consume(&mut self, token: TokenId) -> Result<bool, Failure> {
        self.matcher.consume_token(token).map_err(|error| Failure::exhausted(plain_message(&error)))?;
        Ok(self.matcher.is_stopped())
    }
}
