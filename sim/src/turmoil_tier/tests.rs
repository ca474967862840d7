//! The tier itself: what it plays is what the plan says, and the same each time.

mod api;

use super::run;
use crate::book::Book;
use crate::checker::Checker;
use crate::plan::{
    Act, Answer, Bounds, Delays, Disk, End, EndpointPlan, Fault, FaultKind, Plan, Publish,
    Receiver, Retry, Step, Tier, To, VERSION, Weighted, When,
};
use crate::trace::{Line, Stop, What};
use crate::watch::{Keep, Run};
use postrider::engine::{Change, Phase};
use postrider::{FailureKind, Outcome};
use std::sync::Arc;

/// Two events, half a second apart, to one receiver that always answers like this.
fn plan(seed: u64, answer: Answer) -> Plan {
    let endpoint = EndpointPlan {
        timeout_ms: 600,
        retry: Retry {
            delays: Delays::Listed(vec![300; 6]),
            jitter_percent: 0,
            ..EndpointPlan::of(0).retry
        },
        breaker: None,
        ..EndpointPlan::of(0)
    };
    Plan {
        version: VERSION,
        seed,
        tier: Tier::Turmoil,
        story: String::new(),
        bounds: Bounds::default(),
        receivers: vec![Receiver {
            latency_min_ms: 4,
            latency_max_ms: 30,
            answers: vec![Weighted { answer, weight: 1 }],
        }],
        endpoints: vec![endpoint],
        client: None,
        workload: vec![publish(0), publish(1)],
        faults: Vec::new(),
        disk: Disk {
            write_max_ms: 2,
            sync_max_ms: 5,
            real: false,
        },
        mono_permille: 1_000,
        alarm_late_max_ms: 0,
        end: End {
            healed_at_ms: 4_000,
            dead: Vec::new(),
            within_ms: 20_000,
        },
    }
}

fn publish(content: u64) -> Step {
    Step {
        at_ms: 500 + 500 * content,
        act: Act::Publish(Publish {
            to: To::Endpoint(0),
            kind: 0,
            key: None,
            content,
            bytes: 100,
            once: None,
            api: false,
        }),
    }
}

fn with(mut plan: Plan, when: When, kind: FaultKind) -> Plan {
    plan.faults.push(Fault { when, kind });
    plan
}

fn played(plan: Plan) -> Run {
    let run = run(&Arc::new(plan), Vec::new(), Keep::Trace);
    assert!(run.ok, "{:?}", run.violation);
    run
}

fn outcomes(run: &Run) -> Vec<Outcome> {
    let outcome = |line: &Line| match &line.what {
        What::Outcome { outcome, .. } => Some((**outcome).clone()),
        _ => None,
    };
    run.lines.iter().filter_map(outcome).collect()
}

fn kind(outcome: &Outcome) -> Result<u16, FailureKind> {
    match outcome {
        Outcome::Response(response) => Ok(response.status),
        Outcome::Failure(failure) => Err(failure.kind),
    }
}

/// What comes of the first request, in the seeds in which a receiver speaks HTTP/1.1 or HTTP/2.
fn first(answer: &Answer) -> Vec<Result<u16, FailureKind>> {
    let of = |seed| kind(&outcomes(&played(plan(seed, answer.clone())))[0]);
    (0..6).map(of).collect()
}

fn stops(run: &Run) -> Vec<Stop> {
    let stop = |line: &Line| match line.what {
        What::Stopped(stop) => Some(stop),
        _ => None,
    };
    run.lines.iter().filter_map(stop).collect()
}

