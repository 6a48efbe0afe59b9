//! A whole market to test with: things to register, submit, ask for and report, with numbers that are easy to check.

use super::account;
use frame_support::{
    dispatch::DispatchResultWithPostInfo,
    traits::{Hooks, fungible::Inspect},
};
use sp_keyring::Sr25519Keyring as Person;
use sp_runtime::{DispatchResult, traits::Dispatchable};
use tributary_protocol::{
    Amount, BaseModelId, BlockNumber, ContentHash, ContributionId, DatanetId, GrantId, JobId, Ppm, VersionRef,
    amount::TRIB,
    datanet::{AccessPolicy, Admission, Purpose, PurposeSet, SampleCommitment, Schema, Terms},
    grant::{BaseModelScope, GrantTerms, VersionScope},
    job::{JobSpec, Metrics, Report},
    model::{DataUse, ModelFamily},
    recipe::{AttributionMethod, Hyperparameters, Method, Schedule, TargetLayers},
    stream::{ContributionRoot, SHARE_UNITS, Split},
    sum_tree::{Domain, SumLeaf, SumTree},
};
use tributary_runtime::{
    AccountId, Attribution, Balances, Channels, Datanets, Grants, Hash, Jobs, Models, Runtime, RuntimeCall,
    RuntimeOrigin, System,
};

/// What a Datanet's use costs a job.
pub const DATANET_PRICE: Amount = 5 * TRIB;
/// What a job pays its trainer.
pub const JOB_PRICE: Amount = 100 * TRIB;

/// The hash of the chain's genesis block, as the state knows it.
pub const GENESIS: Hash = Hash::repeat_byte(7);

/// The development chain in its first block.
pub fn chain() -> sp_io::TestExternalities {
    let mut ext = super::ext("development");
    ext.execute_with(|| {
        frame_system::BlockHash::<Runtime>::insert(0, GENESIS);
        System::set_block_number(1);
    });
    ext
}

/// Ends this block and begins the next, `blocks` times, with the hooks of our pallets.
pub fn advance(blocks: BlockNumber) {
    for _ in 0..blocks {
        let number = System::block_number() + 1;
        System::set_block_number(number);
        <Datanets as Hooks<BlockNumber>>::on_initialize(number);
        <Grants as Hooks<BlockNumber>>::on_initialize(number);
        <Models as Hooks<BlockNumber>>::on_initialize(number);
        <Jobs as Hooks<BlockNumber>>::on_initialize(number);
        <Attribution as Hooks<BlockNumber>>::on_initialize(number);
        <Channels as Hooks<BlockNumber>>::on_initialize(number);
    }
}

/// Dispatches a call as `person`, without a fee.
pub fn send(person: Person, call: impl Into<RuntimeCall>) -> DispatchResult {
    dispatch(RuntimeOrigin::signed(account(person)), call)
}

/// Dispatches a call as governance.
pub fn send_root(call: impl Into<RuntimeCall>) -> DispatchResult {
    dispatch(RuntimeOrigin::root(), call)
}

fn dispatch(origin: RuntimeOrigin, call: impl Into<RuntimeCall>) -> DispatchResult {
    let result: DispatchResultWithPostInfo = call.into().dispatch(origin);
    result.map(|_| ()).map_err(|error| error.error)
}

/// What a person has, on hold or not.
pub fn wealth(account: &AccountId) -> Amount {
    <Balances as Inspect<AccountId>>::total_balance(account)
}

/// Checks every pallet's invariants, and that the issuance is what all accounts have.
pub fn check() {
    pallet_datanets::Pallet::<Runtime>::do_try_state().unwrap();
    pallet_grants::Pallet::<Runtime>::do_try_state().unwrap();
    pallet_models::Pallet::<Runtime>::do_try_state().unwrap();
    pallet_jobs::Pallet::<Runtime>::do_try_state().unwrap();
    pallet_attribution::Pallet::<Runtime>::do_try_state().unwrap();
    pallet_channels::Pallet::<Runtime>::do_try_state().unwrap();
    let mut all = 0;
    for (who, account) in frame_system::Account::<Runtime>::iter() {
        all += account.data.free + account.data.reserved;
        let held: Amount = pallet_balances::Holds::<Runtime>::get(&who).iter().map(|hold| hold.amount).sum();
        assert_eq!(held, account.data.reserved, "holds of {who}");
    }
    assert_eq!(all, Balances::total_issuance());
}

/// Terms that let anyone contribute.
pub fn terms(access: AccessPolicy) -> Terms {
    Terms {
        price: DATANET_PRICE,
        purposes: PurposeSet::ALL,
        royalty_floor: Ppm::from_percent(30),
        admission: Admission::Anyone,
        access,
        grant_blocks_max: 1_000,
        grant_uses_max: 10,
        licence: name("CC-BY-4.0"),
    }
}

