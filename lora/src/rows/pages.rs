//! Memory for keys and values, in pages that sequences share.

use super::SpanError;
use crate::config::ModelConfig;
use crate::model::Model;
use crate::ops::{AttentionShape, PAGE, PagedLayer};

/// Keys and values of all layers, in pages of [`PagePool::POSITIONS`] positions each.
///
/// A page belongs to whoever holds a reference to it. One that several hold is read only; it is free again when the last
/// reference is given back.
///
/// # Invariants
/// A page is free if and only if nobody refers to it. A position is read only after it was written: [`Model::next_logits`]
/// checks both.
#[derive(Debug)]
pub struct PagePool {
    layers: Vec<PagedLayer>,
    shapes: Vec<AttentionShape>,
    /// By page.
    states: Vec<PageState>,
    /// Pages that nobody refers to; the next one to hand out is the last.
    free: Vec<PageId>,
}

/// The number of a page in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(u32);

#[derive(Clone, Copy, Debug, Default)]
struct PageState {
    references: u32,
    /// Positions that were written, from the first on.
    filled: u8,
}

impl PagePool {
    /// Positions of a page.
    pub const POSITIONS: usize = PAGE;

    /// A pool of `pages` for sequences of `model`.
    ///
    /// Errors: a model that does not compute in f32 on the processor.
    pub fn new(model: &Model, pages: usize) -> Result<Self, SpanError> {
        if !model.placement().is_native() {
            return Err(SpanError::Placed { placement: model.placement() });
        }
        let shapes = model.attention_shapes();
        Ok(Self {
            layers: shapes.iter().map(|shape| PagedLayer::new(shape, pages)).collect(),
            shapes,
            states: vec![PageState::default(); pages],
            free: (0..pages).rev().map(|page| PageId(page as u32)).collect(),
        })
    }

    /// Bytes of a page of a model with this configuration.
    pub fn page_bytes(config: &ModelConfig) -> usize {
        4 * PAGE * config.layers * config.kv_heads * (config.head_dim + config.value_dim())
    }

    /// Pages that so many positions take.
    pub fn pages_for(positions: usize) -> usize {
        positions.div_ceil(PAGE)
    }

    /// All pages, free or not.
    pub fn pages(&self) -> usize {
        self.states.len()
    }

    /// Pages that nobody refers to.
    pub fn free_pages(&self) -> usize {
        self.free.len()
    }

    /// A free page with one reference to it; `None` if there is none.
    pub fn allocate(&mut self) -> Option<PageId> {
        let page = self.free.pop()?;
        self.states[page.0 as usize] = PageState { references: 1, filled: 0 };
        Some(page)
    }

    /// References to a page.
    pub fn references(&self, page: PageId) -> u32 {
        self.states[page.0 as usize].references
    }

    /// Adds a reference. Panics if the page is free.
    pub fn share(&mut self, page: PageId) {
        let state = &mut self.states[page.0 as usize];
        assert!(state.references > 0, "a free page cannot be shared");
        state.references += 1;
    }

    /// Gives a reference back. Panics if the page is free already.
    pub fn release(&mut self, page: PageId) {
        let state = &mut self.states[page.0 as usize];
        assert!(state.references > 0, "a reference was given back twice");
        state.references -= 1;
        if state.references == 0 {
            self.free.push(page);
        }
    }

    /// A page of one's own with what `page` holds; `None` if no page is free.
    pub fn copy(&mut self, page: PageId) -> Option<PageId> {
        let copy = self.allocate()?;
        for (layer, shape) in self.layers.iter_mut().zip(&self.shapes) {
            layer.copy(page.0 as usize, copy.0 as usize, shape);
        }
        self.states[copy.0 as usize].filled = self.states[page.0 as usize].filled;
        Some(copy)
    }

    /// Layers that the pool has keys and values of.
    pub(super) fn fits(&self, model: &Model) -> bool {
        model.attention_shapes() == self.shapes
    }

    pub(super) fn layer(&mut self, layer: usize) -> &mut PagedLayer {
        &mut self.layers[layer]
    }

    /// Whether `count` positions from `first` on may be written to these pages, which hold all positions before.
    pub(super) fn check(&self, pages: &[PageId], first: usize, count: usize) -> Result<(), SpanError> {
        let needed = Self::pages_for(first + count);
        if pages.len() < needed {
            return Err(SpanError::Pages { needed, found: pages.len() });
        }
        for (index, page) in pages[..needed].iter().enumerate() {
            let begins = index * PAGE;
            let state = self.states.get(page.0 as usize).copied().unwrap_or_default();
            if state.references == 0 {
                return Err(SpanError::FreePage { page: page.0 });
            }
            if usize::from(state.filled) < (first.saturating_sub(begins)).min(PAGE) {
                return Err(SpanError::Gap { position: begins + usize::from(state.filled), first });
            }
            if begins + PAGE > first && state.references > 1 {
                return Err(SpanError::SharedPage { page: page.0, references: state.references });
            }
        }
        Ok(())
    }

    /// Takes down that positions were written.
    pub(super) fn wrote(&mut self, pages: &[PageId], first: usize, count: usize) {
        for (index, page) in pages.iter().enumerate().take(Self::pages_for(first + count)).skip(first / PAGE) {
            let filled = (first + count - index * PAGE).min(PAGE);
            self.states[page.0 as usize].filled = filled as u8;
        }
    }
}

impl PageId {
    /// The page's number, below [`PagePool::pages`].
    pub(super) fn number(self) -> u32 {
        self.0
    }
}
