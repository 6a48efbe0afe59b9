//! Benchmarks of every call, at its worst.

use super::*;
use crate::Pallet as ModelsPallet;
use alloc::{vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
    BoundedVec,
    traits::{ConstU32, fungible::Mutate},
};
use frame_system::RawOrigin;
use pallet_support::{DatanetInspect, GrantGate, ModelRegistry, NewModel};
use tributary_protocol::{
    BaseModelId, ContentHash, JobId, ModelId,
    amount::TRIB,
    datanet::{NAME_BYTES_MAX, Name, Purpose},
    grant::Use,
    job::{JOB_VERSIONS_MAX, Metrics},
    model::{DataUse, ENDPOINT_BYTES_MAX, Lineage, ModelFamily, ModelStatus, Prices},
    stream::{ContributionRoot, SHARE_UNITS, Split},
    sum_tree::SumRoot,
};

const PRICES: Prices = Prices { input_per_1000: TRIB, output_per_1000: 2 * TRIB };

fn endowed<T: Config>(name: &'static str) -> T::AccountId {
    let account = account(name, 0, 0);
    T::Currency::set_balance(&account, 1_000_000 * TRIB);
    account
}

/// The longest name.
fn longest() -> Name {
    vec![b'a'; usize::try_from(NAME_BYTES_MAX).unwrap_or_default()].try_into().expect("as long as fits")
}

/// The longest endpoint.
fn endpoint() -> BoundedVec<u8, ConstU32<ENDPOINT_BYTES_MAX>> {
    let mut url = b"https://".to_vec();
    url.resize(usize::try_from(ENDPOINT_BYTES_MAX).unwrap_or_default(), b'a');
    url.try_into().expect("as long as fits")
}

/// Registers a base model; the `n`th has its own content.
pub(crate) fn base<T: Config>(owner: &T::AccountId) -> BaseModelId {
    let id = NextBase::<T>::get();
    T::Currency::set_balance(owner, 1_000_000 * TRIB);
    ModelsPallet::<T>::register_base(
        RawOrigin::Signed(owner.clone()).into(),
        longest(),
        ModelFamily::Llama,
        ContentHash::of(&id.0.to_le_bytes()),
        1,
        longest(),
    )
    .expect("the content is new and the owner endowed");
    id
}

/// Records a model of `owner`, trained on the most versions, each under a grant of its own.
fn record<T: Config>(owner: &T::AccountId) -> ModelId {
    let base = base::<T>(&endowed::<T>("base"));
    let purpose = Purpose::Research;
    let datanet_owner = endowed::<T>("datanet");
    let data: Vec<_> = (0..JOB_VERSIONS_MAX)
        .map(|_| {
            let version = T::Datanets::benchmark_version(&datanet_owner);
            let wanted = Use { grantee: owner.clone(), version, purpose, base_model: base };
            DataUse { version, grant: T::Grants::benchmark_grant(&wanted) }
        })
        .collect();
    let shares = SumRoot { root: ContentHash::of(b"root"), total: SHARE_UNITS, leaves: 1 };
    ModelsPallet::<T>::record(NewModel {
        owner: owner.clone(),
        adapter: ContentHash::of(b"adapter"),
        lineage: Lineage {
            base,
            job: JobId(0),
            trainer: endowed::<T>("trainer"),
            data: data.try_into().expect("as many as fit"),
            purpose,
        },
        metrics: Metrics::default(),
        split: Split::DEFAULT,
        contributions: ContributionRoot { shares, evidence: ContentHash::of(b"evidence"), ..Default::default() },
        accuracy: Some(Default::default()),
    })
    .expect("all that the lineage names exists")
}

/// Records and publishes a model.
fn published<T: Config>(owner: &T::AccountId) -> Result<ModelId, BenchmarkError> {
    let model = record::<T>(owner);
    ModelsPallet::<T>::publish(RawOrigin::Signed(owner.clone()).into(), model, PRICES)?;
    Ok(model)
}

fn status<T: Config>(model: ModelId) -> Option<ModelStatus> {
    Models::<T>::get(model).map(|model| model.status)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn register_base() {
        let owner = endowed::<T>("owner");
        let content = ContentHash::of(b"content");

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), longest(), ModelFamily::Llama, content, u64::MAX, longest());

        assert!(Contents::<T>::contains_key(content));
    }

    #[benchmark]
    fn publish() {
        let owner = endowed::<T>("owner");
        let model = record::<T>(&owner);

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), model, PRICES);

        assert_eq!(status::<T>(model), Some(ModelStatus::Published));
    }

    #[benchmark]
    fn set_terms() -> Result<(), BenchmarkError> {
        let owner = endowed::<T>("owner");
        let model = published::<T>(&owner)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), model, Prices::default());

        assert_eq!(Models::<T>::get(model).map(|model| model.prices), Some(Prices::default()));
        Ok(())
    }

    #[benchmark]
    fn deploy() -> Result<(), BenchmarkError> {
        let owner = endowed::<T>("owner");
        let operator = endowed::<T>("operator");
        let model = published::<T>(&owner)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), model, endpoint());

        assert!(Deployments::<T>::contains_key(model, operator));
        Ok(())
    }

    #[benchmark]
    fn undeploy() -> Result<(), BenchmarkError> {
        let owner = endowed::<T>("owner");
        let operator = endowed::<T>("operator");
        let model = published::<T>(&owner)?;
        ModelsPallet::<T>::deploy(RawOrigin::Signed(operator.clone()).into(), model, endpoint())?;

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), model);

        assert!(!Deployments::<T>::contains_key(model, operator));
        Ok(())
    }

    #[benchmark]
    fn withdraw() -> Result<(), BenchmarkError> {
        let owner = endowed::<T>("owner");
        let model = published::<T>(&owner)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(owner), model);

        assert_eq!(status::<T>(model), Some(ModelStatus::Withdrawn));
        Ok(())
    }

    impl_benchmark_test_suite!(ModelsPallet, crate::mock::ExtBuilder.build(), crate::mock::Test);
}
