//! Which samples are computed together.
//!
//! A [`Batch`](crate::Batch) holds its sequences one after the other without padding and remembers their lengths; attention
//! is block-diagonal, so that each sequence begins at position 0 and sees nothing of the others. Packing therefore changes
//! no loss and no gradient: it only fills the positions that a device computes at once.

use std::collections::BTreeMap;

/// Divides sequences into packs of at most `positions_max` positions each: indices into `lengths`, ascending in each pack.
///
/// Best fit, longest first, equal lengths in their order, so that the same lengths always give the same packs. A sequence
/// longer than `positions_max` has a pack of its own. At most 11/9 of the fewest possible packs, plus one (Johnson 1973).
/// Cost: `O(n log n)`.
pub fn pack(lengths: &[usize], positions_max: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(lengths[*index]));
    let mut packs: Vec<Vec<usize>> = Vec::new();
    // Packs by the positions that they have left, the oldest last.
    let mut room: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in order {
        let length = lengths[index];
        let fitting = room.range(length..).next().map(|(left, _)| *left);
        let (pack, left) = match fitting.and_then(|left| Some((room.get_mut(&left)?.pop()?, left))) {
            Some((pack, left)) => {
                if room.get(&left).is_some_and(Vec::is_empty) {
                    room.remove(&left);
                }
                (pack, left - length)
            }
            None => {
                packs.push(Vec::new());
                (packs.len() - 1, positions_max.saturating_sub(length))
            }
        };
        packs[pack].push(index);
        // A pack that one sequence overfills takes no other, not even an empty one.
        if length <= positions_max {
            room.entry(left).or_default().push(pack);
        }
    }
    packs.iter_mut().for_each(|pack| pack.sort_unstable());
    packs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fullest_pack_that_has_room_is_taken() {
        assert_eq!(pack(&[3, 6, 5, 2, 4], 10), [vec![1, 4], vec![0, 2, 3]]);
        assert_eq!(pack(&[12, 1], 10), [vec![0], vec![1]]);
        assert!(pack(&[], 10).is_empty());
    }

    proptest! {
        #[test]
        fn every_sequence_is_in_one_pack_that_holds_it(lengths in prop::collection::vec(0usize..70, 0..80), max in 1usize..64) {
            let packs = pack(&lengths, max);
            let mut all: Vec<usize> = packs.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
            let total = |pack: &Vec<usize>| pack.iter().map(|index| lengths[*index]).sum::<usize>();
            prop_assert!(packs.iter().all(|pack| total(pack) <= max || pack.len() == 1));
            // No two packs could be one: the sum of any two of them is too large.
            for (i, a) in packs.iter().enumerate() {
                for b in &packs[..i] {
                    prop_assert!(total(a) + total(b) > max);
                }
            }
        }
    }
}
