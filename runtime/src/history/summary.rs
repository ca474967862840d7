//! Deliveries in short: without payloads, and of their attempts how the last one ended.

use super::{Cursor, DeliveryPage, DeliveryQuery, accepted_at};
use crate::Postrider;
use crate::status::ReadError;
use postrider_engine::{
    Attempt, AttemptResult, DeliveryId, DeliveryRecord, DeliveryState, EventId, EventType, Failure,
    LaneId, Outcome, ReplayId, Seq, TenantId, Wall,
};

/// A delivery without its payload, and of its attempts how the last one ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySummary {
    /// Its id.
    pub id: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Who published that.
    pub tenant: TenantId,
    /// The type of its event.
    pub event_type: EventType,
    /// Its lane.
    pub lane: LaneId,
    /// Its place there.
    pub seq: Seq,
    /// What has become of it.
    pub state: DeliveryState,
    /// How many of its attempts have ended.
    pub attempts: u32,
    /// The last of them.
    pub last_attempt: Option<AttemptSummary>,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// The delivery that it makes anew.
    pub resend_of: Option<DeliveryId>,
    /// The delivery that makes it anew.
    pub resent_as: Option<DeliveryId>,
    /// The replay that made it, if one did.
    pub replay: Option<ReplayId>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptSummary {
    /// 1 for the first one of its delivery.
    pub number: u32,
    /// When it started.
    pub started_at: Wall,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub result: AttemptResult,
    /// What went wrong, if there was no answer: one line for people, which may be empty.
    pub detail: String,
}

/// A page of deliveries in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SummaryPage {
    /// Deliveries that match. There may be fewer than were asked for, or none, while there are more
    /// to come: a page looks at a bounded number of records.
    pub deliveries: Vec<DeliverySummary>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<Cursor>,
}

impl Postrider {
    /// A page of deliveries in short, newest first unless said otherwise. It costs a bounded time,
    /// whatever the payloads and the answers are.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn delivery_summaries(&self, query: DeliveryQuery) -> Result<SummaryPage, ReadError> {
        Ok(self.store().delivery_summaries(query).await?)
    }
}

impl DeliverySummary {
    /// When it was accepted: its id says so.
    #[must_use]
    pub fn accepted_at(&self) -> Wall {
        accepted_at(self.id)
    }

    /// A whole record in short.
    #[must_use]
    pub fn of(record: &DeliveryRecord) -> Self {
        Self {
            id: record.id,
            event: record.event.id,
            tenant: record.event.tenant.clone(),
            event_type: record.event.event_type.clone(),
            lane: record.lane.clone(),
            seq: record.seq,
            state: record.state,
            attempts: u32::try_from(record.attempts.len()).unwrap_or(u32::MAX),
            last_attempt: record.attempts.last().map(AttemptSummary::of),
            ended_at: record.ended_at,
            resend_of: record.resend_of,
            resent_as: record.resent_as,
            replay: record.replay,
        }
    }
}

impl AttemptSummary {
    /// What went wrong, for people: `HTTP 503`, `connect: …`; `None` if it was a success.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        match self.result {
            AttemptResult::Status(status) if (200..300).contains(&status) => None,
            AttemptResult::Status(status) => Some(format!("HTTP {status}")),
            AttemptResult::Failure(kind) => Some(Failure::new(kind, &self.detail).to_string()),
        }
    }

    fn of(attempt: &Attempt) -> Self {
        let detail = match &attempt.outcome {
            Outcome::Failure(failure) => failure.detail.clone(),
            Outcome::Response(_) => String::new(),
        };
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_ms,
            result: AttemptResult::from(&attempt.outcome),
            detail,
        }
    }
}

impl From<DeliveryPage> for SummaryPage {
    fn from(page: DeliveryPage) -> Self {
        Self {
            deliveries: page.deliveries.iter().map(DeliverySummary::of).collect(),
            next: page.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_engine::{FailureKind, Phase};

    #[test]
    fn the_error_of_a_summary_is_that_of_the_attempt() {
        let timeout = FailureKind::Timeout(Phase::Connect);
        for (result, detail, outcome) in [
            (AttemptResult::Status(204), "", None),
            (AttemptResult::Status(404), "", Some("HTTP 404".to_owned())),
            (
                AttemptResult::Failure(timeout),
                "10.0.0.1",
                Some(Failure::new(timeout, "10.0.0.1").to_string()),
            ),
            (
                AttemptResult::Failure(FailureKind::Reset),
                "",
                Some("reset".to_owned()),
            ),
        ] {
            let summary = AttemptSummary {
                number: 1,
                started_at: Wall(1),
                duration_ms: 2,
                result,
                detail: detail.to_owned(),
            };
            assert_eq!(summary.error(), outcome);
        }
    }
}
