//! Payment channels, and which models operators may serve.

use crate::{
    AccountId, Attribution, Balance, Balances, BlockNumber, Models, Runtime, RuntimeHoldReason,
    constants::{DAY, MILLI_TRIB, deposit},
};
use frame_support::parameter_types;
use frame_system::EnsureRoot;
use pallet_support::ServedModels;
use tributary_protocol::{ModelId, model::Prices};

parameter_types! {
    /// Several times what a channel costs its parties in fees.
    pub const EscrowMin: Balance = 100 * MILLI_TRIB;
    /// A channel: its row, at most 794 bytes, and its key.
    pub const ChannelDeposit: Balance = deposit(1, 820);
    /// An offer: its row; prices and numbers, and the operator's key.
    pub const OfferDeposit: Balance = deposit(1, 150);
    /// An operator's machine may be down for a day without loss.
    pub const DisputeWindow: BlockNumber = DAY;
    /// For so long an operator may count on a model's price, and the model's owner wait for a new one.
    pub const OfferBlocksMax: BlockNumber = 30 * DAY;
}

impl pallet_channels::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Models = Served;
    type Answers = Attribution;
    type ForceOrigin = EnsureRoot<AccountId>;
    type EscrowMin = EscrowMin;
    type ChannelDeposit = ChannelDeposit;
    type OfferDeposit = OfferDeposit;
    type DisputeWindow = DisputeWindow;
    type OfferBlocksMax = OfferBlocksMax;
    type WeightInfo = pallet_channels::weights::SubstrateWeight<Runtime>;
}

/// The models of this chain, as operators serve them.
pub struct Served;

impl ServedModels<AccountId> for Served {
    fn prices(model: ModelId) -> Option<Prices> {
        Models::model(model).map(|model| model.prices)
    }

    fn may_serve(model: ModelId, operator: &AccountId) -> bool {
        Models::may_serve(model, operator)
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_served(operator: &AccountId) -> ModelId {
        benchmarks::served(operator)
    }
}

#[cfg(feature = "runtime-benchmarks")]
mod benchmarks {
    use super::*;
    use crate::{Datanets, Grants, RuntimeOrigin, configs::balances::TreasuryAccount};
    use alloc::vec::Vec;
    use frame_support::traits::fungible::Mutate;
    use pallet_support::{BaseModelInspect, DatanetInspect, GrantGate, ModelRegistry, NewModel};
    use tributary_protocol::{
        ContentHash, JobId, Ppm,
        amount::TRIB,
        datanet::Purpose,
        grant::Use,
        job::{JOB_VERSIONS_MAX, Metrics},
        model::{DataUse, Lineage},
        stream::{ContributionRoot, SHARE_UNITS, Split},
        sum_tree::SumRoot,
    };

    fn rich(name: &'static str, index: u32) -> AccountId {
        let account = frame_benchmarking::account(name, index, 0);
        Balances::set_balance(&account, 1_000_000 * TRIB);
        account
    }

    /// A published model on the most versions, each of another owner and under a grant of its own, with a stream whose answers are attributed, that
    /// `operator` has deployed.
    pub(super) fn served(operator: &AccountId) -> ModelId {
        for pot in [Attribution::pool_account(), TreasuryAccount::get()] {
            Balances::set_balance(&pot, TRIB);
        }
        let (owner, purpose) = (rich("owner", 0), Purpose::Commercial);
        let base = Models::benchmark_base(&rich("base", 0));
        let data: Vec<_> = (0..JOB_VERSIONS_MAX)
            .map(|index| {
                let version = Datanets::benchmark_version(&rich("datanet", index));
                let wanted = Use { grantee: owner.clone(), version, purpose, base_model: base };
                DataUse { version, grant: Grants::benchmark_grant(&wanted) }
            })
            .collect();
        let shares = SumRoot { root: ContentHash::of(b"root"), total: SHARE_UNITS, leaves: 1 };
        let model = Models::record(NewModel {
            owner: owner.clone(),
            adapter: ContentHash::of(b"adapter"),
            lineage: Lineage {
                base,
                job: JobId(0),
                trainer: rich("trainer", 0),
                data: data.try_into().expect("as many as fit"),
                purpose,
            },
            metrics: Metrics::default(),
            accuracy: None,
            split: Split::DEFAULT,
            contributions: ContributionRoot {
                shares,
                evidence: ContentHash::of(b"evidence"),
                attributed: Ppm::from_percent(50),
            },
        })
        .expect("all that the lineage names exists");
        let prices = Prices { input_per_1000: TRIB, output_per_1000: TRIB };
        Models::publish(RuntimeOrigin::signed(owner), model, prices).expect("the model is new");
        let endpoint = b"https://example.org".to_vec().try_into().expect("shorter than the longest");
        Models::deploy(RuntimeOrigin::signed(operator.clone()), model, endpoint).expect("the operator is endowed");
        model
    }
}
