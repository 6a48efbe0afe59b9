//! What one channel has bought of one model, and what is promised of it.

use codec::{Decode, Encode};
use serde_json::{Value, json};
use tributary_protocol::{
    Amount,
    channel::Paid,
    model::Prices,
    voucher::{SignedVoucher, Voucher},
};

/// Tokens, and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Usage {
    /// Tokens of requests.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// What they cost, in 10^-12 TRIB.
    pub amount: Amount,
}

impl Usage {
    /// So many tokens at these prices; `None` if that is too large a number.
    pub fn priced(prices: &Prices, input_tokens: u64, output_tokens: u64) -> Option<Self> {
        Some(Self { input_tokens, output_tokens, amount: prices.of(input_tokens, output_tokens)? })
    }

    /// Both together; `None` if that is too large a number.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        Some(Self {
            input_tokens: self.input_tokens.checked_add(other.input_tokens)?,
            output_tokens: self.output_tokens.checked_add(other.output_tokens)?,
            amount: self.amount.checked_add(other.amount)?,
        })
    }

    /// What is left without `other`; `None` if a part of that is larger.
    pub fn minus(&self, other: &Self) -> Option<Self> {
        Some(Self {
            input_tokens: self.input_tokens.checked_sub(other.input_tokens)?,
            output_tokens: self.output_tokens.checked_sub(other.output_tokens)?,
            amount: self.amount.checked_sub(other.amount)?,
        })
    }

    /// Whether no part of it is larger than that of `limit`.
    pub fn fits(&self, limit: &Self) -> bool {
        limit.minus(self).is_some()
    }

    /// Each part the larger one.
    pub fn or_more(&self, other: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            amount: self.amount.max(other.amount),
        }
    }

    /// For clients. The amount is a string, because JSON's numbers end at 2^53 for many of them.
    pub fn json(&self) -> Value {
        let Self { input_tokens, output_tokens, amount } = self;
        json!({ "input_tokens": input_tokens, "output_tokens": output_tokens, "amount": amount.to_string() })
    }
}

impl From<&Voucher> for Usage {
    fn from(voucher: &Voucher) -> Self {
        let Voucher { input_tokens, output_tokens, amount, .. } = *voucher;
        Self { input_tokens, output_tokens, amount }
    }
}

impl From<&Paid> for Usage {
    fn from(paid: &Paid) -> Self {
        let Paid { input_tokens, output_tokens, amount, .. } = *paid;
        Self { input_tokens, output_tokens, amount }
    }
}

/// What of an account survives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Kept {
    /// The voucher that promises most: all that may be sold.
    pub newest: SignedVoucher,
    /// Of the vouchers that pay for all that was sold, the one that promises least: what is redeemed.
    pub least: SignedVoucher,
    /// What was sold.
    pub used: Usage,
}

impl Kept {
    /// What the newest voucher pays for.
    pub fn promised(&self) -> Usage {
        Usage::from(&self.newest.voucher)
    }
}

/// What one channel has bought of one model.
///
/// # Invariant
/// What was sold and what is set aside are together never more than the newest voucher says, in no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    kept: Kept,
    reserved: Usage,
}

impl Account {
    /// An account as it lay on the disk: nothing is set aside.
    pub fn new(kept: Kept) -> Self {
        Self { kept, reserved: Usage::default() }
    }

    /// What survives the process.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// What was sold, and what is set aside for answers that are being given.
    pub fn bound(&self) -> Usage {
        self.kept.used.plus(&self.reserved).expect("both are parts of the newest voucher")
    }

    /// What may still be sold.
    pub fn cover(&self) -> Usage {
        self.kept.promised().minus(&self.bound()).expect("the newest voucher says at least what is bound")
    }

    /// Puts a voucher in the place of the newest. It must say no less in any part.
    pub fn renew(&mut self, newest: SignedVoucher) {
        debug_assert!(self.kept.promised().fits(&Usage::from(&newest.voucher)));
        self.kept.newest = newest;
    }

    /// Remembers a voucher that pays for all that was sold and promises less than the others. Whether it is one.
    pub fn lower(&mut self, voucher: SignedVoucher) -> bool {
        let says = Usage::from(&voucher.voucher);
        let is_lower = self.kept.used.fits(&says) && says.fits(&Usage::from(&self.kept.least.voucher));
        if is_lower {
            self.kept.least = voucher;
        }
        is_lower
    }

    /// Sets something aside; `false` if the newest voucher does not pay for it.
    #[must_use]
    pub fn reserve(&mut self, wanted: &Usage) -> bool {
        let fits = wanted.fits(&self.cover());
        if fits {
            self.reserved = self.reserved.plus(wanted).expect("it fits what is left");
        }
        fits
    }

