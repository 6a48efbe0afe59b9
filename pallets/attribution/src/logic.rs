//! How a sale is divided and a claim is paid.

use crate::{Claim, Claims, Config, Distribution, Error, HoldReason, Pallet, Streams};
use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{
        Get,
        fungible::{Inspect, Mutate, MutateHold},
        tokens::{DepositConsequence, Fortitude, Precision, Preservation, Provenance, Restriction},
    },
};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_support::RewardSink;
use sp_core::U256;
use sp_runtime::{
    ArithmeticError, DispatchError,
    traits::{AccountIdConversion, Zero},
};
use tributary_protocol::{
    Amount, JobId, ModelId, Ppm, epoch, share,
    stream::{ContributionRoot, Parties, SHARE_LEAVES_MAX, SHARE_UNITS, Split, Stream},
    sum_tree::{self, Domain, SumLeaf, SumProof, SumProofError},
};

/// Position of the contributors' part among the parts of [`Pallet::do_fund`]: the one that takes what rounding leaves.
const CONTRIBUTORS: usize = 5;

impl<T: Config> Pallet<T> {
    /// The account that holds the contributors' pools of all streams.
    pub fn pool_account() -> T::AccountId {
        T::PalletId::get().into_account_truncating()
    }

    /// What the contribution root of a job's model is bound to: this chain's genesis and the job.
    pub fn proof_domain(job: JobId) -> Domain {
        Domain { genesis: Self::genesis(), job }
    }

    /// The hash of this chain's genesis block.
    pub(crate) fn genesis() -> [u8; 32] {
        frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()).into()
    }

    /// Divides `amount` by the stream's split, pays the parties and puts the contributors' part on hold in the pool:
    /// `by_answers` of it aside, which is the second value returned, and the rest by the shares.
    pub(crate) fn do_fund(
        model: ModelId,
        mut stream: Stream<T::AccountId>,
        payer: &T::AccountId,
        amount: Amount,
        by_answers: Ppm,
    ) -> Result<(Distribution, Amount), DispatchError> {
        let split = stream.split;
        let parts = [
            split.treasury,
            split.base_owner,
            split.trainer,
            split.model_owner,
            split.datanet_owners,
            split.contributors,
        ];
        let [to_treasury, to_base, to_trainer, to_owner, to_datanets, to_contributors] =
            share::split(amount, parts, CONTRIBUTORS).ok_or(Error::<T>::SplitNotWhole)?;

        let parties = &stream.parties;
        let mut paid = Distribution {
            base_owner: Self::pay(payer, &parties.base_owner, to_base)?,
            trainer: Self::pay(payer, &parties.trainer, to_trainer)?,
            model_owner: Self::pay(payer, &parties.model_owner, to_owner)?,
            ..Distribution::default()
        };
        let owners = Amount::try_from(parties.datanet_owners.len()).map_err(|_| ArithmeticError::Overflow)?;
        // No Datanet, no part: the contributors get it.
        let each = to_datanets.checked_div(owners).unwrap_or_default();
        let to_owners = each.checked_mul(owners).ok_or(ArithmeticError::Overflow)?;
        for (_, owner) in &parties.datanet_owners {
            add(&mut paid.datanet_owners, Self::pay(payer, owner, each)?)?;
        }

        // Parts that their payees could not take go to the treasury.
        let mut treasury = to_treasury;
        for (due, done) in [
            (to_base, paid.base_owner),
            (to_trainer, paid.trainer),
            (to_owner, paid.model_owner),
            (to_owners, paid.datanet_owners),
        ] {
            add(&mut treasury, subtract(due, done)?)?;
        }
        paid.treasury = Self::pay(payer, &T::Treasury::get(), treasury)?;

        // What nobody else has taken is the contributors': their part, and what dividing among owners left over. It takes
        // the treasury's part too where that account cannot receive it.
        paid.contributors = to_contributors;
        add(&mut paid.contributors, subtract(to_datanets, to_owners)?)?;
        add(&mut paid.contributors, subtract(treasury, paid.treasury)?)?;
        let (by_answers, by_shares) = epoch::divide(paid.contributors, by_answers).ok_or(ArithmeticError::Underflow)?;
        Self::fill_pool(HoldReason::AnswerPool, payer, by_answers)?;
        Self::fill_pool(HoldReason::ContributorPool, payer, by_shares)?;
        add(&mut stream.funded, amount)?;
        Self::accrue(model, stream, by_shares)?;
        Ok((paid, by_answers))
    }

    /// Divides `amount`, which is in the pool, among the stream's units, and writes the stream.
    pub(crate) fn accrue(model: ModelId, mut stream: Stream<T::AccountId>, amount: Amount) -> DispatchResult {
        let accrual =
            share::accrue(amount, stream.contributions.shares.total, stream.carry).ok_or(ArithmeticError::Overflow)?;
        stream.revenue_per_unit =
            stream.revenue_per_unit.checked_add(accrual.per_unit).ok_or(ArithmeticError::Overflow)?;
        stream.carry = accrual.carry;
        add(&mut stream.contributors_funded, amount)?;
        Streams::<T>::insert(model, stream);
        Ok(())
    }

    /// Pays `amount` from `payer` to `payee` and returns it, or returns zero where the payee's account cannot take it:
    /// with it the account would still be below the existential deposit.
    fn pay(payer: &T::AccountId, payee: &T::AccountId, amount: Amount) -> Result<Amount, DispatchError> {
        if amount.is_zero() || !Self::can_receive(payee, amount) {
            return Ok(0);
        }
        T::Currency::transfer(payer, payee, amount, Preservation::Preserve)
    }

    /// Moves `amount` from the payer's free balance to the pool, where it is on hold.
    fn fill_pool(reason: HoldReason, payer: &T::AccountId, amount: Amount) -> DispatchResult {
        if amount.is_zero() {
            return Ok(());
        }
        T::Currency::transfer_and_hold(
            &reason.into(),
            payer,
            &Self::pool_account(),
            amount,
            Precision::Exact,
            Preservation::Preserve,
            Fortitude::Polite,
        )?;
        Ok(())
    }

    /// Pays a leaf, takes the deposit at its first claim, and remembers up to where it is paid.
    pub(crate) fn do_claim(
        model: ModelId,
        mut stream: Stream<T::AccountId>,
        contributor: &T::AccountId,
        leaf: &SumLeaf,
        payout: Amount,
    ) -> DispatchResult {
        Self::pay_from_pool(HoldReason::ContributorPool, contributor, payout)?;
        // Paid first, so that the payout itself can serve as the deposit.
        let deposit = match Claims::<T>::get(model, leaf.index) {
            Some(claim) => claim.deposit,
            None => Self::take_claim_deposit(contributor)?,
        };
        let claim = Claim {
            contributor: contributor.clone(),
            units: leaf.units,
            revenue_per_unit: stream.revenue_per_unit,
            deposit,
        };
        Claims::<T>::insert(model, leaf.index, claim);
        add(&mut stream.claimed, payout)?;
        Streams::<T>::insert(model, stream);
        Ok(())
    }

    /// Pays a contributor out of the pool.
    pub(crate) fn pay_from_pool(reason: HoldReason, contributor: &T::AccountId, amount: Amount) -> DispatchResult {
        T::Currency::transfer_on_hold(
            &reason.into(),
            &Self::pool_account(),
            contributor,
            amount,
            Precision::Exact,
            Restriction::Free,
            Fortitude::Polite,
        )?;
        Ok(())
    }

    /// Takes the deposit for the record of a leaf that has claimed.
    pub(crate) fn take_claim_deposit(contributor: &T::AccountId) -> Result<Amount, DispatchError> {
        let deposit = T::ClaimDeposit::get();
        T::Currency::hold(&HoldReason::Claim.into(), contributor, deposit)
            .map_err(|_| Error::<T>::DepositUnaffordable)?;
        Ok(deposit)
    }

    /// What a leaf may claim now.
    pub(crate) fn due(
        model: ModelId,
        stream: &Stream<T::AccountId>,
        index: u32,
        units: u64,
    ) -> Result<Amount, DispatchError> {
        let last = Claims::<T>::get(model, index).map_or(U256::zero(), |claim| claim.revenue_per_unit);
        let due = share::claimable(units, stream.revenue_per_unit, last).ok_or(ArithmeticError::Overflow)?;
        Ok(due)
    }

    /// Checks that `leaf` is in the stream's contribution root.
    pub(crate) fn ensure_proven(stream: &Stream<T::AccountId>, leaf: &SumLeaf, proof: &SumProof) -> DispatchResult {
        let domain = Self::proof_domain(stream.job);
        sum_tree::verify(&domain, &stream.contributions.shares, leaf, proof).map_err(Error::<T>::from)?;
        Ok(())
    }

    /// Whether `account` can take `amount` more into its free balance.
    pub(crate) fn can_receive(account: &T::AccountId, amount: Amount) -> bool {
        T::Currency::can_deposit(account, amount, Provenance::Extant) == DepositConsequence::Success
    }

    /// Whether `payer` has `amount` to give and stays alive.
    pub(crate) fn can_pay(payer: &T::AccountId, amount: Amount) -> bool {
        T::Currency::reducible_balance(payer, Preservation::Preserve, Fortitude::Polite) >= amount
    }

    /// Whether the pool can take any amount: its own free balance is at least the existential deposit.
    pub(crate) fn pool_is_endowed() -> bool {
        T::Currency::balance(&Self::pool_account()) >= T::Currency::minimum_balance()
    }
}

