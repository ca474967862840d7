//! Receivers that ask for time.

use super::{MINUTE, SECOND, Scenario, all_delivered, answering, at, calm, ensure, publish, storm};
use crate::book::Book;
use crate::plan::{Answer, FaultKind, Plan, Tier, To};
use std::collections::BTreeMap;

/// Endpoints, each at a receiver of its own.
const ENDPOINTS: usize = 200;

/// Ordering keys of each.
const KEYS: u8 = 10;

/// Events of each key.
const EVENTS: u64 = 2;

/// Two hundred endpoints, and two events for each of ten keys of each, all within a second.
fn crowd(story: &str, seed: u64) -> Plan {
    let mut plan = calm(story, seed, ENDPOINTS);
    for round in 0..EVENTS {
        for key in 0..KEYS {
            let at_ms = 20 * SECOND + 400 * round + 20 * u64::from(key);
            for endpoint in 0..ENDPOINTS {
                publish(&mut plan, at_ms, To::Endpoint(endpoint), Some(key));
            }
        }
    }
    plan
}

/// Each endpoint was refused at most so often.
fn refused_at_most(book: &Book, most: u32) -> Result<(), String> {
    let mut refused = BTreeMap::new();
    for delivery in book.deliveries.values() {
        *refused.entry(delivery.lane.endpoint).or_insert(0) += delivery.attempts - 1;
    }
    let worst = refused.into_iter().max_by_key(|(_, count)| *count);
    match worst {
        Some((id, count)) if count > most => Err(format!(
            "{id} was asked {count} times in vain, and {most} are the most"
        )),
        _ => Ok(()),
    }
}

pub(super) const ONE_A_SECOND: Scenario = Scenario {
    name: "one-request-a-second",
    story: "Two hundred merchants take one request a second and answer the others 429 with \
            Retry-After, and each has twenty events at once over ten ordering keys: all are \
            delivered, and more requests are taken than refused.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = crowd("one-request-a-second", seed);
        plan.receivers = vec![answering(Answer::OneEvery(SECOND)); ENDPOINTS];
        plan.end.healed_at_ms = 60 * MINUTE;
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let at_once = u32::from(KEYS);
        refused_at_most(book, u32::from(KEYS) * 2 + at_once)?;
        let attempts: u32 = book.deliveries.values().map(|it| it.attempts).sum();
        let deliveries = u32::try_from(book.deliveries.len()).unwrap_or(u32::MAX);
        ensure(attempts < 2 * deliveries, || {
            format!("{attempts} attempts were made of {deliveries} deliveries")
        })
    },
};

pub(super) const NOT_NOW_STORM: Scenario = Scenario {
    name: "not-now-storm",
    story: "For ten minutes two hundred merchants answer 429 or 503 with Retry-After, ten ordering \
            keys wait at each, and the sender is killed in the middle: each merchant is asked by \
            one request at a time, when it has said, and nothing dies of it.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = crowd("not-now-storm", seed);
        for receiver in 0..ENDPOINTS {
            let status = if receiver % 2 == 0 { 429 } else { 503 };
            let answer = Answer::RetryAfter(status, "30".to_owned());
            plan.faults
                .push(storm(10 * SECOND, receiver, 10 * MINUTE, answer));
        }
        let down_ms = 5 * SECOND;
        plan.faults
            .push(at(5 * MINUTE, FaultKind::Kill { down_ms }));
        plan.end.healed_at_ms = 60 * MINUTE;
        plan
    },
    end: |book| {
        all_delivered(book)?;
        // Those that left before the first answer, then one each half minute.
        refused_at_most(book, u32::from(KEYS) + 20)?;
        let ended = book.deliveries.values().filter_map(|it| it.ended_ms).max();
        ensure(ended < Some(40 * MINUTE), || {
            format!("the last one was delivered at {ended:?} ms")
        })
    },
};
