//! Datanets, contributions and versions.

use super::{PAGE, View};
use crate::{
    account::Account,
    error::ChainError,
    records::{Contribution, Datanet},
};
use tributary_protocol::{
    ContributionId, DatanetId, VersionRef,
    datanet::{Version, VersionEntry},
};

impl View {
    /// A Datanet.
    pub async fn datanet(&self, id: DatanetId) -> Result<Option<Datanet>, ChainError> {
        self.call("DatanetsApi_datanet", (id,)).await
    }

    /// A page of Datanets.
    pub async fn datanets(&self, from: DatanetId, limit: u32) -> Result<Vec<(DatanetId, Datanet)>, ChainError> {
        self.call("DatanetsApi_datanets", (from, limit)).await
    }

    /// Every Datanet.
    pub async fn all_datanets(&self) -> Result<Vec<(DatanetId, Datanet)>, ChainError> {
        Self::all(DatanetId(0), DatanetId::next, |from| self.datanets(from, PAGE)).await
    }

    /// A contribution.
    pub async fn contribution(&self, id: ContributionId) -> Result<Option<Contribution>, ChainError> {
        self.call("DatanetsApi_contribution", (id,)).await
    }

    /// A page of a Datanet's contributions, `from` counting from 0 in the order of submission.
    pub async fn contributions(
        &self,
        datanet: DatanetId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<(ContributionId, Contribution)>, ChainError> {
        self.call("DatanetsApi_contributions", (datanet, from, limit)).await
    }

    /// Every contribution to a Datanet, in the order of submission.
    pub async fn all_contributions(
        &self,
        datanet: DatanetId,
    ) -> Result<Vec<(ContributionId, Contribution)>, ChainError> {
        Self::all_counted(|from| self.contributions(datanet, from, PAGE)).await
    }

    /// A version.
    pub async fn version(&self, version: VersionRef) -> Result<Option<Version>, ChainError> {
        self.call("DatanetsApi_version", (version,)).await
    }

    /// A version's contributions, each with its contributor, in the order of the version's tree.
    /// Empty where there is no such version.
    pub async fn entries(&self, version: VersionRef) -> Result<Vec<(VersionEntry, Account)>, ChainError> {
        self.call("DatanetsApi_entries", (version,)).await
    }
}
