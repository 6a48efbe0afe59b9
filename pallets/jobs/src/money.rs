//! Where money moves: bonds, escrow, fees. Every function moves exactly what it says or fails.

use crate::{
    ActiveJobs, Config, Error, HoldReason, Pallet, Trainers,
    types::{Ending, JobOf},
};
use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{
        Get,
        fungible::{Inspect, MutateHold},
        tokens::{DepositConsequence, Fortitude, Precision, Provenance, Restriction},
    },
};
use pallet_support::DatanetInspect;
use sp_runtime::{ArithmeticError, DispatchError};
use tributary_protocol::{Amount, JobId, VersionRef, job::TrainerRecord};

pub(crate) fn plus(a: Amount, b: Amount) -> Result<Amount, DispatchError> {
    a.checked_add(b).ok_or_else(|| ArithmeticError::Overflow.into())
}

pub(crate) fn minus(a: Amount, b: Amount) -> Result<Amount, DispatchError> {
    a.checked_sub(b).ok_or_else(|| ArithmeticError::Underflow.into())
}

impl<T: Config> Pallet<T> {
    /// Adds to a bond and returns all of it.
    pub(crate) fn do_bond(trainer: &T::AccountId, amount: Amount) -> Result<Amount, DispatchError> {
        let mut record = Trainers::<T>::get(trainer).unwrap_or_default();
        record.bonded = plus(record.bonded, amount)?;
        ensure!(record.bonded >= T::BondMin::get(), Error::<T>::BondTooSmall);
        Self::hold(HoldReason::Bond, trainer, amount)?;
        Trainers::<T>::insert(trainer, record);
        Ok(record.bonded)
    }

    /// Takes back a part of a bond and returns what stays.
    pub(crate) fn do_unbond(trainer: &T::AccountId, amount: Amount) -> Result<Amount, DispatchError> {
        let mut record = Trainers::<T>::get(trainer).ok_or(Error::<T>::NotBonded)?;
        ensure!(amount <= Self::free_bond(&record)?, Error::<T>::BondAtRisk);
        record.bonded = minus(record.bonded, amount)?;
        ensure!(record.bonded == 0 || record.bonded >= T::BondMin::get(), Error::<T>::BondTooSmall);
        Self::release(HoldReason::Bond, trainer, amount)?;
        // A record without a bond would be storage that nobody pays for.
        Trainers::<T>::set(trainer, (record.bonded > 0).then_some(record));
        Ok(record.bonded)
    }

    /// What of a bond no job puts at risk.
    pub(crate) fn free_bond(record: &TrainerRecord) -> Result<Amount, DispatchError> {
        minus(record.bonded, record.at_risk)
    }

    /// Puts a part of a trainer's bond at risk for a job that it takes.
    pub(crate) fn engage(id: JobId, trainer: &T::AccountId, at_risk: Amount) -> DispatchResult {
        let mut record = Trainers::<T>::get(trainer).ok_or(Error::<T>::NotBonded)?;
        ensure!(Self::free_bond(&record)? >= at_risk, Error::<T>::BondShort);
        record.at_risk = plus(record.at_risk, at_risk)?;
        record.active = record.active.checked_add(1).ok_or(ArithmeticError::Overflow)?;
        ActiveJobs::<T>::try_mutate(trainer, |jobs| jobs.try_push(id)).map_err(|_| Error::<T>::TooManyJobs)?;
        Trainers::<T>::insert(trainer, record);
        Ok(())
    }

