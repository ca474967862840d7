//! What deliveries wait for, and sending one of them at once.

use crate::Postrider;
use crate::history::DeliverySummary;
use crate::shell::Call;
use crate::store::{Store, StoreError};
use postrider_engine::{
    Answer, Command, DeliveryId, DeliveryRecord, DeliveryState, EndpointStatus, Kept, LaneId, Load,
    Mono, Now, Outcome, Outlook, RetryError, Seq, Wall, asked_for,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a delivery waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What it is.
    pub cause: Cause,
    /// When the next attempt may begin; `None` where nobody knows.
    pub until: Option<Wall>,
}

/// A delivery, as far as it matters for what it waits for: a whole record and one in short say as much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitQuery {
    /// Which.
    pub delivery: DeliveryId,
    /// Its lane.
    pub lane: LaneId,
    /// What has become of it.
    pub state: DeliveryState,
    /// Until when its receiver has asked for time with `Retry-After`, while it waits for a retry.
    pub asked_until: Option<Wall>,
}

impl From<&DeliveryRecord> for WaitQuery {
    fn from(record: &DeliveryRecord) -> Self {
        Self {
            delivery: record.id,
            lane: record.lane.clone(),
            state: record.state,
            asked_until: asked_until_of(record),
        }
    }
}

impl From<&DeliverySummary> for WaitQuery {
    fn from(summary: &DeliverySummary) -> Self {
        Self {
            delivery: summary.id,
            lane: summary.lane.clone(),
            state: summary.state,
            asked_until: summary.asked_until,
        }
    }
}

/// Until when the receiver of a delivery that waits for a retry has asked for time.
pub(crate) fn asked_until_of(record: &DeliveryRecord) -> Option<Wall> {
    let DeliveryState::Retrying { .. } = record.state else {
        return None;
    };
    let last = record.attempts.last()?;
    match &last.outcome {
        Outcome::Response(response) => {
            asked_until(&response.headers, (last.started_at, last.duration_ms))
        }
        Outcome::Failure(_) => None,
    }
}

/// Until when a receiver has asked for time with these headers, if it has: in the answer to an attempt
/// that started then and took so many milliseconds.
pub(crate) fn asked_until(
    headers: &[(String, String)],
    (started_at, duration_ms): (Wall, u64),
) -> Option<Wall> {
    let ended = started_at.after(Duration::from_millis(duration_ms));
    let asked = asked_for(headers, ended)?;
    (!asked.is_zero()).then(|| ended.after(asked))
}

/// What a delivery may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// For the end of an attempt that is under way.
    Sending,
    /// For a free slot: it goes out when its turn comes.
    Due,
    /// For its retry, by the policy of its endpoint.
    Backoff,
    /// Its receiver has asked for that time with `Retry-After`.
    RetryAfter,
    /// For the breaker of its endpoint, after many failures in a row.
    Breaker,
    /// For the rate limit of its endpoint.
    RateLimit,
    /// For its endpoint to be resumed.
    Paused,
    /// For its endpoint to be enabled.
    Disabled,
    /// For this delivery, which is before it in its lane.
    BehindHead(DeliveryId),
    /// For somebody's decision about this dead letter, at which its lane has stopped.
    Stopped(DeliveryId),
}

impl Cause {
    /// `sending`, `due`, `backoff`, `retry_after`, `breaker`, `rate_limit`, `paused`, `disabled`,
    /// `behind_head`, `stopped`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Due => "due",
            Self::Backoff => "backoff",
            Self::RetryAfter => "retry_after",
            Self::Breaker => "breaker",
            Self::RateLimit => "rate_limit",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::BehindHead(_) => "behind_head",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// A time that was asked for and the time that follows may be read from clocks that differ by so much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// So far apart are two readings of the same time by the calendar and by the clock that never goes back,
/// if the calendar has not been set.
const CLOCKS_APART_MS: u64 = 100;

impl Postrider {
    /// What these deliveries wait for, each by its place in the list; `None` for one that has ended.
    /// It is what the engine sees now: the records may be of a moment before.
    pub async fn waits(&self, asked: &[WaitQuery]) -> Vec<Option<Wait>> {
        let waiting: Vec<(LaneId, DeliveryId)> = asked
            .iter()
            .filter(|it| !it.state.is_end())
            .map(|it| (it.lane.clone(), it.delivery))
            .collect();
        if waiting.is_empty() {
            return vec![None; asked.len()];
        }
        let (now, mut outlooks) = self.outlooks(waiting.clone()).await;
        name_heads(&self.store(), &waiting, &mut outlooks).await;
        let mut outlooks = outlooks.into_iter();
        let wait = |asked: &WaitQuery| {
            if asked.state.is_end() {
                return None;
            }
            let outlook = outlooks.next().flatten();
            Some(outlook.map_or_else(|| of_record(asked), |it| of_outlook(asked, &it, now)))
        };
        asked.iter().map(wait).collect()
    }

    /// What the engine sees, and its clocks then; nothing once it has stopped.
    async fn outlooks(&self, asked: Vec<(LaneId, DeliveryId)>) -> (Now, Vec<Option<Outlook>>) {
        let (reply, answer) = oneshot::channel();
        let call = Call::Outlooks(asked, reply);
        if self.calls().send(call).await.is_err() {
            return <(Now, Vec<Option<Outlook>>)>::default();
        }
        answer.await.unwrap_or_default()
    }