/// A name, a licence or a domain.
pub fn name(text: &str) -> tributary_protocol::datanet::Name {
    text.as_bytes().to_vec().try_into().unwrap()
}

/// A description or a reason.
pub fn text(text: &str) -> tributary_protocol::datanet::Text {
    text.as_bytes().to_vec().try_into().unwrap()
}

/// Registers a Datanet named after its owner.
pub fn register(owner: Person, access: AccessPolicy) -> DispatchResult {
    send(
        owner,
        pallet_datanets::Call::register {
            name: name("first aid"),
            domain: name("medical"),
            description: text("Questions and answers."),
            schema: Schema::PromptCompletion,
            terms: terms(access),
        },
    )
}

/// Submits the file whose hash is all `seed`.
pub fn submit(contributor: Person, datanet: DatanetId, seed: u8) -> DispatchResult {
    let samples =
        SampleCommitment { root: ContentHash([seed; 32]), blob: ContentHash([seed; 32]), samples: 100, bytes: 10_000 };
    send(contributor, pallet_datanets::Call::submit_contribution { datanet, samples, licence: name("CC-BY-4.0") })
}

/// Registers a base model.
pub fn register_base(owner: Person, seed: u8) -> DispatchResult {
    send(
        owner,
        pallet_models::Call::register_base {
            name: name("tributary-tiny"),
            family: ModelFamily::Llama,
            content: ContentHash([seed; 32]),
            parameters: 3_000_000,
            licence: name("Apache-2.0"),
        },
    )
}

/// A grant for everything, good for `uses` jobs of the next 500 blocks.
pub fn grant_terms(uses: u32) -> GrantTerms {
    GrantTerms {
        versions: VersionScope::All,
        purpose: Purpose::Commercial,
        base_models: BaseModelScope::Any,
        uses,
        expires_at: System::block_number() + 500,
    }
}

/// A job on one version under one grant, due in 200 blocks.
pub fn spec(base: BaseModelId, version: VersionRef, grant: GrantId) -> JobSpec {
    JobSpec {
        base,
        data: vec![DataUse { version, grant }].try_into().unwrap(),
        purpose: Purpose::Commercial,
        method: Method::Lora,
        hyperparameters: Hyperparameters {
            rank: 8,
            alpha: 16,
            targets: TargetLayers::ALL,
            learning_rate_nano: 1_000_000,
            epochs: 3,
            batch_size: 8,
            accumulation: 1,
            sequence_tokens: 256,
            schedule: Schedule::Cosine,
            warmup: Ppm::from_percent(5),
            weight_decay_micro: 0,
            gradient_norm_max_micro: 1_000_000,
            validation: Ppm::from_percent(10),
            seed: 1,
            ..Hyperparameters::DEFAULT
        },
        attribution: AttributionMethod::TracInCp { checkpoints: 2 },
        split: Split::DEFAULT,
        price: JOB_PRICE,
        deadline: System::block_number() + 200,
        acceptance_blocks: <Runtime as pallet_jobs::Config>::AcceptanceBlocksMin::get(),
    }
}

/// The tree of a job whose contributors shaped the model by these units, which must sum to all there are.
pub fn tree(job: JobId, shares: &[(ContributionId, AccountId, u64)]) -> SumTree {
    assert_eq!(shares.iter().map(|(.., units)| units).sum::<u64>(), SHARE_UNITS);
    let domain = Domain { genesis: GENESIS.0, job };
    let leaves = shares
        .iter()
        .zip(0..)
        .map(|((contribution, contributor, units), index)| SumLeaf {
            index,
            contribution: *contribution,
            contributor: contributor.clone().into(),
            units: *units,
            evidence: ContentHash::of(&units.to_le_bytes()),
        })
        .collect();
    SumTree::new(&domain, leaves).unwrap()
}

/// A report of a run, with the tree's root.
pub fn report(tree: &SumTree, seed: u8) -> Report {
    Report {
        adapter: ContentHash([seed; 32]),
        bundle: ContentHash([seed ^ 0x80; 32]),
        trace: ContentHash([seed ^ 0x40; 32]),
        metrics: Metrics { steps: 100, tokens: 10_000, ..Metrics::default() },
        contributions: ContributionRoot {
            shares: tree.root(),
            evidence: ContentHash([seed ^ 0x20; 32]),
            ..Default::default()
        },
        accuracy: None,
    }
}

/// Claims for the leaf at `index`.
pub fn claim_leaf(person: Person, model: tributary_protocol::ModelId, tree: &SumTree, index: u32) -> DispatchResult {
    let leaf = tree.leaves()[usize::try_from(index).unwrap()];
    let proof = tree.prove(index).unwrap();
    send(person, pallet_attribution::Call::claim { model, leaf, proof })
}
