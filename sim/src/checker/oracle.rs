//! What is recorded of an attempt is what follows from how it ended: state, reason, lane, health
//! and endpoint, predicted from the outcome and from what was told of the endpoint at that moment.
//! Every outcome is recorded exactly once, unless the process ends first.
//!
//! When a retry is due is the promise `attempts`. Under turmoil health is not judged, and of what
//! ends beside a change of its endpoint, or a jump of the calendar, the outcome alone; and of what
//! leaves beside such a jump not when that was.

use super::Checker;
use crate::book::{Book, Recording};
use crate::trace::{Line, Stop, What};
use crate::verdict::{Verdict, in_time};
use crate::waits;
use postrider_engine::{
    Attempted, Change, CommitError, DeliveryState, DisabledReason, EndpointSpec, EndpointStatus,
    FailReason, FailureKind, Health, OnFailed, Outcome, Phase,
};

/// After the end of a run's faults a result is durable after so long, at most: the engine's pause
/// before it tries a full store again, and the disk.
const RECORDED_WITHIN_MS: u64 = 5_000;

#[derive(Default)]
pub(super) struct Oracle {
    /// The store was full in this life: results may be given up by a drain.
    was_full: bool,
    at_ms: u64,
}

impl Checker for Oracle {
    fn promise(&self) -> &'static str {
        "oracle"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        self.at_ms = line.at_ms;
        match &line.what {
            What::Started { .. } => self.was_full = false,
            What::NotDurable {
                error: CommitError::Full,
                ..
            } => self.was_full = true,
            What::CommitAsked {
                change: Change::Attempted(end),
                ..
            }
            | What::Durable {
                change: Change::Attempted(end),
                ..
            } => return recorded(end, book),
            What::Stopped(Stop::Drained) if !self.was_full => {
                return none_is_left(0, line.at_ms, book);
            }
            _ => (),
        }
        Ok(())
    }

    fn end(&mut self, book: &Book) -> Result<(), String> {
        let disk = book.plan.disk;
        let within = RECORDED_WITHIN_MS + 4 * (disk.write_max_ms + disk.sync_max_ms);
        if book.healed {
            none_is_left(within, self.at_ms, book)
        } else {
            Ok(())
        }
    }
}

fn none_is_left(within_ms: u64, at_ms: u64, book: &Book) -> Result<(), String> {
    let late = book.recording.iter().find(|(id, recording)| {
        let ended = book
            .deliveries
            .get(*id)
            .is_none_or(|page| page.state.is_end());
        !ended && recording.at_ms + within_ms < at_ms
    });
    match late {
        Some((id, recording)) => Err(format!(
            "attempt {} of {id} ended at {} ms and is not recorded",
            recording.wire.number, recording.at_ms
        )),
        None => Ok(()),
    }
}

fn recorded(end: &Attempted, book: &Book) -> Result<(), String> {
    let id = end.delivery;
    let number = end.attempt.number;
    let recording = book.recording.get(&id);
    let Some(recording) = recording.filter(|it| it.wire.number == number) else {
        return Err(format!(
            "attempt {number} of {id} is recorded and has not ended"
        ));
    };
    outcome(end, recording).map_err(|said| format!("attempt {number} of {id}: {said}"))?;
    if book.is_unsure_of(end.lane.endpoint, recording.at_ms) {
        return Ok(());
    }
    follows(end, recording, book.is_exact())
        .map_err(|said| format!("attempt {number} of {id}: {said}"))
}

