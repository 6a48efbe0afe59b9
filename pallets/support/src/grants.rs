use frame_support::dispatch::DispatchResult;
use tributary_protocol::{
    GrantId,
    grant::{GrantRefusal, Use},
};

/// How jobs take, check and give back the uses of grants.
pub trait GrantGate<AccountId> {
    /// Takes one use of the grant, if `wanted` is allowed now.
    /// Errors: the refusal as this chain's dispatch error. Writes nothing then.
    fn take(grant: GrantId, wanted: &Use<AccountId>) -> DispatchResult;

    /// Whether a use taken earlier is still covered now: not revoked, not expired.
    fn check(grant: GrantId, wanted: &Use<AccountId>) -> Result<(), GrantRefusal>;

    /// Gives a taken use back. A grant that is gone is no error: there is nothing left to give back.
    fn give_back(grant: GrantId);

    /// The refusal as this chain's dispatch error.
    fn refuse(refusal: GrantRefusal) -> sp_runtime::DispatchError;

    /// Makes an active grant that allows `wanted`, for benchmarks of other pallets.
    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_grant(wanted: &Use<AccountId>) -> GrantId;
}
