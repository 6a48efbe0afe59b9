//! Who is paid for a model: the leaves of its contribution root.

use serde::{Deserialize, Serialize};
use tributary_attribution::{AttributionReport, EvidenceError};
use tributary_client::Account;
use tributary_protocol::{
    ContentHash, ContributionId, JobId,
    sum_tree::{Domain, SumLeaf, SumProof, SumRoot, SumTree},
};

/// One contribution's part, as people and contributors read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The contribution.
    pub contribution: ContributionId,
    /// Who made it, and claims for it.
    pub contributor: Account,
    /// Its units of 10^9.
    pub units: u64,
    /// BLAKE3 of its part of the evidence.
    pub evidence: ContentHash,
}

/// The leaves of a job's contribution root: what contributors make their proofs from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Hash of the chain's genesis block.
    pub genesis: ContentHash,
    /// The job.
    pub job: JobId,
    /// The leaves, in the tree's order.
    pub leaves: Vec<Share>,
}

impl Shares {
    /// The leaves that `report` gives, for one job on one chain.
    pub fn new(report: &AttributionReport, domain: &Domain) -> Self {
        let share = |leaf: SumLeaf| Share {
            contribution: leaf.contribution,
            contributor: Account(leaf.contributor),
            units: leaf.units,
            evidence: leaf.evidence,
        };
        Self {
            genesis: ContentHash(domain.genesis),
            job: domain.job,
            leaves: report.leaves().into_iter().map(share).collect(),
        }
    }

    /// The tree over the leaves. Its root must be compared with the one on chain before a proof of it is worth anything.
    pub fn tree(&self) -> Result<SumTree, EvidenceError> {
        let leaf = |(index, share): (u32, &Share)| SumLeaf {
            index,
            contribution: share.contribution,
            contributor: share.contributor.0,
            units: share.units,
            evidence: share.evidence,
        };
        let domain = Domain { genesis: self.genesis.0, job: self.job };
        SumTree::new(&domain, (0u32..).zip(&self.leaves).map(leaf).collect()).map_err(EvidenceError::Tree)
    }

    /// The leaves of `contributor`, each with its proof against `root`; `None` if the leaves do not make that root.
    pub fn claims(
        &self,
        contributor: &Account,
        root: &SumRoot,
    ) -> Result<Option<Vec<(SumLeaf, SumProof)>>, EvidenceError> {
        let tree = self.tree()?;
        if tree.root() != *root {
            return Ok(None);
        }
        let own = tree.leaves().iter().filter(|leaf| leaf.contributor == contributor.0);
        Ok(Some(own.filter_map(|leaf| Some((*leaf, tree.prove(leaf.index)?))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_prove_their_own_root_only() {
        let share = |number: u8, units| Share {
            contribution: ContributionId(number.into()),
            contributor: Account([number; 32]),
            units,
            evidence: ContentHash([number; 32]),
        };
        let shares = Shares {
            genesis: ContentHash([1; 32]),
            job: JobId(3),
            leaves: vec![share(1, 600_000_000), share(2, 0), share(1, 400_000_000)],
        };
        let root = shares.tree().unwrap().root();
        let domain = Domain { genesis: [1; 32], job: JobId(3) };
        let claims = shares.claims(&Account([1; 32]), &root).unwrap().unwrap();
        assert_eq!(claims.iter().map(|(leaf, _)| leaf.index).collect::<Vec<_>>(), [0, 2]);
        for (leaf, proof) in claims {
            assert!(tributary_protocol::sum_tree::verify(&domain, &root, &leaf, &proof).is_ok());
        }
        let other = Shares { job: JobId(4), ..shares };
        assert_eq!(other.claims(&Account([1; 32]), &root).unwrap(), None);
    }
}