    /// Frees what a job put at risk, less what was taken of it, and writes down how it ended.
    pub(crate) fn disengage(
        id: JobId,
        trainer: &T::AccountId,
        at_risk: Amount,
        slashed: Amount,
        ending: Ending,
    ) -> DispatchResult {
        let mut record = Trainers::<T>::get(trainer).ok_or(Error::<T>::NotBonded)?;
        record.at_risk = minus(record.at_risk, at_risk)?;
        record.bonded = minus(record.bonded, slashed)?;
        record.active = record.active.checked_sub(1).ok_or(ArithmeticError::Underflow)?;
        let count = match ending {
            Ending::Settled => Some(&mut record.settled),
            Ending::Lapsed => Some(&mut record.lapsed),
            Ending::Overturned => Some(&mut record.overturned),
            Ending::Released => None,
        };
        if let Some(count) = count {
            *count = count.checked_add(1).ok_or(ArithmeticError::Overflow)?;
        }
        ActiveJobs::<T>::mutate_exists(trainer, |jobs| {
            *jobs = jobs
                .take()
                .map(|mut jobs| {
                    jobs.retain(|job| *job != id);
                    jobs
                })
                .filter(|jobs| !jobs.is_empty());
        });
        Trainers::<T>::insert(trainer, record);
        Ok(())
    }

    /// Gives the requester `amount` of a trainer's bond, and says how much it got: nothing where its account cannot take it
    /// in, since neither must be able to keep the other's money locked.
    pub(crate) fn slash(
        trainer: &T::AccountId,
        requester: &T::AccountId,
        amount: Amount,
    ) -> Result<Amount, DispatchError> {
        if !Self::can_take_in(requester, amount) {
            return Ok(0);
        }
        Self::pay_held(HoldReason::Bond, trainer, requester, amount)?;
        Ok(amount)
    }

    /// Pays a job from its escrow, and says what the Datanets' owners got. What they cannot take in stays with the requester.
    pub(crate) fn pay(job: &mut JobOf<T>, trainer: &T::AccountId) -> Result<Amount, DispatchError> {
        Self::pay_held(HoldReason::Escrow, &job.requester, trainer, job.spec.price)?;
        let mut paid = 0;
        for (data, fee) in job.spec.data.iter().zip(job.data_fees.iter()) {
            let Some(owner) = Self::owner_of(data.version) else { continue };
            if Self::can_take_in(&owner, *fee) {
                Self::pay_held(HoldReason::Escrow, &job.requester, &owner, *fee)?;
                paid = plus(paid, *fee)?;
            }
        }
        let rest = minus(minus(core::mem::take(&mut job.escrow), job.spec.price)?, paid)?;
        Self::release(HoldReason::Escrow, &job.requester, rest)?;
        Ok(paid)
    }

    /// Pays a part of a job's price from its escrow, and says how much: nothing where the trainer's account cannot take it in.
    pub(crate) fn pay_part(
        job: &mut JobOf<T>,
        trainer: &T::AccountId,
        amount: Amount,
    ) -> Result<Amount, DispatchError> {
        if !Self::can_take_in(trainer, amount) {
            return Ok(0);
        }
        job.escrow = minus(job.escrow, amount)?;
        Self::pay_held(HoldReason::Escrow, &job.requester, trainer, amount)?;
        Ok(amount)
    }

    fn owner_of(version: VersionRef) -> Option<T::AccountId> {
        T::Datanets::datanet(version.datanet).map(|datanet| datanet.owner)
    }

    fn can_take_in(who: &T::AccountId, amount: Amount) -> bool {
        T::Currency::can_deposit(who, amount, Provenance::Extant) == DepositConsequence::Success
    }

    /// Puts `amount` on hold.
    pub(crate) fn hold(reason: HoldReason, who: &T::AccountId, amount: Amount) -> DispatchResult {
        T::Currency::hold(&reason.into(), who, amount)
    }

    /// Returns `amount` from a hold to its owner.
    pub(crate) fn release(reason: HoldReason, who: &T::AccountId, amount: Amount) -> DispatchResult {
        if amount > 0 {
            T::Currency::release(&reason.into(), who, amount, Precision::Exact)?;
        }
        Ok(())
    }

    /// Pays `amount` from a hold. Freezes do not protect what was put aside for this.
    pub(crate) fn pay_held(
        reason: HoldReason,
        from: &T::AccountId,
        to: &T::AccountId,
        amount: Amount,
    ) -> DispatchResult {
        if amount > 0 {
            T::Currency::transfer_on_hold(
                &reason.into(),
                from,
                to,
                amount,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )?;
        }
        Ok(())
    }
}
