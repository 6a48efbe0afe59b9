//! Operators' epochs: payments for answers, roots of what they earned, challenges, audits, claims.

use crate::{
    Against, AnswerClaim, AnswerClaims, AnswerPayment, Config, Error, Event, HoldReason, Ledgers, Pallet, Rejection,
    Streams,
};
use codec::Encode;
use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{
        Get, Randomness,
        fungible::MutateHold,
        tokens::{Fortitude, Precision, Restriction},
    },
};
use pallet_support::AnswerSink;
use sp_runtime::{ArithmeticError, DispatchError, SaturatedConversion, traits::Zero};
use tributary_protocol::{
    Amount, BlockNumber, ModelId, Ppm,
    epoch::{
        AcceptedEpoch, AmountLeaf, AmountProof, Audit, Challenge, EpochDomain, EpochRoot, Ledger, PendingEpoch, covers,
        takes_back,
    },
    stream::Stream,
    sum_tree,
};

/// A ledger with its epoch in the challenge window.
type Pending<AccountId> = (Ledger<AccountId>, PendingEpoch<AccountId>);

impl<T: Config> Pallet<T> {
    /// What the proofs of an operator's epoch are bound to.
    pub fn epoch_domain(model: ModelId, operator: &T::AccountId, epoch: u32) -> EpochDomain {
        EpochDomain { genesis: Self::genesis(), model, operator: operator.clone().into(), epoch }
    }

    /// Divides what an operator's answers have sold for; what answers may divide anew goes to the operator's ledger.
    pub(crate) fn do_fund_answers(
        model: ModelId,
        stream: Stream<T::AccountId>,
        operator: &T::AccountId,
        amount: Amount,
    ) -> Result<AnswerPayment, DispatchError> {
        let attributed = stream.contributions.attributed;
        let (distribution, by_answers) = Self::do_fund(model, stream, operator, amount, attributed)?;
        let now = pallet_support::now::<T>();
        let mut ledger = match Ledgers::<T>::get(model, operator) {
            Some(ledger) => ledger,
            None => {
                let deposit = T::LedgerDeposit::get();
                T::Currency::hold(&HoldReason::Ledger.into(), operator, deposit)
                    .map_err(|_| Error::<T>::DepositUnaffordable)?;
                Ledger { funded: 0, claimed: 0, epoch: 0, accepted: None, pending: None, owed_since: now, deposit }
            }
        };
        if ledger.funded == allotted(&ledger) {
            ledger.owed_since = now;
        }
        ledger.funded = ledger.funded.checked_add(by_answers).ok_or(ArithmeticError::Overflow)?;
        Ledgers::<T>::insert(model, operator, ledger);
        Ok(AnswerPayment { distribution, by_answers })
    }

    /// Takes an epoch into its challenge window.
    pub(crate) fn do_publish_epoch(model: ModelId, operator: &T::AccountId, root: EpochRoot) -> DispatchResult {
        let stream = Streams::<T>::get(model).ok_or(Error::<T>::UnknownStream)?;
        let mut ledger = Ledgers::<T>::get(model, operator).ok_or(Error::<T>::UnknownLedger)?;
        ensure!(ledger.pending.is_none(), Error::<T>::EpochPending);
        ensure!(root.amounts.total == ledger.funded, Error::<T>::TotalNotFunded);
        ensure!(root.amounts.leaves == stream.contributions.shares.leaves, Error::<T>::LeavesDiffer);
        let earlier = ledger.accepted.map(|accepted| accepted.root.receipts.leaves).unwrap_or_default();
        ensure!(root.receipts.leaves >= earlier, Error::<T>::ReceiptsTakenBack);
        let new = root.amounts.total.checked_sub(allotted(&ledger)).ok_or(ArithmeticError::Underflow)?;
        ensure!(!new.is_zero(), Error::<T>::NothingNew);
        let bond = T::EpochBondMin::get().max(T::EpochBondPart::get().of(new));
        T::Currency::hold(&HoldReason::Epoch.into(), operator, bond).map_err(|_| Error::<T>::BondUnaffordable)?;
        ledger.epoch = ledger.epoch.checked_add(1).ok_or(ArithmeticError::Overflow)?;
        let until = later::<T>(T::ChallengeWindow::get())?;
        ledger.pending = Some(PendingEpoch { root, bond, until, challenge: None });
        let epoch = ledger.epoch;
        Ledgers::<T>::insert(model, operator, ledger);
        Self::deposit_event(Event::EpochPublished { model, operator: operator.clone(), epoch, root, bond, until });
        Ok(())
    }

