//! Which samples each step computes, and which of them at once.
//!
//! ```text
//! samples -> order of the epoch -> rows -> steps of batch_size rows -> micro batches of micro_batch_size rows
//! ```
//! A row is one sample or, in a packed dataset, as many whole samples as fit into its positions.

use crate::data::pack;
use crate::dataset::{Dataset, positions_of};
use crate::random::Random;
use crate::train::TrainConfig;
use std::sync::Arc;

/// Samples that are computed at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MicroBatch {
    /// Indices of the samples.
    pub samples: Vec<usize>,
    /// Place of each of them in the step, those that are left out counted too.
    pub places: Vec<usize>,
}

/// The steps of a run: they depend on the samples' lengths, seed and settings only, so that a run that was interrupted goes
/// on from the number of its step.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Positions of each training sample.
    training: Vec<usize>,
    /// Positions of each validation sample.
    validation: Vec<usize>,
    packing: Option<usize>,
    seed: u64,
    shuffle: bool,
    batch_size: usize,
    micro_batch_size: usize,
    steps_per_epoch: u64,
    /// Whether each training sample is computed; `None`: all are.
    included: Option<Arc<[bool]>>,
    /// The last epoch that was asked for, with its rows.
    cached: Option<(u64, Vec<Vec<usize>>)>,
    /// The last epoch whose ghosts were asked for, with their order.
    cached_ghosts: Option<(u64, Vec<usize>)>,
}

impl Plan {
    /// The steps of a run on `dataset`. The batch sizes of `config` are positive.
    pub(crate) fn new(dataset: &Dataset, config: &TrainConfig) -> Self {
        let (training, validation) = (positions_of(dataset.training()), positions_of(dataset.validation()));
        Self::of_positions(training, validation, dataset.packing(), config)
    }

    /// The steps of a run on samples of so many positions.
    pub(crate) fn of_positions(
        training: Vec<usize>,
        validation: Vec<usize>,
        packing: Option<usize>,
        config: &TrainConfig,
    ) -> Self {
        // The number of packs follows from the lengths alone, whatever their order: each epoch has as many steps.
        let rows = packing.map_or(training.len(), |positions| pack(&training, positions).len());
        Self {
            training,
            validation,
            packing,
            seed: config.seed,
            shuffle: config.shuffle,
            batch_size: config.batch_size,
            micro_batch_size: config.micro_batch_size,
            steps_per_epoch: config.steps_per_epoch(rows),
            included: None,
            cached: None,
            cached_ghosts: None,
        }
    }

    /// The same steps without the samples that `included` says no to. The others keep their steps and places.
    pub(crate) fn including(self, included: Option<Arc<[bool]>>) -> Self {
        Self { included, ..self }
    }

    /// Steps of one pass over the training samples.
    pub(crate) fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    /// What step `index`, counted from 0, computes; the last step of an epoch may have fewer rows than the others. Micro
    /// batches that have no sample because all are left out do not appear.
    pub(crate) fn step(&mut self, index: u64) -> Vec<MicroBatch> {
        let included = self.included.clone();
        let is_in = |sample: &usize| included.as_ref().is_none_or(|included| included[*sample]);
        let (mut first, micro_batch_size) = (0, self.micro_batch_size);
        let micro_batch = |rows: &[Vec<usize>]| {
            let places = rows.iter().flatten().copied().zip(first..);
            let (samples, places): (Vec<_>, Vec<_>) = places.filter(|(sample, _)| is_in(sample)).unzip();
            first += rows.iter().map(Vec::len).sum::<usize>();
            MicroBatch { samples, places }
        };
        let micro_batches = self.rows_of_step(index).chunks(micro_batch_size).map(micro_batch);
        micro_batches.filter(|micro| !micro.samples.is_empty()).collect()
    }

    /// The samples of step `index`, counted from 0, that are left out.
    pub(crate) fn left_out(&mut self, index: u64) -> Vec<usize> {
        let Some(included) = self.included.clone() else { return Vec::new() };
        self.rows_of_step(index).iter().flatten().copied().filter(|sample| !included[*sample]).collect()
    }

