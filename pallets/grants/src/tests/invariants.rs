//! Random calls against a plain ledger that knows what each should do and what everyone should have on hold.

use crate::{Call, mock::*};
use frame_support::traits::UnfilteredDispatchable;
use pallet_support::GrantGate;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};
use tributary_protocol::{
    Amount, DatanetId, GrantId,
    datanet::Purpose,
    grant::{GrantOffer, GrantTerms},
};

/// One drawn step: what happens, by whom, and two numbers that choose its arguments.
type Step = (u8, usize, u8, u8);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Requested,
    Active,
    Denied,
    Revoked,
    Renounced,
}

#[derive(Clone)]
struct Entry {
    datanet: DatanetId,
    grantee: AccountId,
    uses: u32,
    used: u32,
    expires_at: u32,
    status: Status,
    offer: Option<(u64, u32)>,
}

/// What the chain should be.
#[derive(Default)]
struct Ledger {
    now: u32,
    next: u64,
    entries: BTreeMap<u64, Entry>,
    /// The offers that were presented and whose records are kept.
    nonces: BTreeSet<(DatanetId, u64)>,
    /// Whether the offer of this step was signed by the owner.
    signed_by_owner: bool,
}

impl Ledger {
    fn fits(&self, terms: &GrantTerms) -> bool {
        terms.purpose != Purpose::Evaluation
            && (1..=USES_MAX).contains(&terms.uses)
            && terms.expires_at > self.now
            && terms.expires_at <= self.now + BLOCKS_MAX
    }

    fn add(&mut self, datanet: DatanetId, grantee: AccountId, terms: &GrantTerms, status: Status) -> &mut Entry {
        let id = self.next;
        self.next += 1;
        let (uses, expires_at) = (terms.uses, terms.expires_at);
        self.entries.entry(id).or_insert(Entry { datanet, grantee, uses, used: 0, expires_at, status, offer: None })
    }

    /// The grant, where `who` may decide about it and it has this status.
    fn decidable(&mut self, who: &AccountId, id: GrantId, status: Status) -> Option<&mut Entry> {
        let is_owner = *who == Who::Owner.id();
        self.entries.get_mut(&id.0).filter(|entry| is_owner && entry.status == status)
    }

    /// Does the call, if it is allowed, and says whether it is.
    fn apply(&mut self, who: &AccountId, call: &Call<Test>) -> bool {
        match call {
            Call::request { datanet, terms } => {
                if !self.fits(terms) || ![OPEN, GUARDED].contains(datanet) {
                    return false;
                }
                if *datanet == OPEN || *who == Who::Owner.id() {
                    self.add(*datanet, who.clone(), terms, Status::Active);
                    return true;
                }
                let waits = |entry: &&Entry| {
                    entry.datanet == *datanet && entry.grantee == *who && entry.status == Status::Requested
                };
                let room = self.entries.values().filter(waits).count() < usize::try_from(REQUESTS_MAX).unwrap();
                if room {
                    self.add(*datanet, who.clone(), terms, Status::Requested);
                }
                room
            }
            Call::issue { grant } => {
                let now = self.now;
                match self.decidable(who, *grant, Status::Requested).filter(|entry| entry.expires_at > now) {
                    Some(entry) => {
                        entry.status = Status::Active;
                        true
                    }
                    None => false,
                }
            }
            Call::deny { grant, reason } => {
                let sound = !reason.is_empty();
                match self.decidable(who, *grant, Status::Requested).filter(|_| sound) {
                    Some(entry) => {
                        entry.status = Status::Denied;
                        true
                    }
                    None => false,
                }
            }
            Call::revoke { grant, reason } => {
                let sound = !reason.is_empty();
                match self.decidable(who, *grant, Status::Active).filter(|_| sound) {
                    Some(entry) => {
                        entry.status = Status::Revoked;
                        true
                    }
                    None => false,
                }
            }
            Call::renounce { grant } => {
                let running = |entry: &&mut Entry| {
                    entry.grantee == *who && matches!(entry.status, Status::Requested | Status::Active)
                };
                match self.entries.get_mut(&grant.0).filter(running) {
                    Some(entry) => {
                        entry.status = Status::Renounced;
                        true
                    }
                    None => false,
                }
            }
            Call::present { offer, .. } => {
                let sound = offer.grantee == *who
                    && offer.valid_until >= self.now
                    && self.signed_by_owner
                    && self.fits(&offer.terms)
                    && !self.nonces.contains(&(offer.datanet, offer.nonce));
                if sound {
                    self.nonces.insert((offer.datanet, offer.nonce));
                    let entry = self.add(offer.datanet, who.clone(), &offer.terms, Status::Active);
                    entry.offer = Some((offer.nonce, offer.valid_until));
                }
                sound
            }
            Call::prune { grant } => {
                let Some(entry) = self.entries.get(&grant.0) else { return false };
                let over = match entry.status {
                    Status::Requested => false,
                    Status::Active => self.now > entry.expires_at,
                    Status::Denied | Status::Revoked | Status::Renounced => true,
                };
                let replayable = entry.offer.is_some_and(|(_, valid_until)| self.now <= valid_until);
                if entry.grantee != *who || !over || entry.used > 0 || replayable {
                    return false;
                }
                if let Some((nonce, _)) = entry.offer {
                    self.nonces.remove(&(entry.datanet, nonce));
                }
                self.entries.remove(&grant.0);
                true
            }
            Call::__Ignore(..) => unreachable!("never drawn"),
        }
    }

