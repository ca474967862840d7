//! What the seed draws.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// A stream of numbers that its seed decides: `SplitMix64` (Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", 2014). Good enough to choose what goes wrong, and
/// for nothing secret.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of the range; its start, if the range is empty.
    pub(super) fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        let (first, last) = range.into_inner();
        let choices = last.saturating_sub(first) as u64 + 1;
        // Below `choices`, which began as a `usize`.
        first + usize::try_from(self.next() % choices).unwrap_or_default()
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.within(1..=times) == 1
    }

    /// One of the items.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T; 4]) -> T {
        items[self.within(0..=3)]
    }

    /// So many different numbers below `end`; all of them, if there are no more.
    pub(super) fn sample(&mut self, count: usize, end: usize) -> BTreeSet<usize> {
        let mut drawn = BTreeSet::new();
        while drawn.len() < count.min(end) {
            drawn.insert(self.within(0..=end - 1));
        }
        drawn
    }

    /// Puts the items in another order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.within(0..=last));
        }
    }

    /// Bytes for a seed or a secret of the demo.
    pub(super) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation for the seed 1234567.
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut chance = Chance::new(1_234_567);
        assert_eq!(chance.next(), 6_457_827_717_110_365_317);
        assert_eq!(chance.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_sample_has_as_many_numbers_as_asked_for_and_there_are() {
        let mut chance = Chance::new(1);
        assert_eq!(chance.sample(3, 5).len(), 3);
        assert_eq!(
            chance.sample(9, 5).into_iter().collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        assert!(chance.sample(1, 0).is_empty());
    }
}
