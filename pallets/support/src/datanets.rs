use tributary_protocol::{
    ContentHash, DatanetId, VersionRef,
    datanet::{Datanet, VersionFacts},
};

/// What other pallets may know of Datanets.
pub trait DatanetInspect<AccountId> {
    /// A Datanet as it stands.
    fn datanet(id: DatanetId) -> Option<Datanet<AccountId>>;

    /// A published version with its Datanet's owner and terms; `None` where there is none.
    fn version(version: VersionRef) -> Option<VersionFacts<AccountId>>;

    /// Whether one of the version's contributions is the file `blob`. Reads up to
    /// `VERSION_CONTRIBUTIONS_MAX` contributions: for runtime APIs, not for calls.
    fn holds(version: VersionRef, blob: ContentHash) -> bool;

    /// Makes a published version with these terms and this owner, for benchmarks of other pallets.
    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_version(owner: &AccountId) -> VersionRef;
}
