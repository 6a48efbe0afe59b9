//! What the calls cost at their worst.

use crate::{
    Call, Config, Grants, NextGrant, OfferNonces, Offers, OpenRequests, Pallet,
    types::{GrantOf, Presented},
};
use alloc::vec;
use frame_benchmarking::v2::*;
use frame_support::{
    assert_ok,
    traits::{
        Get,
        fungible::{Inspect, Mutate},
    },
};
use frame_system::{RawOrigin, pallet_prelude::BlockNumberFor};
use pallet_support::{DatanetInspect, now};
use sp_runtime::{AccountId32, BoundedVec, MultiSignature, MultiSigner, traits::IdentifyAccount};
use tributary_protocol::{
    Amount, BaseModelId, DatanetId, GrantId,
    datanet::{Purpose, TEXT_BYTES_MAX, Text},
    grant::{BaseModelScope, GrantOffer, GrantStatus, GrantTerms, Use, VersionScope},
};

/// The key that benchmarks sign offers with.
const KEY_TYPE: sp_core::crypto::KeyTypeId = sp_core::crypto::KeyTypeId(*b"bnch");

/// How benchmarks sign offers. `()` does it for chains with `AccountId32` and `MultiSignature`.
pub trait BenchmarkHelper<AccountId, Signature> {
    /// Makes a key in the keystore, and returns its account and what signs with it.
    fn signer() -> (AccountId, impl Fn(&[u8]) -> Signature);
}

impl BenchmarkHelper<AccountId32, MultiSignature> for () {
    fn signer() -> (AccountId32, impl Fn(&[u8]) -> MultiSignature) {
        let public = sp_io::crypto::sr25519_generate(KEY_TYPE, None);
        let sign = move |message: &[u8]| {
            let signature = sp_io::crypto::sr25519_sign(KEY_TYPE, &public, message);
            MultiSignature::Sr25519(signature.expect("the key was made above"))
        };
        (MultiSigner::Sr25519(public).into_account(), sign)
    }
}

fn endow<T: Config>(who: &T::AccountId) {
    let deposits = Pallet::<T>::grant_deposit()
        .saturating_add(T::OfferDeposit::get())
        .saturating_mul(Amount::from(T::MaxOpenRequests::get()).saturating_add(10))
        .saturating_add(T::Currency::minimum_balance().saturating_mul(10));
    assert_ok!(T::Currency::mint_into(who, deposits));
}

fn funded<T: Config>(name: &'static str) -> T::AccountId {
    let who = account(name, 0, 0);
    endow::<T>(&who);
    who
}

fn longest_text() -> Text {
    BoundedVec::truncate_from(vec![b't'; usize::try_from(TEXT_BYTES_MAX).unwrap_or_default()])
}

/// Terms that fit the Datanet of [`DatanetInspect::benchmark_version`].
fn some_terms<T: Config>() -> GrantTerms {
    GrantTerms {
        versions: VersionScope::UpTo(1),
        purpose: Purpose::Research,
        base_models: BaseModelScope::Only(BaseModelId(0)),
        uses: 1,
        // The runner sets block 1 between set-up and call.
        expires_at: now::<T>().saturating_add(2),
    }
}

/// A Datanet of `owner`.
fn datanet_of<T: Config>(owner: &T::AccountId) -> DatanetId {
    T::Datanets::benchmark_version(owner).datanet
}

/// A grant of such a Datanet with this status.
fn created<T: Config>(owner: &T::AccountId, grantee: &T::AccountId, status: GrantStatus) -> GrantId {
    let datanet = datanet_of::<T>(owner);
    let id = NextGrant::<T>::get();
    assert_ok!(Pallet::<T>::do_create(datanet, grantee, some_terms::<T>(), status, None));
    id
}

