//! Random sequences of calls against a plain ledger.

use crate::{Call, HoldReason, mock::*};
use frame_support::{BoundedVec, storage::with_storage_layer, traits::UnfilteredDispatchable};
use pallet_support::ModelRegistry;
use proptest::{prelude::*, test_runner::RngSeed};
use std::collections::{BTreeMap, BTreeSet};
use tributary_protocol::{
    Amount, BaseModelId, ContentHash, GrantId, ModelId,
    grant::GrantRefusal,
    model::{ModelFamily, ModelStatus, Prices},
};

/// One step: a call by somebody, a settled job, or a revoked grant.
#[derive(Clone, Debug)]
enum Step {
    Call { signer: Account, call: Call<Test> },
    Settle { base: u32, adapter: u64, grants: (u64, u64) },
    Revoke { grant: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let signer = || prop_oneof![3 => Just(OWNER), 2 => 1..5u64];
    let model = || (0..4u64).prop_map(ModelId);
    let prices = || (0..5u128, 0..5u128).prop_map(|(input, output)| prices(input, output));
    let title = || prop_oneof![6 => "[a-z]{1,20}", 1 => Just(String::new())].prop_map(|text| name(&text));
    let endpoint = prop_oneof![6 => "https?://[a-z]{1,30}", 1 => "[a-z]{0,9}"]
        .prop_map(|url| BoundedVec::try_from(url.into_bytes()).unwrap());
    let register = (title(), title(), 0..9u8, 0..4u64).prop_map(|(name, licence, content, parameters)| {
        // Content 0 is the hash of nothing.
        let content = if content == 0 { ContentHash::default() } else { ContentHash([content; 32]) };
        Call::register_base { name, family: ModelFamily::Mistral, content, parameters, licence }
    });
    let call = prop_oneof![
        2 => register,
        4 => (model(), prices()).prop_map(|(model, prices)| Call::publish { model, prices }),
        1 => (model(), prices()).prop_map(|(model, prices)| Call::set_terms { model, prices }),
        5 => (model(), endpoint).prop_map(|(model, endpoint)| Call::deploy { model, endpoint }),
        4 => model().prop_map(|model| Call::undeploy { model }),
        1 => model().prop_map(|model| Call::withdraw { model }),
    ];
    prop_oneof![
        8 => (signer(), call).prop_map(|(signer, call)| Step::Call { signer, call }),
        2 => (0..3u32, 0..6u64, (0..30u64, 0..30u64))
            .prop_map(|(base, adapter, grants)| Step::Settle { base, adapter, grants }),
        1 => (0..30u64).prop_map(|grant| Step::Revoke { grant }),
    ]
}

/// A base model and two models of it, so that later steps find something to work on.
fn beginning() -> [Step; 3] {
    let call = Call::register_base {
        name: name("base"),
        family: ModelFamily::Llama,
        content: ContentHash::of(b"base"),
        parameters: 1,
        licence: name("MIT"),
    };
    let settle = |n| Step::Settle { base: 0, adapter: n, grants: (n, n + 1) };
    [Step::Call { signer: BASE_OWNER, call }, settle(0), settle(1)]
}

struct Offer {
    grants: [u64; 2],
    status: ModelStatus,
    prices: Prices,
    operators: BTreeMap<Account, Amount>,
}

/// What the chain should hold, kept plainly.
#[derive(Default)]
struct Ledger {
    bases: Vec<(Account, ContentHash, Amount)>,
    models: Vec<Offer>,
    revoked: BTreeSet<u64>,
}

impl Ledger {
    fn owned(&mut self, signer: Account, model: ModelId) -> Option<&mut Offer> {
        (signer == OWNER).then_some(())?;
        self.models.get_mut(usize::try_from(model.0).unwrap())
    }

    fn affected(&self, model: ModelId) -> bool {
        let model = self.models.get(usize::try_from(model.0).unwrap());
        model.is_some_and(|model| model.grants.iter().any(|grant| self.revoked.contains(grant)))
    }

