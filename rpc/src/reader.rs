//! Reads at a block: which block, which page, and what is wrong with either.

use crate::{error::Error, views::Page};
use sc_rpc::SubscriptionTaskExecutor;
use sp_blockchain::HeaderBackend;
use sp_runtime::traits::Block as BlockT;
use std::{marker::PhantomData, sync::Arc};
use tributary_runtime_api::PAGE_MAX;

/// Answers the methods of [`crate::api`] from a client's runtime APIs.
pub struct Reader<C, B> {
    pub(crate) client: Arc<C>,
    pub(crate) executor: SubscriptionTaskExecutor,
    block: PhantomData<fn() -> B>,
}

impl<C, B> Clone for Reader<C, B> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), executor: self.executor.clone(), block: PhantomData }
    }
}

impl<C, B> Reader<C, B> {
    /// Reads from `client`; subscriptions run on `executor`.
    pub fn new(client: Arc<C>, executor: SubscriptionTaskExecutor) -> Self {
        Self { client, executor, block: PhantomData }
    }
}

impl<C: HeaderBackend<B>, B: BlockT> Reader<C, B> {
    /// The block to read at: `at` if the node has it, else the last finalised one.
    pub(crate) fn at(&self, at: Option<B::Hash>) -> Result<B::Hash, Error> {
        let Some(hash) = at else {
            return Ok(self.client.info().finalized_hash);
        };
        match self.client.number(hash) {
            Ok(Some(_)) => Ok(hash),
            Ok(None) | Err(_) => Err(Error::UnknownBlock { block: format!("{hash:?}") }),
        }
    }
}

/// How many entries a page has.
pub(crate) fn page_size(limit: Option<u32>) -> Result<u32, Error> {
    match limit {
        None => Ok(PAGE_MAX),
        Some(0) => Err(Error::BadParameter { name: "limit", fault: "a page has at least one entry".into() }),
        Some(asked) if asked > PAGE_MAX => Err(Error::PageTooLarge { asked }),
        Some(limit) => Ok(limit),
    }
}

/// What was found, or [`Error::NotFound`].
pub(crate) fn found<T>(thing: Option<T>, kind: &'static str, id: impl ToString) -> Result<T, Error> {
    thing.ok_or_else(|| Error::NotFound { kind, id: id.to_string() })
}

/// A page of things that carry their number. A full page's successor begins after its last number.
pub(crate) fn page_by_id<I, T, V>(
    found: Vec<(I, T)>,
    limit: u32,
    number: impl Fn(&I) -> u64,
    view: impl Fn(I, T) -> V,
) -> Page<V> {
    let next = found.last().filter(|_| is_full(found.len(), limit)).and_then(|(id, _)| number(id).checked_add(1));
    Page { items: found.into_iter().map(|(id, thing)| view(id, thing)).collect(), next }
}

/// A page of things counted from 0 in the order in which they came. A full page's successor begins `limit` later.
pub(crate) fn page_by_place<T, V>(found: Vec<T>, from: u32, limit: u32, view: impl Fn(T) -> V) -> Page<V> {
    let next = is_full(found.len(), limit).then(|| u64::from(from) + u64::from(limit));
    Page { items: found.into_iter().map(view).collect(), next }
}

fn is_full(found: usize, limit: u32) -> bool {
    u32::try_from(found).is_ok_and(|found| found >= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_one_to_a_hundred_entries() {
        assert_eq!(page_size(None).unwrap(), PAGE_MAX);
        assert_eq!(page_size(Some(1)).unwrap(), 1);
        assert_eq!(page_size(Some(PAGE_MAX)).unwrap(), PAGE_MAX);
        assert!(matches!(page_size(Some(0)), Err(Error::BadParameter { name: "limit", .. })));
        assert!(matches!(page_size(Some(PAGE_MAX + 1)), Err(Error::PageTooLarge { asked: 101 })));
    }

    #[test]
    fn a_full_page_names_its_successor_and_a_short_one_none() {
        let found = vec![(4u64, 'a'), (9, 'b')];
        let page = page_by_id(found.clone(), 2, |id| *id, |_, letter| letter);
        assert_eq!((page.items, page.next), (vec!['a', 'b'], Some(10)));
        assert_eq!(page_by_id(found, 3, |id| *id, |_, letter| letter).next, None);
        assert_eq!(page_by_id(vec![(u64::MAX, 'a')], 1, |id| *id, |_, letter| letter).next, None);

        assert_eq!(page_by_place(vec!['a', 'b'], 7, 2, |letter| letter).next, Some(9));
        assert_eq!(page_by_place(vec!['a', 'b'], 7, 3, |letter| letter).next, None);
        assert_eq!(page_by_place(Vec::<char>::new(), 0, 1, |letter| letter).next, None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = found(None::<()>, "job", 7).unwrap_err();
        assert_eq!(error.code(), 8001);
        assert_eq!(error.to_string(), "job 7 does not exist at this block");
    }
}