    /// Notes a challenge.
    pub(crate) fn do_challenge(
        model: ModelId,
        operator: &T::AccountId,
        epoch: u32,
        challenger: &T::AccountId,
    ) -> DispatchResult {
        let (mut ledger, mut pending) = Self::pending(model, operator)?;
        ensure!(ledger.epoch == epoch, Error::<T>::OtherEpoch);
        ensure!(pending.challenge.is_none(), Error::<T>::ChallengedAlready);
        let at = pallet_support::now::<T>();
        ensure!(at <= pending.until, Error::<T>::WindowOver);
        let bond = T::ChallengeBond::get();
        T::Currency::hold(&HoldReason::Challenge.into(), challenger, bond).map_err(|_| Error::<T>::BondUnaffordable)?;
        pending.challenge = Some(Challenge { challenger: challenger.clone(), bond, at, audit: None });
        ledger.pending = Some(pending);
        Ledgers::<T>::insert(model, operator, ledger);
        Self::deposit_event(Event::EpochChallenged {
            model,
            operator: operator.clone(),
            epoch,
            challenger: challenger.clone(),
        });
        Ok(())
    }

    /// Draws the audit's points, by randomness that became known after the challenge.
    pub(crate) fn do_draw(model: ModelId, operator: &T::AccountId) -> DispatchResult {
        let (mut ledger, mut pending) = Self::pending(model, operator)?;
        let epoch = ledger.epoch;
        let challenge = pending.challenge.as_mut().ok_or(Error::<T>::NotChallenged)?;
        ensure!(challenge.audit.is_none(), Error::<T>::DrawnAlready);
        let subject = Self::epoch_domain(model, operator, epoch).encode();
        let (seed, known_since) = T::Randomness::random(&subject);
        let known_since: BlockNumber = known_since.saturated_into();
        ensure!(known_since > challenge.at, Error::<T>::RandomnessTooOld);
        let until = later::<T>(T::OpenWindow::get())?;
        challenge.audit = Some(Audit::new(seed.into(), until));
        ledger.pending = Some(pending);
        Ledgers::<T>::insert(model, operator, ledger);
        Self::deposit_event(Event::AuditDrawn { model, operator: operator.clone(), epoch, seed: seed.into(), until });
        Ok(())
    }

    /// Opens a leaf at the points that it covers.
    pub(crate) fn do_open_leaf(
        model: ModelId,
        operator: &T::AccountId,
        leaf: &AmountLeaf,
        proof: &AmountProof,
        draws: &[u16],
    ) -> DispatchResult {
        let (mut ledger, mut pending) = Self::pending(model, operator)?;
        let domain = Self::epoch_domain(model, operator, ledger.epoch);
        let root = pending.root.amounts;
        let challenge = pending.challenge.as_mut().ok_or(Error::<T>::NotChallenged)?;
        let audit = challenge.audit.as_mut().ok_or(Error::<T>::NotDrawn)?;
        ensure!(pallet_support::now::<T>() <= audit.until, Error::<T>::WindowOver);
        let before = sum_tree::verify(&domain, &root, leaf, proof).map_err(Error::<T>::from)?;
        for draw in draws {
            let point = audit.point(*draw, root.total).ok_or(Error::<T>::UnknownDraw)?;
            ensure!(covers(before, leaf.units, point), Error::<T>::DrawNotCovered);
            // A draw that is open already may be named again: two may open the same leaf in one block.
            audit.open(*draw);
        }
        let opened = audit.count;
        let epoch = ledger.epoch;
        ledger.pending = Some(pending);
        Ledgers::<T>::insert(model, operator, ledger);
        Self::deposit_event(Event::LeafOpened { model, operator: operator.clone(), epoch, leaf: *leaf, opened });
        Ok(())
    }

