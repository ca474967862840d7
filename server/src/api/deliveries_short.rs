//! Deliveries in short, as lists show them that are looked through: without payloads, and of the
//! attempts how the last one ended.

use super::dead_letter_acts::LetterReason;
use super::deliveries::DeliveryView;
use super::names::{DeliveryStateName, FailureName};
use super::page::Page;
use super::time::Time;
use super::wait::{WaitView, Waits};
use postrider::{
    AttemptResult, AttemptSummary, DeliveryState, DeliverySummary, SummaryPage, TenantId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// In which form a list shows its deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum View {
    /// With their attempts.
    #[default]
    Full,
    /// With the number of their attempts, and how the last one ended.
    Short,
}

/// A page of deliveries, in the form that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum DeliveriesPage {
    /// With their attempts.
    Full(Page<DeliveryView>),
    /// In short.
    Short(Page<ShortDelivery>),
}

/// A delivery in short: one event to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShortDelivery {
    /// Its id.
    #[schema(example = "dlv_01jd9x2m5tewh8q0v6n3r4y7za")]
    id: String,
    /// The name of its tenant; the id of one that was deleted.
    tenant: String,
    /// Its event.
    event_id: String,
    /// The type of its event.
    event_type: String,
    /// Its endpoint, which may be gone.
    endpoint_id: String,
    /// Its lane, if the publisher gave a key.
    ordering_key: Option<String>,
    /// Its place in its lane.
    place: u64,
    /// `pending`, `retrying`, `delivered`, `failed` or `discarded`.
    #[schema(value_type = DeliveryStateName)]
    state: &'static str,
    /// Why it failed: `rejected`, `gone`, `redirected`, `exhausted` or `queue_full`.
    #[schema(value_type = Option<LetterReason>)]
    reason: Option<&'static str>,
    /// When it was accepted.
    created_at: Time,
    /// When the next attempt may begin, if that is known: `until` of `wait`.
    next_attempt_at: Option<Time>,
    /// What it waits for; `null` for one that has ended.
    wait: Option<WaitView>,
    /// When it ended.
    ended_at: Option<Time>,
    /// The delivery that it makes anew.
    resend_of: Option<String>,
    /// The delivery that makes it anew.
    resent_as: Option<String>,
    /// The replay that made it.
    replay_id: Option<String>,
    /// How many of its attempts have ended.
    attempt_count: u32,
    /// The last of them; `null` if none has ended.
    last_attempt: Option<LastAttempt>,
}

/// How the last attempt of a delivery ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastAttempt {
    /// 1 for the first one of its delivery.
    number: u32,
    /// When it started.
    started_at: Time,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// The status of the response; `null` if there was none.
    status: Option<u16>,
    /// Why there was no response.
    #[schema(value_type = Option<FailureName>)]
    failure: Option<&'static str>,
    /// What went wrong, for people.
    error: Option<String>,
}

impl ShortDelivery {
    /// A delivery of the tenant with this name, and what it waits for.
    pub(crate) fn of(tenant: String, summary: &DeliverySummary, wait: Option<WaitView>) -> Self {
        let reason = match summary.state {
            DeliveryState::Failed(reason) => Some(reason.name()),
            _ => None,
        };
        Self {
            id: summary.id.to_string(),
            tenant,
            event_id: summary.event.to_string(),
            event_type: summary.event_type.to_string(),
            endpoint_id: summary.lane.endpoint.to_string(),
            ordering_key: summary.lane.key.get().map(str::to_owned),
            place: summary.seq.0,
            state: summary.state.name(),
            reason,
            created_at: summary.accepted_at().into(),
            next_attempt_at: wait.as_ref().and_then(|wait| wait.until),
            wait,
            ended_at: summary.ended_at.map(Time),
            resend_of: summary.resend_of.map(|id| id.to_string()),
            resent_as: summary.resent_as.map(|id| id.to_string()),
            replay_id: summary.replay.map(|id| id.to_string()),
            attempt_count: summary.attempts,
            last_attempt: summary.last_attempt.as_ref().map(LastAttempt::of),
        }
    }
}

