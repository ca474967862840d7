//! The check can fail: each promise is broken here, and that is found.

use super::*;
use crate::demo::plan::{Answers, Behaviour, EventPlan, Submitted};
use std::time::Duration;

/// An endpoint with an event for each of these lanes.
fn plan(lanes: &[usize]) -> EndpointPlan {
    let event = |lane: &usize| EventPlan {
        lane: *lane,
        answers: Answers::Accept,
        submitted: Submitted::Once,
    };
    EndpointPlan {
        behaviour: Behaviour::Behave,
        secret: [0; 32],
        lanes: lanes.iter().max().unwrap() + 1,
        events: lanes.iter().map(event).collect(),
        refuses_for: Duration::ZERO,
        hangs: 0,
    }
}

fn id(sequence: usize) -> EventId {
    EventId::from_u128(sequence as u128)
}

fn record(sequence: usize, end: End, attempts: usize) -> OnRecord {
    OnRecord {
        event: id(sequence),
        end,
        attempts,
        unanswered: 0,
    }
}

fn delivered(events: usize) -> Vec<OnRecord> {
    (0..events)
        .map(|sequence| record(sequence, End::Delivered, 1))
        .collect()
}

/// Each event comes and is answered before the next one comes; `None`: it never is.
fn log(requests: &[(usize, Option<u16>)]) -> Log {
    let sightings = requests.iter().flat_map(|(sequence, status)| {
        let answered = status.map(|status| Sighting::Answered(*sequence, status));
        [Some(Sighting::Arrived(*sequence, id(*sequence))), answered]
    });
    Log {
        sightings: sightings.flatten().collect(),
        invalid: 0,
    }
}

/// The check of a run that nobody killed.
fn check(plan: &EndpointPlan, log: &Log, records: &[OnRecord]) -> Broken {
    super::check(plan, log, records, 0)
}

const KEPT: Broken = Broken {
    order: 0,
    signature: 0,
    lost: 0,
    repeat: 0,
    id: 0,
};

#[test]
fn what_came_in_order_and_once_breaks_nothing() {
    let log = log(&[(0, Some(200)), (1, Some(200)), (2, Some(200))]);
    assert_eq!(check(&plan(&[0, 0, 0]), &log, &delivered(3)), KEPT);
}

#[test]
fn events_in_another_order_are_found() {
    let log = log(&[(0, Some(200)), (2, Some(200)), (1, Some(200))]);
    let broken = check(&plan(&[0, 0, 0]), &log, &delivered(3));
    assert_eq!(broken, Broken { order: 1, ..KEPT });
}

#[test]
fn lanes_do_not_wait_for_each_other() {
    let log = log(&[
        (1, Some(200)),
        (3, Some(200)),
        (0, Some(200)),
        (2, Some(200)),
    ]);
    assert_eq!(check(&plan(&[0, 1, 0, 1]), &log, &delivered(4)), KEPT);
}

#[test]
fn an_event_that_overtakes_a_retry_is_found() {
    let records = [record(0, End::Delivered, 2), record(1, End::Delivered, 1)];
    let in_order = log(&[(0, Some(503)), (0, Some(200)), (1, Some(200))]);
    assert_eq!(check(&plan(&[0, 0]), &in_order, &records), KEPT);
    let overtaken = log(&[(0, Some(503)), (1, Some(200)), (0, Some(200))]);
    let broken = check(&plan(&[0, 0]), &overtaken, &records);
    assert_eq!(broken, Broken { order: 1, ..KEPT });
}

#[test]
fn an_event_that_comes_before_the_answer_to_the_one_before_is_found() {
    let mut log = log(&[(0, Some(200)), (1, Some(200))]);
    log.sightings.swap(1, 2);
    let broken = check(&plan(&[0, 0]), &log, &delivered(2));
    assert_eq!(broken, Broken { order: 1, ..KEPT });
}

