//! Chance that depends on what it is for, and on nothing that was drawn before.
//!
//! The latency of the third request to a receiver is the same whether or not the second one was
//! made: a plan from which a step was taken away still plays the rest as before. Shrinking lives
//! on that.

/// All the chance of a run.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    seed: u64,
}

/// A stream of draws for one purpose.
#[derive(Clone, Debug)]
pub struct Rolls {
    state: u64,
}

impl Chance {
    /// The chance of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The draws for one purpose, for example `("latency", receiver, request)`.
    #[must_use]
    pub fn of(self, purpose: &str, first: u64, second: u64) -> Rolls {
        let mut state = mix(self.seed ^ 0x9e37_79b9_7f4a_7c15);
        for byte in purpose.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        state = mix(state ^ mix(first.wrapping_add(0x517c_c1b7_2722_0a95)));
        state = mix(state ^ mix(second.wrapping_add(0x2545_f491_4f6c_dd1d)));
        Rolls { state }
    }
}

impl Rolls {
    /// 64 random bits (SplitMix64, Steele, Lea and Flood 2014).
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number from `0` to `most`, both included.
    pub fn up_to(&mut self, most: u64) -> u64 {
        let wide = u128::from(self.bits()) * (u128::from(most) + 1);
        u64::try_from(wide >> 64).unwrap_or(u64::MAX)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.up_to(most.saturating_sub(least))
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.up_to(99) < percent
    }

    /// One of these; `None` if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let last = items.len().checked_sub(1)?;
        let index = usize::try_from(self.up_to(last as u64)).unwrap_or(last);
        items.get(index)
    }

    /// An index, each as likely as its weight says; 0 if all weights are 0.
    pub fn weighted(&mut self, weights: impl IntoIterator<Item = u32> + Clone) -> usize {
        let total: u64 = weights.clone().into_iter().map(u64::from).sum();
        let mut left = self.up_to(total.saturating_sub(1));
        for (index, weight) in weights.into_iter().enumerate() {
            if left < u64::from(weight) {
                return index;
            }
            left -= u64::from(weight);
        }
        0
    }

    /// 32 random bytes: the seed of an engine.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.bits().to_le_bytes());
        }
        bytes
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_purpose_and_on_nothing_drawn_before() {
        let chance = Chance::new(7);
        let first = chance.of("latency", 1, 2).bits();
        chance.of("latency", 1, 1).bits();
        assert_eq!(chance.of("latency", 1, 2).bits(), first);
        assert_ne!(chance.of("latency", 2, 1).bits(), first);
        assert_ne!(chance.of("answer", 1, 2).bits(), first);
        assert_ne!(Chance::new(8).of("latency", 1, 2).bits(), first);
    }

    #[test]
    fn weights_are_obeyed_and_zero_is_never_drawn() {
        let mut rolls = Chance::new(1).of("weights", 0, 0);
        let mut drawn = [0_u32; 3];
        for _ in 0..3_000 {
            drawn[rolls.weighted([1, 0, 2])] += 1;
        }
        assert_eq!(drawn[1], 0);
        assert!((800..1_200).contains(&drawn[0]), "{drawn:?}");
    }

    #[test]
    fn bounds_are_included_and_kept() {
        let mut rolls = Chance::new(1).of("bounds", 0, 0);
        let drawn: Vec<u64> = (0..500).map(|_| rolls.between(3, 5)).collect();
        assert!(drawn.iter().all(|value| (3..=5).contains(value)));
        assert!(drawn.contains(&3) && drawn.contains(&5));
        assert_eq!(rolls.up_to(0), 0);
    }
}
