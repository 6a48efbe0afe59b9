//! What the chain's runtime fixes: deposits and bounds, read once at the start.

use crate::views::Money;
use codec::{DecodeAll, MaxEncodedLen as _};
use serde::Serialize;
use tributary_client::{Account, ChainClient, ChainError, Contribution};
use tributary_protocol::{
    Amount, BlockNumber, Ppm,
    datanet::{NAME_BYTES_MAX, TEXT_BYTES_MAX},
    job::{JOB_VERSIONS_MAX, Progress},
};

/// What the chain holds while a record is there.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Deposits {
    datanet: Money,
    contribution: Money,
    contribution_per_kibibyte: Money,
    contribution_size_max: Money,
    grant: Money,
    /// Of a job's record, at least.
    pub job: Money,
    deployment: Money,
    channel: Money,
    offer: Money,
    dispute: Money,
}

/// Bounds of what may be sent.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limits {
    /// Most bytes of a contribution's file.
    pub contribution_bytes_max: u64,
    /// Least price of a job.
    pub job_price_min: Money,
    deadline_blocks_max: BlockNumber,
    acceptance_blocks_min: BlockNumber,
    acceptance_blocks_max: BlockNumber,
    /// The least part of its price that stopping a job in work costs.
    #[serde(skip)]
    stop_part_min: Ppm,
    lease_blocks: BlockNumber,
    fund_min: Money,
    bond_min: Money,
    job_versions_max: u32,
    name_bytes_max: u32,
    text_bytes_max: u32,
}

/// Deposits and bounds.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// Deposits.
    pub deposits: Deposits,
    /// Bounds.
    pub limits: Limits,
}

impl Constants {
    /// Of the runtime in force.
    pub async fn read(client: &ChainClient) -> Result<Self, ChainError> {
        async fn get<T: DecodeAll>(client: &ChainClient, pallet: &str, name: &str) -> Result<T, ChainError> {
            client.constant(pallet, name).await
        }
        let amount = |pallet: &'static str, name: &'static str| get::<Amount>(client, pallet, name);
        let blocks = |name: &'static str| get::<BlockNumber>(client, "Jobs", name);
        // The pallet's own rule: a record is paid for at the largest that it can get.
        let bytes = Amount::try_from(Contribution::max_encoded_len()).unwrap_or(Amount::MAX);
        let record = amount("Datanets", "DepositPerByte").await?.saturating_mul(bytes);
        let contribution = record.saturating_add(amount("Datanets", "ContributionDeposit").await?);
        Ok(Self {
            deposits: Deposits {
                datanet: Money(amount("Datanets", "DatanetDeposit").await?),
                contribution: Money(contribution),
                contribution_per_kibibyte: Money(amount("Datanets", "DepositPerKibibyte").await?),
                contribution_size_max: Money(amount("Datanets", "SizeDepositMax").await?),
                grant: Money(amount("Grants", "GrantDeposit").await?),
                job: Money(amount("Jobs", "DepositBase").await?),
                deployment: Money(amount("Models", "DeploymentDeposit").await?),
                channel: Money(amount("Channels", "ChannelDeposit").await?),
                offer: Money(amount("Channels", "OfferDeposit").await?),
                dispute: Money(amount("Jobs", "DisputeDeposit").await?),
            },
            limits: Limits {
                contribution_bytes_max: get(client, "Datanets", "ContributionBytesMax").await?,
                job_price_min: Money(amount("Jobs", "PriceMin").await?),
                deadline_blocks_max: blocks("DeadlineBlocksMax").await?,
                acceptance_blocks_min: blocks("AcceptanceBlocksMin").await?,
                acceptance_blocks_max: blocks("AcceptanceBlocksMax").await?,
                stop_part_min: get(client, "Jobs", "StopPartMin").await?,
                lease_blocks: blocks("LeaseBlocks").await?,
                fund_min: Money(amount("Attribution", "FundMin").await?),
                bond_min: Money(amount("Jobs", "BondMin").await?),
                job_versions_max: JOB_VERSIONS_MAX,
                name_bytes_max: NAME_BYTES_MAX,
                text_bytes_max: TEXT_BYTES_MAX,
            },
        })
    }

    /// What stopping a job of this price costs when so much of it is done.
    pub fn stop_cost(&self, price: Amount, progress: Progress) -> Amount {
        progress.part_of(price).max(self.limits.stop_part_min.of(price))
    }

    /// What submitting a contribution of so many bytes holds.
    pub fn contribution_deposit(&self, bytes: u64) -> Amount {
        let size = self.deposits.contribution_per_kibibyte.0.saturating_mul(Amount::from(bytes.div_ceil(1024)));
        self.deposits.contribution.0.saturating_add(size.min(self.deposits.contribution_size_max.0))
    }
}

/// The well-known accounts of development chains that Tributary's own story uses, by name.
pub const DEVELOPMENT: [&str; 16] = [
    "Alice",
    "Bob",
    "Charlie",
    "Dave",
    "Eve",
    "Ferdie",
    "Owner",
    "Curator",
    "Ada",
    "Ben",
    "Cem",
    "Requester",
    "Trainer",
    "TrainerOne",
    "TrainerTwo",
    "Buyer",
];

/// What a development chain's account is called.
pub fn development_name(account: Account) -> Option<String> {
    let is_it = |name: &&&str| tributary_client::Keypair::development(name).is_some_and(|key| key.account() == account);
    DEVELOPMENT.iter().find(is_it).map(|name| (*name).to_owned())
}
