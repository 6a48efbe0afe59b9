//! Base models, the models that jobs make of them, and where a model is offered.
//!
//! # Overview
//!
//! A base model is an open model that everybody may tune, known to the chain by the hash of its files. When a training job
//! settles, the chain records the model it made: who paid for it, which base model and which data it came from, under which
//! permissions, what was measured, and how its sales split. The owner may then publish it with prices, and anyone who runs
//! servers may offer a published model at an address of theirs. Where a permission to use the data is taken back, the models
//! made with it can be listed, and may not be offered anew.
//!
//! # Terminology
//!
//! - *Base model*: frozen files, found by their hash. Who registers it is paid the base owner's part of sales.
//! - *Model*: the result of a settled job: an adapter to a base model. Private, published or withdrawn.
//! - *Lineage*: base model, job, trainer, and each data version with the grant that opened it.
//! - *Affected*: a grant of the lineage was revoked since.
//! - *Deployment*: a serving operator's offer of a model at a URL.
//!
//! # Calls
//!
//! | call | who | what |
//! |---|---|---|
//! | [`register_base`](Pallet::register_base) | anyone | makes a base model known, for a deposit |
//! | [`publish`](Pallet::publish) | the model's owner | offers a model at prices |
//! | [`set_terms`](Pallet::set_terms) | the model's owner | changes a published model's prices |
//! | [`deploy`](Pallet::deploy) | anyone | says where a published model is served, for a deposit |
//! | [`undeploy`](Pallet::undeploy) | the deployment's operator | takes that back and gets the deposit back |
//! | [`withdraw`](Pallet::withdraw) | the model's owner | stops offering a model |
//!
//! Models are recorded through [`ModelRegistry`](pallet_support::ModelRegistry), by the pallet that settles jobs.
//!
//! # Example
//!
//! `tests/record.rs`, `record_makes_a_private_model_with_a_stream`, then `tests/deploy.rs`.
//!
//! # Design
//!
//! - *Recording never fails for what a trainer reports.* Two jobs may end in the same adapter; the second model is recorded
//!   all the same, and its event names the first. Who is right is a matter of disputes, before settlement.
//! - *The split is fixed when the model is made*, and so are the parties: the base model's owner, the trainer, the model's
//!   owner and the Datanets' owners of that block. No call changes them.
//! - *Revocation.* Nothing loops over models when a grant is revoked: whether a model is affected is read from its grants
//!   when asked. [`affected_by`](Pallet::affected_by) lists the models of a version by an index that grows as models are made.
//! - *Withdrawing* leaves record, stream and deployments: operators take their deployments back themselves and get their
//!   deposits. A withdrawn model may be published again.
//! - *Deposits.* Owners have one on hold for each base model, for good, since models refer to it; operators for each
//!   deployment. A model's record is covered by the deposit of the job that made it.
//!
//! # Limits
//!
//! - Whoever registers a content first is its base owner; the chain cannot know who trained it.
//! - An affected model that is published stays so; it may not be published or deployed anew.
//! - That an endpoint answers, and with that model, is not checked here.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::float_arithmetic))]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[deny(clippy::as_conversions)] // Not crate-wide: the pallet macro's own code uses `as`.
mod logic;
#[cfg(test)]
mod mock;
#[deny(clippy::as_conversions)]
mod reads;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "try-state", test))]
mod try_state;
pub mod weights;