    /// Starts the next attempt of a delivery that waits now, whatever its backoff, the breaker of its
    /// endpoint and `Retry-After` say. The endpoint's rate limit still holds. In a lane that keeps its
    /// order only the first delivery can be sent.
    ///
    /// # Errors
    ///
    /// [`RetryError`] says why not, and what to do: one that has ended is made anew by
    /// [`Postrider::resend`].
    pub async fn retry_now(&self, delivery: &DeliveryId) -> Result<(), RetryError> {
        // Its lane never changes. Of what is not there the engine need not be asked.
        let known = match self.store().delivery(*delivery).await {
            Ok(Some(known)) => known,
            unknown => {
                self.check_open()?;
                return Err(match unknown {
                    Err(StoreError(reason)) => RetryError::Store(reason),
                    Ok(_) => RetryError::NoSuchDelivery(*delivery),
                });
            }
        };
        if known.state.is_end() {
            return Err(RetryError::AlreadyEnded(*delivery));
        }
        match self.command(Command::RetryNow(*delivery, known.lane)).await {
            Ok(Answer::RetriedNow(result)) => result,
            other => Err(self.unanswered(other).into()),
        }
    }
}

/// Names what goes before these in lanes that the engine has not read since its start: a lane is read
/// when its turn comes, and that may be far off.
async fn name_heads(
    store: &Arc<dyn Store>,
    asked: &[(LaneId, DeliveryId)],
    outlooks: &mut [Option<Outlook>],
) {
    let mut heads: BTreeMap<&LaneId, Option<DeliveryId>> = BTreeMap::new();
    for ((lane, delivery), outlook) in asked.iter().zip(outlooks) {
        let Some(outlook) = outlook.as_mut().filter(|it| it.unread) else {
            continue;
        };
        let head = match heads.get(lane) {
            Some(known) => *known,
            None => {
                let read = first_of(store, lane).await;
                heads.insert(lane, read);
                read
            }
        };
        outlook.behind = head.filter(|head| head != delivery);
    }
}

/// The first delivery of a lane that has not ended, if the store says so.
async fn first_of(store: &Arc<dyn Store>, lane: &LaneId) -> Option<DeliveryId> {
    // A read brings one delivery, however large.
    let load = Load {
        lane: lane.clone(),
        after: Seq(0),
        deliveries_max: 1,
        bytes_max: 0,
    };
    let loaded = Arc::clone(store).load(load).await.ok()?;
    loaded.deliveries.first().map(|first| first.id)
}

/// As far as the record says: the engine does not answer, or its endpoint is not there.
fn of_record(asked: &WaitQuery) -> Wait {
    match asked.state {
        DeliveryState::Retrying { due } => Wait {
            cause: backoff(asked, due),
            until: Some(due),
        },
        _ => Wait {
            cause: Cause::Due,
            until: None,
        },
    }
}

fn of_outlook(asked: &WaitQuery, outlook: &Outlook, now: Now) -> Wait {
    let unknown = |cause| Wait { cause, until: None };
    if outlook.sending {
        return match asked.state {
            // A result is on record a little before the engine hears of that.
            DeliveryState::Retrying { due } if due > now.wall => of_record(asked),
            _ => unknown(Cause::Sending),
        };
    }
    match outlook.status {
        EndpointStatus::Active => (),
        EndpointStatus::Paused => return unknown(Cause::Paused),
        EndpointStatus::Disabled(_) => return unknown(Cause::Disabled),
    }
    if let Some(at) = outlook.stopped_at {
        return unknown(Cause::Stopped(at));
    }
    if let Some(head) = outlook.behind {
        return unknown(Cause::BehindHead(head));
    }
    let until = |at: Mono| {
        let until = now.wall.after(at.since(now.mono));
        match asked.state {
            // What is on record is the same in every look and after a restart.
            DeliveryState::Retrying { due } if due.0.abs_diff(until.0) <= CLOCKS_APART_MS => due,
            _ => until,
        }
    };
    let due = outlook.due.map(|at| (at, backoff(asked, until(at))));
    let times = [
        due,
        outlook.rate_until.map(|at| (at, Cause::RateLimit)),
        time(outlook.hold).map(|at| (at, Cause::RetryAfter)),
        time(outlook.breaker).map(|at| (at, Cause::Breaker)),
    ];
    // Of several it waits for the last.
    let times = times.into_iter().flatten();
    let last = times
        .filter(|(at, _)| *at > now.mono)
        .max_by_key(|(at, _)| *at);
    match (last, outlook.breaker, outlook.hold) {
        (Some((at, cause)), _, _) => Wait {
            cause,
            until: Some(until(at)),
        },
        (None, Kept::ByOthers, _) => unknown(Cause::Breaker),
        (None, _, Kept::ByOthers) => unknown(Cause::RetryAfter),
        (None, _, _) => unknown(Cause::Due),
    }
}

fn time(kept: Kept) -> Option<Mono> {
    match kept {
        Kept::Until(at) => Some(at),
        Kept::No | Kept::ByOthers => None,
    }
}

/// Why a retry is due at that time: because the receiver has asked for it, or by the policy.
fn backoff(asked: &WaitQuery, due: Wall) -> Cause {
    match asked.asked_until {
        // A policy waits for longer than was asked for, or not as long.
        Some(until) if due <= until.after(CLOCKS_DIFFER) => Cause::RetryAfter,
        _ => Cause::Backoff,
    }
}

#[cfg(test)]
mod tests;
