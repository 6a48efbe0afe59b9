//! Grants.

use super::{PAGE, View};
use crate::{
    account::Account,
    error::ChainError,
    records::{Grant, Use},
};
use tributary_protocol::{DatanetId, GrantId, grant::GrantRefusal};

impl View {
    /// A grant.
    pub async fn grant(&self, id: GrantId) -> Result<Option<Grant>, ChainError> {
        self.call("GrantsApi_grant", (id,)).await
    }

    /// A page of all grants.
    pub async fn grants(&self, from: GrantId, limit: u32) -> Result<Vec<(GrantId, Grant)>, ChainError> {
        self.call("GrantsApi_grants", (from, limit)).await
    }

    /// A page of a grantee's grants, `from` counting from 0 in the order of asking.
    pub async fn grants_of(
        &self,
        grantee: Account,
        from: u32,
        limit: u32,
    ) -> Result<Vec<(GrantId, Grant)>, ChainError> {
        self.call("GrantsApi_grants_of", (grantee, from, limit)).await
    }

    /// Every grant of a grantee.
    pub async fn all_grants_of(&self, grantee: Account) -> Result<Vec<(GrantId, Grant)>, ChainError> {
        Self::all_counted(|from| self.grants_of(grantee, from, PAGE)).await
    }

    /// A page of a Datanet's grants, `from` counting from 0 in the order of asking.
    pub async fn grants_on(
        &self,
        datanet: DatanetId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<(GrantId, Grant)>, ChainError> {
        self.call("GrantsApi_grants_on", (datanet, from, limit)).await
    }

    /// Every grant on a Datanet.
    pub async fn all_grants_on(&self, datanet: DatanetId) -> Result<Vec<(GrantId, Grant)>, ChainError> {
        Self::all_counted(|from| self.grants_on(datanet, from, PAGE)).await
    }

    /// Whether a use would be allowed in the next block; `None` if there is no such grant.
    pub async fn allows(&self, grant: GrantId, wanted: &Use) -> Result<Option<Result<(), GrantRefusal>>, ChainError> {
        self.call("GrantsApi_allows", (grant, wanted)).await
    }
}