    /// The validation samples that step `index`, counted from 0, looks at as if they were among its own. Every epoch looks at
    /// each once, in an order of its own; of so many steps, each has as many as the others, or one more.
    pub(crate) fn ghosts(&mut self, index: u64) -> &[usize] {
        let (epoch, within) = (index / self.steps_per_epoch, index % self.steps_per_epoch);
        if self.cached_ghosts.as_ref().is_none_or(|(cached, _)| *cached != epoch) {
            let mut order: Vec<usize> = (0..self.validation.len()).collect();
            if self.shuffle {
                Random::new(self.seed, &format!("order of ghosts of epoch {epoch}")).shuffle(&mut order);
            }
            self.cached_ghosts = Some((epoch, order));
        }
        let order = self.cached_ghosts.as_ref().map(|(_, order)| order.as_slice()).unwrap_or_default();
        let until = |steps: u64| (order.len() as u128 * u128::from(steps) / u128::from(self.steps_per_epoch)) as usize;
        &order[until(within)..until(within + 1)]
    }

    fn rows_of_step(&mut self, index: u64) -> &[Vec<usize>] {
        let (epoch, within) = (index / self.steps_per_epoch, (index % self.steps_per_epoch) as usize);
        if self.cached.as_ref().is_none_or(|(cached, _)| *cached != epoch) {
            self.cached = Some((epoch, self.rows_of(epoch)));
        }
        let rows = self.cached.as_ref().map(|(_, rows)| rows.as_slice()).unwrap_or_default();
        &rows[within * self.batch_size..((within + 1) * self.batch_size).min(rows.len())]
    }

    /// Indices of the validation samples that are computed at once, in their order or in packs.
    pub(crate) fn validation(&self) -> Vec<Vec<usize>> {
        let rows = self.rows(&self.validation, &(0..self.validation.len()).collect::<Vec<_>>());
        rows.chunks(self.micro_batch_size).map(<[_]>::concat).collect()
    }