/// The attempt itself is recorded as it was.
fn outcome(end: &Attempted, recording: &Recording) -> Result<(), String> {
    let wire = &recording.wire;
    let timeout = Outcome::Failure(postrider_engine::Failure::new(
        FailureKind::Timeout(Phase::Response),
        "",
    ));
    let kept = match &recording.outcome {
        None => match &end.attempt.outcome {
            Outcome::Failure(failure)
                if failure.kind == FailureKind::Timeout(Phase::Unanswered) =>
            {
                return Ok(());
            }
            other => return Err(format!("nobody answered, and {other} is recorded")),
        },
        Some(outcome) => match &**outcome {
            Outcome::Response(_) if in_time(outcome, wire.timeout_ms).is_none() => &timeout,
            outcome => outcome,
        },
    };
    let is_same = match (&end.attempt.outcome, kept) {
        (Outcome::Failure(recorded), Outcome::Failure(kept)) => recorded.kind == kept.kind,
        (recorded, kept) => recorded == kept,
    };
    if !is_same {
        return Err(format!("{kept} is recorded as {}", end.attempt.outcome));
    }
    if !recording.left_unsure && end.attempt.started_at != wire.at.wall {
        return Err(format!(
            "it is recorded to start at {:?}",
            end.attempt.started_at
        ));
    }
    Ok(())
}

/// What follows for delivery, lane and endpoint.
fn follows(end: &Attempted, recording: &Recording, exact: bool) -> Result<(), String> {
    let spec: &EndpointSpec = &recording.spec;
    let used_up = u64::from(end.attempt.number) > waits::retries(&spec.retry);
    let state = match (recording.verdict, end.state) {
        (Verdict::Delivered, _) => DeliveryState::Delivered,
        (Verdict::Refused(reason), _) => DeliveryState::Failed(reason),
        (Verdict::Failed { .. }, _) if recording.leaving => DeliveryState::Discarded,
        (Verdict::Failed { .. }, _) if used_up => DeliveryState::Failed(FailReason::Exhausted),
        // When it is due is looked at elsewhere.
        (Verdict::Failed { .. }, DeliveryState::Retrying { due }) => {
            DeliveryState::Retrying { due }
        }
        (Verdict::Failed { .. }, _) => DeliveryState::Retrying {
            due: recording.at.wall,
        },
    };
    if end.state != state {
        return Err(format!(
            "{:?} makes it {}, and {:?} is recorded",
            recording.verdict,
            state.name(),
            end.state
        ));
    }
    let stops = matches!(state, DeliveryState::Failed(_))
        && spec.on_failed == OnFailed::Stop
        && !recording.leaving;
    if end.stop_lane != stops {
        return Err(format!("stop_lane is {}", end.stop_lane));
    }
    let gone = recording.verdict == Verdict::Refused(FailReason::Gone);
    if !exact {
        let disabled = end.disable == Some(DisabledReason::Gone);
        return if disabled && !gone {
            Err("the endpoint is disabled as gone".to_owned())
        } else {
            Ok(())
        };
    }
    endpoint(end, recording, gone)
}

/// What follows for the endpoint. A request that was sent to another revision of it says nothing.
fn endpoint(end: &Attempted, recording: &Recording, gone: bool) -> Result<(), String> {
    let spec = &recording.spec;
    let (before, after) = recording.health;
    let since = after
        .failing_since
        .map(|since| recording.at.wall.since(since));
    let too_long = spec
        .disable_after
        .zip(since)
        .is_some_and(|(most, since)| since >= most);
    let active = !matches!(recording.status, EndpointStatus::Disabled(_));
    let disable = match (gone, too_long) {
        (true, _) => Some(DisabledReason::Gone),
        (false, true) => Some(DisabledReason::Failing),
        (false, false) => None,
    };
    let disable = disable.filter(|_| active && recording.counts);
    if end.disable != disable {
        return Err(format!(
            "disable is {:?} and should be {disable:?}",
            end.disable
        ));
    }
    let brief = |health: Health| (health.failures, health.failing_since);
    let recorded = end.health.map(brief);
    let expected = brief(if recording.counts { after } else { before });
    // That only the breaker's time changes shows, too.
    let fits = match recorded {
        Some(recorded) => recorded == expected && recording.counts,
        None => expected == brief(before),
    };
    if !fits {
        return Err(format!("health is {recorded:?} and should be {expected:?}"));
    }
    Ok(())
}
