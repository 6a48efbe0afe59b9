//! An operator on the chain: which models it serves, who pays for answers, and how it gets the money.

mod receipts;

pub use receipts::{Issued, ReceiptError, Receipts, Sale};
