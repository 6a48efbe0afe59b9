//! What the calls cost at their worst.

use crate::{
    Accepted, Call, Config, Contributions, Datanets, NextContribution, NextDatanet, Pallet, Versions, types::Profile,
};
use alloc::{vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
    assert_ok,
    traits::{
        Get,
        fungible::{Inspect, Mutate},
    },
};
use frame_system::RawOrigin;
use sp_runtime::BoundedVec;
use tributary_protocol::{
    Amount, ContentHash, ContributionId, DatanetId, Ppm, VersionRef,
    datanet::{
        AccessPolicy, Admission, CURATORS_MAX, ContributionStatus, NAME_BYTES_MAX, Name, PurposeSet, SampleCommitment,
        Schema, TEXT_BYTES_MAX, Terms, Text, VERSION_CONTRIBUTIONS_MAX,
    },
};

fn longest_name() -> Name {
    BoundedVec::truncate_from(vec![b'n'; usize::try_from(NAME_BYTES_MAX).unwrap_or_default()])
}

fn longest_text() -> Text {
    BoundedVec::truncate_from(vec![b't'; usize::try_from(TEXT_BYTES_MAX).unwrap_or_default()])
}

fn open_terms() -> Terms {
    Terms {
        price: 0,
        purposes: PurposeSet::ALL,
        royalty_floor: Ppm::ZERO,
        admission: Admission::Anyone,
        access: AccessPolicy::Open,
        grant_blocks_max: u32::MAX,
        grant_uses_max: u32::MAX,
        licence: longest_name(),
    }
}

/// The `number`th commitment; no two are alike.
fn samples<T: Config>(number: u32) -> SampleCommitment {
    let mut hash = [1u8; 32];
    hash[..4].copy_from_slice(&number.to_le_bytes());
    SampleCommitment {
        root: ContentHash(hash),
        blob: ContentHash(hash),
        samples: 1,
        bytes: T::ContributionBytesMax::get(),
    }
}

/// Gives an account money for every deposit that a benchmark takes.
fn endow<T: Config>(who: &T::AccountId) {
    let deposits = Pallet::<T>::record_deposit()
        .saturating_add(T::SizeDepositMax::get())
        .saturating_mul(2 * Amount::from(VERSION_CONTRIBUTIONS_MAX))
        .saturating_add(T::DatanetDeposit::get().saturating_mul(10))
        .saturating_add(T::VersionDeposit::get().saturating_mul(10))
        .saturating_add(T::DepositPerByte::get().saturating_mul(100_000))
        .saturating_add(T::Currency::minimum_balance().saturating_mul(10));
    assert_ok!(T::Currency::mint_into(who, deposits));
}

fn funded<T: Config>(name: &'static str) -> T::AccountId {
    let who = account(name, 0, 0);
    endow::<T>(&who);
    who
}

fn curators<T: Config>(count: u32) -> BoundedVec<T::AccountId, frame_support::traits::ConstU32<CURATORS_MAX>> {
    BoundedVec::truncate_from((0..count).map(|n| account("curator", n, 0)).collect::<Vec<_>>())
}

/// Registers the largest Datanet.
fn registered<T: Config>(owner: &T::AccountId) -> DatanetId {
    let id = NextDatanet::<T>::get();
    let profile = Profile {
        name: longest_name(),
        domain: longest_name(),
        description: longest_text(),
        schema: Schema::PromptCompletion,
        terms: open_terms(),
    };
    assert_ok!(Pallet::<T>::do_register(owner.clone(), profile));
    assert_ok!(Pallet::<T>::set_curators(RawOrigin::Signed(owner.clone()).into(), id, curators::<T>(CURATORS_MAX)));
    id
}

fn submitted<T: Config>(datanet: DatanetId, contributor: &T::AccountId, number: u32) -> ContributionId {
    let id = NextContribution::<T>::get();
    let call = Pallet::<T>::submit_contribution(
        RawOrigin::Signed(contributor.clone()).into(),
        datanet,
        samples::<T>(number),
        longest_name(),
    );
    assert_ok!(call);
    id
}

/// Fills the accepted set with `count` contributions.
fn filled<T: Config>(datanet: DatanetId, owner: &T::AccountId, contributor: &T::AccountId, count: u32) {
    for number in 0..count {
        let id = submitted::<T>(datanet, contributor, number);
        assert_ok!(Pallet::<T>::accept(RawOrigin::Signed(owner.clone()).into(), id));
    }
}