    /// Makes the change of a call, or returns `None` where the call should be refused.
    fn apply(&mut self, signer: Account, call: Call<Test>) -> Option<()> {
        // Every call of the pallet, so that a new one cannot be forgotten here.
        match call {
            Call::register_base { name, content, parameters, licence, .. } => {
                let fit = !name.is_empty() && !licence.is_empty() && parameters > 0;
                let new = content != ContentHash::default() && self.bases.iter().all(|base| base.1 != content);
                (fit && new).then_some(())?;
                let bytes = Amount::try_from(name.len() + licence.len()).unwrap();
                self.bases.push((signer, content, BASE_DEPOSIT + bytes * BYTE_DEPOSIT));
            }
            Call::publish { model, prices } => {
                let affected = self.affected(model);
                let offer = self.owned(signer, model)?;
                (offer.status != ModelStatus::Published && !affected).then_some(())?;
                (offer.status, offer.prices) = (ModelStatus::Published, prices);
            }
            Call::set_terms { model, prices } => {
                let offer = self.owned(signer, model)?;
                (offer.status == ModelStatus::Published).then_some(())?;
                offer.prices = prices;
            }
            Call::deploy { model, endpoint } => {
                let affected = self.affected(model);
                let offer = self.models.get_mut(usize::try_from(model.0).unwrap())?;
                let fit = endpoint.starts_with(b"http") && offer.status == ModelStatus::Published && !affected;
                (fit && !offer.operators.contains_key(&signer)).then_some(())?;
                let bytes = Amount::try_from(endpoint.len()).unwrap();
                offer.operators.insert(signer, DEPLOYMENT_DEPOSIT + bytes * BYTE_DEPOSIT);
            }
            Call::undeploy { model } => {
                let offer = self.models.get_mut(usize::try_from(model.0).unwrap())?;
                offer.operators.remove(&signer)?;
            }
            Call::withdraw { model } => {
                let offer = self.owned(signer, model)?;
                (offer.status == ModelStatus::Published).then_some(())?;
                offer.status = ModelStatus::Withdrawn;
            }
            Call::__Ignore(..) => unreachable!(),
        }
        Some(())
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Call { signer, call } => {
                let expected = self.apply(signer, call.clone());
                let done = with_storage_layer(|| {
                    call.dispatch_bypass_filter(RuntimeOrigin::signed(signer)).map_err(|refusal| refusal.error)
                });
                assert_eq!(done.is_ok(), expected.is_some(), "{done:?}");
            }
            Step::Settle { base, adapter, grants } => {
                let mut new = made_by(adapter);
                new.lineage.base = BaseModelId(base);
                new.lineage.data = vec![data(0, 1, grants.0), data(1, 1, grants.1)].try_into().unwrap();
                let done = with_storage_layer(|| ModelsPallet::record(new));
                let known = usize::try_from(base).unwrap() < self.bases.len();
                assert_eq!(done.is_ok(), known, "{done:?}");
                if known {
                    self.models.push(Offer {
                        grants: [grants.0, grants.1],
                        status: ModelStatus::Private,
                        prices: Prices::default(),
                        operators: BTreeMap::new(),
                    });
                }
            }
            Step::Revoke { grant } => {
                refuse(GrantId(grant), GrantRefusal::Revoked);
                self.revoked.insert(grant);
            }
        }
    }

    /// Compares the whole state.
    fn compare(&self) {
        check();
        for (n, offer) in (0u64..).zip(&self.models) {
            let model = model(ModelId(n));
            assert_eq!((model.status, model.prices), (offer.status, offer.prices));
            assert_eq!(usize::try_from(model.deployments).unwrap(), offer.operators.len());
            assert_eq!(ModelsPallet::is_affected(ModelId(n)), Some(self.affected(ModelId(n))));
        }
        for account in 1..10 {
            let bases: Amount = self.bases.iter().filter(|base| base.0 == account).map(|base| base.2).sum();
            let deployments: Amount = self.models.iter().filter_map(|model| model.operators.get(&account)).sum();
            assert_eq!(held(HoldReason::BaseModel, account), bases);
            assert_eq!(held(HoldReason::Deployment, account), deployments);
            assert_eq!(free(account), ENDOWMENT - bases - deployments);
        }
        assert_eq!(Streams::get().len(), self.models.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_of_calls_agrees_with_a_plain_ledger(steps in prop::collection::vec(step(), 60)) {
        ExtBuilder.build_and_execute(|| {
            let mut ledger = Ledger::default();
            for step in beginning().into_iter().chain(steps) {
                ledger.play(step);
                ledger.compare();
            }
        });
    }
}