    /// Rejects the pending epoch if `leaf` of it contradicts what was accepted before, or the model's own shares.
    pub(crate) fn do_refute(
        reporter: &T::AccountId,
        model: ModelId,
        operator: &T::AccountId,
        leaf: &AmountLeaf,
        proof: &AmountProof,
        against: &Against,
    ) -> DispatchResult {
        let (ledger, pending) = Self::pending(model, operator)?;
        let domain = Self::epoch_domain(model, operator, ledger.epoch);
        sum_tree::verify(&domain, &pending.root.amounts, leaf, proof).map_err(Error::<T>::from)?;
        let contradicts = match against {
            Against::Accepted { leaf: old, proof } => {
                let accepted = ledger.accepted.ok_or(Error::<T>::NothingAccepted)?;
                let domain = Self::epoch_domain(model, operator, accepted.epoch);
                sum_tree::verify(&domain, &accepted.root.amounts, old, proof).map_err(Error::<T>::from)?;
                takes_back(old, leaf)
            }
            Against::Shares { leaf: share, proof } => {
                let stream = Streams::<T>::get(model).ok_or(Error::<T>::UnknownStream)?;
                Self::ensure_proven(&stream, share, proof)?;
                share.index == leaf.index
                    && (share.contribution != leaf.contribution || share.contributor != leaf.contributor)
            }
        };
        ensure!(contradicts, Error::<T>::NoContradiction);
        Self::reject(model, operator, (ledger, pending), Some(reporter), Rejection::Contradiction)
    }

    /// Ends the pending epoch as its state says.
    pub(crate) fn do_resolve(model: ModelId, operator: &T::AccountId) -> DispatchResult {
        let (ledger, pending) = Self::pending(model, operator)?;
        let now = pallet_support::now::<T>();
        let Some(challenge) = &pending.challenge else {
            ensure!(now > pending.until, Error::<T>::WindowOpen);
            return Self::accept(model, operator, (ledger, pending));
        };
        let audit = challenge.audit.ok_or(Error::<T>::NotDrawn)?;
        if audit.is_complete() {
            // Opened leaves may still be shown to be wrong until the window ends.
            ensure!(now > pending.until.max(audit.until), Error::<T>::WindowOpen);
            return Self::accept(model, operator, (ledger, pending));
        }
        ensure!(now > audit.until, Error::<T>::WindowOpen);
        let challenger = challenge.challenger.clone();
        Self::reject(model, operator, (ledger, pending), Some(&challenger), Rejection::Unopened)
    }

    /// Rejects the pending epoch because those who decide disputes found a leaf of it wrong.
    pub(crate) fn do_overturn(model: ModelId, operator: &T::AccountId) -> DispatchResult {
        let (ledger, pending) = Self::pending(model, operator)?;
        let challenger = pending.challenge.as_ref().map(|challenge| challenge.challenger.clone());
        Self::reject(model, operator, (ledger, pending), challenger.as_ref(), Rejection::Overturned)
    }