impl LastAttempt {
    fn of(attempt: &AttemptSummary) -> Self {
        let (status, failure) = match attempt.result {
            AttemptResult::Status(status) => (Some(status), None),
            AttemptResult::Failure(kind) => (None, Some(kind.name())),
        };
        Self {
            number: attempt.number,
            started_at: attempt.started_at.into(),
            duration_ms: attempt.duration_ms,
            status,
            failure,
            error: attempt.error(),
        }
    }
}

impl DeliveriesPage {
    /// The page in short, with what each waits for, by its place.
    pub(crate) fn short(
        found: &SummaryPage,
        waits: Waits,
        name: impl Fn(&TenantId) -> String,
    ) -> Self {
        Self::Short(Page {
            data: (found.deliveries.iter().zip(waits))
                .map(|(it, wait)| ShortDelivery::of(name(&it.tenant), it, wait))
                .collect(),
            next: found.next.map(|next| next.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::engine::Seq;
    use postrider::{
        Cause, DeliveryId, EndpointId, EventId, FailureKind, LaneId, ReplayId, Wait, Wall,
    };

    /// As long as one is in practice: with a key, a resend, a replay and an error in it.
    fn summary() -> DeliverySummary {
        let id = DeliveryId::from_u128(u128::MAX >> 1);
        DeliverySummary {
            id,
            event: EventId::from_u128(7),
            tenant: "default".parse().unwrap(),
            event_type: "subscription.invoice.payment_failed".parse().unwrap(),
            lane: LaneId {
                endpoint: EndpointId::from_u128(8),
                key: "customer-0193b2c4-7f3e-7000-8000-000000000001"
                    .parse()
                    .unwrap(),
            },
            seq: Seq(1_000_000),
            state: DeliveryState::Retrying {
                due: Wall(1_795_380_387_123),
            },
            asked_until: None,
            attempts: 6,
            last_attempt: Some(AttemptSummary {
                number: 6,
                started_at: Wall(1_795_380_387_123),
                duration_ms: 30_000,
                result: AttemptResult::Failure(FailureKind::Tls),
                detail: "the certificate of merchant.example is not valid: it has expired"
                    .repeat(2),
            }),
            ended_at: Some(Wall(1_795_380_387_123)),
            resend_of: Some(id),
            resent_as: Some(id),
            replay: Some(ReplayId::from_u128(9)),
        }
    }

    fn wait(cause: Cause) -> WaitView {
        let until = Some(Wall(1_795_380_399_456));
        WaitView::of(Wait { cause, until })
    }

    #[test]
    fn fifty_deliveries_in_short_are_at_most_60_kb() {
        let found = SummaryPage {
            deliveries: vec![summary(); 50],
            next: None,
        };
        let head = DeliveryId::from_u128(u128::MAX >> 2);
        for cause in [
            Cause::RetryAfter,
            Cause::BehindHead(head),
            Cause::Stopped(head),
        ] {
            let waits = (0..50).map(|_| Some(wait(cause))).collect();
            let page = DeliveriesPage::short(&found, waits, TenantId::to_string);
            let page = serde_json::to_vec(&page).unwrap();
            assert!(page.len() <= 60_000, "{} bytes", page.len());
        }
    }

    #[test]
    fn a_delivery_in_short_shows_its_last_failure_and_what_it_waits_for() {
        let wait = Some(wait(Cause::Breaker));
        let shown = ShortDelivery::of("default".to_owned(), &summary(), wait);
        let shown = serde_json::to_value(shown).unwrap();
        assert_eq!(shown["state"], "retrying");
        assert_eq!(shown["wait"]["cause"], "breaker");
        assert_eq!(shown["wait"]["until"], "2026-11-22T20:46:39.456Z");
        assert_eq!(shown["next_attempt_at"], shown["wait"]["until"]);
        assert_eq!(shown["attempt_count"], 6);
        assert_eq!(shown["last_attempt"]["failure"], "tls");
        assert!(shown["last_attempt"]["status"].is_null());
        let error = shown["last_attempt"]["error"].as_str().unwrap();
        assert!(error.starts_with("tls: the certificate"), "{error}");
    }
}
