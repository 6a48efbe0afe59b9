//! A sale as it lies on the disk until it has its receipt.

use crate::door::{Served, Sold};
use crate::operator::receipts::Sale;
use codec::{Decode, Encode};
use std::sync::Arc;
use tributary_protocol::{Amount, ContentHash, ModelId, recipe::Template};

/// A [`Sale`], in SCALE.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SaleRow {
    /// The operator's number for it.
    pub number: u64,
    id: String,
    model: ModelId,
    adapter: ContentHash,
    template: Template,
    created_s: u64,
    owner: String,
    request: ContentHash,
    prompt_tokens: u32,
    answer_tokens: u32,
    prompt: Vec<u32>,
    answers: Vec<Vec<u32>>,
    answer: ContentHash,
    price: Amount,
}

impl From<&Sale> for SaleRow {
    fn from(sale: &Sale) -> Self {
        let Served { id, template, created_s, owner, .. } = sale.served.as_ref();
        let Sold { prompt_tokens, answer_tokens, prompt, answers, answer } = &sale.sold;
        Self {
            number: sale.number,
            id: id.clone(),
            model: sale.model,
            adapter: sale.adapter,
            template: *template,
            created_s: *created_s,
            owner: owner.clone(),
            request: sale.request,
            prompt_tokens: *prompt_tokens,
            answer_tokens: *answer_tokens,
            prompt: prompt.clone(),
            answers: answers.clone(),
            answer: *answer,
            price: sale.price,
        }
    }
}

impl From<SaleRow> for Sale {
    fn from(row: SaleRow) -> Self {
        let SaleRow { number, id, model, adapter, template, created_s, owner, request, price, .. } = row;
        let SaleRow { prompt_tokens, answer_tokens, prompt, answers, answer, .. } = row;
        let served = Served { id, model: Some(model), adapter: Some(adapter), template, created_s, owner };
        let sold = Sold { prompt_tokens, answer_tokens, prompt, answers, answer };
        Self { number, served: Arc::new(served), model, adapter, request, sold, price }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_comes_back_as_it_was() {
        let served = Served {
            id: "harbour".into(),
            model: Some(ModelId(3)),
            adapter: Some(ContentHash([1; 32])),
            template: Template::Chat,
            created_s: 5,
            owner: "me".into(),
        };
        let sold = Sold {
            prompt_tokens: 2,
            answer_tokens: 3,
            prompt: vec![1, 2],
            answers: vec![vec![3], vec![4, 5]],
            answer: ContentHash([2; 32]),
        };
        let sale = Sale {
            number: 7,
            served: Arc::new(served),
            model: ModelId(3),
            adapter: ContentHash([1; 32]),
            request: ContentHash([3; 32]),
            sold,
            price: 1 << 70,
        };
        let bytes = SaleRow::from(&sale).encode();
        let row = SaleRow::decode(&mut bytes.as_slice()).unwrap();
        assert_eq!(Sale::from(row), sale);
    }
}
