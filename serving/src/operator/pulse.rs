//! How long ago the chain was seen, and what was sold since.

use super::config::Exposure;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tributary_protocol::{Amount, BlockNumber};

/// After so long without a new block the chain is not asked for each request any more: it would keep the request waiting.
const SILENCE: Duration = Duration::from_secs(30);

/// Watches how much is sold without knowing what the chain says.
#[derive(Debug)]
pub struct Pulse {
    limits: Exposure,
    last: Mutex<Beat>,
}

/// The last finalised block of which everything was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Its height.
    pub block: BlockNumber,
    /// When it was seen.
    pub seen: Instant,
    /// What was promised to be sold since.
    pub sold: Amount,
}

/// Why nothing is sold at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blind {
    /// For too long.
    #[error("no block of the chain has been seen for {} s; at most {} s are allowed", age.as_secs(), max.as_secs())]
    TooLong {
        /// How long.
        age: Duration,
        /// The most.
        max: Duration,
    },
    /// For too much money.
    #[error("{sold} of 10^-12 TRIB were sold since the last block that was seen; at most {max} are allowed")]
    TooMuch {
        /// How much.
        sold: Amount,
        /// The most.
        max: Amount,
    },
}

impl Pulse {
    /// Begins with a block that is seen now.
    pub fn new(limits: Exposure, block: BlockNumber, now: Instant) -> Self {
        Self { limits, last: Mutex::new(Beat { block, seen: now, sold: 0 }) }
    }

    /// How much is sold without the chain at most.
    pub fn limits(&self) -> Exposure {
        self.limits
    }

    /// A block was seen, and everything that is served was looked up in it.
    pub fn beat(&self, block: BlockNumber, now: Instant) {
        *self.lock() = Beat { block, seen: now, sold: 0 };
    }

    /// The last one.
    pub fn last(&self) -> Beat {
        *self.lock()
    }

    /// Whether the chain seems to be there.
    pub fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.lock().seen) < SILENCE
    }

    /// Notes that so much may be sold; refuses if that is beyond a limit.
    pub fn expose(&self, amount: Amount, now: Instant) -> Result<(), Blind> {
        let mut last = self.lock();
        let age = now.saturating_duration_since(last.seen);
        let Exposure { time, amount: max } = self.limits;
        if age > time {
            return Err(Blind::TooLong { age, max: time });
        }
        let sold = last.sold.saturating_add(amount);
        // While blocks come, what a channel holds is the limit.
        if age >= SILENCE && sold > max {
            return Err(Blind::TooMuch { sold, max });
        }
        last.sold = sold;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_chain_so_much_is_sold_and_for_so_long() {
        let start = Instant::now();
        let limits = Exposure { time: Duration::from_secs(100), amount: 10 };
        let pulse = Pulse::new(limits, 7, start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pulse.expose(9, at(3)), Ok(()));
        assert_eq!(pulse.expose(9, at(4)), Ok(()), "blocks come");
        assert!(pulse.is_live(at(29)) && !pulse.is_live(at(30)));
        assert_eq!(pulse.expose(1, at(31)), Err(Blind::TooMuch { sold: 19, max: 10 }));
        pulse.beat(8, at(32));
        assert_eq!(pulse.expose(6, at(70)), Ok(()));
        assert_eq!(pulse.expose(5, at(71)), Err(Blind::TooMuch { sold: 11, max: 10 }));
        assert_eq!(pulse.expose(4, at(132)), Ok(()));
        let max = limits.time;
        assert_eq!(pulse.expose(0, at(133)), Err(Blind::TooLong { age: Duration::from_secs(101), max }));
    }
}
