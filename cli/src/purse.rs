//! What this account signed for and bought through its channels: kept beside the chain, because vouchers are.
//!
//! A file for each channel says for each model what the largest voucher that was signed says, and what the answers have cost
//! by our own count. It is on the disk before a voucher leaves this program.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};
use tributary_client::{Channel, Keypair};
use tributary_daemon::files::{read_if_there, write_atomically};
use tributary_protocol::{
    Amount, ChannelId, ModelId,
    channel::Paid,
    model::Prices,
    voucher::{SignedVoucher, Voucher},
};

/// Tokens, and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Tokens of requests.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// What they cost. As text: JSON's numbers end before amounts do.
    #[serde(with = "as_text")]
    pub amount: Amount,
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use tributary_protocol::Amount;

    pub fn serialize<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Count {
    /// So many tokens at these prices.
    pub fn priced(prices: &Prices, input_tokens: u64, output_tokens: u64) -> anyhow::Result<Self> {
        let amount = prices.of(input_tokens, output_tokens).context("that is more than any amount")?;
        Ok(Self { input_tokens, output_tokens, amount })
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> anyhow::Result<Self> {
        let sum = || {
            Some(Self {
                input_tokens: self.input_tokens.checked_add(other.input_tokens)?,
                output_tokens: self.output_tokens.checked_add(other.output_tokens)?,
                amount: self.amount.checked_add(other.amount)?,
            })
        };
        sum().context("that is more than any amount")
    }

    /// Each part the larger one.
    pub fn or_more(&self, other: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            amount: self.amount.max(other.amount),
        }
    }

    /// Whether no part is larger than the other's.
    pub fn fits(&self, other: &Self) -> bool {
        self.or_more(other) == *other
    }
}

impl From<&Paid> for Count {
    fn from(paid: &Paid) -> Self {
        Self { input_tokens: paid.input_tokens, output_tokens: paid.output_tokens, amount: paid.amount }
    }
}

/// A model's line in a channel's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The largest voucher that was signed.
    pub signed: Count,
    /// What the answers cost.
    pub used: Count,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    models: BTreeMap<u64, Line>,
}

/// A channel's file. One program at a time: the file beside it is locked.
pub struct Purse {
    path: PathBuf,
    contents: Contents,
    _lock: File,
}

impl Purse {
    /// The file of a channel on the chain with this genesis, below `folder` or in its usual place.
    pub fn open(folder: Option<&Path>, genesis: [u8; 32], channel: ChannelId) -> anyhow::Result<Self> {
        let chain: String = hex::encode(genesis).chars().take(16).collect();
        let folder = folder.map_or_else(usual_folder, Path::to_owned).join(chain);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("channel-{channel}.json"));
        let lock_path = path.with_extension("lock");
        let lock = File::create(&lock_path).with_context(|| format!("cannot make {}", lock_path.display()))?;
        lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;
        let contents = match read_if_there(&path)? {
            Some(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is damaged; hint: move it away, and the operator is asked", path.display())
            })?,
            None => Contents::default(),
        };
        Ok(Self { path, contents, _lock: lock })
    }

    /// How a model stands: at least as the chain says.
    pub fn line(&self, model: ModelId, channel: &Channel) -> Line {
        let paid = Count::from(&channel.paid_for(model));
        let Line { signed, used } = self.contents.models.get(&model.0).copied().unwrap_or_default();
        Line { signed: signed.or_more(&paid), used: used.or_more(&paid) }
    }

    /// Keeps how a model stands.
    pub fn keep(&mut self, model: ModelId, line: Line) -> anyhow::Result<()> {
        self.contents.models.insert(model.0, line);
        let text = serde_json::to_vec_pretty(&self.contents).context("the state has no JSON form")?;
        Ok(write_atomically(&self.path, &text)?)
    }

    /// What vouchers for other models promise together.
    fn promised_elsewhere(&self, model: ModelId, channel: &Channel) -> Amount {
        let mut models: BTreeMap<u64, Amount> = channel.paid.iter().map(|paid| (paid.model.0, paid.amount)).collect();
        for (id, line) in &self.contents.models {
            let amount = models.entry(*id).or_default();
            *amount = line.signed.amount.max(*amount);
        }
        models.iter().filter(|(id, _)| **id != model.0).map(|(_, amount)| amount).sum()
    }

    /// What a voucher for a model may say at most: what the channel holds and was not promised to other models.
    pub fn left_for(&self, model: ModelId, channel: &Channel) -> Amount {
        channel.funded.saturating_sub(self.promised_elsewhere(model, channel))
    }
}

/// A voucher, signed for an operator on a chain.
pub fn sign(
    key: &Keypair,
    genesis: [u8; 32],
    channel: &Channel,
    (id, model): (ChannelId, ModelId),
    count: Count,
) -> anyhow::Result<SignedVoucher> {
    ensure!(
        channel.key == key.account().0,
        "vouchers of channel {id} are signed by {}, not by {}\nhint: --voucher-key-file names the file with its secret",
        tributary_client::Account(channel.key),
        key.account()
    );
    let Count { input_tokens, output_tokens, amount } = count;
    let voucher = Voucher { channel: id, model, input_tokens, output_tokens, amount };
    Ok(SignedVoucher { voucher, signature: key.sign(&voucher.payload(genesis, channel.operator.0)) })
}

fn usual_folder() -> PathBuf {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(home);
    base.unwrap_or_else(env::temp_dir).join("tributary/channels")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_client::Account;
    use tributary_protocol::channel::ChannelState;

    const MODEL: ModelId = ModelId(1);

    fn channel() -> Channel {
        let paid = Paid { model: MODEL, input_tokens: 5, output_tokens: 5, amount: 50 };
        Channel {
            app: Account([1; 32]),
            operator: Account([2; 32]),
            key: Keypair::development("Alice").unwrap().account().0,
            funded: 1_000,
            redeemed: 50,
            paid: vec![paid].try_into().unwrap(),
            state: ChannelState::Open,
            deposit: 0,
            opened_at: 0,
        }
    }

    fn count(tokens: u64, amount: Amount) -> Count {
        Count { input_tokens: tokens, output_tokens: tokens, amount }
    }

    #[test]
    fn what_was_kept_comes_back_and_the_chain_counts_too() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Purse::open(Some(folder.path()), [7; 32], ChannelId(3)).unwrap();
        {
            let mut purse = open();
            assert_eq!(purse.line(MODEL, &channel()).used, count(5, 50), "a file that is lost knows what was redeemed");
            purse.keep(MODEL, Line { signed: count(9, 1 << 70), used: count(6, 60) }).unwrap();
        }
        let mut purse = open();
        let line = purse.line(MODEL, &channel());
        assert_eq!((line.signed.amount, line.used), (1 << 70, count(6, 60)));
        purse.keep(ModelId(2), Line { signed: count(1, 100), used: count(1, 1) }).unwrap();
        assert_eq!(purse.left_for(MODEL, &channel()), 900);
        assert_eq!(purse.left_for(ModelId(2), &channel()), 0);
    }

    #[test]
    fn only_the_channels_key_signs() {
        let alice = Keypair::development("Alice").unwrap();
        let signed = sign(&alice, [7; 32], &channel(), (ChannelId(3), MODEL), count(6, 60)).unwrap();
        assert_eq!((signed.voucher.channel, signed.voucher.amount), (ChannelId(3), 60));
        let bob = Keypair::development("Bob").unwrap();
        assert!(sign(&bob, [7; 32], &channel(), (ChannelId(3), MODEL), count(6, 60)).is_err());
    }
}
