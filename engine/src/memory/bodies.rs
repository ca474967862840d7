//! Bodies that are not the payload of their event: each is kept once, by the first attempt that sent it.

use crate::id::DeliveryId;
use bytes::Bytes;
use std::collections::BTreeMap;

/// An attempt: its delivery, and its place among the attempts of that, from 1.
pub(super) type AttemptPlace = (DeliveryId, usize);

/// What is kept of them; those of the oldest deliveries go first.
const BYTES_MAX: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Bodies {
    kept: BTreeMap<AttemptPlace, Bytes>,
    /// The attempt that keeps the body of each one.
    keepers: BTreeMap<AttemptPlace, AttemptPlace>,
    bytes: usize,
}

impl Bodies {
    /// Keeps the body of an attempt, unless it is that of the attempt before, or of the attempt
    /// `with` it in the same request.
    pub(super) fn keep(&mut self, at: AttemptPlace, body: &Bytes, with: Option<AttemptPlace>) {
        let known = with.and_then(|with| self.keeper(with));
        let keeper = match known.or_else(|| self.same_before(at, body)) {
            Some(keeper) => keeper,
            None => {
                self.bytes += body.len();
                self.kept.insert(at, body.clone());
                at
            }
        };
        self.keepers.insert(at, keeper);
        while self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.kept.pop_first() else {
                return;
            };
            self.bytes -= oldest.len();
        }
    }

    /// The body of an attempt, if it is still kept.
    pub(super) fn of(&self, at: AttemptPlace) -> Option<&Bytes> {
        self.kept.get(&self.keeper(at)?)
    }

    /// Forgets those of a delivery.
    pub(super) fn forget(&mut self, delivery: DeliveryId) {
        let all = (delivery, 0)..=(delivery, usize::MAX);
        let gone: Vec<AttemptPlace> = self.keepers.range(all).map(|(at, _)| *at).collect();
        for at in gone {
            self.keepers.remove(&at);
            if let Some(body) = self.kept.remove(&at) {
                self.bytes -= body.len();
            }
        }
    }

    /// The attempt that keeps the body of this one, if it still does.
    fn keeper(&self, at: AttemptPlace) -> Option<AttemptPlace> {
        let keeper = self.keepers.get(&at).copied();
        keeper.filter(|keeper| self.kept.contains_key(keeper))
    }

    fn same_before(&self, (delivery, place): AttemptPlace, body: &Bytes) -> Option<AttemptPlace> {
        let keeper = self.keeper((delivery, place.checked_sub(1)?))?;
        (self.kept.get(&keeper) == Some(body)).then_some(keeper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(delivery: u128, place: usize) -> AttemptPlace {
        (DeliveryId::from_u128(delivery), place)
    }

    #[test]
    fn a_body_that_stays_the_same_is_kept_once() {
        let mut bodies = Bodies::default();
        let same = Bytes::from_static(b"same");
        bodies.keep(at(1, 1), &same, None);
        bodies.keep(at(1, 2), &same, None);
        bodies.keep(at(2, 1), &same, Some(at(1, 2)));
        assert_eq!((bodies.kept.len(), bodies.bytes), (1, 4));
        let other = Bytes::from_static(b"another");
        bodies.keep(at(1, 3), &other, None);
        for (place, body) in [
            (at(1, 1), &same),
            (at(1, 2), &same),
            (at(2, 1), &same),
            (at(1, 3), &other),
        ] {
            assert_eq!(bodies.of(place), Some(body), "{place:?}");
        }
        bodies.forget(DeliveryId::from_u128(1));
        assert_eq!(
            bodies.of(at(2, 1)),
            None,
            "it went with the one that kept it"
        );
        assert_eq!(bodies.bytes, 0);
    }

    #[test]
    fn beyond_the_bound_the_bodies_of_the_oldest_deliveries_go() {
        let mut bodies = Bodies::default();
        let large = |byte: u8| Bytes::from(vec![byte; BYTES_MAX / 2]);
        for (delivery, byte) in [(1, 1), (2, 2), (3, 3)] {
            bodies.keep(at(delivery, 1), &large(byte), None);
        }
        assert_eq!(bodies.of(at(1, 1)), None);
        assert_eq!(bodies.of(at(2, 1)), Some(&large(2)));
        assert_eq!(bodies.of(at(3, 1)), Some(&large(3)));
        assert!(bodies.bytes <= BYTES_MAX);
    }
}