pub use pallet::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use frame_support::{
        pallet_prelude::*,
        traits::fungible::{Inspect, InspectHold, Mutate, MutateHold},
    };
    use frame_system::pallet_prelude::*;
    use pallet_support::{DatanetInspect, GrantGate, RewardSink};
    use tributary_protocol::{
        Amount, BaseModelId, ContentHash, ModelId, VersionRef,
        answer::Accuracy,
        datanet::Name,
        job::Metrics,
        model::{BaseModel, Deployment, ENDPOINT_BYTES_MAX, Lineage, Model, ModelFamily, ModelStatus, Prices},
        stream::Split,
    };

    /// The layout of storage that this code reads and writes.
    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime decides.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Money, with holds.
        type Currency: Inspect<Self::AccountId, Balance = Amount>
            + Mutate<Self::AccountId>
            + InspectHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
            + MutateHold<Self::AccountId>;

        /// The reasons of the whole runtime.
        type RuntimeHoldReason: From<HoldReason>;

        /// Where Datanets are looked up.
        type Datanets: DatanetInspect<Self::AccountId>;

        /// Where grants are checked.
        type Grants: GrantGate<Self::AccountId>;

        /// Where a new model's stream is opened.
        type Rewards: RewardSink<Self::AccountId>;

        /// The fixed part of what is on hold for a base model, in the smallest unit.
        #[pallet::constant]
        type BaseModelDeposit: Get<Amount>;

        /// The fixed part of what is on hold for a deployment, in the smallest unit.
        #[pallet::constant]
        type DeploymentDeposit: Get<Amount>;

        /// What is on hold for each byte of a base model's texts or a deployment's endpoint, in the smallest unit.
        #[pallet::constant]
        type ByteDeposit: Get<Amount>;

        /// Weights from benchmarks.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// The deposit for a base model's record.
        BaseModel,
        /// The deposit for a deployment.
        Deployment,
    }

    /// The number of the next base model.
    #[pallet::storage]
    pub type NextBase<T> = StorageValue<_, BaseModelId, ValueQuery>;

    /// The base models. Numbers are given in order by the chain and cannot be ground, so Twox64 serves. The owner has a
    /// deposit on hold for each.
    #[pallet::storage]
    pub type BaseModels<T: Config> = StorageMap<_, Twox64Concat, BaseModelId, BaseModel<T::AccountId>>;

    /// Which base model has a content. Anyone may choose these 32 bytes, so the hasher is Blake2. Covered by the base
    /// model's deposit.
    #[pallet::storage]
    pub type Contents<T> = StorageMap<_, Blake2_128Concat, ContentHash, BaseModelId>;

    /// The number of the next model.
    #[pallet::storage]
    pub type NextModel<T> = StorageValue<_, ModelId, ValueQuery>;

    /// The models. Numbers are given in order by the chain, so Twox64 serves. Covered by the deposit of the job that made the
    /// model, as are the three indexes below.
    #[pallet::storage]
    pub type Models<T: Config> = StorageMap<_, Twox64Concat, ModelId, Model<T::AccountId>>;

    /// The first model made with an adapter. A trainer may choose these 32 bytes, so the hasher is Blake2.
    #[pallet::storage]
    pub type Adapters<T> = StorageMap<_, Blake2_128Concat, ContentHash, ModelId>;

    /// How many models were trained on a version. Versions are numbered by the chain, so Twox64 serves.
    #[pallet::storage]
    pub type VersionModelCount<T> = StorageMap<_, Twox64Concat, VersionRef, u32, ValueQuery>;

    /// The models trained on a version, by position from 0 in the order of making. Both keys are given by the chain.
    #[pallet::storage]
    pub type VersionModels<T> = StorageDoubleMap<_, Twox64Concat, VersionRef, Twox64Concat, u32, ModelId>;

    /// The deployments, by model and operator. Anyone may make accounts at will, so their hasher is Blake2. The operator has
    /// a deposit on hold for each.
    #[pallet::storage]
    pub type Deployments<T: Config> =
        StorageDoubleMap<_, Twox64Concat, ModelId, Blake2_128Concat, T::AccountId, Deployment>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A base model was made known.
        BaseRegistered {
            /// The base model.
            base: BaseModelId,
            /// Hash of its folder.
            content: ContentHash,
            /// Its name.
            name: Name,
            /// Its family.
            family: ModelFamily,
            /// How many parameters it has.
            parameters: u64,
            /// Its licence.
            licence: Name,
            /// Who registered it.
            owner: T::AccountId,
            /// What the owner has on hold for it.
            deposit: Amount,
        },
        /// A settled job's model was recorded.
        ModelRecorded {
            /// The model.
            model: ModelId,
            /// The earlier model with the same adapter, if there is one.
            first_with_adapter: Option<ModelId>,
            /// Hash of its adapter.
            adapter: ContentHash,
            /// Where it came from.
            lineage: Lineage<T::AccountId>,
            /// What was measured.
            metrics: Metrics,
            /// How right its attribution was found to be, if that was measured.
            accuracy: Option<Accuracy>,
            /// How its sales split.
            split: Split,
            /// Who paid for it.
            owner: T::AccountId,
        },
        /// A model was offered.
        ModelPublished {
            /// The model.
            model: ModelId,
            /// Its owner.
            owner: T::AccountId,
            /// What it costs.
            prices: Prices,
        },
        /// A published model's prices were changed.
        TermsSet {
            /// The model.
            model: ModelId,
            /// Its owner.
            owner: T::AccountId,
            /// What it costs now.
            prices: Prices,
        },
        /// An operator began to offer a model.
        ModelDeployed {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// Where.
            endpoint: BoundedVec<u8, ConstU32<ENDPOINT_BYTES_MAX>>,
        },
        /// An operator stopped offering a model.
        ModelUndeployed {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// What the operator got back.
            deposit: Amount,
        },
        /// A model is no longer offered.
        ModelWithdrawn {
            /// The model.
            model: ModelId,
            /// Its owner.
            owner: T::AccountId,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no base model with this number.
        UnknownBase,
        /// There is no Datanet with the number that the lineage names.
        UnknownDatanet,
        /// There is no model with this number. Models are recorded when a job settles.
        UnknownModel,
        /// Only the model's owner, who paid for its job, may do this.
        NotOwner,
        /// A name or licence is empty or not UTF-8.
        TextInvalid,
        /// A base model has at least one parameter.
        NoParameters,
        /// The content hash is all zeros: it is the hash of nothing.
        ContentInvalid,
        /// A base model with this content is registered. Use that one.
        ContentTaken,
        /// The model is published already. To change its prices, use `set_terms`.
        AlreadyPublished,
        /// The model is not published, so it has no terms, cannot be deployed and cannot be withdrawn.
        NotPublished,
        /// A grant under which the model was trained was revoked, so it may not be offered anew.
        ModelAffected,
        /// The endpoint is not a URL that begins with `http://` or `https://`, or holds blanks or control characters.
        EndpointInvalid,
        /// The operator offers this model already. Undeploy it first to change the endpoint.
        AlreadyDeployed,
        /// The operator does not offer this model.
        NotDeployed,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Makes a base model known, so that jobs may tune it.
        ///
        /// # Origin
        /// Signed, by anyone, who is paid the base owner's part of its models' sales.
        ///
        /// # Details
        /// `content` is the hash of the model's folder and unique. A deposit, fixed and per byte of name and licence, stays on
        /// hold for good, since models will refer to the record.
        ///
        /// # Errors
        /// `TextInvalid`, `NoParameters`, `ContentInvalid`, `ContentTaken`; the currency's where the deposit is not affordable.
        ///
        /// # Events
        /// `BaseRegistered`.
        ///
        /// # Complexity
        /// O(1); at most 128 bytes of text.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::register_base())]
        pub fn register_base(
            origin: OriginFor<T>,
            name: Name,
            family: ModelFamily,
            content: ContentHash,
            #[pallet::compact] parameters: u64,
            licence: Name,
        ) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            ensure!(logic::is_text(&name) && logic::is_text(&licence), Error::<T>::TextInvalid);
            ensure!(parameters > 0, Error::<T>::NoParameters);
            ensure!(content != ContentHash::default(), Error::<T>::ContentInvalid);
            ensure!(!Contents::<T>::contains_key(content), Error::<T>::ContentTaken);
            let text_bytes = name.len().saturating_add(licence.len());
            let deposit = Self::deposit(T::BaseModelDeposit::get(), text_bytes)?;
            let registered_at = pallet_support::now::<T>();
            let base = Self::do_register_base(BaseModel {
                owner: owner.clone(),
                name: name.clone(),
                family,
                content,
                parameters,
                licence: licence.clone(),
                deposit,
                registered_at,
            })?;
            Self::deposit_event(Event::BaseRegistered {
                base,
                content,
                name,
                family,
                parameters,
                licence,
                owner,
                deposit,
            });
            Ok(())
        }

        /// Offers a model at prices.
        ///
        /// # Origin
        /// Signed, by the model's owner.
        ///
        /// # Details
        /// For a private or a withdrawn model. Refused where a grant of the lineage was revoked. A grant that merely expired or
        /// was given back covers what was trained under it.
        ///
        /// # Errors
        /// `UnknownModel`, `NotOwner`, `AlreadyPublished`, `ModelAffected`.
        ///
        /// # Events
        /// `ModelPublished`.
        ///
        /// # Complexity
        /// O(g), where g is the number of grants of the lineage: at most 8.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::publish())]
        pub fn publish(origin: OriginFor<T>, model: ModelId, prices: Prices) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let record = Self::owned(model, &owner)?;
            ensure!(record.status != ModelStatus::Published, Error::<T>::AlreadyPublished);
            ensure!(!Self::affected(&record), Error::<T>::ModelAffected);
            Self::do_offer(model, record, prices, ModelStatus::Published);
            Self::deposit_event(Event::ModelPublished { model, owner, prices });
            Ok(())
        }

        /// Changes a published model's prices.
        ///
        /// # Origin
        /// Signed, by the model's owner.
        ///
        /// # Details
        /// Holds for what is asked of the model from now on. The split of its sales cannot be changed.
        ///
        /// # Errors
        /// `UnknownModel`, `NotOwner`, `NotPublished`.
        ///
        /// # Events
        /// `TermsSet`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::set_terms())]
        pub fn set_terms(origin: OriginFor<T>, model: ModelId, prices: Prices) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let record = Self::owned(model, &owner)?;
            ensure!(record.status == ModelStatus::Published, Error::<T>::NotPublished);
            Self::do_offer(model, record, prices, ModelStatus::Published);
            Self::deposit_event(Event::TermsSet { model, owner, prices });
            Ok(())
        }

        /// Says where a published model is served.
        ///
        /// # Origin
        /// Signed, by anyone: the operator.
        ///
        /// # Details
        /// One deployment per model and operator. A deposit, fixed and per byte of the endpoint, is on hold until the operator
        /// undeploys.
        ///
        /// # Errors
        /// `UnknownModel`, `NotPublished`, `EndpointInvalid`, `AlreadyDeployed`, `ModelAffected`; the currency's where the
        /// deposit is not affordable.
        ///
        /// # Events
        /// `ModelDeployed`.
        ///
        /// # Complexity
        /// O(g), where g is the number of grants of the lineage: at most 8; at most 256 bytes of endpoint.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::deploy())]
        pub fn deploy(
            origin: OriginFor<T>,
            model: ModelId,
            endpoint: BoundedVec<u8, ConstU32<ENDPOINT_BYTES_MAX>>,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            let record = Models::<T>::get(model).ok_or(Error::<T>::UnknownModel)?;
            ensure!(record.status == ModelStatus::Published, Error::<T>::NotPublished);
            ensure!(logic::is_endpoint(&endpoint), Error::<T>::EndpointInvalid);
            ensure!(!Deployments::<T>::contains_key(model, &operator), Error::<T>::AlreadyDeployed);
            ensure!(!Self::affected(&record), Error::<T>::ModelAffected);
            Self::do_deploy(model, record, &operator, endpoint.clone())?;
            Self::deposit_event(Event::ModelDeployed { model, operator, endpoint });
            Ok(())
        }

        /// Stops offering a model and gives the deployment's deposit back.
        ///
        /// # Origin
        /// Signed, by the deployment's operator.
        ///
        /// # Details
        /// Works whatever has become of the model since.
        ///
        /// # Errors
        /// `NotDeployed`.
        ///
        /// # Events
        /// `ModelUndeployed`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::undeploy())]
        pub fn undeploy(origin: OriginFor<T>, model: ModelId) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            let deployment = Deployments::<T>::get(model, &operator).ok_or(Error::<T>::NotDeployed)?;
            Self::do_undeploy(model, &operator, &deployment)?;
            Self::deposit_event(Event::ModelUndeployed { model, operator, deposit: deployment.deposit });
            Ok(())
        }

        /// Stops offering a model to anyone.
        ///
        /// # Origin
        /// Signed, by the model's owner.
        ///
        /// # Details
        /// Record, stream and deployments stay; operators undeploy themselves. The owner may publish the model again.
        ///
        /// # Errors
        /// `UnknownModel`, `NotOwner`, `NotPublished`.
        ///
        /// # Events
        /// `ModelWithdrawn`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::withdraw())]
        pub fn withdraw(origin: OriginFor<T>, model: ModelId) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let record = Self::owned(model, &owner)?;
            ensure!(record.status == ModelStatus::Published, Error::<T>::NotPublished);
            let prices = record.prices;
            Self::do_offer(model, record, prices, ModelStatus::Withdrawn);
            Self::deposit_event(Event::ModelWithdrawn { model, owner });
            Ok(())
        }
    }
}
