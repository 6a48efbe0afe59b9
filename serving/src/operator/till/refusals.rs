//! What is said to who is not answered. Each fact has a code of its own; the texts say what would be accepted.

use super::book::{Fault, Key, Quote};
use crate::door::Refusal;
use crate::operator::keys::KeyRecord;
use serde_json::Value;
use std::fmt::Display;
use std::time::Duration;
use tributary_client::{Account, Channel};
use tributary_protocol::{
    ChannelId, ModelId,
    voucher::{VOUCHER_HEADER, VoucherRefusal, VoucherUnreadable},
};

fn unauthenticated(code: &'static str, reason: String) -> Refusal {
    Refusal::Unauthenticated { reason, code }
}

fn unpaid(code: &'static str, reason: String, quote: Option<Value>) -> Refusal {
    Refusal::Unpaid { reason, code, quote }
}

/// Neither key nor voucher.
pub fn missing() -> Refusal {
    let reason = format!(
        "nothing says who pays; send a voucher of a channel to this operator in the header {VOUCHER_HEADER}, or a key of this \
         operator's as Authorization: Bearer"
    );
    unauthenticated("missing_credentials", reason)
}

/// No key, where a voucher does not do.
pub fn key_missing() -> Refusal {
    let reason = "files and jobs are for holders of a key of this operator's, sent as Authorization: Bearer; hint: with an \
                  account of your own, tributary job post";
    unauthenticated("missing_credentials", reason.into())
}

/// No key, where the base itself is asked.
pub fn base_without_key() -> Refusal {
    let reason = "the base itself answers holders of a key of this operator's, sent as Authorization: Bearer; a voucher pays for \
                  a model of the chain";
    unauthenticated("key_required", reason.into())
}

/// A key that is none, or was revoked.
pub fn unknown_key() -> Refusal {
    unauthenticated("invalid_api_key", "the key is not one of this operator's, or was revoked".into())
}

/// A text that is no voucher.
pub fn unreadable(error: VoucherUnreadable) -> Refusal {
    unauthenticated("malformed_voucher", error.to_string())
}

/// A channel that never was, or has ended.
pub fn unknown_channel(channel: ChannelId) -> Refusal {
    let reason = format!(
        "there is no channel {channel} in the last finalised block: it has ended, never was, or was opened a moment ago"
    );
    unauthenticated("unknown_channel", reason)
}

/// A channel to somebody else.
pub fn other_operator(channel: ChannelId, operator: Account) -> Refusal {
    unauthenticated("not_operator", format!("channel {channel} pays {operator}, which is not this operator"))
}

/// A signature that does not hold.
pub fn bad_signature(channel: &Channel) -> Refusal {
    let reason =
        format!("the channel's key {} did not sign this voucher for this chain and operator", Account(channel.key));
    unauthenticated("bad_signature", reason)
}

/// A voucher for another model.
pub fn other_model(voucher: ModelId, asked: ModelId) -> Refusal {
    let reason =
        format!("the voucher pays for model {voucher}, and model {asked} is asked; each model has its own vouchers");
    unpaid("other_model", reason, None)
}

/// A voucher that is not taken.
pub fn fault(fault: Fault, quote: Option<Value>) -> Refusal {
    let refusal = match fault {
        Fault::Closing => {
            let reason =
                "the channel is closing: what was answered is paid, and nothing more is answered; open another one";
            return unpaid("channel_closing", reason.into(), None);
        }
        Fault::Refused(refusal) => refusal,
    };
    let code = match refusal {
        VoucherRefusal::WindowOver => "window_over",
        VoucherRefusal::Stale => "stale_voucher",
        VoucherRefusal::TokensTakenBack => "tokens_taken_back",
        VoucherRefusal::Overdrawn => "overdrawn",
        VoucherRefusal::TooManyModels => "too_many_models",
    };
    let reason = match refusal {
        VoucherRefusal::Stale => "a newer voucher of this channel and model is known, or as much was redeemed".into(),
        VoucherRefusal::TokensTakenBack => "the voucher counts fewer tokens than a voucher before it".into(),
        VoucherRefusal::Overdrawn => {
            "the channel does not hold what the vouchers of all its models say together; top it up".into()
        }
        VoucherRefusal::WindowOver | VoucherRefusal::TooManyModels => refusal.to_string().replace("\nhint:", ";"),
    };
    unpaid(code, reason, quote)
}

/// A voucher that does not pay for the request.
pub fn too_small(quote: &Quote, key: Key) -> Refusal {
    let whole = match quote.whole {
        Some(usage) => format!(
            "the whole request takes a voucher over {} tokens of requests, {} tokens of answers and {} of 10^-12 TRIB",
            usage.input_tokens, usage.output_tokens, usage.amount
        ),
        None => "no voucher pays for the whole request".to_owned(),
    };
    let (code, reason) = if quote.promised == quote.bound {
        ("voucher_used_up", format!("all that the voucher pays for is used; {whole}"))
    } else {
        ("voucher_too_small", format!("what is left of the voucher does not pay for the request; {whole}"))
    };
    unpaid(code, reason, Some(quote.json(key)))
}

/// The key's tokens of today are used.
pub fn day_is_over(max: u64, left: u64, retry_after_s: u64) -> Refusal {
    let reason =
        format!("the key has {left} of {max} tokens left today, too few for the request; days end at 00:00 UTC");
    Refusal::Limited { reason, retry_after_s }
}

/// Too many requests within a minute.
pub fn too_often(key: &KeyRecord, pause: Duration) -> Refusal {
    let max = key.requests_per_minute.unwrap_or_default();
    let reason = format!("the key allows {max} requests within a minute");
    Refusal::Limited { reason, retry_after_s: pause.as_secs().max(1) }
}

/// The operator cannot sell now.
pub fn refused(error: impl Display) -> Refusal {
    // Hints in errors are the operator's, not the client's.
    let text = error.to_string();
    let reason = text.split("\nhint:").next().unwrap_or_default().to_owned();
    Refusal::Unavailable { reason }
}
