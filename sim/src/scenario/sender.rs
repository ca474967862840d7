//! What happens to the sender itself.

use super::{
    DAY, HOUR, MINUTE, SECOND, Scenario, all_delivered, answering, at, calm, ensure,
    publish_to_each, storm,
};
use crate::plan::{Act, Answer, Delays, Fault, FaultKind, Step, Tier, When};

pub(super) const POWER_LOSS: Scenario = Scenario {
    name: "power-loss",
    story: "The sender loses power three times while its queues are full; whatever it had accepted \
            is delivered, in order.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("power-loss", seed, 4);
        plan.disk.sync_max_ms = 20;
        // Of which the only tenant may have half.
        plan.bounds.pending_deliveries_max = 400;
        for endpoint in &mut plan.endpoints {
            endpoint.breaker = None;
            endpoint.retry.delays = Delays::Exponential {
                first_ms: SECOND,
                factor: 2.0,
                cap_ms: MINUTE,
                retries: 40,
            };
        }
        publish_to_each(&mut plan, 100, 100);
        for receiver in 0..4 {
            plan.faults
                .push(storm(SECOND, receiver, 20 * MINUTE, Answer::Status(503)));
        }
        for number in [150, 260, 400] {
            let when = When::Commit(number);
            let kind = FaultKind::PowerLoss {
                down_ms: 3 * SECOND,
            };
            plan.faults.push(Fault { when, kind });
        }
        plan
    },
    end: |book| {
        all_delivered(book)?;
        ensure(book.life == 4, || format!("it lived {} lives", book.life))?;
        let kept = book
            .events
            .values()
            .filter(|page| page.acknowledged)
            .count();
        ensure((150..=250).contains(&kept), || {
            format!("{kept} events were accepted: the tenant had room for 200")
        })
    },
};

pub(super) const SHUTDOWN: Scenario = Scenario {
    name: "shutdown-in-a-storm",
    story: "The sender is shut down while half of its merchants hang; it stops at its deadline, and \
            goes on where it was.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("shutdown-in-a-storm", seed, 8);
        publish_to_each(&mut plan, 30, 2 * SECOND);
        for receiver in 0..4 {
            plan.faults
                .push(storm(SECOND, receiver, 3 * MINUTE, Answer::Hang));
        }
        for at_ms in [10 * SECOND, 40 * SECOND] {
            let act = Act::Restart {
                within_ms: 5 * SECOND,
                down_ms: 4 * SECOND,
            };
            plan.workload.push(Step { at_ms, act });
        }
        plan.workload.sort_by_key(|step| step.at_ms);
        for endpoint in &mut plan.endpoints {
            endpoint.retry.delays = Delays::Listed(vec![MINUTE; 8]);
        }
        plan
    },
    end: |book| {
        ensure(book.life == 3, || format!("it lived {} lives", book.life))?;
        all_delivered(book)
    },
};

pub(super) const WEEK_AT_THE_BOUND: Scenario = Scenario {
    name: "week-at-the-bound",
    story: "A merchant is dead for a week while events for it go on coming: its queue fills up to \
            its bound, publishers are told so, and memory stays where it is.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("week-at-the-bound", seed, 3);
        // Of which one endpoint may have a quarter.
        plan.bounds.pending_deliveries_max = 300;
        plan.bounds.window_deliveries_max = 8;
        plan.bounds.window_bytes_endpoint_max = 2_000;
        plan.bounds.window_bytes_max = 4_000;
        plan.receivers[0] = answering(Answer::Unreachable);
        plan.endpoints[0].disable_after_ms = None;
        plan.endpoints[0].retry.delays = Delays::Exponential {
            first_ms: MINUTE,
            factor: 2.0,
            cap_ms: 12 * HOUR,
            retries: 20,
        };
        publish_to_each(&mut plan, 7 * 24 * 2, 30 * MINUTE);
        plan.end.healed_at_ms = 7 * DAY;
        plan.end.dead = vec![0];
        plan
    },
    end: |book| {
        let pending: usize = book.lanes.values().map(|lane| lane.pending.len()).sum();
        ensure(pending == 75, || {
            format!("{pending} deliveries are pending, not 75")
        })?;
        let accepted = book.events.len();
        ensure(accepted < 7 * 24 * 2 * 3, || {
            "nobody was refused".to_owned()
        })
    },
};

