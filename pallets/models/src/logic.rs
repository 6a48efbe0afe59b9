//! How models are recorded and offered.

use crate::{
    Adapters, BaseModels, Config, Contents, Deployments, Error, Event, HoldReason, Models, NextBase, NextModel, Pallet,
    VersionModelCount, VersionModels,
};
use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{Get, fungible::MutateHold, tokens::Precision},
};
use pallet_support::{BaseModelInspect, DatanetInspect, GrantGate, ModelRegistry, NewModel, RewardSink};
use sp_runtime::{ArithmeticError, DispatchError};
use tributary_protocol::{
    Amount, BaseModelId, ModelId,
    grant::{GrantRefusal, Use},
    model::{BaseModel, Deployment, Lineage, Model, ModelStatus, Prices},
    stream::Parties,
};

/// The endpoint of a deployment, as the call takes it.
pub(crate) type Endpoint =
    frame_support::BoundedVec<u8, frame_support::traits::ConstU32<{ tributary_protocol::model::ENDPOINT_BYTES_MAX }>>;

impl<T: Config> Pallet<T> {
    /// What is put on hold for a record: a fixed part and a part for each byte of its texts.
    pub(crate) fn deposit(fixed: Amount, bytes: usize) -> Result<Amount, DispatchError> {
        let bytes = Amount::try_from(bytes).map_err(|_| ArithmeticError::Overflow)?;
        let varying = T::ByteDeposit::get().checked_mul(bytes).ok_or(ArithmeticError::Overflow)?;
        Ok(fixed.checked_add(varying).ok_or(ArithmeticError::Overflow)?)
    }

    /// Puts the record's deposit on hold and stores the base model under the next number.
    pub(crate) fn do_register_base(base: BaseModel<T::AccountId>) -> Result<BaseModelId, DispatchError> {
        let id = NextBase::<T>::get();
        T::Currency::hold(&HoldReason::BaseModel.into(), &base.owner, base.deposit)?;
        NextBase::<T>::put(id.next().ok_or(ArithmeticError::Overflow)?);
        Contents::<T>::insert(base.content, id);
        BaseModels::<T>::insert(id, base);
        Ok(id)
    }

    /// Stores a model's status and prices.
    pub(crate) fn do_offer(id: ModelId, model: Model<T::AccountId>, prices: Prices, status: ModelStatus) {
        Models::<T>::insert(id, Model { prices, status, ..model });
    }

    /// Puts the deployment's deposit on hold and stores it.
    pub(crate) fn do_deploy(
        id: ModelId,
        mut model: Model<T::AccountId>,
        operator: &T::AccountId,
        endpoint: Endpoint,
    ) -> DispatchResult {
        let deposit = Self::deposit(T::DeploymentDeposit::get(), endpoint.len())?;
        T::Currency::hold(&HoldReason::Deployment.into(), operator, deposit)?;
        model.deployments = model.deployments.checked_add(1).ok_or(ArithmeticError::Overflow)?;
        let deployment = Deployment { endpoint, deposit, deployed_at: pallet_support::now::<T>() };
        Deployments::<T>::insert(id, operator, deployment);
        Models::<T>::insert(id, model);
        Ok(())
    }

    /// Removes the deployment and gives its deposit back.
    pub(crate) fn do_undeploy(id: ModelId, operator: &T::AccountId, deployment: &Deployment) -> DispatchResult {
        T::Currency::release(&HoldReason::Deployment.into(), operator, deployment.deposit, Precision::Exact)?;
        Deployments::<T>::remove(id, operator);
        Models::<T>::try_mutate(id, |model| {
            let model = model.as_mut().ok_or(Error::<T>::UnknownModel)?;
            model.deployments = model.deployments.checked_sub(1).ok_or(ArithmeticError::Underflow)?;
            Ok(())
        })
    }

    /// The model, if `account` owns it.
    pub(crate) fn owned(id: ModelId, account: &T::AccountId) -> Result<Model<T::AccountId>, Error<T>> {
        let model = Models::<T>::get(id).ok_or(Error::UnknownModel)?;
        ensure!(model.owner == *account, Error::NotOwner);
        Ok(model)
    }

