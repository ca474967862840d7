//! Receivers that answer in ways of their own.

use super::{
    HOUR, MINUTE, SECOND, Scenario, all_delivered, answering, at, calm, ensure, is_failed, publish,
    publish_to_each, receiver_of, storm,
};
use crate::plan::{Answer, Delays, Fault, FaultKind, Tier, To, When};
use postrider_engine::{DeliveryState, EndpointStatus, FailReason};

pub(super) const TIMEOUT_EDGE: Scenario = Scenario {
    name: "timeout-edge",
    story: "With a timeout of 30 s one merchant answers after 29.9 s and is served; the other \
            answers after 30.1 s and never is.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("timeout-edge", seed, 2);
        for (receiver, ms) in [(0, 29_900), (1, 30_100)] {
            plan.receivers[receiver] = answering(Answer::Late(200, ms));
            plan.receivers[receiver].latency_min_ms = 0;
            plan.receivers[receiver].latency_max_ms = 0;
        }
        publish_to_each(&mut plan, 8, SECOND);
        plan.end.healed_at_ms = 24 * HOUR;
        plan
    },
    end: |book| {
        for (id, delivery) in &book.deliveries {
            let (state, attempts) = match receiver_of(book, delivery) {
                Some(0) => (DeliveryState::Delivered, 1),
                _ => (DeliveryState::Failed(FailReason::Exhausted), 6),
            };
            ensure(
                delivery.state == state && delivery.attempts == attempts,
                || {
                    format!(
                        "{id} is {:?} after {} attempts",
                        delivery.state, delivery.attempts
                    )
                },
            )?;
        }
        Ok(())
    },
};

pub(super) const REJECTIONS: Scenario = Scenario {
    name: "rejection-storm",
    story: "Every merchant refuses everything for an hour: each event is tried once and is a dead \
            letter, and the next one is tried.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("rejection-storm", seed, 6);
        publish_to_each(&mut plan, 30, MINUTE);
        for (receiver, status) in [400, 401, 403, 404, 422, 499].into_iter().enumerate() {
            plan.faults
                .push(storm(SECOND, receiver, HOUR, Answer::Status(status)));
        }
        plan.end.healed_at_ms = 2 * HOUR;
        plan
    },
    end: |book| {
        for (id, delivery) in &book.deliveries {
            let once = delivery.attempts == 1 && delivery.arrived == 1;
            ensure(
                once && is_failed(delivery.state, FailReason::Rejected),
                || {
                    format!(
                        "{id} is {:?} after {} attempts",
                        delivery.state, delivery.attempts
                    )
                },
            )?;
        }
        Ok(())
    },
};

pub(super) const SLOW_DRIP: Scenario = Scenario {
    name: "slow-drip",
    story: "A merchant drips its answers, a byte a second: where the status came in time it counts, \
            where it did not the attempt has failed, and nobody else waits.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("slow-drip", seed, 3);
        plan.receivers[0] = answering(Answer::Drip(200, 2 * SECOND));
        plan.receivers[1] = answering(Answer::Drip(200, 31 * SECOND));
        publish_to_each(&mut plan, 10, SECOND);
        plan.end.healed_at_ms = 24 * HOUR;
        plan
    },
    end: |book| {
        for (id, delivery) in &book.deliveries {
            let state = match receiver_of(book, delivery) {
                Some(1) => DeliveryState::Failed(FailReason::Exhausted),
                _ => DeliveryState::Delivered,
            };
            ensure(delivery.state == state, || {
                format!("{id} is {:?}", delivery.state)
            })?;
        }
        Ok(())
    },
};

