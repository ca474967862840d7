//! A set of small things in order, that takes little more than they do: they stand side by side, in
//! chunks. What comes at the end leaves no gaps, and what comes between others few.

/// The most things in a chunk. Putting one in moves half of them at most times.
const CHUNK_MAX: usize = 256;

/// A chunk that is split leaves at least this many on each side: chunks stay few.
const PART_MIN: usize = CHUNK_MAX / 8;

pub(crate) struct Sorted<T> {
    /// In order, and none of them empty.
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T: Ord + Copy> Sorted<T> {
    /// One that is there stays.
    pub(crate) fn insert(&mut self, thing: T) {
        let at = self.chunk_of(&thing);
        let Some(chunk) = self.chunks.get_mut(at) else {
            // Most sets are small, and a vector would begin with room for four chunks.
            self.chunks.reserve_exact(1);
            self.chunks.push(vec![thing]);
            return;
        };
        let Err(place) = chunk.binary_search(&thing) else {
            return;
        };
        if chunk.len() < CHUNK_MAX {
            put(chunk, place, thing);
            return;
        }
        if place == CHUNK_MAX {
            self.put_behind(at, thing);
            return;
        }
        // What comes next belongs right behind this one, more often than not: the split is there.
        let cut = place.clamp(PART_MIN, CHUNK_MAX - PART_MIN);
        let mut right = chunk.split_off(cut);
        if place <= cut {
            put(chunk, place, thing);
        } else {
            put(&mut right, place - cut, thing);
        }
        self.chunks.insert(at + 1, right);
    }

    /// Puts it right behind a chunk that is full.
    fn put_behind(&mut self, at: usize, thing: T) {
        let next = self.chunks.get_mut(at + 1);
        match next.filter(|next| next.len() < CHUNK_MAX) {
            Some(next) => put(next, 0, thing),
            None => self.chunks.insert(at + 1, vec![thing]),
        }
    }

    /// One that is not there is none of its business.
    pub(crate) fn remove(&mut self, thing: &T) {
        let at = self.chunk_of(thing);
        let Some(chunk) = self.chunks.get_mut(at) else {
            return;
        };
        let Ok(place) = chunk.binary_search(thing) else {
            return;
        };
        chunk.remove(place);
        if chunk.is_empty() {
            self.chunks.remove(at);
        } else if chunk.len() <= chunk.capacity() / 4 {
            chunk.shrink_to(chunk.len() * 2);
        }
    }

    /// Those that are left when the first ones, of which `is_before` is true, are passed over.
    pub(crate) fn without(&self, is_before: impl Fn(&T) -> bool) -> impl Iterator<Item = T> {
        let ends_before = |chunk: &Vec<T>| chunk.last().is_some_and(&is_before);
        let at = self.chunks.partition_point(ends_before);
        let rest = self.chunks.get(at..).unwrap_or_default();
        let place = rest.first();
        let place = place.map_or(0, |chunk| chunk.partition_point(&is_before));
        rest.iter().flatten().skip(place).copied()
    }

    /// Bytes that it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        let chunks = self.chunks.iter();
        let things: usize = chunks.map(|chunk| chunk.capacity() * size_of::<T>()).sum();
        things + self.chunks.capacity() * size_of::<Vec<T>>()
    }

    /// The chunk that has it, or that it belongs into.
    fn chunk_of(&self, thing: &T) -> usize {
        let begins_by_then = |chunk: &Vec<T>| chunk.first().is_some_and(|first| first <= thing);
        let behind = self.chunks.partition_point(begins_by_then);
        behind.saturating_sub(1)
    }
}

/// Puts it into a chunk that has room.
fn put<T>(chunk: &mut Vec<T>, place: usize, thing: T) {
    if chunk.len() == chunk.capacity() {
        // A vector by itself would grow from one to four, and past what a chunk may hold.
        chunk.reserve_exact(chunk.len().clamp(1, CHUNK_MAX - chunk.len()));
    }
    chunk.insert(place, thing);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Chance;
    use std::collections::BTreeSet;

    fn check(sorted: &Sorted<u64>, model: &BTreeSet<u64>, from: u64, seed: u8) {
        let rest = sorted.without(|it| *it < from);
        assert!(
            rest.eq(model.range(from..).copied()),
            "from {from}, seed {seed}"
        );
        for chunk in &sorted.chunks {
            assert!((1..=CHUNK_MAX).contains(&chunk.len()));
            assert!(chunk.capacity() <= CHUNK_MAX);
            assert!(chunk.capacity() <= chunk.len() * 8, "a waste of room");
        }
    }

    #[test]
    fn it_holds_what_an_ordered_set_holds_whatever_is_put_in_or_taken_out() {
        for seed in 0..6 {
            let mut chance = Chance::new([seed; 32]);
            let (mut sorted, mut model) = (Sorted::default(), BTreeSet::new());
            let mut last = 0_u64;
            for step in 0..12_000_u64 {
                // It grows, and then it shrinks.
                let puts = if step < 8_000 { 80 } else { 10 };
                let thing = match chance.up_to(3) {
                    0 => last + 1,
                    1 => last.saturating_sub(1),
                    _ => chance.up_to(20_000),
                };
                if chance.up_to(99) < puts {
                    sorted.insert(thing);
                    model.insert(thing);
                    last = thing;
                } else {
                    let taken = model.range(thing..).next().copied().unwrap_or(thing);
                    sorted.remove(&taken);
                    model.remove(&taken);
                }
                if step % 400 == 0 {
                    check(&sorted, &model, 0, seed);
                    check(&sorted, &model, thing, seed);
                    check(&sorted, &model, 30_000, seed);
                }
            }
            for thing in std::mem::take(&mut model) {
                sorted.remove(&thing);
            }
            check(&sorted, &model, 0, seed);
        }
    }

    #[test]
    fn what_comes_in_order_leaves_no_gaps() {
        let count = 100_000_u64;
        let mut sorted = Sorted::default();
        for thing in 0..count {
            sorted.insert(thing);
        }
        let least = 100_000 * size_of::<u64>();
        assert!(sorted.bytes() < least + least / 10, "{}", sorted.bytes());
        let mut backwards = Sorted::default();
        for thing in (0..count).rev() {
            backwards.insert(thing);
        }
        let most = least + least / 4;
        assert!(backwards.bytes() < most, "{}", backwards.bytes());
    }

    #[test]
    fn one_thing_takes_no_room_for_others() {
        let mut sorted = Sorted::default();
        sorted.insert(7_u64);
        assert_eq!(sorted.bytes(), size_of::<u64>() + size_of::<Vec<u64>>());
    }

    /// So many full chunks, with room for others between any two things.
    fn full(chunks: usize) -> Sorted<u64> {
        let mut sorted = Sorted::default();
        for number in 0..chunks * CHUNK_MAX {
            sorted.insert(number as u64 * 1_000);
        }
        assert_eq!(sorted.chunks.len(), chunks);
        sorted
    }

    #[test]
    fn what_comes_backwards_between_two_full_chunks_stays_together() {
        let mut sorted = full(100);
        for last in (1..=100).map(|chunk| chunk * CHUNK_MAX as u64 - 1) {
            for low in (1..60).rev() {
                sorted.insert(last * 1_000 + low);
            }
        }
        assert_eq!(sorted.chunks.len(), 200);
    }

    #[test]
    fn a_chunk_is_not_split_into_crumbs() {
        let mut sorted = full(100);
        for number in 0..100 * CHUNK_MAX as u64 {
            sorted.insert(number * 1_000 + 1);
        }
        assert!(sorted.chunks.len() < 600, "{}", sorted.chunks.len());
    }
}