    /// Pays what a leaf of the accepted epoch has earned since its last claim.
    pub(crate) fn do_claim_answers(
        model: ModelId,
        operator: &T::AccountId,
        contributor: &T::AccountId,
        leaf: &AmountLeaf,
        proof: &AmountProof,
    ) -> DispatchResult {
        let mut ledger = Ledgers::<T>::get(model, operator).ok_or(Error::<T>::UnknownLedger)?;
        let accepted = ledger.accepted.ok_or(Error::<T>::NothingAccepted)?;
        let domain = Self::epoch_domain(model, operator, accepted.epoch);
        sum_tree::verify(&domain, &accepted.root.amounts, leaf, proof).map_err(Error::<T>::from)?;
        let key = (model, operator.clone());
        let earlier = AnswerClaims::<T>::get(&key, leaf.index);
        let paid = earlier.as_ref().map(|claim| claim.paid).unwrap_or_default();
        let amount = leaf.units.checked_sub(paid).filter(|due| !due.is_zero()).ok_or(Error::<T>::NothingToClaim)?;
        ensure!(Self::can_receive(contributor, amount), Error::<T>::PayoutBelowExistentialDeposit);
        // Holds also where an epoch was accepted that takes back what was claimed: nobody is paid more than came in.
        let claimed = ledger.claimed.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
        ensure!(claimed <= accepted.root.amounts.total, Error::<T>::LedgerEmpty);
        Self::pay_from_pool(HoldReason::AnswerPool, contributor, amount)?;
        let claim = match earlier {
            Some(claim) => AnswerClaim { paid: leaf.units, ..claim },
            None => {
                let deposit = Self::take_claim_deposit(contributor)?;
                AnswerClaim { contributor: contributor.clone(), paid: leaf.units, deposit }
            }
        };
        AnswerClaims::<T>::insert(&key, leaf.index, claim);
        ledger.claimed = claimed;
        Ledgers::<T>::insert(model, operator, ledger);
        Self::deposit_event(Event::AnswerRewardClaimed {
            model,
            operator: operator.clone(),
            epoch: accepted.epoch,
            index: leaf.index,
            contribution: leaf.contribution,
            contributor: contributor.clone(),
            amount,
        });
        Ok(())
    }

    /// Gives what an operator paid in and never divided to the model's contributors by their shares.
    pub(crate) fn do_release(model: ModelId, operator: &T::AccountId) -> DispatchResult {
        let stream = Streams::<T>::get(model).ok_or(Error::<T>::UnknownStream)?;
        let mut ledger = Ledgers::<T>::get(model, operator).ok_or(Error::<T>::UnknownLedger)?;
        ensure!(ledger.pending.is_none(), Error::<T>::EpochPending);
        let allotted = allotted(&ledger);
        let amount = ledger.funded.checked_sub(allotted).ok_or(ArithmeticError::Underflow)?;
        ensure!(!amount.is_zero(), Error::<T>::NothingNew);
        let overdue = ledger.owed_since.checked_add(T::EpochTimeout::get()).ok_or(ArithmeticError::Overflow)?;
        ensure!(pallet_support::now::<T>() > overdue, Error::<T>::WindowOpen);
        let pool = Self::pool_account();
        T::Currency::release(&HoldReason::AnswerPool.into(), &pool, amount, Precision::Exact)?;
        T::Currency::hold(&HoldReason::ContributorPool.into(), &pool, amount)?;
        Self::accrue(model, stream, amount)?;
        ledger.funded = allotted;
        Ledgers::<T>::insert(model, operator, ledger);
        Self::deposit_event(Event::AnswersReleased { model, operator: operator.clone(), amount });
        Ok(())
    }

    fn pending(model: ModelId, operator: &T::AccountId) -> Result<Pending<T::AccountId>, Error<T>> {
        let mut ledger = Ledgers::<T>::get(model, operator).ok_or(Error::<T>::UnknownLedger)?;
        let pending = ledger.pending.take().ok_or(Error::<T>::NothingPending)?;
        Ok((ledger, pending))
    }

    /// The epoch stands: its bond goes back, and a challenger's pays for the openings.
    fn accept(model: ModelId, operator: &T::AccountId, (mut ledger, pending): Pending<T::AccountId>) -> DispatchResult {
        T::Currency::release(&HoldReason::Epoch.into(), operator, pending.bond, Precision::Exact)?;
        if let Some(Challenge { challenger, bond, .. }) = pending.challenge {
            Self::forfeit(HoldReason::Challenge, &challenger, operator, bond)?;
        }
        ledger.accepted = Some(AcceptedEpoch { epoch: ledger.epoch, root: pending.root });
        ledger.owed_since = pallet_support::now::<T>();
        let epoch = ledger.epoch;
        Ledgers::<T>::insert(model, operator, ledger);
        Self::deposit_event(Event::EpochAccepted { model, operator: operator.clone(), epoch });
        Ok(())
    }

