//! Random calls against a plain ledger that knows what each should do and what everyone should have on hold.

use crate::{Call, Datanets, HoldReason, mock::*};
use codec::Encode;
use frame_support::traits::UnfilteredDispatchable;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};
use tributary_protocol::{
    Amount, ContributionId, DatanetId,
    datanet::{Admission, PurposeSet, Schema, Terms},
};

/// One drawn step: which call, by whom, and two numbers that choose its arguments.
type Step = (u8, usize, u8, u8);

const SIZE: Amount = 6 * ED;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Pending,
    Accepted,
    Rejected,
    Withdrawn,
}

#[derive(Clone)]
struct Net {
    owner: AccountId,
    curators: Vec<AccountId>,
    members_only: bool,
    retired: bool,
    versions: Vec<Vec<u64>>,
}

#[derive(Clone)]
struct Item {
    net: u32,
    contributor: AccountId,
    blob: [u8; 32],
    status: Status,
}

/// What the chain should be.
#[derive(Default)]
struct Ledger {
    nets: Vec<Net>,
    items: BTreeMap<u64, Item>,
    next_item: u64,
}

impl Ledger {
    fn judges(&self, net: &Net, who: AccountId) -> bool {
        net.owner == who || net.curators.contains(&who)
    }

    fn accepted(&self, net: u32) -> Vec<u64> {
        let of_net = self.items.iter().filter(|(_, item)| item.net == net && item.status == Status::Accepted);
        of_net.map(|(id, _)| *id).collect()
    }

    /// Does the call, if it is allowed, and says whether it is.
    fn apply(&mut self, who: AccountId, call: &Call<Test>) -> bool {
        let net_of = |id: &DatanetId| usize::try_from(id.0).unwrap();
        match call {
            Call::register { name, terms, .. } => {
                let sound = !name.is_empty() && terms.purposes != PurposeSet::default();
                if sound {
                    self.nets.push(Net {
                        owner: who,
                        curators: Vec::new(),
                        members_only: terms.admission == Admission::Members,
                        retired: false,
                        versions: Vec::new(),
                    });
                }
                sound
            }
            Call::update_terms { datanet, terms } => match self.nets.get_mut(net_of(datanet)) {
                Some(net) if net.owner == who && !net.retired && terms.purposes != PurposeSet::default() => {
                    net.members_only = terms.admission == Admission::Members;
                    true
                }
                _ => false,
            },
            Call::set_curators { datanet, curators } => match self.nets.get_mut(net_of(datanet)) {
                Some(net) if net.owner == who => {
                    let differ = curators.iter().collect::<BTreeSet<_>>().len() == curators.len();
                    if differ {
                        net.curators = curators.to_vec();
                    }
                    differ
                }
                _ => false,
            },
            Call::retire { datanet } => match self.nets.get_mut(net_of(datanet)) {
                Some(net) if net.owner == who && !net.retired => {
                    net.retired = true;
                    true
                }
                _ => false,
            },
            Call::submit_contribution { datanet, samples, .. } => {
                let Some(net) = self.nets.get(net_of(datanet)) else { return false };
                let of_net = || self.items.values().filter(|item| item.net == datanet.0);
                let in_play = |status| matches!(status, Status::Pending | Status::Accepted);
                let known = of_net().any(|item| item.blob == samples.blob.0 && in_play(item.status));
                let pending = of_net().filter(|item| item.status == Status::Pending).count();
                let admitted = !net.members_only || self.judges(net, who);
                if net.retired || !admitted || known || pending >= usize::try_from(QUEUE).unwrap() {
                    return false;
                }
                let item = Item { net: datanet.0, contributor: who, blob: samples.blob.0, status: Status::Pending };
                self.items.insert(self.next_item, item);
                self.next_item += 1;
                true
            }
            Call::accept { contribution } => {
                let Some(item) = self.items.get(&contribution.0).cloned() else { return false };
                let net = &self.nets[usize::try_from(item.net).unwrap()];
                let own = item.contributor == who && net.owner != who;
                if net.retired || own || !self.judges(net, who) || item.status != Status::Pending {
                    return false;
                }
                self.items.get_mut(&contribution.0).unwrap().status = Status::Accepted;
                true
            }
            Call::reject { contribution, reason } => {
                let Some(item) = self.items.get(&contribution.0).cloned() else { return false };
                let net = &self.nets[usize::try_from(item.net).unwrap()];
                if !self.judges(net, who) || item.status != Status::Pending || reason.is_empty() {
                    return false;
                }
                self.items.get_mut(&contribution.0).unwrap().status = Status::Rejected;
                true
            }
            Call::withdraw { contribution } => {
                let Some(item) = self.items.get(&contribution.0).cloned() else { return false };
                if item.contributor != who || item.status == Status::Withdrawn {
                    return false;
                }
                // Unlike the pallet, the ledger looks at every version.
                let versions = &self.nets[usize::try_from(item.net).unwrap()].versions;
                if versions.iter().any(|version| version.contains(&contribution.0)) {
                    self.items.get_mut(&contribution.0).unwrap().status = Status::Withdrawn;
                } else {
                    self.items.remove(&contribution.0);
                }
                true
            }
            Call::publish_version { datanet } => {
                let Some(net) = self.nets.get(net_of(datanet)) else { return false };
                let accepted = self.accepted(datanet.0);
                let new = !accepted.is_empty() && net.versions.last() != Some(&accepted);
                if net.retired || !self.judges(net, who) || !new {
                    return false;
                }
                self.nets[net_of(datanet)].versions.push(accepted);
                true
            }
            Call::__Ignore(..) => unreachable!("never drawn"),
        }
    }

