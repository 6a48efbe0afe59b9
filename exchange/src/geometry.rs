//! How a blob is cut: 16 KiB chunk groups, ranges of them, and the set of those already verified.

use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges};
use codec::{Decode, Encode};

/// log2 of the BLAKE3 chunks (1 KiB) in one group.
const CHUNK_LOG: u8 = 4;
/// The tree's leaves are chunk groups: hash pairs inside a group are neither stored nor sent.
pub(crate) const BLOCK: BlockSize = BlockSize::from_chunk_log(CHUNK_LOG);
/// Bytes in one chunk group, the unit of verification, of resumption and of revocation.
pub const GROUP_BYTES: u64 = 1024 << CHUNK_LOG;
/// Largest blob. 2^40 bytes are 2^26 groups: an index bitmap of 8 MiB and a tree 26 levels high.
pub const BLOB_BYTES_MAX: u64 = 1 << 40;

/// The tree of a blob of `size` bytes.
pub(crate) fn tree(size: u64) -> BaoTree {
    BaoTree::new(size, BLOCK)
}

/// Number of groups in a blob; an empty blob has one, which is empty.
/// Invariant: `size <= BLOB_BYTES_MAX`, so that the count fits 26 bits.
pub(crate) fn group_count(size: u64) -> u32 {
    debug_assert!(size <= BLOB_BYTES_MAX);
    u32::try_from(size.div_ceil(GROUP_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// Bytes of one group of a blob of `size` bytes: [`GROUP_BYTES`], except for the last.
pub(crate) fn group_bytes(group: u32, size: u64) -> u64 {
    size.saturating_sub(u64::from(group) * GROUP_BYTES).min(GROUP_BYTES)
}

/// Bytes that a blob takes on disk: its data and its hash pairs.
pub(crate) fn footprint(size: u64) -> u64 {
    size.saturating_add(tree(size).outboard_size())
}

/// A half-open range of chunk groups, `start < end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GroupRange {
    /// First group.
    pub start: u32,
    /// One past the last group.
    pub end: u32,
}

/// Turns a peer's ranges into bao's, or `None` unless they are non-empty, ascending, apart and inside the blob.
pub(crate) fn chunk_ranges(ranges: &[GroupRange], groups: u32) -> Option<ChunkRanges> {
    let mut chunks = ChunkRanges::empty();
    let mut free_from = 0;
    for range in ranges {
        if range.start < free_from || range.start >= range.end || range.end > groups {
            return None;
        }
        free_from = range.end;
        let first = ChunkNum(u64::from(range.start) << CHUNK_LOG);
        chunks |= if range.end == groups {
            // The last group may be short: an open range takes what there is.
            ChunkRanges::from(first..)
        } else {
            ChunkRanges::from(first..ChunkNum(u64::from(range.end) << CHUNK_LOG))
        };
    }
    (free_from > 0).then_some(chunks)
}

/// The group in which a chunk lies.
pub(crate) fn group_of(chunk: ChunkNum) -> u32 {
    u32::try_from(chunk.0 >> CHUNK_LOG).unwrap_or(u32::MAX)
}

/// The set of verified groups of one blob: one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSet {
    groups: u32,
    count: u32,
    bits: Vec<u8>,
}

impl GroupSet {
    /// The empty set over a blob of `groups` groups.
    pub fn empty(groups: u32) -> Self {
        let bits = vec![0; (groups as usize).div_ceil(8)];
        Self { groups, count: 0, bits }
    }

    /// Restores a set from its bitmap, or `None` when the bitmap does not have exactly `groups` places.
    pub fn from_bitmap(groups: u32, bitmap: &[u8]) -> Option<Self> {
        let mut set = Self::empty(groups);
        if bitmap.len() != set.bits.len() {
            return None;
        }
        set.bits.copy_from_slice(bitmap);
        let spare = set.bits.len() * 8 - groups as usize;
        if set.bits.last().is_some_and(|last| last.leading_zeros() < spare as u32) {
            return None;
        }
        set.count = set.bits.iter().map(|byte| byte.count_ones()).sum();
        Some(set)
    }

    /// The bitmap, least significant bit first.
    pub fn bitmap(&self) -> &[u8] {
        &self.bits
    }

    /// Adds a group and says whether it is new. A group outside the blob is ignored.
    pub fn insert(&mut self, group: u32) -> bool {
        if group >= self.groups || self.contains(group) {
            return false;
        }
        self.bits[(group / 8) as usize] |= 1 << (group % 8);
        self.count += 1;
        true
    }

    /// Whether the group is in the set.
    pub fn contains(&self, group: u32) -> bool {
        self.bits.get((group / 8) as usize).is_some_and(|byte| byte >> (group % 8) & 1 == 1)
    }

    /// How many groups are in the set.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many groups the blob has.
    pub fn groups(&self) -> u32 {
        self.groups
    }

    /// Whether every group of the blob is in the set.
    pub fn is_full(&self) -> bool {
        self.count == self.groups
    }

    /// Verified bytes of a blob of `size` bytes.
    pub fn bytes(&self, size: u64) -> u64 {
        let last = self.groups - 1;
        let whole = u64::from(self.count) * GROUP_BYTES;
        if self.contains(last) { whole - (GROUP_BYTES - group_bytes(last, size)) } else { whole }
    }

    /// The first `limit` ranges of groups that are not in the set, ascending.
    pub fn missing(&self, limit: usize) -> Vec<GroupRange> {
        let mut ranges: Vec<GroupRange> = Vec::new();
        for group in (0..self.groups).filter(|group| !self.contains(*group)) {
            let full = ranges.len() == limit;
            match ranges.last_mut() {
                Some(range) if range.end == group => range.end += 1,
                _ if full => break,
                _ => ranges.push(GroupRange { start: group, end: group + 1 }),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_ranges_are_the_complement() {
        let mut set = GroupSet::empty(10);
        for group in [0, 1, 4, 9] {
            assert!(set.insert(group));
        }
        assert!(!set.insert(4));
        assert!(!set.insert(10));
        let expected = [GroupRange { start: 2, end: 4 }, GroupRange { start: 5, end: 9 }];
        assert_eq!(set.missing(8), expected);
        assert_eq!(set.missing(1), expected[..1]);
        assert_eq!(GroupSet::from_bitmap(10, set.bitmap()), Some(set));
    }

    #[test]
    fn bitmap_of_another_shape_is_rejected() {
        assert_eq!(GroupSet::from_bitmap(10, &[0]), None);
        assert_eq!(GroupSet::from_bitmap(10, &[0, 0b100]), None);
        assert!(GroupSet::from_bitmap(10, &[0xff, 0b11]).is_some_and(|set| set.is_full()));
    }

    #[test]
    fn verified_bytes_count_a_short_last_group() {
        let size = 2 * GROUP_BYTES + 5;
        let mut set = GroupSet::empty(group_count(size));
        set.insert(2);
        assert_eq!(set.bytes(size), 5);
        set.insert(0);
        set.insert(1);
        assert_eq!(set.bytes(size), size);
        let mut nothing = GroupSet::empty(group_count(0));
        nothing.insert(0);
        assert_eq!(nothing.bytes(0), 0);
    }

    #[test]
    fn ranges_of_a_peer_must_be_ascending_and_inside() {
        let range = |start, end| GroupRange { start, end };
        assert!(chunk_ranges(&[range(0, 2), range(2, 5)], 5).is_some());
        for bad in [
            vec![],
            vec![range(1, 1)],
            vec![range(2, 1)],
            vec![range(0, 6)],
            vec![range(3, 4), range(0, 1)],
            vec![range(0, 3), range(2, 4)],
        ] {
            assert!(chunk_ranges(&bad, 5).is_none(), "{bad:?}");
        }
    }
}