/// Makes a published version with open terms, for benchmarks of other pallets.
pub(crate) fn version<T: Config>(owner: &T::AccountId) -> VersionRef {
    endow::<T>(owner);
    let datanet = registered::<T>(owner);
    filled::<T>(datanet, owner, owner, 1);
    assert_ok!(Pallet::<T>::publish_version(RawOrigin::Signed(owner.clone()).into(), datanet));
    VersionRef { datanet, number: 1 }
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn register() {
        let owner = funded::<T>("owner");

        #[extrinsic_call]
        _(
            RawOrigin::Signed(owner),
            longest_name(),
            longest_name(),
            longest_text(),
            Schema::PromptCompletion,
            open_terms(),
        );

        assert!(Datanets::<T>::contains_key(DatanetId(0)));
    }

    #[benchmark]
    fn update_terms() {
        let owner = funded::<T>("owner");
        let id = registered::<T>(&owner);
        let terms = Terms { price: 1, licence: BoundedVec::truncate_from(vec![b'l']), ..open_terms() };

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), id, terms.clone());

        assert_eq!(Datanets::<T>::get(id).map(|datanet| datanet.terms), Some(terms));
    }

    #[benchmark]
    fn set_curators(c: Linear<0, CURATORS_MAX>) {
        let owner = funded::<T>("owner");
        let id = registered::<T>(&owner);
        let named = curators::<T>(c);

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), id, named.clone());

        assert_eq!(Datanets::<T>::get(id).map(|datanet| datanet.curators), Some(named));
    }

    #[benchmark]
    fn retire() {
        let owner = funded::<T>("owner");
        let id = registered::<T>(&owner);

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), id);

        assert!(Datanets::<T>::get(id).is_some_and(|datanet| !datanet.is_active()));
    }

    #[benchmark]
    fn submit_contribution() {
        let owner = funded::<T>("owner");
        let contributor = funded::<T>("contributor");
        let id = registered::<T>(&owner);

        #[extrinsic_call]
        _(RawOrigin::Signed(contributor), id, samples::<T>(0), longest_name());

        assert!(Contributions::<T>::contains_key(ContributionId(0)));
    }

    #[benchmark]
    fn accept() {
        let owner = funded::<T>("owner");
        let contributor = funded::<T>("contributor");
        let datanet = registered::<T>(&owner);
        filled::<T>(datanet, &owner, &contributor, VERSION_CONTRIBUTIONS_MAX - 1);
        let id = submitted::<T>(datanet, &contributor, VERSION_CONTRIBUTIONS_MAX);
        let curator = account("curator", CURATORS_MAX - 1, 0);

        #[extrinsic_call]
        _(RawOrigin::Signed(curator), id);

        assert_eq!(Accepted::<T>::get(datanet).last(), Some(&id));
    }

    #[benchmark]
    fn reject() {
        let owner = funded::<T>("owner");
        let contributor = funded::<T>("contributor");
        let datanet = registered::<T>(&owner);
        let id = submitted::<T>(datanet, &contributor, 0);
        let curator = account("curator", CURATORS_MAX - 1, 0);

        #[extrinsic_call]
        _(RawOrigin::Signed(curator), id, longest_text());

        let status = Contributions::<T>::get(id).map(|contribution| contribution.status);
        assert_eq!(status, Some(ContributionStatus::Rejected { reason: longest_text() }));
    }

    /// The worst case: accepted since the newest version, both lists full.
    #[benchmark]
    fn withdraw() {
        let owner = funded::<T>("owner");
        let contributor = funded::<T>("contributor");
        let datanet = registered::<T>(&owner);
        filled::<T>(datanet, &owner, &contributor, VERSION_CONTRIBUTIONS_MAX);
        assert_ok!(Pallet::<T>::publish_version(RawOrigin::Signed(owner.clone()).into(), datanet));
        assert_ok!(Pallet::<T>::withdraw(RawOrigin::Signed(contributor.clone()).into(), ContributionId(0)));
        let id = submitted::<T>(datanet, &contributor, VERSION_CONTRIBUTIONS_MAX);
        assert_ok!(Pallet::<T>::accept(RawOrigin::Signed(owner).into(), id));

        #[extrinsic_call]
        _(RawOrigin::Signed(contributor), id);

        assert!(!Contributions::<T>::contains_key(id));
    }

    #[benchmark]
    fn publish_version(n: Linear<1, VERSION_CONTRIBUTIONS_MAX>) {
        let owner = funded::<T>("owner");
        let contributor = funded::<T>("contributor");
        let datanet = registered::<T>(&owner);
        filled::<T>(datanet, &owner, &contributor, n);

        #[extrinsic_call]
        _(RawOrigin::Signed(account("curator", CURATORS_MAX - 1, 0)), datanet);

        assert!(Versions::<T>::contains_key(VersionRef { datanet, number: 1 }));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