#[test]
fn every_answer_comes_to_what_it_should() {
    use FailureKind::{BlockedAddress, Connect, Dns, Malformed, Reset, Timeout, Tls};
    let cases = [
        (Answer::Status(204), &[Ok(204)][..]),
        (Answer::Status(302), &[Ok(302)]),
        (Answer::RetryAfter(503, "1".to_owned()), &[Ok(503)]),
        (Answer::Untidy(200), &[Ok(200)]),
        (Answer::Untidy(503), &[Ok(503)]),
        (Answer::Late(200, 300), &[Ok(200)]),
        (Answer::Late(200, 900), &[Err(Timeout(Phase::Response))]),
        (Answer::Hang, &[Err(Timeout(Phase::Response))]),
        (Answer::Drip(200, 50), &[Ok(200)]),
        (Answer::Reset, &[Err(Reset)]),
        (Answer::ResetInBody(200), &[Ok(200)]),
        (Answer::Malformed, &[Err(Malformed)]),
        (Answer::EndlessHead, &[Ok(200)]),
        (Answer::EndlessBody(200), &[Ok(200)]),
        (Answer::Refused, &[Err(Connect)]),
        (Answer::Unreachable, &[Err(Timeout(Phase::Connect))]),
        (Answer::NoName, &[Err(Dns)]),
        (Answer::PrivateAddress, &[Err(BlockedAddress)]),
        (Answer::BadTls, &[Err(Tls)]),
    ];
    for (answer, expected) in cases {
        for came in first(&answer) {
            assert!(expected.contains(&came), "{answer:?} came to {came:?}");
        }
    }
}

#[test]
fn receivers_speak_both_versions_of_http() {
    let mut versions: Vec<bool> = (0..6)
        .map(|seed| {
            let run = played(plan(seed, Answer::Status(200)));
            run.lines.iter().any(|line| match &line.what {
                // Only HTTP/1.1 has a header for it.
                What::Arrived { wire, .. } => wire.header("host").is_some(),
                _ => false,
            })
        })
        .collect();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions, [false, true]);
}

#[test]
fn a_reset_is_a_reset_and_no_end() {
    // Over HTTP/1.1, where nothing else could reset a single request.
    let resets = (0..6).filter(|seed| {
        let run = played(plan(*seed, Answer::Reset));
        run.text.iter().any(|line| line.contains("is cut off by"))
    });
    assert!(resets.count() > 0);
}

#[test]
fn the_same_plan_gives_the_same_trace_and_another_seed_another() {
    let hash = |seed| {
        let plan = Arc::new(Plan::generate(seed, Tier::Turmoil));
        run(&plan, Vec::new(), Keep::Hash).trace_hash.unwrap()
    };
    let mut hashes: Vec<String> = (0..6).map(hash).collect();
    for (seed, first) in (0..).zip(&hashes) {
        assert_eq!(*first, hash(seed), "seed {seed}");
    }
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
}

#[test]
fn a_sender_that_is_killed_takes_up_where_it_stood() {
    for (kind, stop) in [
        (FaultKind::Kill { down_ms: 900 }, Stop::Killed),
        (FaultKind::PowerLoss { down_ms: 900 }, Stop::PowerLost),
    ] {
        // The third commit is the first result; the second event comes when nobody is there.
        let run = played(with(plan(1, Answer::Status(200)), When::Commit(3), kind));
        assert_eq!(stops(&run), [stop, Stop::End]);
        assert_eq!((run.events, run.delivered), (1, 1));
        let lost = |line: &Line| matches!(line.what, What::NotDurable { .. });
        let results = |line: &Line| match &line.what {
            What::Durable { change, .. } => matches!(change, Change::Attempted(_)),
            _ => false,
        };
        let count = |what: &dyn Fn(&Line) -> bool| run.lines.iter().filter(|it| what(it)).count();
        assert_eq!(count(&results), 1);
        assert_eq!(run.attempts, 1 + count(&lost) as u64);
    }
}

#[test]
fn a_store_that_fails_ends_the_process_and_another_one_goes_on() {
    let error = FaultKind::WriteError { down_ms: 50 };
    let run = played(with(plan(1, Answer::Status(200)), When::Commit(2), error));
    assert_eq!(stops(&run), [Stop::StoreFailed, Stop::End]);
    let error = FaultKind::ReadError { down_ms: 50 };
    let mut plan = plan(1, Answer::Status(200));
    plan.faults.push(Fault {
        when: When::At(700),
        kind: FaultKind::Kill { down_ms: 50 },
    });
    // Strikes while nobody is there, and is found by the one that starts.
    let run = played(with(plan, When::At(720), error));
    assert_eq!(stops(&run), [Stop::Killed, Stop::StoreFailed, Stop::End]);
    assert_eq!(run.delivered, 2);
}

#[test]
fn a_full_disk_refuses_events_and_takes_results() {
    let full = FaultKind::DiskFull {
        for_ms: 300,
        wholly: false,
    };
    let run = played(with(plan(1, Answer::Late(200, 100)), When::At(600), full));
    assert_eq!((run.events, run.delivered), (2, 2));
    let full = FaultKind::DiskFull {
        for_ms: 1_000,
        wholly: false,
    };
    let run = played(with(plan(1, Answer::Late(200, 100)), When::At(600), full));
    assert_eq!((run.events, run.delivered), (1, 1));
}

