//! What the runtime API reads. A page has at most [`PAGE_MAX`] entries.

use crate::{
    Adapters, BaseModels, Config, Deployments, Models, NextBase, NextModel, Pallet, VersionModelCount, VersionModels,
};
use alloc::vec::Vec;
use tributary_protocol::{
    BaseModelId, ContentHash, ModelId, VersionRef,
    model::{BaseModel, Deployment, Model, ModelStatus},
};

/// Most entries of a page, as the runtime API has it.
const PAGE_MAX: u32 = 100;

/// The first `limit` numbers of those from `from` up to and without `end`.
fn page(from: u64, end: u64, limit: u32) -> core::ops::Range<u64> {
    from..end.min(from.saturating_add(limit.min(PAGE_MAX).into()))
}

impl<T: Config> Pallet<T> {
    /// A base model.
    pub fn base_model(id: BaseModelId) -> Option<BaseModel<T::AccountId>> {
        BaseModels::<T>::get(id)
    }

    /// A page of base models.
    pub fn base_models(from: BaseModelId, limit: u32) -> Vec<(BaseModelId, BaseModel<T::AccountId>)> {
        page(from.0.into(), NextBase::<T>::get().0.into(), limit)
            .filter_map(|n| u32::try_from(n).ok().map(BaseModelId))
            .filter_map(|id| BaseModels::<T>::get(id).map(|base| (id, base)))
            .collect()
    }

    /// A model.
    pub fn model(id: ModelId) -> Option<Model<T::AccountId>> {
        Models::<T>::get(id)
    }

    /// A page of models.
    pub fn models(from: ModelId, limit: u32) -> Vec<(ModelId, Model<T::AccountId>)> {
        page(from.0, NextModel::<T>::get().0, limit)
            .map(ModelId)
            .filter_map(|id| Models::<T>::get(id).map(|model| (id, model)))
            .collect()
    }

    /// A page of the models trained on a version, `from` counting from 0 in the order of making.
    pub fn affected_by(version: VersionRef, from: u32, limit: u32) -> Vec<ModelId> {
        page(from.into(), VersionModelCount::<T>::get(version).into(), limit)
            .filter_map(|n| u32::try_from(n).ok())
            .filter_map(|position| VersionModels::<T>::get(version, position))
            .collect()
    }

    /// Whether a grant under which the model was trained has been revoked since.
    pub fn is_affected(id: ModelId) -> Option<bool> {
        Models::<T>::get(id).map(|model| Self::affected(&model))
    }

    /// Whether an operator may answer with a model now: the model is published, no grant that it was trained under is revoked,
    /// and the operator has deployed it.
    pub fn may_serve(model: ModelId, operator: &T::AccountId) -> bool {
        Models::<T>::get(model).is_some_and(|record| {
            record.status == ModelStatus::Published
                && Deployments::<T>::contains_key(model, operator)
                && !Self::affected(&record)
        })
    }

    /// The first model made with an adapter.
    pub fn first_with_adapter(adapter: ContentHash) -> Option<ModelId> {
        Adapters::<T>::get(adapter)
    }

    /// The first deployments of a model, in the order of storage.
    pub fn deployments(model: ModelId, limit: u32) -> Vec<(T::AccountId, Deployment)> {
        let limit = usize::try_from(limit.min(PAGE_MAX)).unwrap_or_default();
        Deployments::<T>::iter_prefix(model).take(limit).collect()
    }
}