    /// Whether a grant under which the model was trained has been revoked since. Reads up to `JOB_VERSIONS_MAX` grants.
    /// The grants are those of the account that posted the job: the model's owner, since models do not change hands.
    pub(crate) fn affected(model: &Model<T::AccountId>) -> bool {
        model.lineage.data.iter().any(|data| {
            let wanted = Use {
                grantee: model.owner.clone(),
                version: data.version,
                purpose: model.lineage.purpose,
                base_model: model.lineage.base,
            };
            T::Grants::check(data.grant, &wanted) == Err(GrantRefusal::Revoked)
        })
    }

    /// Who a model's stream pays beside the contributors, as things stand now.
    fn parties(owner: &T::AccountId, lineage: &Lineage<T::AccountId>) -> Result<Parties<T::AccountId>, DispatchError> {
        let mut parties = Parties {
            base_owner: Self::base_owner(lineage.base).ok_or(Error::<T>::UnknownBase)?,
            trainer: lineage.trainer.clone(),
            model_owner: owner.clone(),
            datanet_owners: Default::default(),
        };
        for data in &lineage.data {
            let id = data.version.datanet;
            let datanet = T::Datanets::datanet(id).ok_or(Error::<T>::UnknownDatanet)?;
            // Both lists have the same bound.
            parties
                .datanet_owners
                .try_push((id, datanet.owner))
                .map_err(|_| DispatchError::Other("more owners than versions"))?;
        }
        Ok(parties)
    }

    /// Adds the model to the list of each version it was trained on.
    fn index(id: ModelId, lineage: &Lineage<T::AccountId>) -> DispatchResult {
        for data in &lineage.data {
            let position = VersionModelCount::<T>::get(data.version);
            let count = position.checked_add(1).ok_or(ArithmeticError::Overflow)?;
            VersionModels::<T>::insert(data.version, position, id);
            VersionModelCount::<T>::insert(data.version, count);
        }
        Ok(())
    }
}

impl<T: Config> BaseModelInspect<T::AccountId> for Pallet<T> {
    fn base_owner(id: BaseModelId) -> Option<T::AccountId> {
        BaseModels::<T>::get(id).map(|base| base.owner)
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_base(owner: &T::AccountId) -> BaseModelId {
        crate::benchmarking::base::<T>(owner)
    }
}

impl<T: Config> ModelRegistry<T::AccountId> for Pallet<T> {
    fn record(new: NewModel<T::AccountId>) -> Result<ModelId, DispatchError> {
        let NewModel { owner, adapter, lineage, metrics, split, contributions, accuracy } = new;
        let parties = Self::parties(&owner, &lineage)?;
        let id = NextModel::<T>::get();
        NextModel::<T>::put(id.next().ok_or(ArithmeticError::Overflow)?);
        Self::index(id, &lineage)?;
        // Nothing may stop a settlement: a repeated adapter is recorded, and the event says so.
        let first_with_adapter = Adapters::<T>::get(adapter);
        if first_with_adapter.is_none() {
            Adapters::<T>::insert(adapter, id);
        }
        let job = lineage.job;
        let model = Model {
            owner: owner.clone(),
            adapter,
            lineage: lineage.clone(),
            metrics,
            accuracy,
            prices: Prices::default(),
            split,
            status: ModelStatus::Private,
            deployments: 0,
            created_at: pallet_support::now::<T>(),
        };
        Models::<T>::insert(id, model);
        T::Rewards::open_stream(id, job, parties, split, contributions)?;
        Self::deposit_event(Event::ModelRecorded {
            model: id,
            first_with_adapter,
            adapter,
            lineage,
            metrics,
            accuracy,
            split,
            owner,
        });
        Ok(id)
    }

    fn may_serve(model: ModelId, operator: &T::AccountId) -> bool {
        Self::may_serve(model, operator)
    }
}

/// Whether `text` is UTF-8 and not empty.
pub(crate) fn is_text(text: &[u8]) -> bool {
    !text.is_empty() && core::str::from_utf8(text).is_ok()
}

/// Whether `endpoint` is UTF-8, begins with `http://` or `https://`, goes on, and has no blanks or control characters.
pub(crate) fn is_endpoint(endpoint: &[u8]) -> bool {
    let Ok(url) = core::str::from_utf8(endpoint) else { return false };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.chars().any(|c| c.is_whitespace() || c.is_control())
    })
}