impl<T: Config> RewardSink<T::AccountId> for Pallet<T> {
    fn open_stream(
        model: ModelId,
        job: JobId,
        parties: Parties<T::AccountId>,
        split: Split,
        contributions: ContributionRoot,
    ) -> DispatchResult {
        ensure!(!Streams::<T>::contains_key(model), Error::<T>::StreamExists);
        ensure!(split.is_whole(), Error::<T>::SplitNotWhole);
        ensure!(contributions.shares.total == SHARE_UNITS, Error::<T>::NotShareUnits);
        ensure!((1..=SHARE_LEAVES_MAX).contains(&contributions.shares.leaves), Error::<T>::LeavesOutOfBounds);
        let stream = Stream {
            job,
            parties: parties.clone(),
            split,
            contributions,
            revenue_per_unit: U256::zero(),
            carry: U256::zero(),
            funded: 0,
            contributors_funded: 0,
            claimed: 0,
        };
        Streams::<T>::insert(model, stream);
        Self::deposit_event(crate::Event::StreamOpened { model, job, split, contributions, parties });
        Ok(())
    }
}

impl<T> From<SumProofError> for Error<T> {
    fn from(fault: SumProofError) -> Self {
        match fault {
            SumProofError::OutOfRange => Self::LeafOutOfRange,
            SumProofError::WrongLength => Self::ProofLengthWrong,
            SumProofError::WrongTotal => Self::ProofTotalWrong,
            SumProofError::WrongRoot => Self::ProofRootWrong,
        }
    }
}

fn add(sum: &mut Amount, more: Amount) -> DispatchResult {
    *sum = sum.checked_add(more).ok_or(ArithmeticError::Overflow)?;
    Ok(())
}

fn subtract(from: Amount, less: Amount) -> Result<Amount, DispatchError> {
    from.checked_sub(less).ok_or(ArithmeticError::Underflow.into())
}
