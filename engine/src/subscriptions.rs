//! Which endpoints of a tenant may want an event, without asking each of them.
//!
//! Each pattern of each endpoint is an entry. Entries of one pattern stand together, in the order of
//! the endpoints' ids. For an event the entries of its type, of each family that it belongs to and of
//! `*` are looked up, and merged: an endpoint comes once, and in the order of ids, as from a walk over
//! all endpoints.
//!
//! Of a pattern's text an entry has 32 bits, its topic, so that it stays small. Two patterns may have
//! the same topic. So what is found are candidates: their own patterns say whether they want the event.

use crate::id::EndpointId;
use crate::names::{EventPattern, EventType};
use crate::slab::Key;
use crate::sorted::Sorted;

/// The patterns of a tenant's endpoints.
#[derive(Default)]
pub(crate) struct Subscriptions(Sorted<Entry>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    topic: u32,
    /// Its bytes, the highest first, which is the order of ids. A number would be aligned, and make an
    /// entry larger.
    id: [u8; 16],
    key: Key,
}

impl Subscriptions {
    pub(crate) fn add(&mut self, id: EndpointId, key: Key, patterns: &[EventPattern]) {
        for pattern in patterns {
            self.0.insert(Entry::of(id, key, pattern));
        }
    }

    pub(crate) fn remove(&mut self, id: EndpointId, key: Key, patterns: &[EventPattern]) {
        for pattern in patterns {
            self.0.remove(&Entry::of(id, key, pattern));
        }
    }

    /// The endpoint has other patterns than before.
    pub(crate) fn change(
        &mut self,
        (id, key): (EndpointId, Key),
        before: &[EventPattern],
        after: &[EventPattern],
    ) {
        if before != after {
            self.remove(id, key, before);
            self.add(id, key, after);
        }
    }

    /// The endpoints that may want events of this type, each once and in the order of their ids.
    pub(crate) fn candidates(
        &self,
        event_type: &EventType,
    ) -> impl Iterator<Item = (EndpointId, Key)> {
        let runs = topics(event_type).filter_map(|topic| {
            let rest = self.0.without(move |entry| entry.topic < topic);
            let mut run = rest
                .take_while(move |entry| entry.topic == topic)
                .peekable();
            run.peek().is_some().then_some(run)
        });
        let mut runs: Vec<_> = runs.collect();
        std::iter::from_fn(move || {
            let heads = runs.iter_mut().filter_map(|run| run.peek().copied());
            let next = heads.min_by_key(|entry| entry.id)?;
            for run in &mut runs {
                run.next_if(|entry| entry.id == next.id);
            }
            let id = EndpointId::from_u128(u128::from_be_bytes(next.id));
            Some((id, next.key))
        })
    }

    /// Bytes that it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    #[cfg(test)]
    pub(crate) fn has_the_same_entries_as(&self, other: &Self) -> bool {
        let (own, others) = (self.0.without(|_| false), other.0.without(|_| false));
        own.eq(others)
    }
}

impl Entry {
    fn of(id: EndpointId, key: Key, pattern: &EventPattern) -> Self {
        Self {
            topic: topic(pattern.as_str()),
            id: id.as_u128().to_be_bytes(),
            key,
        }
    }
}

/// The topics of all patterns that cover this event type.
fn topics(event_type: &EventType) -> impl Iterator<Item = u32> {
    let bytes = event_type.as_str().bytes();
    let parts = bytes.scan(NOTHING, |so_far, byte| {
        *so_far = mix(*so_far, byte);
        Some((byte, *so_far))
    });
    let families = parts.filter(|(byte, _)| *byte == b'.');
    let families = families.map(|(_, so_far)| mix(so_far, b'*'));
    let all = (!event_type.is_own()).then(|| topic("*"));
    let itself = topic(event_type.as_str());
    families.chain(all).chain([itself])
}

/// FNV-1a in 32 bits (Fowler, Noll, Vo). It takes a byte at a time, so that the topics of all families
/// of a type come from one pass over its text.
fn topic(text: &str) -> u32 {
    text.bytes().fold(NOTHING, mix)
}

/// The topic of the empty text.
const NOTHING: u32 = 0x811c_9dc5;

