//! The pallet's invariants.

use crate::{
    Adapters, BaseModels, Config, Contents, Deployments, HoldReason, Models, NextBase, NextModel, Pallet,
    VersionModelCount, VersionModels,
    logic::{is_endpoint, is_text},
};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::TryRuntimeError;
use tributary_protocol::{Amount, ModelId, VersionRef, model::ModelStatus};

impl<T: Config> Pallet<T> {
    /// Checks what must hold between calls:
    ///
    /// 1. Every number given is below the next one to give.
    /// 2. Base models and their contents are the same set, one content each; their texts are UTF-8 and not empty.
    /// 3. What an account has on hold for base models is the sum of its base models' deposits.
    /// 4. Every model has a base model and a whole split.
    /// 5. A model is in the list of exactly the versions of its lineage; each list is numbered from 0 without gaps.
    /// 6. Every adapter has the first model made with it.
    /// 7. A model counts its deployments; none was ever made of a model that is private; endpoints are URLs.
    /// 8. What an account has on hold for deployments is the sum of its deployments' deposits.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::check_bases()?;
        Self::check_models()?;
        Self::check_index()?;
        Self::check_deployments()
    }

    /// Invariants 1 to 3 of base models.
    fn check_bases() -> Result<(), TryRuntimeError> {
        let mut deposits: BTreeMap<T::AccountId, Amount> = BTreeMap::new();
        let mut bases = 0usize;
        for (id, base) in BaseModels::<T>::iter() {
            ensure!(id < NextBase::<T>::get(), "1: a base model's number was not given");
            ensure!(Contents::<T>::get(base.content) == Some(id), "2: a base model's content is not its own");
            ensure!(is_text(&base.name) && is_text(&base.licence), "2: a base model's text is empty or not UTF-8");
            add(&mut deposits, base.owner, base.deposit)?;
            // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
            bases = bases.saturating_add(1);
        }
        ensure!(Contents::<T>::iter().count() == bases, "2: a content without a base model");
        Self::check_holds(deposits, HoldReason::BaseModel, "3: a hold differs from the base models' deposits")
    }

    /// Invariants 1, 4 and 6.
    fn check_models() -> Result<(), TryRuntimeError> {
        for (id, model) in Models::<T>::iter() {
            ensure!(id < NextModel::<T>::get(), "1: a model's number was not given");
            ensure!(BaseModels::<T>::contains_key(model.lineage.base), "4: a model without a base model");
            ensure!(model.split.is_whole(), "4: a split is not whole");
            let first = Adapters::<T>::get(model.adapter);
            ensure!(first.is_some_and(|first| first <= id), "6: an adapter's first model is not the first");
        }
        for (adapter, id) in Adapters::<T>::iter() {
            let same = Models::<T>::get(id).is_some_and(|model| model.adapter == adapter);
            ensure!(same, "6: an adapter's first model has another");
        }
        Ok(())
    }

    /// Invariant 5.
    fn check_index() -> Result<(), TryRuntimeError> {
        let mut listed: BTreeMap<VersionRef, u32> = BTreeMap::new();
        for (version, position, id) in VersionModels::<T>::iter() {
            ensure!(position < VersionModelCount::<T>::get(version), "5: an entry beyond a list's end");
            let used =
                Models::<T>::get(id).is_some_and(|model| model.lineage.data.iter().any(|data| data.version == version));
            ensure!(used, "5: a list holds a model of other versions");
            let count = listed.entry(version).or_default();
            // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
            *count = count.saturating_add(1);
        }
        let mut used: BTreeMap<VersionRef, u32> = BTreeMap::new();
        for model in Models::<T>::iter_values() {
            for data in &model.lineage.data {
                let count = used.entry(data.version).or_default();
                // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
                *count = count.saturating_add(1);
            }
        }
        let counted: BTreeMap<VersionRef, u32> = VersionModelCount::<T>::iter().collect();
        ensure!(listed == counted, "5: a list has gaps");
        ensure!(used == listed, "5: a model is missing from a list");
        Ok(())
    }

    /// Invariants 7 and 8.
    fn check_deployments() -> Result<(), TryRuntimeError> {
        let mut deposits: BTreeMap<T::AccountId, Amount> = BTreeMap::new();
        let mut counts: BTreeMap<ModelId, u32> = BTreeMap::new();
        for (id, operator, deployment) in Deployments::<T>::iter() {
            ensure!(is_endpoint(&deployment.endpoint), "7: an endpoint is not a URL");
            let count = counts.entry(id).or_default();
            // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
            *count = count.saturating_add(1);
            add(&mut deposits, operator, deployment.deposit)?;
        }
        for (id, model) in Models::<T>::iter() {
            let count = counts.remove(&id).unwrap_or_default();
            ensure!(model.deployments == count, "7: a model miscounts its deployments");
            ensure!(count == 0 || model.status != ModelStatus::Private, "7: a private model is deployed");
        }
        ensure!(counts.is_empty(), "7: a deployment of no model");
        Self::check_holds(deposits, HoldReason::Deployment, "8: a hold differs from the deployments' deposits")
    }

    fn check_holds(
        deposits: BTreeMap<T::AccountId, Amount>,
        reason: HoldReason,
        message: &'static str,
    ) -> Result<(), TryRuntimeError> {
        let reason = reason.into();
        for (account, deposit) in deposits {
            ensure!(T::Currency::balance_on_hold(&reason, &account) == deposit, message);
        }
        Ok(())
    }
}

fn add<A: Ord>(deposits: &mut BTreeMap<A, Amount>, account: A, deposit: Amount) -> Result<(), TryRuntimeError> {
    let sum = deposits.entry(account).or_default();
    *sum = sum.checked_add(deposit).ok_or("the deposits overflow")?;
    Ok(())
}
