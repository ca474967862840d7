use super::*;
use crate::chance::Chance;
use crate::plan::{
    Act, Answer, Bounds, Disk, End, EndpointPlan, Fault, FaultKind, Publish, Receiver, Step, Tier,
    To, Weighted,
};

/// A plan as a generator would draw it: six endpoints, so many events, five faults.
fn large(events: u64) -> Plan {
    let mut rolls = Chance::new(1).of("plan", 0, 0);
    let receiver = Receiver {
        latency_min_ms: 12,
        latency_max_ms: 345,
        answers: [Answer::Status(200), Answer::Late(503, 777)]
            .map(|answer| Weighted { answer, weight: 3 })
            .to_vec(),
    };
    let mut endpoints: Vec<EndpointPlan> = (0..6).map(EndpointPlan::of).collect();
    endpoints[4].stop_on_failed = true;
    let mut workload: Vec<Step> = (0..events)
        .map(|content| Step {
            at_ms: rolls.up_to(3_600_000),
            act: Act::Publish(Publish {
                to: To::Endpoint(usize::try_from(content % 6).unwrap()),
                kind: 2,
                key: Some(7),
                content,
                bytes: 5_000,
                once: Some(9),
                api: true,
            }),
        })
        .collect();
    workload.sort_by_key(|step| step.at_ms);
    Plan {
        version: crate::plan::VERSION,
        seed: 1,
        tier: Tier::World,
        story: String::new(),
        bounds: Bounds {
            attempts_max: 3,
            ..Bounds::default()
        },
        receivers: vec![receiver; 6],
        endpoints,
        client: Some(crate::plan::Client {
            latency_min_ms: 5,
            latency_max_ms: 6,
            patience_ms: 700,
            keeps_connections: true,
        }),
        workload,
        faults: (0..5).map(|number| storm(number * 100_000)).collect(),
        disk: Disk {
            write_max_ms: 3,
            sync_max_ms: 9,
            real: false,
        },
        mono_permille: 1_001,
        alarm_late_max_ms: 2,
        end: End {
            healed_at_ms: 4_000_000,
            dead: vec![2],
            within_ms: 86_400_000,
        },
    }
}

fn storm(at_ms: u64) -> Fault {
    Fault {
        when: When::At(at_ms),
        kind: FaultKind::Storm {
            receiver: 3,
            for_ms: 60_000,
            percent: 50,
            answer: Answer::Hang,
        },
    }
}

fn kill(when: When) -> Fault {
    let kind = FaultKind::Kill { down_ms: 1_234 };
    Fault { when, kind }
}

fn broken(promise: &str) -> Option<Violation> {
    said(promise, "so")
}

fn said(promise: &str, said: &str) -> Option<Violation> {
    Some(Violation {
        promise: promise.into(),
        at_ms: u64::MAX,
        line: 0,
        said: said.into(),
    })
}

/// How many events go to endpoints that stop at a dead letter.
fn publishes_to_stopping(plan: &Plan) -> usize {
    let steps = plan.workload.iter();
    let stopping = steps.filter(|step| match &step.act {
        Act::Publish(Publish {
            to: To::Endpoint(number),
            ..
        }) => plan.endpoints[*number].stop_on_failed,
        _ => false,
    });
    stopping.count()
}

fn kills(plan: &Plan) -> usize {
    let is_kill = |fault: &&Fault| matches!(fault.kind, FaultKind::Kill { .. });
    plan.faults.iter().filter(is_kill).count()
}

/// Fails if two events go to an endpoint that stops, and the sender is killed.
fn two_and_a_kill(plan: &Plan) -> Option<Violation> {
    (publishes_to_stopping(plan) >= 2 && kills(plan) > 0)
        .then(|| broken("order"))
        .flatten()
}

fn large_with_kill() -> Plan {
    let mut plan = large(300);
    plan.faults[2] = kill(When::At(400_000));
    plan
}

