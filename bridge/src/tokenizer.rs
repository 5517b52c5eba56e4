//! Hugging Face tokenizers: text to ids. What ids mean and how they become text again is C++'s business.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use tokenizers::normalizers::NFC;
use tokenizers::{
    AddedToken, DecoderWrapper, Model, ModelWrapper, NormalizedString, Normalizer, NormalizerWrapper,
    PostProcessorWrapper, PreTokenizerWrapper, Token, TokenizerImpl,
};

use crate::Failure;

type Inner = TokenizerImpl<SharedModel, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

pub struct Tokenizer {
    inner: Inner,
}

impl Tokenizer {
    pub fn load(tokenizer_json: &str) -> Result<Self, Failure> {
        let mut inner: Inner = serde_json::from_str(tokenizer_json).map_err(Failure::invalid)?;
        inner.with_truncation(None).map_err(Failure::invalid)?;
        inner.with_padding(None);
        Ok(Tokenizer { inner })
    }

    pub fn share(&self, added_tokens_json: &str, first_id: u32) -> Result<Self, Failure> {
        let added: Vec<AddedToken> = serde_json::from_str(added_tokens_json).map_err(Failure::invalid)?;
        let model = SharedModel { first_free_id: first_id, ..self.inner.get_model().clone() };
        let mut inner = Inner::new(model);
        inner.with_normalizer(self.inner.get_normalizer().cloned());
        inner.with_pre_tokenizer(self.inner.get_pre_tokenizer().cloned());
        inner.with_post_processor(self.inner.get_post_processor().cloned());
        inner.add_tokens(&added);
        Ok(Tokenizer { inner })
    }

    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, Failure> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(Failure::invalid)?;
        Ok(encoding.get_ids().to_vec())
    }

    pub fn find(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }
}

pub fn compose(text: &str) -> Result<String, Failure> {
    let mut normalized = NormalizedString::from(text);
    NFC.normalize(&mut normalized).map_err(Failure::invalid)?;
    Ok(normalized.get().to_string())
}

/// A model that several tokenizers hold: a vocabulary and its merges are tens of megabytes.
#[derive(Clone)]
struct SharedModel {
    model: Arc<ModelWrapper>,
    /// Where tokens that the model does not know are numbered from (the library asks `get_vocab_size`), if that
    /// is more than the number of its tokens.
    first_free_id: u32,
}

impl<'de> Deserialize<'de> for SharedModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(SharedModel { model: Arc::new(ModelWrapper::deserialize(deserializer)?), first_free_id: 0 })
    }
}

impl Model for SharedModel {
    type Trainer = <ModelWrapper as Model>::Trainer;

    fn tokenize(&self, sequence: &str) -> tokenizers::Result<Vec<Token>> {
        self.model.tokenize(sequence)
    }
    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.model.token_to_id(token)
    }
    fn id_to_token(&self, id: u32) -> Option<String> {
        self.model.id_to_token(id)
    }
    fn get_vocab(&self) -> HashMap<String, u32> {
        self.model.get_vocab()
    }
    fn get_vocab_size(&self) -> usize {
        self.model.get_vocab_size().max(self.first_free_id as usize)
    }
    fn save(&self, folder: &Path, prefix: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        self.model.save(folder, prefix)
    }
    fn get_trainer(&self) -> Self::Trainer {
        self.model.get_trainer()
    }
}
