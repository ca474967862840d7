//! What an endpoint asks for: a breaker, delays that spread, secrets of its own.

use super::{MINUTE, SECOND, Scenario, all_delivered, at, calm, ensure, publish_to_each, storm};
use crate::plan::{Act, Answer, Breaker, Delays, FaultKind, Step, Tier};

pub(super) const PROBE: Scenario = Scenario {
    name: "probe-of-old-secrets",
    story: "Secrets are rotated while a breaker's probe is out: what becomes of the probe says \
            nothing any more, another is let through, and all is delivered.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("probe-of-old-secrets", seed, 1);
        publish_to_each(&mut plan, 3, SECOND);
        let slow = Answer::Late(500, 10 * SECOND);
        plan.faults.push(storm(0, 0, MINUTE, slow));
        let endpoint = &mut plan.endpoints[0];
        endpoint.retry.delays = Delays::Listed(vec![10 * SECOND; 20]);
        endpoint.breaker = Some(Breaker {
            failures: 1,
            cooldown_ms: 30 * SECOND,
            cooldown_max_ms: 30 * SECOND,
        });
        // The first attempt fails after 12 s, the probe leaves after 42 s and fails after 52 s.
        let act = Act::Rotate {
            endpoint: 0,
            overlap_ms: MINUTE,
        };
        let at_ms = 47 * SECOND;
        plan.workload.push(Step { at_ms, act });
        plan
    },
    end: all_delivered,
};

/// Deliveries that fail once together.
const TOGETHER: u64 = 200;

/// How long they wait, about.
const DELAY: u64 = 999_950;

pub(super) const JITTER: Scenario = Scenario {
    name: "spread-of-retries",
    story: "Two hundred deliveries fail within two seconds; with a jitter of a half, they come \
            again spread over all the time that it allows.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("spread-of-retries", seed, 1);
        publish_to_each(&mut plan, TOGETHER, 10);
        plan.faults.push(storm(0, 0, MINUTE, Answer::Status(503)));
        let endpoint = &mut plan.endpoints[0];
        endpoint.fifo = false;
        endpoint.concurrency = 1_024;
        endpoint.breaker = None;
        endpoint.retry.jitter_percent = 50;
        endpoint.retry.delays = Delays::Listed(vec![DELAY]);
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let waits = book.deliveries.values();
        let waits = waits.filter_map(|it| it.ended_ms?.checked_sub(it.since_ms));
        let (mut shortest, mut longest) = (u64::MAX, 0);
        for wait in waits {
            (shortest, longest) = (shortest.min(wait), longest.max(wait));
        }
        // That none of so many falls into an outer tenth happens once in a billion seeds.
        ensure(
            shortest < DELAY * 6 / 10 && longest > DELAY * 14 / 10,
            || format!("they came again after {shortest} to {longest} ms"),
        )
    },
};

pub(super) const SECRETS: Scenario = Scenario {
    name: "secrets-and-the-calendar",
    story: "After an overlap is over the calendar goes back into it, and ahead again: at each time \
            those secrets sign that the calendar says.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("secrets-and-the-calendar", seed, 2);
        publish_to_each(&mut plan, 60, 20 * SECOND);
        for (minute, overlap) in [(2, 5), (3, 2)] {
            let act = Act::Rotate {
                endpoint: 0,
                overlap_ms: overlap * MINUTE,
            };
            let at_ms = minute * MINUTE + 7;
            plan.workload.push(Step { at_ms, act });
        }
        plan.workload.sort_by_key(|step| step.at_ms);
        let six_minutes = (6 * MINUTE).cast_signed();
        for (minute, by_ms) in [(10, -six_minutes), (14, six_minutes), (16, -six_minutes)] {
            plan.faults
                .push(at(minute * MINUTE, FaultKind::WallJump { by_ms }));
        }
        plan
    },
    end: all_delivered,
};
