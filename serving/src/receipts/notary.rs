//! Where a sale becomes a receipt.

use super::{
    shares::{Explainer, Said, Shared},
    store::{Draft, Owner, ReceiptStore, StoreError},
    view::{ReceiptView, SHARES_INLINE_MAX, header},
};
use crate::operator::{Issued, ReceiptError, Receipts, Sale};
use async_trait::async_trait;
use codec::Encode;
use std::sync::Arc;
use tributary_client::Keypair;
use tributary_protocol::receipt::{Receipt, SignedReceipt};

/// Signs and keeps an operator's receipts.
#[derive(Clone)]
pub struct Notary {
    store: Arc<ReceiptStore>,
    key: Arc<Keypair>,
    explainer: Explainer,
    keeps_evidence: bool,
}

/// The key that signs is not the one whose receipts the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the receipts are those of {}, and the key is another's", owner.operator)]
pub struct OtherKey {
    /// Whose receipts they are.
    pub owner: Owner,
}

impl Notary {
    /// A notary that signs with `key`. `keeps_evidence`: whether the tokens of request and answers, and what follows from
    /// them, are kept beside the receipt, for disputes over its shares.
    pub fn new(
        store: Arc<ReceiptStore>,
        key: Keypair,
        explainer: Explainer,
        keeps_evidence: bool,
    ) -> Result<Self, OtherKey> {
        let owner = store.owner();
        if key.account() != owner.operator {
            return Err(OtherKey { owner });
        }
        Ok(Self { store, key: Arc::new(key), explainer, keeps_evidence })
    }

    /// The receipts.
    pub fn store(&self) -> &Arc<ReceiptStore> {
        &self.store
    }

    /// What explains the answers.
    pub fn explainer(&self) -> &Explainer {
        &self.explainer
    }

    /// Runs work on the store beside the async tasks: it waits for the disk.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReceiptStore, &Keypair) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReceiptError> {
        let (store, key) = (Arc::clone(&self.store), Arc::clone(&self.key));
        let failed = |reason: String| ReceiptError::Store { reason };
        let done = tokio::task::spawn_blocking(move || work(&store, &key)).await;
        done.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }

    fn issued(&self, signed: &SignedReceipt) -> Result<Issued, ReceiptError> {
        let genesis = self.store.owner().genesis;
        let view = ReceiptView::new(signed, genesis, SHARES_INLINE_MAX);
        let json =
            serde_json::to_value(view).map_err(|error| ReceiptError::Impossible { reason: error.to_string() })?;
        let header = header(signed, genesis);
        Ok(Issued { receipt: signed.receipt.encode(), signature: signed.signature, json, header })
    }
}

#[async_trait]
impl Receipts for Notary {
    async fn issue(&self, sale: Sale) -> Result<Issued, ReceiptError> {
        let number = sale.number;
        if let Some(signed) = self.with_store(move |store, _| store.of_sale(number)).await? {
            return self.issued(&signed);
        }
        let Sale { model, adapter, request, sold, price, .. } = sale;
        let said = Said { adapter, prompt: sold.prompt, answers: sold.answers };
        let Shared { units, method, evidence } = self.explainer.shares(said).await;
        let impossible = |reason: String| ReceiptError::Impossible { reason };
        let shares = units.shares.try_into().map_err(|_| impossible("too many contributions have a share".into()))?;
        let document = method.document(adapter);
        let receipt = Receipt {
            operator: self.store.owner().operator.0,
            model,
            // The store gives it one.
            number: 0,
            adapter,
            request,
            response: sold.answer,
            input_tokens: sold.prompt_tokens,
            output_tokens: sold.answer_tokens,
            price,
            method: method.hash(adapter),
            base: units.base,
            shares,
        };
        receipt.check().map_err(|fault| impossible(fault.to_string()))?;
        let evidence = evidence.filter(|_| self.keeps_evidence);
        let draft = Draft { sale: number, receipt, method: document, evidence };
        let signed = self.with_store(move |store, key| store.issue(draft, |payload| key.sign(payload))).await?;
        self.issued(&signed)
    }
    async fn next_sale(&self) -> Result<u64, ReceiptError> {
        self.with_store(|store, _| store.next_sale()).await
    }
}