    /// Whether the chain's money is where this ledger says.
    fn check(&self) {
        let mut deposits = BTreeMap::<AccountId, (Amount, Amount)>::new();
        for (id, net) in (0..).map(DatanetId).zip(&self.nets) {
            let record = Datanets::<Test>::get(id).unwrap();
            let bytes = Amount::try_from(record.encoded_size()).unwrap();
            let versions = Amount::try_from(net.versions.len()).unwrap();
            deposits.entry(net.owner).or_default().0 += 10 * UNIT + bytes * ED + versions * 5 * UNIT;
        }
        for item in self.items.values() {
            let by_size = if item.status == Status::Pending { SIZE } else { 0 };
            deposits.entry(item.contributor).or_default().1 += Nets::record_deposit() + by_size;
        }
        for who in PEOPLE {
            let (owned, contributed) = deposits.get(&who).copied().unwrap_or_default();
            assert_eq!(held(HoldReason::Datanet, who), owned);
            assert_eq!(held(HoldReason::Contribution, who), contributed);
            assert_eq!(free(who), ENDOWMENT - owned - contributed, "nobody gains or loses");
        }
    }
}

fn drawn((kind, _, a, b): Step) -> Call<Test> {
    let datanet = DatanetId((a % 3).into());
    let contribution = ContributionId((a % 24).into());
    let some_terms = Terms {
        admission: if b % 3 == 0 { Admission::Members } else { Admission::Anyone },
        purposes: if b % 7 == 0 { PurposeSet::default() } else { PurposeSet::ALL },
        licence: name(if a % 2 == 0 { "MIT" } else { "CC-BY-SA-4.0" }),
        ..terms()
    };
    match kind {
        0 => Call::register {
            name: name(if a % 5 == 0 { "" } else { "net" }),
            domain: name("any"),
            description: text(""),
            schema: Schema::PromptCompletion,
            terms: some_terms,
        },
        1 => Call::update_terms { datanet, terms: some_terms },
        2 => Call::set_curators {
            datanet,
            curators: vec![PEOPLE[usize::from(a % 5)], PEOPLE[usize::from(b % 5)]].try_into().unwrap(),
        },
        3 if b % 8 == 0 => Call::retire { datanet },
        3..=6 => Call::submit_contribution { datanet, samples: samples(b % 12), licence: name("MIT") },
        7..=9 => Call::accept { contribution },
        10 => Call::reject { contribution, reason: text(if b % 4 == 0 { "" } else { "no" }) },
        11..=12 => Call::withdraw { contribution },
        _ => Call::publish_version { datanet },
    }
}

/// Plays the steps on a new chain; returns how many calls were allowed and how many refused.
fn play(steps: Vec<Step>) -> (u32, u32) {
    let mut ledger = Ledger::default();
    ledger.nets.push(Net {
        owner: OWNER,
        curators: vec![CURATOR],
        members_only: false,
        retired: false,
        versions: Vec::new(),
    });
    let (mut allowed, mut refused) = (0, 0);
    for step in steps {
        let (call, who) = (drawn(step), PEOPLE[step.1]);
        let expected = ledger.apply(who, &call);
        let result = call.clone().dispatch_bypass_filter(signed(who));
        assert_eq!(result.is_ok(), expected, "{who} called {call:?}: {result:?}");
        if expected {
            allowed += 1
        } else {
            refused += 1
        }
        ledger.check();
        check();
    }
    (allowed, refused)
}

#[test]
fn random_calls_do_what_the_ledger_says() {
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let steps = proptest::collection::vec((0u8..16, 0usize..PEOPLE.len(), any::<u8>(), any::<u8>()), 60);
    // The runner takes a closure that it may share.
    let counts = RefCell::new((0u32, 0u32));
    runner
        .run(&steps, |steps| {
            let (allowed, refused) = ExtBuilder::default().build().execute_with(|| play(steps));
            let mut counts = counts.borrow_mut();
            *counts = (counts.0 + allowed, counts.1 + refused);
            Ok(())
        })
        .unwrap();
    let (allowed, refused) = counts.into_inner();
    assert!(allowed > 500 && refused > 500, "the draw tests both ways: {allowed} allowed, {refused} refused");
}