fn mix(so_far: u32, byte: u8) -> u32 {
    (so_far ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Chance;
    use crate::slab::Slab;
    use crate::time::Wall;
    use std::collections::BTreeMap;

    const TYPES: [&str; 12] = [
        "invoice",
        "invoice.paid",
        "invoice.paid.late",
        "invoice.line.added",
        "invoices.sent",
        "payment.made",
        "payment.refund.made",
        "payment.refund.made.twice",
        "shop.postrider",
        "postrider",
        "postrider.endpoint.disabled",
        "postriders.made",
    ];

    const PATTERNS: [&str; 16] = [
        "*",
        "invoice",
        "invoice.*",
        "invoice.paid",
        "invoice.paid.*",
        "invoice.paid.late",
        "invoice.line.*",
        "invoices.*",
        "payment.*",
        "payment.made",
        "payment.refund.*",
        "payment.refund.made",
        "nobody.publishes.this",
        "postrider.*",
        "postrider",
        "postrider.endpoint.disabled",
    ];

    fn types() -> Vec<EventType> {
        TYPES.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn patterns(texts: &[&str]) -> Vec<EventPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Up to four patterns, of which some may be the same.
    fn some_patterns(chance: &mut Chance) -> Vec<EventPattern> {
        let count = 1 + chance.up_to(3);
        let mut one = || PATTERNS[usize::try_from(chance.up_to(15)).unwrap()];
        let texts: Vec<&str> = (0..count).map(|_| one()).collect();
        patterns(&texts)
    }

    /// Endpoints, what is known of them, and where they are looked up.
    #[derive(Default)]
    struct Model {
        endpoints: BTreeMap<EndpointId, (Key, Vec<EventPattern>)>,
        subscriptions: Subscriptions,
    }

    impl Model {
        fn add(&mut self, id: EndpointId, key: Key, patterns: Vec<EventPattern>) {
            self.subscriptions.add(id, key, &patterns);
            self.endpoints.insert(id, (key, patterns));
        }

        fn check(&self, event_type: &EventType, seed: u8) {
            let walked = self.endpoints.iter().filter(|(_, (_, patterns))| {
                let mut patterns = patterns.iter();
                patterns.any(|pattern| pattern.matches(event_type))
            });
            let walked = walked.map(|(id, (key, _))| (*id, *key));
            let found = self.subscriptions.candidates(event_type);
            assert!(found.eq(walked), "{event_type}, seed {seed}");
        }
    }

    #[test]
    fn a_look_up_finds_whom_a_walk_finds_in_the_same_order() {
        for seed in 0..4 {
            let mut chance = Chance::new([seed; 32]);
            let (mut slab, mut model) = (Slab::new(), Model::default());
            let types = types();
            for step in 0..8_000_u64 {
                // The calendar jumps, so ids do not come in order; from 5,000 on most are deleted.
                let wall = Wall(1_000_000 + chance.up_to(50_000));
                let id = EndpointId::from_parts(wall, u128::from(chance.up_to(u64::MAX)));
                let next = model.endpoints.range(id..).next();
                let next = next.map(|(id, (key, patterns))| (*id, *key, patterns.clone()));
                let kind = chance.up_to(99);
                match next {
                    Some((id, key, before)) if kind < 20 => {
                        let after = some_patterns(&mut chance);
                        let of = (id, key);
                        model.subscriptions.change(of, &before, &after);
                        model.endpoints.insert(id, (key, after));
                    }
                    Some((id, key, before)) if kind < 40 || step > 5_000 => {
                        model.subscriptions.remove(id, key, &before);
                        model.endpoints.remove(&id);
                        slab.remove(key);
                    }
                    _ => model.add(id, slab.insert(()), some_patterns(&mut chance)),
                }
                if step % 250 == 0 {
                    types.iter().for_each(|it| model.check(it, seed));
                }
            }
        }
    }

    #[test]
    fn what_was_added_is_gone_when_it_is_removed() {
        let mut slab = Slab::new();
        let (key, id) = (slab.insert(()), EndpointId::from_u128(7));
        let mut subscriptions = Subscriptions::default();
        let twice = patterns(&["payment.*", "*", "payment.*"]);
        subscriptions.add(id, key, &twice);
        let made = "payment.made".parse().unwrap();
        assert!(subscriptions.candidates(&made).eq([(id, key)]));
        subscriptions.remove(id, key, &twice);
        assert_eq!(subscriptions.0.without(|_| false).count(), 0);
    }

    #[test]
    fn all_endpoints_are_no_candidates_for_postriders_own_events() {
        let mut slab = Slab::new();
        let mut subscriptions = Subscriptions::default();
        let all = patterns(&["*"]);
        subscriptions.add(EndpointId::from_u128(1), slab.insert(()), &all);
        let own = "postrider.endpoint.disabled".parse().unwrap();
        assert_eq!(subscriptions.candidates(&own).count(), 0);
    }

    #[test]
    fn a_pattern_takes_less_than_forty_bytes() {
        assert_eq!(size_of::<Entry>(), 28);
        let (mut chance, mut slab) = (Chance::new([1; 32]), Slab::new());
        let count = 100_000;
        for kinds in [1, 16] {
            let mut subscriptions = Subscriptions::default();
            for _ in 0..count {
                let id = chance.endpoint_id(Wall(1_000_000));
                let kind = usize::try_from(chance.up_to(kinds - 1)).unwrap();
                subscriptions.add(id, slab.insert(()), &patterns(&PATTERNS[kind..=kind]));
            }
            let bytes = subscriptions.bytes();
            assert!(bytes < 40 * count, "{bytes} for {kinds} kinds of pattern");
        }
    }
}
