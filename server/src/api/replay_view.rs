//! Replays, and what they would do, as they are shown.

use super::Api;
use super::dead_letter_acts::LetterReason;
use super::names::{ReplayActName, ReplayStateName, SkipReasonName};
use super::time::Time;
use postrider::{DeliveryFilter, Replay, ReplayReport, ReplayState, SkipReason};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Deliveries that are passed over for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Skipped {
    /// `endpoint_gone`, `endpoint_disabled`, `already_resent`, `not_ended` or `already_discarded`; of a
    /// backfill also `already_reached`, `addressed`, `not_subscribed`, `filtered_out` or
    /// `filter_undecided`.
    #[schema(value_type = SkipReasonName)]
    why: &'static str,
    /// How many.
    count: u64,
}

fn skipped(counts: &BTreeMap<SkipReason, u64>) -> Vec<Skipped> {
    let counts = counts.iter();
    counts
        .map(|(why, count)| Skipped {
            why: why.name(),
            count: *count,
        })
        .collect()
}

/// Which deliveries a replay was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayFilter {
    /// Only those to this endpoint.
    endpoint_id: Option<String>,
    /// In these states; empty for any in which a delivery has ended.
    states: Vec<String>,
    /// Only dead letters: those that failed and were neither resent nor discarded.
    dead_letters: bool,
    /// That failed for one of these reasons; empty for any.
    #[schema(value_type = Vec<LetterReason>)]
    reasons: Vec<String>,
    /// Whose last attempt was answered with this status.
    status: Option<u16>,
    /// Of these event types; empty for any.
    event_types: Vec<String>,
    /// In lanes with this ordering key; the empty text for those without one.
    ordering_key: Option<String>,
    /// Numbered higher than this in their lanes, and made anew by nobody: what a receiver has asked for.
    beyond: Option<u64>,
    /// Accepted then or later.
    from: Option<Time>,
    /// Accepted earlier.
    until: Option<Time>,
}

impl ReplayFilter {
    fn of(filter: &DeliveryFilter) -> Self {
        let types = filter.event_types.iter();
        Self {
            endpoint_id: filter.endpoint.map(|id| id.to_string()),
            states: filter.states.iter().map(ToString::to_string).collect(),
            dead_letters: filter.dead,
            reasons: filter.reasons.iter().map(ToString::to_string).collect(),
            status: filter.status,
            event_types: types.map(ToString::to_string).collect(),
            ordering_key: (filter.ordering_key.as_ref())
                .map(|key| key.get().unwrap_or_default().to_owned()),
            beyond: filter.beyond,
            from: filter.from.map(Time::from),
            until: filter.until.map(Time::from),
        }
    }
}

/// A replay, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayView {
    /// Its id.
    id: String,
    /// The tenant whose deliveries it is about.
    tenant: String,
    /// What is done to each delivery: `resend` or `discard`; or `backfill`: an endpoint is given the
    /// events that it has missed.
    #[schema(value_type = ReplayActName)]
    act: &'static str,
    /// `running`, `done` or `cancelled`.
    #[schema(value_type = ReplayStateName)]
    state: &'static str,
    /// What was asked for.
    filter: ReplayFilter,
    /// How many in a second, at most.
    per_second: Option<u32>,
    /// How many deliveries, or events of a backfill, are part of it; `null` until they are counted.
    total: Option<u64>,
    /// How many of them it is through with: resent, discarded, made and skipped.
    done: u64,
    /// Deliveries that it has made anew.
    resent: u64,
    /// Dead letters that it has discarded.
    discarded: u64,
    /// Deliveries of missed events that it has made.
    made: u64,
    /// Deliveries that it has passed over.
    skipped: u64,
    /// The same by the reason.
    skipped_by: Vec<Skipped>,
    /// When it was asked for.
    created_at: Time,
    /// When it was through, or cancelled.
    ended_at: Option<Time>,
}

impl ReplayView {
    pub(crate) fn of(api: &Api, replay: &Replay) -> Self {
        let request = &replay.request;
        let tenant = request.filter.tenant.as_ref();
        Self {
            id: replay.id.to_string(),
            tenant: tenant
                .map(|id| api.tenants().name_of(id))
                .unwrap_or_default(),
            act: request.act.name(),
            state: match replay.state {
                ReplayState::Running => "running",
                ReplayState::Done => "done",
                ReplayState::Cancelled => "cancelled",
            },
            filter: ReplayFilter::of(&request.filter),
            per_second: request.per_second.map(std::num::NonZeroU32::get),
            total: replay.total,
            done: replay.done(),
            resent: replay.resent,
            discarded: replay.discarded,
            made: replay.made,
            skipped: replay.skipped,
            skipped_by: skipped(&replay.skipped_by),
            created_at: replay.created_at.into(),
            ended_at: replay.ended_at.map(Time::from),
        }
    }
}

/// How many deliveries of an endpoint and an event type a replay would act upon.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportLine {
    /// The endpoint.
    endpoint_id: String,
    /// The event type.
    event_type: String,
    /// How many.
    count: u64,
}

/// What a replay would do, and what it would pass over.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DryRun {
    /// Deliveries that match: those that it would act upon, and those that it would pass over.
    matched: u64,
    /// Those that it would act upon.
    acted_on: u64,
    /// Those that it would pass over, by the reason.
    skipped: Vec<Skipped>,
    /// Those that it would act upon, by endpoint and event type: the first 1,000 lines.
    by: Vec<ReportLine>,
    /// How many of them are counted in no line.
    by_left_out: u64,
}

impl DryRun {
    pub(crate) fn of(report: &ReplayReport) -> Self {
        let lines = report
            .by
            .iter()
            .map(|((endpoint, event_type), count)| ReportLine {
                endpoint_id: endpoint.to_string(),
                event_type: event_type.to_string(),
                count: *count,
            });
        Self {
            matched: report.matched,
            acted_on: report.acted_on,
            skipped: skipped(&report.skipped),
            by: lines.collect(),
            by_left_out: report.by_left_out,
        }
    }
}
