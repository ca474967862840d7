//! Receivers that are away.

use super::{
    DAY, HOUR, MINUTE, SECOND, Scenario, all_delivered, calm, ensure, publish_to_each, receiver_of,
    storm,
};
use crate::book::Book;
use crate::plan::{Answer, Delays, Tier};
use postrider_engine::DeliveryState;

/// What a delivery to a healthy receiver may take: the way there and back, and some syncs.
const PROMPT_MS: u64 = 400;

pub(super) const THREE_DAYS: Scenario = Scenario {
    name: "three-day-outage",
    story: "One merchant among a hundred is away for three days; nobody else notices, and he gets \
            all he missed, in order.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("three-day-outage", seed, 100);
        for endpoint in &mut plan.endpoints {
            // The ladder of the Standard Webhooks: ten attempts over 75 hours.
            let seconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
            endpoint.retry.delays = Delays::Listed(seconds.map(|it| it * SECOND).to_vec());
        }
        publish_to_each(&mut plan, 12, 6 * HOUR);
        let outage = storm(HOUR, 0, 3 * DAY, Answer::Refused);
        plan.faults.push(outage);
        plan.end.healed_at_ms = 3 * DAY + 2 * HOUR;
        plan
    },
    end: |book| {
        all_delivered(book)?;
        others_are_prompt(book, &[0])
    },
};

pub(super) const SERVER_ERRORS: Scenario = Scenario {
    name: "server-error-storm",
    story: "Five merchants answer 500 for ten minutes; when they recover everything is delivered.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("server-error-storm", seed, 10);
        for endpoint in &mut plan.endpoints {
            endpoint.retry.delays = Delays::Exponential {
                first_ms: SECOND,
                factor: 2.0,
                cap_ms: 5 * MINUTE,
                retries: 12,
            };
        }
        publish_to_each(&mut plan, 40, 30 * SECOND);
        for receiver in 0..5 {
            let answer = Answer::Status([500, 502, 503, 504, 599][receiver]);
            plan.faults
                .push(storm(MINUTE, receiver, 10 * MINUTE, answer));
        }
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let retried = book
            .deliveries
            .values()
            .filter(|it| it.attempts > 1)
            .count();
        ensure(retried > 0, || "nothing was retried".to_owned())?;
        others_are_prompt(book, &[0, 1, 2, 3, 4])
    },
};

pub(super) const FLAPPING_DNS: Scenario = Scenario {
    name: "flapping-dns",
    story: "A merchant's name comes and goes every minute, once pointing at a private address; \
            nothing is lost and nothing is sent there.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("flapping-dns", seed, 3);
        for endpoint in &mut plan.endpoints {
            endpoint.retry.delays = Delays::Exponential {
                first_ms: SECOND,
                factor: 2.0,
                cap_ms: 40 * SECOND,
                retries: 20,
            };
        }
        publish_to_each(&mut plan, 60, 10 * SECOND);
        for flap in 0..6 {
            let answer = if flap == 3 {
                Answer::PrivateAddress
            } else {
                Answer::NoName
            };
            plan.faults
                .push(storm((2 * flap + 1) * MINUTE, 0, MINUTE, answer));
        }
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let arrivals_too_many = book.deliveries.values().any(|it| it.arrived > 1);
        ensure(!arrivals_too_many, || {
            "a request whose name did not resolve has arrived".to_owned()
        })?;
        others_are_prompt(book, &[0])
    },
};

pub(super) const DEAD_NEIGHBOURS: Scenario = Scenario {
    name: "dead-neighbours",
    story: "Sixty of eighty merchants hang for ever and have long queues; the others are served as \
            if they were alone.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("dead-neighbours", seed, 80);
        plan.bounds.attempts_max = 256;
        plan.bounds.attempts_failing_max = 128;
        for (number, endpoint) in plan.endpoints.iter_mut().enumerate() {
            endpoint.breaker = None;
            if number < 60 {
                plan.receivers[number] = super::answering(Answer::Hang);
                // Their owner wants many requests at once: they shall not have them.
                endpoint.fifo = false;
                endpoint.concurrency = 64;
            }
        }
        publish_to_each(&mut plan, 20, 20 * SECOND);
        plan.end.dead = (0..60).collect();
        plan.end.healed_at_ms = 20 * MINUTE;
        plan.end.within_ms = DAY;
        plan
    },
    end: |book| {
        let dead: Vec<usize> = (0..60).collect();
        others_are_prompt(book, &dead)
    },
};

/// Deliveries to receivers that were never away were delivered at once.
fn others_are_prompt(book: &Book, away: &[usize]) -> Result<(), String> {
    let mut seen = 0;
    for (id, delivery) in &book.deliveries {
        if receiver_of(book, delivery).is_none_or(|receiver| away.contains(&receiver)) {
            continue;
        }
        seen += 1;
        let took_ms = delivery.ended_ms.map(|ended| ended - delivery.since_ms);
        let is_prompt = took_ms.is_some_and(|took| took <= PROMPT_MS);
        ensure(
            delivery.state == DeliveryState::Delivered && is_prompt,
            || {
                format!(
                    "{id} to a healthy receiver took {took_ms:?} ms: {:?}",
                    delivery.state
                )
            },
        )?;
    }
    ensure(seen > 0, || "there were no healthy receivers".to_owned())
}
