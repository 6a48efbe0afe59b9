//! Pages of keys and values that later prompts begin with.
//!
//! A page is known by the adapter and all tokens up to its end, so what is found is what would be computed, bit for bit.
//!
//! # Invariants
//! - Only whole pages are kept, each with one reference of the cache's own. One that nobody else refers to can be given up.
//! - Whatever uses a page uses all pages before it, so that the least recently used one is never in the middle of a chain.

use std::collections::{BTreeMap, HashMap};
use tributary_lora::{PageId, PagePool};
use tributary_protocol::ContentHash;

/// What a page is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageKey([u8; 32]);

impl PageKey {
    /// What comes before the first page of sequences with this adapter.
    pub(crate) fn root(adapter: Option<&ContentHash>) -> Self {
        let mut key = blake3::Hasher::new_derive_key("tributary.network 2026-11 serving prefix root v1");
        key.update(&[u8::from(adapter.is_some())]);
        key.update(adapter.map_or(&[][..], |hash| &hash.0));
        Self(*key.finalize().as_bytes())
    }

    /// The page with these tokens after the page `self`.
    fn then(&self, tokens: &[u32]) -> Self {
        let mut key = blake3::Hasher::new_derive_key("tributary.network 2026-11 serving prefix page v1");
        key.update(&self.0);
        for token in tokens {
            key.update(&token.to_le_bytes());
        }
        Self(*key.finalize().as_bytes())
    }

    /// The whole pages of `tokens` after the page `self`.
    pub(crate) fn chain(self, tokens: &[u32]) -> Vec<Self> {
        let mut key = self;
        tokens
            .chunks_exact(PagePool::POSITIONS)
            .map(|tokens| {
                key = key.then(tokens);
                key
            })
            .collect()
    }
}

#[derive(Debug)]
struct Kept {
    page: PageId,
    /// When it was last used, and its place from the end of what was used then.
    order: (u64, usize),
}

/// Pages by what they hold.
#[derive(Debug, Default)]
pub(crate) struct PrefixCache {
    pages: HashMap<PageKey, Kept>,
    /// The same, the least recently used first; of those used together the last one first.
    order: BTreeMap<(u64, usize), PageKey>,
    clock: u64,
}

impl PrefixCache {
    /// The pages for the longest known beginning of the chain, each with a new reference.
    pub(crate) fn take(&mut self, chain: &[PageKey], pool: &mut PagePool) -> Vec<PageId> {
        let known = chain.iter().take_while(|key| self.pages.contains_key(*key)).count();
        self.touch(&chain[..known]);
        let pages: Vec<PageId> = chain[..known].iter().filter_map(|key| Some(self.pages.get(key)?.page)).collect();
        pages.iter().for_each(|page| pool.share(*page));
        pages
    }

    /// How many pages of the chain are known.
    pub(crate) fn known(&self, chain: &[PageKey]) -> usize {
        chain.iter().take_while(|key| self.pages.contains_key(*key)).count()
    }

    /// Keeps the pages of a chain that are not known yet.
    pub(crate) fn keep(&mut self, chain: &[PageKey], pages: &[PageId], pool: &mut PagePool) {
        for (key, page) in chain.iter().zip(pages) {
            self.pages.entry(*key).or_insert_with(|| {
                pool.share(*page);
                // After all others until it is touched below.
                Kept { page: *page, order: (u64::MAX, 0) }
            });
        }
        self.touch(&chain[..chain.len().min(pages.len())]);
    }

    /// Gives up the `count` least recently used pages that nobody else refers to, or as many as there are; returns how many.
    pub(crate) fn give_up(&mut self, count: usize, pool: &mut PagePool) -> usize {
        let idle = |key: &&PageKey| self.pages.get(*key).is_some_and(|kept| pool.references(kept.page) == 1);
        let keys: Vec<PageKey> = self.order.values().filter(idle).take(count).copied().collect();
        for key in &keys {
            if let Some(kept) = self.pages.remove(key) {
                self.order.remove(&kept.order);
                pool.release(kept.page);
            }
        }
        keys.len()
    }

    /// Pages that nobody else refers to.
    pub(crate) fn idle(&self, pool: &PagePool) -> usize {
        self.pages.values().filter(|kept| pool.references(kept.page) == 1).count()
    }

    fn touch(&mut self, chain: &[PageKey]) {
        self.clock += 1;
        for (index, key) in chain.iter().enumerate() {
            let order = (self.clock, chain.len() - index);
            if let Some(kept) = self.pages.get_mut(key) {
                self.order.remove(&kept.order);
                kept.order = order;
                self.order.insert(order, *key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_lora::{Model, ModelConfig};

    fn pool(pages: usize) -> PagePool {
        let text = r#"{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8, "hidden_size": 8,
            "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64,
            "rms_norm_eps": 1e-5 }"#;
        PagePool::new(&Model::random(ModelConfig::from_json(text).unwrap(), 1).unwrap(), pages).unwrap()
    }

    fn chain(adapter: Option<u8>, tokens: &[u32]) -> Vec<PageKey> {
        let adapter = adapter.map(|byte| ContentHash([byte; 32]));
        PageKey::root(adapter.as_ref()).chain(tokens)
    }

    #[test]
    fn pages_are_known_by_the_adapter_and_all_tokens_before() {
        let tokens: Vec<u32> = (0..40).collect();
        let keys = chain(None, &tokens);
        assert_eq!(keys.len(), 2);
        assert_eq!(keys, chain(None, &tokens[..33]));
        let mut other = tokens.clone();
        other[3] = 7;
        assert!(keys.iter().all(|key| !chain(None, &other).contains(key)));
        assert!(keys.iter().all(|key| !chain(Some(0), &tokens).contains(key)));
        assert_ne!(chain(Some(1), &tokens), chain(Some(0), &tokens));
    }

    #[test]
    fn the_longest_known_beginning_is_taken_and_the_oldest_end_given_up() {
        let mut pool = pool(4);
        let mut cache = PrefixCache::default();
        let tokens: Vec<u32> = (0..48).collect();
        let keys = chain(None, &tokens);
        let pages: Vec<PageId> = (0..3).map(|_| pool.allocate().unwrap()).collect();
        cache.keep(&keys, &pages, &mut pool);
        // Nothing is free while its sequence lives.
        assert_eq!((cache.idle(&pool), cache.give_up(3, &mut pool)), (0, 0));
        pages.iter().for_each(|page| pool.release(*page));
        assert_eq!((cache.idle(&pool), pool.free_pages()), (3, 1));
        let mut branch = tokens.clone();
        branch[20] = 99;
        let taken = cache.take(&chain(None, &branch), &mut pool);
        assert_eq!(taken, pages[..1]);
        // The page that is in use stays, of the others the last goes first.
        assert_eq!(cache.give_up(1, &mut pool), 1);
        assert_eq!(cache.known(&keys), 2);
        assert_eq!(cache.give_up(5, &mut pool), 1);
        assert_eq!((cache.known(&keys), pool.free_pages()), (1, 3));
        pool.release(taken[0]);
        assert_eq!((cache.give_up(5, &mut pool), pool.free_pages()), (1, 4));
    }
}
