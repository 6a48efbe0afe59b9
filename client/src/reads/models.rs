//! Base models, models and deployments.

use super::{PAGE, View};
use crate::{
    account::Account,
    error::ChainError,
    records::{BaseModel, Model},
};
use tributary_protocol::{BaseModelId, ModelId, VersionRef, model::Deployment};

impl View {
    /// A base model.
    pub async fn base_model(&self, id: BaseModelId) -> Result<Option<BaseModel>, ChainError> {
        self.call("ModelsApi_base_model", (id,)).await
    }

    /// A page of base models.
    pub async fn base_models(
        &self,
        from: BaseModelId,
        limit: u32,
    ) -> Result<Vec<(BaseModelId, BaseModel)>, ChainError> {
        self.call("ModelsApi_base_models", (from, limit)).await
    }

    /// Every base model.
    pub async fn all_base_models(&self) -> Result<Vec<(BaseModelId, BaseModel)>, ChainError> {
        Self::all(BaseModelId(0), BaseModelId::next, |from| self.base_models(from, PAGE)).await
    }

    /// A model.
    pub async fn model(&self, id: ModelId) -> Result<Option<Model>, ChainError> {
        self.call("ModelsApi_model", (id,)).await
    }

    /// A page of models.
    pub async fn models(&self, from: ModelId, limit: u32) -> Result<Vec<(ModelId, Model)>, ChainError> {
        self.call("ModelsApi_models", (from, limit)).await
    }

    /// Every model.
    pub async fn all_models(&self) -> Result<Vec<(ModelId, Model)>, ChainError> {
        Self::all(ModelId(0), ModelId::next, |from| self.models(from, PAGE)).await
    }

    /// A page of the models trained on a version, `from` counting from 0 in the order of making.
    pub async fn affected_by(&self, version: VersionRef, from: u32, limit: u32) -> Result<Vec<ModelId>, ChainError> {
        self.call("ModelsApi_affected_by", (version, from, limit)).await
    }

    /// Every model trained on a version, in the order of making.
    pub async fn all_affected_by(&self, version: VersionRef) -> Result<Vec<ModelId>, ChainError> {
        Self::all_counted(|from| self.affected_by(version, from, PAGE)).await
    }

    /// Whether a grant under which the model was trained has been revoked since; `None` if there is no such model.
    pub async fn is_affected(&self, id: ModelId) -> Result<Option<bool>, ChainError> {
        self.call("ModelsApi_is_affected", (id,)).await
    }

    /// A page of a model's deployments, by operator.
    pub async fn deployments(&self, model: ModelId, limit: u32) -> Result<Vec<(Account, Deployment)>, ChainError> {
        self.call("ModelsApi_deployments", (model, limit)).await
    }
}