#[test]
fn a_large_plan_shrinks_to_what_the_failure_needs() {
    let shrunk = shrink(&large_with_kill(), two_and_a_kill, Effort::default()).unwrap();
    let plan = shrunk.plan;
    assert_eq!((plan.events(), plan.faults.len()), (2, 1));
    assert_eq!((plan.endpoints.len(), plan.receivers.len()), (1, 1));
    assert!(plan.endpoints[0].stop_on_failed);
    assert_eq!(plan.endpoints[0].breaker, None);
    assert_eq!(plan.client, None);
    assert_eq!(plan.faults[0].kind, FaultKind::Kill { down_ms: 0 });
    assert_eq!(plan.faults[0].when, When::At(0));
    assert!(plan.end.dead.is_empty());
    assert_eq!(plan.end.within_ms, 86_400_000);
    assert_eq!(plan.bounds, Bounds::default());
    let first = Act::Publish(Publish {
        to: To::Endpoint(0),
        kind: 0,
        key: None,
        content: 0,
        bytes: 24,
        once: None,
        api: false,
    });
    assert_eq!(
        plan.workload[0],
        Step {
            at_ms: 0,
            act: first
        }
    );
    // A run of a plan of this size takes a few milliseconds, and later far less.
    assert!(shrunk.runs < 700, "{} runs", shrunk.runs);
}

#[test]
fn the_same_plan_shrinks_to_the_same_plan() {
    let [one, other] =
        [(); 2].map(|()| shrink(&large_with_kill(), two_and_a_kill, Effort::default()).unwrap());
    assert_eq!(one.plan, other.plan);
    assert_eq!(one.runs, other.runs);
}

#[test]
fn a_plan_that_holds_is_not_shrunk() {
    assert!(shrink(&large(3), |_| None, Effort::default()).is_none());
}

#[test]
fn every_part_of_a_plan_that_is_tried_is_a_plan() {
    let mut plan = large_with_kill();
    let act = Act::Change(4, Box::new(EndpointPlan::of(5)));
    plan.workload.push(Step {
        at_ms: 3_700_000,
        act,
    });
    let needed = |plan: &Plan| {
        plan.workload
            .iter()
            .any(|step| matches!(step.act, Act::Change(..)))
    };
    let fails = |plan: &Plan| {
        let (endpoints, receivers) = (plan.endpoints.len(), plan.receivers.len());
        assert!(plan.workload.is_sorted_by_key(|step| step.at_ms));
        for step in &plan.workload {
            let named = removal::endpoint_of(&mut step.act.clone()).copied();
            assert!(named.is_none_or(|named| named < endpoints), "{step:?}");
            if let Act::Change(_, endpoint) = &step.act {
                assert!(endpoint.receiver < receivers, "{step:?}");
            }
        }
        assert!(
            plan.endpoints
                .iter()
                .all(|endpoint| endpoint.receiver < receivers)
        );
        assert!(plan.end.dead.iter().all(|receiver| *receiver < receivers));
        for fault in &plan.faults {
            if let FaultKind::Storm { receiver, .. } = fault.kind {
                assert!(receiver < receivers, "{fault:?}");
            }
        }
        (needed(plan) && plan.faults.len() > 1 && !plan.end.dead.is_empty())
            .then(|| broken("order"))
            .flatten()
    };
    let shrunk = shrink(&plan, fails, Effort::default()).unwrap().plan;
    assert_eq!((shrunk.workload.len(), shrunk.faults.len()), (1, 2));
}

#[test]
fn a_simpler_plan_that_fails_otherwise_does_not_divert() {
    let fails = |plan: &Plan| match plan.events() {
        0 => None,
        1..4 => broken("loss"),
        _ => broken("order"),
    };
    let shrunk = shrink(&large(100), fails, Effort::default()).unwrap();
    assert_eq!(shrunk.violation.promise, "order");
    assert_eq!(shrunk.plan.events(), 4);
}

#[test]
fn a_panic_elsewhere_is_another_failure() {
    let fails = |plan: &Plan| match plan.events() {
        0 => None,
        1..3 => said("panic", "core.rs:7: lane 3 is gone"),
        events => said("panic", &format!("core.rs:9: {events} are too many")),
    };
    let shrunk = shrink(&large(100), fails, Effort::default()).unwrap();
    assert_eq!(shrunk.plan.events(), 3);
    assert_eq!(shrunk.violation.said, "core.rs:9: 3 are too many");
}