#[test]
fn an_event_may_follow_one_that_failed_on_record_but_not_its_last_attempts() {
    let failed = [record(0, End::Exhausted, 2), record(1, End::Delivered, 1)];
    let after = log(&[(0, Some(500)), (0, None), (1, Some(200))]);
    assert_eq!(check(&plan(&[0, 0]), &after, &failed), KEPT);
    let between = log(&[(0, Some(500)), (1, Some(200)), (0, Some(500))]);
    let broken = check(&plan(&[0, 0]), &between, &failed);
    assert_eq!(broken, Broken { order: 1, ..KEPT });
}

#[test]
fn an_event_that_failed_without_ever_reaching_its_receiver_is_not_waited_for() {
    let records = [record(0, End::Exhausted, 6), record(1, End::Delivered, 1)];
    assert_eq!(
        check(&plan(&[0, 0]), &log(&[(1, Some(200))]), &records),
        KEPT
    );
}

#[test]
fn wrong_signatures_are_found() {
    let log = Log {
        invalid: 2,
        ..log(&[(0, Some(200))])
    };
    let broken = check(&plan(&[0]), &log, &delivered(1));
    assert_eq!(
        broken,
        Broken {
            signature: 2,
            ..KEPT
        }
    );
}

#[test]
fn an_event_that_was_delivered_on_record_only_is_lost() {
    let broken = check(&plan(&[0, 0]), &log(&[(0, Some(200))]), &delivered(2));
    assert_eq!(broken, Broken { lost: 1, ..KEPT });
    let unaccepted = log(&[(0, Some(200)), (1, Some(500))]);
    let broken = check(&plan(&[0, 0]), &unaccepted, &delivered(2));
    assert_eq!(broken, Broken { lost: 1, ..KEPT });
}

#[test]
fn an_event_without_an_end_or_a_record_is_lost() {
    for end in [End::Pending, End::Missing] {
        let broken = check(&plan(&[0]), &log(&[]), &[record(0, end, 0)]);
        assert_eq!(broken, Broken { lost: 1, ..KEPT }, "{end:?}");
    }
}

#[test]
fn a_repeat_without_a_reason_is_found() {
    let twice = log(&[(0, Some(200)), (0, Some(200))]);
    let broken = check(&plan(&[0]), &twice, &delivered(1));
    assert_eq!(broken, Broken { repeat: 1, ..KEPT });
    let after_success = check(&plan(&[0]), &twice, &[record(0, End::Delivered, 2)]);
    assert_eq!(after_success, Broken { repeat: 1, ..KEPT });
    let after_rejection = log(&[(0, Some(400)), (0, Some(200))]);
    let broken = check(
        &plan(&[0]),
        &after_rejection,
        &[record(0, End::Delivered, 2)],
    );
    assert_eq!(broken, Broken { repeat: 1, ..KEPT });
}

#[test]
fn a_repeat_after_an_answer_that_the_sender_did_not_get_is_right() {
    let twice = log(&[(0, Some(200)), (0, Some(200))]);
    let timed_out = OnRecord {
        unanswered: 1,
        ..record(0, End::Delivered, 2)
    };
    assert_eq!(check(&plan(&[0]), &twice, &[timed_out]), KEPT);
}

#[test]
fn a_request_that_names_another_event_is_found() {
    let mut log = log(&[(0, Some(503)), (0, Some(200))]);
    log.sightings[2] = Sighting::Arrived(0, id(7));
    let broken = check(&plan(&[0]), &log, &[record(0, End::Delivered, 2)]);
    assert_eq!(broken, Broken { id: 1, ..KEPT });
}

#[test]
fn a_repeat_for_each_kill_is_allowed_and_one_more_is_found() {
    let log = log(&[
        (0, Some(200)),
        (0, Some(200)),
        (0, Some(200)),
        (1, Some(200)),
    ]);
    let kills = |kills| super::check(&plan(&[0, 0]), &log, &delivered(2), kills);
    assert_eq!(kills(2), KEPT);
    assert_eq!(kills(1), Broken { repeat: 1, ..KEPT });
}