    fn rows_of(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.training.len()).collect();
        if !self.shuffle {
            return self.rows(&self.training, &order);
        }
        Random::new(self.seed, &format!("order of epoch {epoch}")).shuffle(&mut order);
        let mut rows = self.rows(&self.training, &order);
        if self.packing.is_some() {
            // Packs come out with the longest samples first.
            Random::new(self.seed, &format!("order of packs of epoch {epoch}")).shuffle(&mut rows);
        }
        rows
    }

    /// Rows of the samples whose `positions` these are, taken in `order`.
    fn rows(&self, positions: &[usize], order: &[usize]) -> Vec<Vec<usize>> {
        match self.packing {
            None => order.iter().map(|sample| vec![*sample]).collect(),
            Some(positions_max) => {
                let lengths: Vec<usize> = order.iter().map(|sample| positions[*sample]).collect();
                let packs = pack(&lengths, positions_max).into_iter();
                packs.map(|pack| pack.into_iter().map(|place| order[place]).collect()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::EncodedSample;
    use proptest::prelude::*;
    use tributary_protocol::ContentHash;

    fn dataset(lengths: &[usize], packing: Option<usize>) -> Dataset {
        let sample = |(i, length): (usize, &usize)| {
            EncodedSample::new(ContentHash::of(&i.to_le_bytes()), vec![1; length + 1], 1)
        };
        let dataset = Dataset::divide(lengths.iter().enumerate().map(sample).collect(), 0).unwrap();
        packing.map_or(Ok(dataset.clone()), |positions| dataset.packed(positions)).unwrap()
    }

    fn config(batch_size: usize, micro_batch_size: usize) -> TrainConfig {
        TrainConfig { seed: 7, batch_size, micro_batch_size, ..TrainConfig::default() }
    }

    fn micro(samples: &[usize], places: &[usize]) -> MicroBatch {
        MicroBatch { samples: samples.to_vec(), places: places.to_vec() }
    }

    fn samples(steps: impl IntoIterator<Item = Vec<MicroBatch>>) -> Vec<usize> {
        steps.into_iter().flatten().flat_map(|micro| micro.samples).collect()
    }

    #[test]
    fn every_epoch_reads_every_sample_once() {
        let dataset = dataset(&[3; 10], None);
        let mut plan = Plan::new(&dataset, &config(4, 4));
        assert_eq!(plan.steps_per_epoch(), 3);
        let epochs: Vec<Vec<usize>> = (0..2).map(|e| samples((0..3).map(|s| plan.step(3 * e + s)))).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
        // A run that goes on in the second epoch has not seen the first.
        assert_eq!(samples([Plan::new(&dataset, &config(4, 4)).step(3)]), epochs[1][..4]);
    }

    #[test]
    fn micro_batches_divide_a_step_and_know_their_place_in_it() {
        let config = TrainConfig { shuffle: false, ..config(5, 2) };
        let step = Plan::new(&dataset(&[3; 10], None), &config).step(1);
        assert_eq!(step, [micro(&[5, 6], &[0, 1]), micro(&[7, 8], &[2, 3]), micro(&[9], &[4])]);
    }

    #[test]
    fn rows_of_a_packed_dataset_hold_several_samples() {
        let config = TrainConfig { shuffle: false, ..config(2, 1) };
        let mut plan = Plan::new(&dataset(&[6, 2, 5, 4, 3], Some(10)), &config);
        assert_eq!(plan.steps_per_epoch(), 1);
        assert_eq!(plan.step(0), [micro(&[0, 3], &[0, 1]), micro(&[1, 2, 4], &[2, 3, 4])]);
    }

    #[test]
    fn who_is_left_out_moves_nobody_else() {
        let config = TrainConfig { shuffle: false, ..config(5, 2) };
        let included: Vec<bool> = [1, 0, 1, 1, 1, 0, 0, 1, 0, 1].iter().map(|included| *included == 1).collect();
        let mut plan = Plan::new(&dataset(&[3; 10], None), &config).including(Some(included.into()));
        assert_eq!(plan.step(0), [micro(&[0], &[0]), micro(&[2, 3], &[2, 3]), micro(&[4], &[4])]);
        assert_eq!(plan.step(1), [micro(&[7], &[2]), micro(&[9], &[4])]);
        assert_eq!((plan.left_out(0), plan.left_out(1)), (vec![1], vec![5, 6, 8]));
        assert_eq!(plan.steps_per_epoch(), 2);
    }

    #[test]
    fn every_epoch_looks_at_every_ghost_once_and_spreads_them() {
        let of = |ghosts: usize| Plan::of_positions(vec![3; 10], vec![3; ghosts], None, &config(3, 3));
        let mut plan = of(7);
        let steps = plan.steps_per_epoch();
        let epochs: Vec<Vec<Vec<usize>>> =
            (0..2).map(|e| (0..steps).map(|s| plan.ghosts(e * steps + s).to_vec()).collect()).collect();
        for epoch in &epochs {
            let counts: Vec<usize> = epoch.iter().map(Vec::len).collect();
            assert_eq!(counts, [1, 2, 2, 2]);
            let mut all = epoch.concat();
            all.sort_unstable();
            assert_eq!(all, (0..7).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
        // A run that goes on in the second epoch has not seen the first.
        assert_eq!(of(7).ghosts(steps + 2), epochs[1][2]);
        assert!(of(0).ghosts(1).is_empty());
    }

    #[test]
    fn packs_are_mixed_anew_in_each_epoch() {
        let packed = dataset(&[3; 12], Some(9));
        let mut plan = Plan::new(&packed, &config(1, 1));
        let epochs: Vec<Vec<usize>> = (0..2).map(|e| samples((0..4).map(|s| plan.step(4 * e + s)))).collect();
        let sets = |epoch: &[usize]| {
            let mut sets: Vec<Vec<usize>> = epoch.chunks(3).map(<[_]>::to_vec).collect();
            sets.iter_mut().for_each(|set| set.sort_unstable());
            sets.sort();
            sets
        };
        assert_ne!(sets(&epochs[0]), sets(&epochs[1]));
    }

    proptest! {
        #[test]
        fn packed_epochs_read_every_sample_once_in_equally_many_steps(
            lengths in prop::collection::vec(1usize..40, 1..60),
            batch_size in 1usize..5,
            micro_batch_size in 1usize..4,
        ) {
            let mut plan = Plan::new(&dataset(&lengths, Some(40)), &config(batch_size, micro_batch_size));
            for epoch in 0..3 {
                let first = epoch * plan.steps_per_epoch();
                let steps: Vec<_> = (0..plan.steps_per_epoch()).map(|step| plan.step(first + step)).collect();
                for micro in steps.iter().flatten() {
                    let positions: usize = micro.samples.iter().map(|sample| lengths[*sample]).sum();
                    prop_assert!(positions > 0 && positions <= 40 * micro_batch_size);
                }
                let mut all = samples(steps);
                all.sort_unstable();
                prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
            }
        }
    }
}