    /// Gives back what was set aside.
    pub fn release(&mut self, reserved: &Usage) {
        self.reserved = self.reserved.minus(reserved).expect("what was set aside is given back once");
    }

    /// Gives back what was set aside, and sells `sold` of it.
    pub fn settle(&mut self, reserved: &Usage, sold: &Usage) {
        debug_assert!(sold.fits(reserved));
        self.release(reserved);
        self.kept.used = self.kept.used.plus(sold).expect("it was set aside");
        if !self.kept.used.fits(&Usage::from(&self.kept.least.voucher)) {
            self.kept.least = self.kept.newest;
        }
    }
}

/// The most tokens, at most `wanted`, that answers to a prompt may have for what is left.
pub fn affordable(left: &Usage, prices: &Prices, prompt_tokens: u32, wanted: u32) -> Option<u32> {
    let fits =
        |answer: u32| Usage::priced(prices, prompt_tokens.into(), answer.into()).is_some_and(|usage| usage.fits(left));
    if !fits(0) {
        return None;
    }
    if fits(wanted) {
        return Some(wanted);
    }
    // More tokens never cost less, so the most is found by halving.
    let (mut fitting, mut beyond) = (0, wanted);
    while beyond - fitting > 1 {
        let middle = fitting.midpoint(beyond);
        if fits(middle) { fitting = middle } else { beyond = middle }
    }
    Some(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::{ChannelId, ModelId};

    fn voucher(input_tokens: u64, output_tokens: u64, amount: Amount) -> SignedVoucher {
        let voucher = Voucher { channel: ChannelId(0), model: ModelId(0), input_tokens, output_tokens, amount };
        SignedVoucher { voucher, signature: [0; 64] }
    }

    fn usage(input_tokens: u64, output_tokens: u64, amount: Amount) -> Usage {
        Usage { input_tokens, output_tokens, amount }
    }

    fn account(newest: SignedVoucher) -> Account {
        Account::new(Kept { newest, least: newest, used: Usage::default() })
    }

    #[test]
    fn what_is_set_aside_is_promised_to_nobody_else() {
        let mut account = account(voucher(10, 10, 100));
        assert!(account.reserve(&usage(6, 4, 60)));
        assert!(!account.reserve(&usage(1, 1, 41)), "the money is short");
        assert!(!account.reserve(&usage(5, 1, 1)), "the tokens of requests are short");
        assert!(account.reserve(&usage(4, 6, 40)));
        assert_eq!(account.cover(), Usage::default());
        account.release(&usage(4, 6, 40));
        account.settle(&usage(6, 4, 60), &usage(6, 2, 50));
        assert_eq!((account.kept().used, account.cover()), (usage(6, 2, 50), usage(4, 8, 50)));
    }

    #[test]
    fn the_least_voucher_that_pays_for_all_is_kept_beside_the_newest() {
        let mut account = account(voucher(10, 10, 100));
        assert!(account.reserve(&usage(5, 5, 50)));
        account.settle(&usage(5, 5, 50), &usage(5, 3, 40));
        assert!(!account.lower(voucher(5, 2, 40)), "it does not count what was sold");
        assert!(account.lower(voucher(5, 3, 40)));
        assert!(!account.lower(voucher(6, 3, 41)), "it is more than the least");
        assert_eq!(account.kept().least.voucher.amount, 40);
        // The next answer is paid by the newest again.
        assert!(account.reserve(&usage(1, 1, 10)));
        account.settle(&usage(1, 1, 10), &usage(1, 1, 10));
        assert_eq!(account.kept().least.voucher.amount, 100);
    }

    #[test]
    fn as_many_tokens_are_answered_as_are_paid_for_and_no_more() {
        let prices = Prices { input_per_1000: 1_000, output_per_1000: 2_000 };
        assert_eq!(affordable(&usage(9, 99, 10), &prices, 3, 50), Some(3));
        assert_eq!(affordable(&usage(9, 2, 10), &prices, 3, 50), Some(2));
        assert_eq!(affordable(&usage(9, 99, 1_000), &prices, 3, 50), Some(50));
        assert_eq!(affordable(&usage(9, 99, 3), &prices, 3, 50), Some(0));
        assert_eq!(affordable(&usage(9, 99, 2), &prices, 3, 50), None);
        assert_eq!(affordable(&usage(2, 99, 1_000), &prices, 3, 50), None);
        for left in 0..40 {
            let most = affordable(&usage(9, 99, left), &prices, 3, 12);
            let slow = (0..=12).rev().find(|n| prices.of(3, *n).unwrap() <= left).map(|n| n as u32);
            assert_eq!(most, slow, "{left}");
        }
    }
}