#[test]
fn a_fault_at_the_nth_commit_moves_forward_with_what_is_left() {
    // Two commits an event; the kill must strike at the last one.
    let fails = |plan: &Plan| {
        let last = When::Commit(2 * plan.events() as u64);
        let strikes = plan.faults.iter().any(|fault| *fault == kill(last));
        (plan.events() > 0 && strikes)
            .then(|| broken("order"))
            .flatten()
    };
    let mut plan = large(150);
    plan.faults.push(kill(When::Commit(300)));
    let shrunk = shrink(&plan, fails, Effort::default()).unwrap().plan;
    assert_eq!(shrunk.events(), 1);
    assert_eq!(shrunk.faults, [kill(When::Commit(2))]);
}

#[test]
fn what_comes_in_pairs_goes_in_pairs() {
    let mut plan = large(1);
    // With the event between them and to the same endpoint, nothing else takes the two alone.
    let [pause, resume] =
        [(0, Act::Pause(0)), (3_800_000, Act::Resume(0))].map(|(at_ms, act)| Step { at_ms, act });
    plan.workload.insert(0, pause);
    plan.workload.push(resume);
    let is_balanced = |plan: &Plan| {
        let steps = plan.workload.iter();
        steps.fold(0, |open, step| match step.act {
            Act::Pause(_) => open + 1,
            Act::Resume(_) => open - 1,
            _ => open,
        }) == 0
    };
    let fails = |plan: &Plan| {
        (plan.events() > 0 && is_balanced(plan))
            .then(|| broken("order"))
            .flatten()
    };
    let shrunk = shrink(&plan, fails, Effort::default()).unwrap().plan;
    assert_eq!(shrunk.workload.len(), 1);
}

#[test]
fn waits_become_short_and_round_and_keep_their_order() {
    let fails = |plan: &Plan| {
        let times: Vec<u64> = plan.workload.iter().map(|step| step.at_ms).collect();
        let waits = times.windows(2).any(|pair| pair[1] - pair[0] >= 3_000);
        waits.then(|| broken("time")).flatten()
    };
    let mut plan = large(20);
    for (step, at_ms) in plan
        .workload
        .iter_mut()
        .zip((1..).map(|step| step * 12_345))
    {
        step.at_ms = at_ms;
    }
    let shrunk = shrink(&plan, fails, Effort::default()).unwrap().plan;
    let times: Vec<u64> = shrunk.workload.iter().map(|step| step.at_ms).collect();
    assert_eq!(times, [0, 10_000]);
    assert_eq!(shrunk.end.healed_at_ms, 10_000);
}

#[test]
fn an_endpoint_is_changed_by_what_matters_alone() {
    let mut plan = large(1);
    let mut to = EndpointPlan::of(5);
    to.concurrency = 3;
    to.timeout_ms = 7_000;
    to.fifo = false;
    let act = Act::Change(2, Box::new(to));
    plan.workload.push(Step {
        at_ms: 3_700_000,
        act,
    });
    let fails = |plan: &Plan| {
        let turned = plan.workload.iter().any(|step| match &step.act {
            Act::Change(number, to) => plan.endpoints[*number].fifo && !to.fifo,
            _ => false,
        });
        turned.then(|| broken("order")).flatten()
    };
    let shrunk = shrink(&plan, fails, Effort::default()).unwrap().plan;
    let Act::Change(0, to) = &shrunk.workload[0].act else {
        panic!("{:?}", shrunk.workload);
    };
    let mut expected = shrunk.endpoints[0].clone();
    expected.fifo = false;
    assert_eq!(**to, expected);
}

#[test]
fn no_more_runs_than_allowed_are_made() {
    let effort = Effort {
        runs_max: 7,
        ..Effort::default()
    };
    let mut runs = 0;
    let count = |plan: &Plan| {
        runs += 1;
        two_and_a_kill(plan)
    };
    let shrunk = shrink(&large_with_kill(), count, effort).unwrap();
    assert_eq!((shrunk.runs, runs), (7, 7));
}