    /// Takes a use as a job would, if it is allowed, and says whether it is.
    fn take(&mut self, who: &AccountId, id: GrantId) -> bool {
        let now = self.now;
        let allowed = |entry: &&mut Entry| {
            entry.grantee == *who
                && entry.status == Status::Active
                && entry.expires_at >= now
                && entry.used < entry.uses
        };
        match self.entries.get_mut(&id.0).filter(allowed) {
            Some(entry) => {
                entry.used += 1;
                true
            }
            None => false,
        }
    }

    /// Whether the chain's money is where this ledger says.
    fn check(&self) {
        let mut deposits = BTreeMap::<AccountId, Amount>::new();
        for entry in self.entries.values() {
            let offer = if entry.offer.is_some() { 2 * UNIT } else { 0 };
            *deposits.entry(entry.grantee.clone()).or_default() += Permits::grant_deposit() + offer;
        }
        for who in PEOPLE {
            let deposit = deposits.get(&who.id()).copied().unwrap_or_default();
            assert_eq!((held(who), free(who)), (deposit, ENDOWMENT - deposit), "nobody gains or loses");
        }
        for (id, entry) in &self.entries {
            assert_eq!(Permits::grant(GrantId(*id)).unwrap().used, entry.used);
        }
    }
}

/// What a step does: a call, or what a job would do.
enum Act {
    Call(Box<Call<Test>>),
    Take(GrantId),
    GiveBack(GrantId),
    Wait(u32),
}

fn drawn((kind, _, a, b): Step, now: u32) -> (Act, bool) {
    let datanet = DatanetId((a % 3).into());
    let grant = GrantId((a % 24).into());
    let terms = GrantTerms {
        purpose: if b % 8 == 0 { Purpose::Evaluation } else { Purpose::Research },
        uses: (b % 4).into(),
        expires_at: now + u32::from(b % 32),
        ..terms()
    };
    let reason = text(if b % 8 == 0 { "" } else { "no" });
    let call = match kind {
        0..=4 => Call::request { datanet, terms },
        5..=6 => Call::issue { grant },
        7 => Call::deny { grant, reason },
        8 => Call::revoke { grant, reason },
        9 => Call::renounce { grant },
        10..=11 => {
            let offer = GrantOffer {
                datanet: GUARDED,
                grantee: PEOPLE[usize::from(a % 4)].id(),
                terms,
                nonce: (b % 6).into(),
                valid_until: now + u32::from(b % 16),
            };
            let signer = if a % 5 == 0 { Who::Stranger } else { Who::Owner };
            let signature = sign(signer, &offer);
            return (Act::Call(Box::new(Call::present { offer, signature })), signer == Who::Owner);
        }
        12..=13 => Call::prune { grant },
        14..=15 => return (Act::Take(grant), false),
        16 => return (Act::GiveBack(grant), false),
        _ => return (Act::Wait((b % 8).into()), false),
    };
    (Act::Call(Box::new(call)), false)
}

/// Plays the steps on a new chain; returns how many calls were allowed and how many refused.
fn play(steps: Vec<Step>) -> (u32, u32) {
    let mut ledger = Ledger { now: 1, ..Ledger::default() };
    let (mut allowed, mut refused) = (0, 0);
    for step in steps {
        let who = PEOPLE[step.1];
        let (act, signed_by_owner) = drawn(step, ledger.now);
        match act {
            Act::Call(call) => {
                ledger.signed_by_owner = signed_by_owner;
                let expected = ledger.apply(&who.id(), &call);
                let result = call.clone().dispatch_bypass_filter(signed(who));
                assert_eq!(result.is_ok(), expected, "{who:?} called {call:?}: {result:?}");
                if expected { allowed += 1 } else { refused += 1 }
            }
            Act::Take(id) => {
                let expected = ledger.take(&who.id(), id);
                let datanet = Permits::grant(id).map_or(OPEN, |grant| grant.datanet);
                assert_eq!(Permits::take(id, &wanted(who, datanet)).is_ok(), expected);
            }
            Act::GiveBack(id) => {
                if let Some(entry) = ledger.entries.get_mut(&id.0) {
                    entry.used = entry.used.saturating_sub(1);
                }
                Permits::give_back(id);
            }
            Act::Wait(blocks) => {
                ledger.now += blocks;
                System::set_block_number(ledger.now);
            }
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
    let steps = proptest::collection::vec((0u8..19, 0usize..PEOPLE.len(), any::<u8>(), any::<u8>()), 60);
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
