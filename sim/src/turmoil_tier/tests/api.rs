//! Events that are published by the REST API, from a host of its own.

use super::super::{run, run_with};
use super::{plan, played, with};
use crate::bug::Bug;
use crate::checker;
use crate::plan::{Act, Answer, Client, FaultKind, Plan, Publish, Step, Way, When};
use crate::trace::{Line, Reply, What};
use crate::watch::{Keep, Run};
use postrider::engine::{CallId, Full, PublishError, Published};
use postrider::{Closed, EventId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The commit of the first event; the one before is the endpoint's.
const FIRST: When = When::Commit(2);

/// The two events are published by the API, each with a key of its own.
fn by_api(seed: u64) -> Plan {
    let mut plan = plan(seed, Answer::Status(200));
    plan.client = Some(Client {
        latency_min_ms: 20,
        latency_max_ms: 20,
        patience_ms: 500,
        keeps_connections: false,
    });
    for step in &mut plan.workload {
        let publish = publish_of(step);
        publish.api = true;
        publish.once = u32::try_from(publish.content).ok();
    }
    plan
}

fn publish_of(step: &mut Step) -> &mut Publish {
    match &mut step.act {
        Act::Publish(publish) => publish,
        other => panic!("{other:?}"),
    }
}

fn shut(way: Way) -> FaultKind {
    FaultKind::ClientWay { for_ms: 800, way }
}

/// What was answered to a step of the workload, try for try.
fn replies(run: &Run, step: usize) -> Vec<Reply> {
    let mut calls: BTreeMap<CallId, usize> = BTreeMap::new();
    let mut replies = Vec::new();
    for line in &run.lines {
        match &line.what {
            What::Called { call, step, .. } => calls.extend(step.map(|step| (*call, step))),
            What::Answered { call, reply } if calls.get(call) == Some(&step) => {
                replies.push(reply.clone());
            }
            _ => (),
        }
    }
    replies
}

fn accepted(reply: Option<&Reply>) -> (EventId, bool) {
    match reply {
        Some(Reply::Published(Ok(Published {
            event, duplicate, ..
        }))) => (*event, *duplicate),
        other => panic!("{other:?}"),
    }
}

fn is_nothing(reply: &Reply) -> bool {
    matches!(reply, Reply::Nothing(Closed::Crashed))
}

/// Runs it with every checker.
fn checked(plan: Plan) -> Run {
    let run = run(&Arc::new(plan), checker::all(), Keep::Trace);
    assert!(run.ok, "{:?}", run.violation);
    run
}

#[test]
fn what_is_published_by_the_api_is_one_event_and_arrives() {
    for keeps_connections in [false, true] {
        let mut plan = by_api(1);
        plan.client.as_mut().unwrap().keeps_connections = keeps_connections;
        let run = checked(plan);
        assert_eq!((run.events, run.attempts, run.delivered), (2, 2, 2));
        for step in 0..2 {
            let replies = replies(&run, step);
            assert_eq!(replies.len(), 1);
            assert!(!accepted(replies.first()).1);
        }
        let met = |line: &&String| line.contains(":8080 meets");
        let connections = run.text.iter().filter(met).count();
        assert_eq!(connections, if keeps_connections { 1 } else { 2 });
    }
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_and_is_the_same_event() {
    for way in [Way::Held, Way::Parted] {
        let run = checked(with(by_api(1), FIRST, shut(way)));
        assert_eq!((run.events, run.attempts, run.delivered), (2, 2, 2));
        let replies = replies(&run, 0);
        let (last, before) = replies.split_last().unwrap();
        assert!(!before.is_empty() && before.iter().all(is_nothing));
        let (event, is_repeat) = accepted(Some(last));
        assert!(is_repeat, "{way:?}");
        let first = run.lines.iter().find_map(|line: &Line| match &line.what {
            What::Arrived { wire, .. } => Some(wire.event),
            _ => None,
        });
        assert_eq!(first, Some(event));
    }
}

#[test]
fn without_a_key_nobody_asks_again() {
    let mut plan = by_api(1);
    publish_of(&mut plan.workload[0]).once = None;
    let run = checked(with(plan, FIRST, shut(Way::Parted)));
    let replies = replies(&run, 0);
    assert!(replies.len() == 1 && is_nothing(&replies[0]));
    assert_eq!((run.events, run.delivered), (2, 2));
}

#[test]
fn a_sender_that_ends_before_it_has_answered_is_asked_again() {
    for kind in [
        FaultKind::Kill { down_ms: 900 },
        FaultKind::PowerLoss { down_ms: 900 },
        FaultKind::WriteError { down_ms: 900 },
    ] {
        let run = checked(with(by_api(1), FIRST, kind));
        assert_eq!((run.events, run.delivered), (2, 2));
        for step in 0..2 {
            let replies = replies(&run, step);
            assert!(replies.len() > 1);
            accepted(replies.last());
        }
    }
}

#[test]
fn a_repeat_that_loses_its_key_is_caught() {
    let plan = Arc::new(with(by_api(1), FIRST, shut(Way::Parted)));
    let bug = Some(Bug::KeylessRepeat);
    let run = run_with(&plan, Vec::new(), Keep::Nothing, bug);
    assert_eq!(run.events, 3);
    let run = run_with(&plan, checker::all(), Keep::Nothing, bug);
    assert_eq!(run.violation.unwrap().promise, "invented");
}

#[test]
fn a_way_that_is_slow_is_waited_for() {
    let slow = shut(Way::Slow(200));
    let run = checked(with(by_api(1), When::At(450), slow));
    assert_eq!(replies(&run, 0).len(), 1);
    assert_eq!((run.events, run.delivered), (2, 2));
}

#[test]
fn a_sender_that_is_asked_to_end_closes_its_api_first_or_refuses() {
    let mut met = [false; 2];
    for seed in 0..8 {
        let mut plan = by_api(seed);
        plan.receivers[0].answers[0].answer = Answer::Late(200, 300);
        // A delivery that is under way keeps the sender there.
        let mut before = plan.workload[0].clone();
        before.at_ms = 450;
        publish_of(&mut before).api = false;
        publish_of(&mut before).once = Some(7);
        let act = Act::Restart {
            within_ms: 1_000,
            down_ms: 100,
        };
        plan.workload.insert(0, before);
        plan.workload.insert(2, Step { at_ms: 515, act });
        let run = checked(plan);
        assert_eq!((run.events, run.delivered), (3, 3));
        let replies = replies(&run, 1);
        let draining = PublishError::Closed(Closed::Draining);
        let refused =
            |reply: &Reply| matches!(reply, Reply::Published(Err(error)) if *error == draining);
        met[usize::from(replies.iter().any(refused))] = true;
        accepted(replies.last());
    }
    assert_eq!(met, [true, true]);
}

#[test]
fn what_the_api_refuses_is_what_callers_in_the_process_are_refused() {
    let mut plan = by_api(1);
    // Other content under the key of the first one.
    publish_of(&mut plan.workload[1]).once = Some(0);
    let disable = |at_ms| Step {
        at_ms,
        act: Act::Disable(0),
    };
    let mut late = plan.workload[0].clone();
    late.at_ms = 2_500;
    publish_of(&mut late).once = Some(7);
    plan.workload.extend([disable(2_000), late]);
    let run = checked(plan);
    let (event, _) = accepted(replies(&run, 0).first());
    let error = |step| match replies(&run, step).first() {
        Some(Reply::Published(Err(error))) => error.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(error(1), PublishError::IdempotencyKeyReused(event));
    assert!(matches!(error(3), PublishError::EndpointDisabled(_)));
}

#[test]
fn a_full_disk_is_told_by_the_api_and_the_event_comes_later() {
    let full = FaultKind::DiskFull {
        for_ms: 300,
        wholly: false,
    };
    let run = played(with(by_api(1), When::At(450), full));
    let replies = replies(&run, 0);
    let is_full = matches!(
        replies.first(),
        Some(Reply::Published(Err(PublishError::Full(Full::Store))))
    );
    assert!(is_full, "{replies:?}");
    assert!(!accepted(replies.last()).1);
    assert_eq!((run.events, run.delivered), (2, 2));
}