pub(super) const HUNDRED_LANES: Scenario = Scenario {
    name: "hundred-lanes",
    story: "One endpoint has a hundred lanes, and ten of them begin with an event that fails for \
            hours: the other ninety go on, and every lane keeps its order.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("hundred-lanes", seed, 1);
        plan.endpoints[0].breaker = None;
        plan.endpoints[0].retry.delays = Delays::Listed(vec![HOUR, 2 * HOUR]);
        for round in 0..5 {
            for key in 0..100 {
                publish(
                    &mut plan,
                    (2 + 30 * round) * SECOND,
                    To::Endpoint(0),
                    Some(key),
                );
            }
        }
        // The first requests are those of the first round: ten of them fail.
        for number in 1..=10 {
            let when = When::Request(7 * number);
            let kind = FaultKind::Panic;
            plan.faults.push(Fault { when, kind });
        }
        plan.end.healed_at_ms = 10 * HOUR;
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let late = |it: &&crate::book::DeliveryPage| it.ended_ms > Some(30 * MINUTE);
        let late = book.deliveries.values().filter(late).count();
        ensure((10..=50).contains(&late), || {
            format!("{late} deliveries were late: those of ten lanes should have been")
        })
    },
};

pub(super) const ANSWERED_THEN_DARK: Scenario = Scenario {
    name: "answered-then-dark",
    story: "A merchant answers 200 and loses power before the answer is through: it gets the event \
            again under the same id, and never a later one before it.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("answered-then-dark", seed, 2);
        publish_to_each(&mut plan, 40, 20 * SECOND);
        for number in 1..=12 {
            let when = When::Response(5 * number);
            let kind = FaultKind::LoseResponse;
            plan.faults.push(Fault { when, kind });
        }
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let twice = book.deliveries.values().filter(|it| it.arrived > 1).count();
        ensure(twice >= 10, || format!("only {twice} events came twice"))
    },
};

pub(super) const GONE: Scenario = Scenario {
    name: "gone",
    story: "A merchant answers 410 once: its endpoint is disabled, what had queued up is kept, and \
            after it is enabled again all of it is delivered.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("gone", seed, 2);
        for number in 0..20 {
            publish(&mut plan, 2 * SECOND + number, To::Endpoint(0), None);
            publish(&mut plan, 2 * SECOND + number, To::Endpoint(1), None);
        }
        plan.faults.push(storm(0, 0, MINUTE, Answer::Status(410)));
        let act = crate::plan::Act::Enable(0);
        plan.workload.push(crate::plan::Step {
            at_ms: 10 * MINUTE,
            act,
        });
        plan
    },
    end: |book| {
        let gone = book
            .deliveries
            .values()
            .filter(|it| is_failed(it.state, FailReason::Gone));
        let delivered = book
            .deliveries
            .values()
            .filter(|it| it.state == DeliveryState::Delivered)
            .count();
        ensure(gone.count() == 1 && delivered == 39, || {
            format!("{delivered} were delivered")
        })?;
        let active = |page: &crate::book::EndpointPage| page.told.status == EndpointStatus::Active;
        ensure(book.endpoints.values().all(active), || {
            "an endpoint is not active".to_owned()
        })
    },
};

pub(super) const RETRY_AFTER: Scenario = Scenario {
    name: "retry-after",
    story: "A merchant asks for two hours, then for ever: the first wait is kept, the second cut to \
            the longest allowed.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("retry-after", seed, 1);
        plan.endpoints[0].retry.retry_after_max_ms = 3 * HOUR;
        publish(&mut plan, 2 * SECOND, To::Endpoint(0), None);
        let answers = [(0, "7200"), (HOUR, "Fri, 31 Dec 9999 23:59:59 GMT")];
        for (at_ms, text) in answers {
            let answer = Answer::RetryAfter(503, text.to_owned());
            plan.faults
                .push(storm(at_ms, 0, HOUR + 30 * MINUTE * (at_ms / HOUR), answer));
        }
        // Nothing else may wake it.
        plan.faults
            .push(at(20 * MINUTE, FaultKind::WallJump { by_ms: 0 }));
        plan.end.healed_at_ms = 12 * HOUR;
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let delivery = book.deliveries.values().next();
        let ended = delivery.and_then(|it| it.ended_ms).unwrap_or_default();
        // Two hours, then three: the second answer is still given after two.
        ensure((5 * HOUR..5 * HOUR + MINUTE).contains(&ended), || {
            format!("it was delivered after {ended} ms")
        })
    },
};