    /// The epoch falls: its bond is lost, in part to whoever brought it down, and a challenger's goes back. What was paid in
    /// stays in the ledger for the next epoch. The pending epoch is gone from storage with it, so no bond is lost twice.
    fn reject(
        model: ModelId,
        operator: &T::AccountId,
        (ledger, pending): Pending<T::AccountId>,
        reporter: Option<&T::AccountId>,
        reason: Rejection,
    ) -> DispatchResult {
        let part: Ppm = T::ReporterPart::get();
        let reward = reporter.map(|_| part.of(pending.bond)).unwrap_or_default();
        let rest = pending.bond.checked_sub(reward).ok_or(ArithmeticError::Underflow)?;
        if let Some(Challenge { challenger, bond, .. }) = &pending.challenge {
            T::Currency::release(&HoldReason::Challenge.into(), challenger, *bond, Precision::Exact)?;
        }
        if let Some(reporter) = reporter {
            Self::forfeit(HoldReason::Epoch, operator, reporter, reward)?;
        }
        Self::forfeit(HoldReason::Epoch, operator, &T::Treasury::get(), rest)?;
        let epoch = ledger.epoch;
        Ledgers::<T>::insert(model, operator, ledger);
        Self::deposit_event(Event::EpochRejected {
            model,
            operator: operator.clone(),
            epoch,
            reason,
            slashed: pending.bond,
            reward,
        });
        Ok(())
    }

    /// Moves what `from` has on hold to the free balance of `to`; to nobody's, but still out of reach of `from`, where that
    /// account cannot take it: then it joins the treasury, or is burnt where that cannot take it either.
    fn forfeit(reason: HoldReason, from: &T::AccountId, to: &T::AccountId, amount: Amount) -> DispatchResult {
        if amount.is_zero() {
            return Ok(());
        }
        let treasury = T::Treasury::get();
        let payee = [to, &treasury].into_iter().find(|payee| Self::can_receive(payee, amount));
        match payee {
            Some(payee) if payee == from => T::Currency::release(&reason.into(), from, amount, Precision::Exact)?,
            Some(payee) => T::Currency::transfer_on_hold(
                &reason.into(),
                from,
                payee,
                amount,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )?,
            None => T::Currency::burn_held(&reason.into(), from, amount, Precision::Exact, Fortitude::Force)?,
        };
        Ok(())
    }
}

impl<T: Config> AnswerSink<T::AccountId> for Pallet<T> {
    /// As [`Pallet::fund_answers`], and for a model whose attribution is not measured as [`Pallet::fund`], but without a least
    /// amount: what a channel owes is due however little it is.
    fn sell(model: ModelId, operator: &T::AccountId, amount: Amount) -> DispatchResult {
        let stream = Streams::<T>::get(model).ok_or(Error::<T>::UnknownStream)?;
        ensure!(Self::can_pay(operator, amount), Error::<T>::BalanceTooLow);
        ensure!(Self::pool_is_endowed(), Error::<T>::PoolNotEndowed);
        if stream.contributions.attributed > Ppm::ZERO {
            let payment = Self::do_fund_answers(model, stream, operator, amount)?;
            Self::deposit_event(Event::AnswersFunded { model, operator: operator.clone(), amount, payment });
        } else {
            let (distribution, _) = Self::do_fund(model, stream, operator, amount, Ppm::ZERO)?;
            Self::deposit_event(Event::StreamFunded { model, payer: operator.clone(), amount, distribution });
        }
        Ok(())
    }
}

/// What the accepted epoch gives to contributions.
fn allotted<AccountId>(ledger: &Ledger<AccountId>) -> Amount {
    ledger.accepted.map(|accepted| accepted.root.amounts.total).unwrap_or_default()
}

/// The block `blocks` from now.
fn later<T: Config>(blocks: BlockNumber) -> Result<BlockNumber, DispatchError> {
    Ok(pallet_support::now::<T>().checked_add(blocks).ok_or(ArithmeticError::Overflow)?)
}