/// Makes an active grant that allows `wanted`, for benchmarks of other pallets.
pub(crate) fn grant<T: Config>(wanted: &Use<T::AccountId>) -> GrantId {
    endow::<T>(&wanted.grantee);
    let id = NextGrant::<T>::get();
    let terms = GrantTerms {
        versions: VersionScope::Only(wanted.version.number),
        purpose: wanted.purpose,
        base_models: BaseModelScope::Only(wanted.base_model),
        uses: u32::MAX,
        expires_at: u32::MAX,
    };
    let datanet = wanted.version.datanet;
    assert_ok!(Pallet::<T>::do_create(datanet, &wanted.grantee, terms, GrantStatus::Active, None));
    id
}

fn status<T: Config>(id: GrantId) -> Option<GrantStatus> {
    Grants::<T>::get(id).map(|grant: GrantOf<T>| grant.status)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// Under open terms: a request that waits writes as much, and reads no more.
    #[benchmark]
    fn request() {
        let grantee = funded::<T>("grantee");
        let datanet = datanet_of::<T>(&funded::<T>("owner"));

        #[extrinsic_call]
        _(RawOrigin::Signed(grantee), datanet, some_terms::<T>());

        assert!(Grants::<T>::contains_key(GrantId(0)));
    }

    #[benchmark]
    fn issue() {
        let (owner, grantee) = (funded::<T>("owner"), funded::<T>("grantee"));
        let id = created::<T>(&owner, &grantee, GrantStatus::Requested);

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), id);

        assert_eq!(status::<T>(id), Some(GrantStatus::Active));
    }

    #[benchmark]
    fn deny() {
        let (owner, grantee) = (funded::<T>("owner"), funded::<T>("grantee"));
        let id = created::<T>(&owner, &grantee, GrantStatus::Requested);

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), id, longest_text());

        assert_eq!(status::<T>(id), Some(GrantStatus::Denied { reason: longest_text() }));
    }

    #[benchmark]
    fn revoke() {
        let (owner, grantee) = (funded::<T>("owner"), funded::<T>("grantee"));
        let id = created::<T>(&owner, &grantee, GrantStatus::Active);

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), id, longest_text());

        assert!(matches!(status::<T>(id), Some(GrantStatus::Revoked { .. })));
    }

    /// The worst case: a request, which leaves the count of those that wait.
    #[benchmark]
    fn renounce() {
        let (owner, grantee) = (funded::<T>("owner"), funded::<T>("grantee"));
        let id = created::<T>(&owner, &grantee, GrantStatus::Requested);
        assert_eq!(OpenRequests::<T>::iter().count(), 1);

        #[extrinsic_call]
        _(RawOrigin::Signed(grantee), id);

        assert_eq!(status::<T>(id), Some(GrantStatus::Renounced));
    }

    /// The worst case: a signature over the wrapped bytes, which is tried second.
    #[benchmark]
    fn present() {
        let (owner, sign) = T::BenchmarkHelper::signer();
        endow::<T>(&owner);
        let grantee = funded::<T>("grantee");
        let datanet = datanet_of::<T>(&owner);
        let terms = some_terms::<T>();
        let offer = GrantOffer { datanet, grantee: grantee.clone(), terms, nonce: 7, valid_until: u32::MAX };
        let wrapped = [b"<Bytes>", Pallet::<T>::offer_payload(&offer).as_slice(), b"</Bytes>"].concat();

        #[extrinsic_call]
        _(RawOrigin::Signed(grantee), offer, sign(&wrapped));

        assert!(OfferNonces::<T>::contains_key(datanet, 7));
    }

    /// The worst case: a grant that came of an offer.
    #[benchmark]
    fn prune() {
        let (owner, grantee) = (funded::<T>("owner"), funded::<T>("grantee"));
        let datanet = datanet_of::<T>(&owner);
        let offer = Some(Presented { nonce: 7, valid_until: now::<T>().saturating_add(1) });
        let id = NextGrant::<T>::get();
        assert_ok!(Pallet::<T>::do_create(datanet, &grantee, some_terms::<T>(), GrantStatus::Active, offer));
        frame_system::Pallet::<T>::set_block_number(BlockNumberFor::<T>::from(1_000_000u32));

        #[extrinsic_call]
        _(RawOrigin::Signed(grantee), id);

        assert!(!Grants::<T>::contains_key(id) && !Offers::<T>::contains_key(id));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