pub(super) const CLOCK_JUMPS: Scenario = Scenario {
    name: "clock-jumps",
    story: "The sender's calendar jumps an hour to and fro while it retries, once just before a \
            restart; no retry comes early, none is lost, none stampede.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("clock-jumps", seed, 4);
        let hour = 3_600_000;
        publish_to_each(&mut plan, 20, MINUTE);
        for receiver in 0..4 {
            plan.faults
                .push(storm(SECOND, receiver, 25 * MINUTE, Answer::Status(500)));
        }
        for (minute, by_ms) in [
            (3, hour),
            (6, -2 * hour),
            (9, hour),
            (12, -hour),
            (15, 3 * hour),
        ] {
            plan.faults
                .push(at(minute * MINUTE, FaultKind::WallJump { by_ms }));
        }
        let down_ms = SECOND;
        plan.faults
            .push(at(12 * MINUTE + 1, FaultKind::Kill { down_ms }));
        for endpoint in &mut plan.endpoints {
            endpoint.retry.delays = Delays::Listed(vec![2 * MINUTE; 20]);
            endpoint.disable_after_ms = None;
        }
        plan.end.healed_at_ms = 2 * HOUR;
        plan
    },
    end: all_delivered,
};

pub(super) const DISK_FULL: Scenario = Scenario {
    name: "disk-full",
    story: "The sender's disk is full for ten minutes, then wholly for one: publishing is refused \
            with a clear error, deliveries go on, and afterwards all is as before.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("disk-full", seed, 4);
        publish_to_each(&mut plan, 60, 20 * SECOND);
        for (at_ms, for_ms, wholly) in [
            (2 * MINUTE, 10 * MINUTE, false),
            (14 * MINUTE, MINUTE, true),
        ] {
            plan.faults
                .push(at(at_ms, FaultKind::DiskFull { for_ms, wholly }));
        }
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let accepted = book.events.len();
        ensure((60..200).contains(&accepted), || {
            format!("{accepted} of 240 events were accepted: those of eleven minutes should not be")
        })
    },
};

pub(super) const ROTATION: Scenario = Scenario {
    name: "rotation",
    story: "Secrets are rotated in the middle of a storm; during the overlap both verify, after it \
            the new one alone.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("rotation", seed, 3);
        publish_to_each(&mut plan, 60, 30 * SECOND);
        plan.faults
            .push(storm(MINUTE, 0, 10 * MINUTE, Answer::Status(500)));
        for (minute, endpoint) in [(2, 0), (3, 1), (6, 0), (12, 2), (20, 0)] {
            let act = Act::Rotate {
                endpoint,
                overlap_ms: 5 * MINUTE,
            };
            let at_ms = minute * MINUTE + 7;
            plan.workload.push(Step { at_ms, act });
        }
        plan.workload.sort_by_key(|step| step.at_ms);
        for endpoint in &mut plan.endpoints {
            endpoint.retry.delays = Delays::Listed(vec![30 * SECOND; 40]);
        }
        plan
    },
    end: all_delivered,
};

pub(super) const PATIENCE: Scenario = Scenario {
    name: "shutdown-with-time",
    story: "The sender is shut down with time enough: what is under way is waited for, and nothing \
            is sent twice.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("shutdown-with-time", seed, 3);
        for receiver in &mut plan.receivers {
            *receiver = answering(Answer::Late(200, 10 * SECOND));
        }
        publish_to_each(&mut plan, 4, SECOND);
        let act = Act::Restart {
            within_ms: MINUTE,
            down_ms: 5 * SECOND,
        };
        plan.workload.push(Step {
            at_ms: 8 * SECOND,
            act,
        });
        plan
    },
    end: |book| {
        all_delivered(book)?;
        ensure(book.life == 2, || format!("it lived {} lives", book.life))?;
        let twice = book.deliveries.values().filter(|it| it.sent > 1).count();
        ensure(twice == 0, || format!("{twice} were sent twice"))
    },
};

pub(super) const SAME_AGAIN: Scenario = Scenario {
    name: "same-again",
    story: "Publishers give each event an idempotency key and send it twice: each is taken once.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("same-again", seed, 2);
        publish_to_each(&mut plan, 10, SECOND);
        for (number, step) in (0..).zip(&mut plan.workload) {
            if let Act::Publish(event) = &mut step.act {
                event.once = Some(number);
            }
        }
        let again = plan.workload.clone().into_iter().map(|mut step| {
            step.at_ms += MINUTE;
            step
        });
        plan.workload.extend(again);
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let taken = book.events.len();
        ensure(taken == 20, || format!("{taken} of 20 events were taken"))
    },
};