#[test]
fn a_sending_task_that_panics_or_is_forgotten_costs_one_attempt() {
    for (kind, expected) in [
        (FaultKind::Panic, Some(Err(FailureKind::Internal))),
        (FaultKind::Forget, None),
    ] {
        let run = played(with(plan(1, Answer::Status(200)), When::Request(1), kind));
        assert_eq!((run.attempts, run.delivered), (3, 2));
        let mut came = outcomes(&run).into_iter();
        if expected.is_some() {
            assert_eq!(came.next().as_ref().map(super::tests::kind), expected);
        }
        assert_eq!(came.next().as_ref().map(super::tests::kind), Some(Ok(200)));
    }
}

#[test]
fn a_receiver_that_crashes_refuses_and_comes_back() {
    let crash = FaultKind::ReceiverCrash {
        receiver: 0,
        down_ms: 400,
    };
    let run = played(with(plan(1, Answer::Status(200)), When::At(450), crash));
    assert_eq!(run.delivered, 2);
    assert_eq!(kind(&outcomes(&run)[0]), Err(FailureKind::Connect));
}

#[test]
fn faults_of_one_response_strike_that_response() {
    for (fault, expected) in [
        (
            FaultKind::LoseResponse,
            FailureKind::Timeout(Phase::Response),
        ),
        (
            FaultKind::DelayResponse { by_ms: 900 },
            FailureKind::Timeout(Phase::Response),
        ),
        (FaultKind::ResetResponse, FailureKind::Reset),
    ] {
        let run = played(with(
            plan(1, Answer::Status(200)),
            When::Response(2),
            fault.clone(),
        ));
        let came: Vec<_> = outcomes(&run).iter().map(kind).collect();
        assert_eq!(came, [Ok(200), Err(expected), Ok(200)], "{fault:?}");
    }
}

#[test]
fn a_restart_drains_and_the_workload_goes_on() {
    let mut plan = plan(1, Answer::Late(200, 100));
    plan.workload.insert(
        1,
        Step {
            at_ms: 550,
            act: Act::Restart {
                within_ms: 1_000,
                down_ms: 100,
            },
        },
    );
    let run = played(plan);
    assert_eq!(stops(&run), [Stop::Drained, Stop::End]);
    assert_eq!((run.attempts, run.delivered), (2, 2));
}

#[test]
fn a_calendar_that_jumps_leaves_the_other_clock_alone() {
    let jump = FaultKind::WallJump { by_ms: -3_600_000 };
    let run = played(with(plan(1, Answer::Status(200)), When::At(700), jump));
    let last = run.lines.last().unwrap();
    let epoch = super::EPOCH.0;
    assert_eq!(last.now.wall.0, epoch + last.at_ms - 3_600_000);
    assert_eq!(last.now.mono.0, last.at_ms);
    assert_eq!(run.delivered, 2);
}

#[test]
fn what_is_dead_stays_dead_after_healing() {
    let mut plan = plan(1, Answer::Status(500));
    plan.end.healed_at_ms = 1_200;
    plan.end.dead = vec![0];
    // Something to wait for.
    plan.workload.push(publish(8));
    let run = played(plan);
    assert_eq!(run.delivered, 0);
    let silent = Err(FailureKind::Timeout(Phase::Connect));
    assert_eq!(kind(outcomes(&run).last().unwrap()), silent);
}

/// Panics at the first request.
struct Clumsy;

impl Checker for Clumsy {
    fn promise(&self) -> &'static str {
        "none"
    }

    fn see(&mut self, line: &Line, _: &Book) -> Result<(), String> {
        assert!(!matches!(line.what, What::Sent(_)), "clumsy");
        Ok(())
    }
}

#[test]
fn a_panic_is_a_broken_promise_with_its_message() {
    let plan = Arc::new(plan(1, Answer::Status(200)));
    let run = run(&plan, vec![Box::new(Clumsy)], Keep::Nothing);
    let violation = run.violation.unwrap();
    assert_eq!(violation.promise, "panic");
    assert!(violation.said.contains("clumsy"), "{}", violation.said);
}
