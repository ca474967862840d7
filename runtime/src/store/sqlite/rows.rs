//! How values stand in columns.

use super::{StoreFault, sent};
use crate::history::Room;
use postrider_engine::{
    Attempt, AttemptId, DeliveryState, DisabledReason, EndpointStatus, Event, EventHeaders,
    FailReason, Failure, FailureKind, HeaderLines, OrderingKey, Ordinal, Outcome, PayloadType,
    Phase, Repeat, Response, Wall,
};
use rusqlite::Row;
use std::num::NonZeroU64;

/// Columns of `postrider_event` in the order in which [`event`] reads them, from 0.
pub(super) const EVENT_COLUMNS: &str = "e.id, e.tenant, e.type, e.key, e.published_at, e.payload, e.checksum, e.media_type, e.coding, \
     e.headers";

/// How many these are.
pub(super) const EVENT_WIDTH: usize = 10;

/// Columns of `postrider_attempt`, for [`attempt`]; those from `url` on are for [`sent::read`].
pub(super) const ATTEMPT_COLUMNS: &str = "number, id, started_at, duration_ms, status, failure, \
     detail, headers, body, body_cut, head_ms, request_headers, \
     url, sent_bytes, sent_keeper, queued_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms";

/// The place of `url` among these.
const SENT: usize = 12;

/// SQLite's integers are signed: what the engine counts stays far below.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> Result<u64, StoreFault> {
    u64::try_from(value).map_err(|_| StoreFault::Damaged("a number is negative".to_owned()))
}

/// An id as 16 bytes that sort as it does.
pub(super) fn id(bytes: &[u8]) -> Result<u128, StoreFault> {
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|_| StoreFault::Damaged("an id has no 16 bytes".to_owned()))?;
    Ok(u128::from_be_bytes(bytes))
}

pub(super) fn status(status: EndpointStatus) -> i64 {
    match status {
        EndpointStatus::Active => 0,
        EndpointStatus::Paused => 1,
        EndpointStatus::Disabled(DisabledReason::Manual) => 2,
        EndpointStatus::Disabled(DisabledReason::Gone) => 3,
        EndpointStatus::Disabled(DisabledReason::Failing) => 4,
    }
}

pub(super) fn read_status(value: i64) -> Result<EndpointStatus, StoreFault> {
    Ok(match value {
        0 => EndpointStatus::Active,
        1 => EndpointStatus::Paused,
        2 => EndpointStatus::Disabled(DisabledReason::Manual),
        3 => EndpointStatus::Disabled(DisabledReason::Gone),
        4 => EndpointStatus::Disabled(DisabledReason::Failing),
        _ => return Err(unknown("endpoint status", value)),
    })
}

/// State and detail.
pub(super) fn state(state: DeliveryState) -> (i64, i64) {
    match state {
        DeliveryState::Pending => (0, 0),
        DeliveryState::Retrying { due } => (1, signed(due.0)),
        DeliveryState::Delivered => (2, 0),
        DeliveryState::Failed(reason) => {
            let reason = match reason {
                FailReason::Rejected => 0,
                FailReason::Gone => 1,
                FailReason::Redirected => 2,
                FailReason::Exhausted => 3,
                FailReason::QueueFull => 4,
            };
            (3, reason)
        }
        DeliveryState::Discarded => (4, 0),
    }
}

pub(super) fn read_state(state: i64, detail: i64) -> Result<DeliveryState, StoreFault> {
    Ok(match (state, detail) {
        (0, _) => DeliveryState::Pending,
        (1, due) => DeliveryState::Retrying {
            due: Wall(unsigned(due)?),
        },
        (2, _) => DeliveryState::Delivered,
        (3, 0) => DeliveryState::Failed(FailReason::Rejected),
        (3, 1) => DeliveryState::Failed(FailReason::Gone),
        (3, 2) => DeliveryState::Failed(FailReason::Redirected),
        (3, 3) => DeliveryState::Failed(FailReason::Exhausted),
        (3, 4) => DeliveryState::Failed(FailReason::QueueFull),
        (4, _) => DeliveryState::Discarded,
        _ => return Err(unknown("delivery state", state)),
    })
}

const KINDS: [FailureKind; 14] = [
    FailureKind::Dns,
    FailureKind::BlockedAddress,
    FailureKind::Connect,
    FailureKind::Tls,
    FailureKind::Timeout(Phase::Resolve),
    FailureKind::Timeout(Phase::Connect),
    FailureKind::Timeout(Phase::Tls),
    FailureKind::Timeout(Phase::Response),
    FailureKind::Timeout(Phase::Unanswered),
    FailureKind::Reset,
    FailureKind::Malformed,
    FailureKind::TooLarge,
    FailureKind::Internal,
    FailureKind::Local,
];

/// A failure's place among [`KINDS`], which is never changed, only added to.
pub(super) fn failure(kind: FailureKind) -> i64 {
    let place = KINDS.iter().position(|known| *known == kind);
    // All of them are there.
    signed(place.unwrap_or(KINDS.len() - 1) as u64)
}

pub(super) fn read_failure(place: i64) -> Result<FailureKind, StoreFault> {
    let kind = usize::try_from(place).ok().and_then(|at| KINDS.get(at));
    kind.copied().ok_or_else(|| unknown("failure", place))
}

/// The mark of an attempt whose response's body is not whole. The column is named after it; what is
/// above this bit says why the request was sent twice.
const BODY_CUT: i64 = 1;

/// The reasons by number, from 1. Never changed, only added to.
const REPEATS: [Repeat; 3] = [
    Repeat::ConnectionClosed,
    Repeat::RequestTimeout,
    Repeat::Misdirected,
];

/// What is marked of an outcome: whether the body is whole, and why the request was sent twice.
pub(super) fn marks(outcome: &Outcome) -> i64 {
    let is_cut = matches!(outcome, Outcome::Response(response) if response.body_cut);
    let repeat = outcome.repeated().and_then(|repeat| {
        let place = REPEATS.iter().position(|known| *known == repeat)?;
        Some(place as u64 + 1)
    });
    signed(repeat.unwrap_or(0)) << 1 | if is_cut { BODY_CUT } else { 0 }
}

fn read_repeat(marks: i64) -> Result<Option<Repeat>, StoreFault> {
    let number = marks >> 1;
    if number == 0 {
        return Ok(None);
    }
    let place = usize::try_from(number - 1).ok();
    let repeat = place.and_then(|at| REPEATS.get(at).copied());
    repeat.map(Some).ok_or_else(|| unknown("repeat", number))
}

/// Headers as JSON.
pub(super) fn headers(headers: &[(String, String)]) -> String {
    // Lists of texts: there is nothing that JSON could not say.
    serde_json::to_string(headers).unwrap_or_else(|_| "[]".to_owned())
}

/// Reads an attempt, from [`ATTEMPT_COLUMNS`], as far as there is room for it.
pub(super) fn attempt(row: &Row<'_>, room: &mut Room) -> Result<Attempt, StoreFault> {
    // What has no room is not even looked at: bodies are on pages of their own.
    let is_whole = !room.is_full();
    let status: Option<u16> = row.get(4)?;
    let marks: i64 = row.get(9)?;
    let repeated = read_repeat(marks)?;
    let outcome = if let Some(status) = status {
        let (headers, body) = if is_whole {
            let headers = serde_json::from_str(row.get_ref(7)?.as_str().map_err(damaged)?);
            (headers, row.get::<_, Vec<u8>>(8)?.into())
        } else {
            (Ok(Vec::new()), bytes::Bytes::new())
        };
        Outcome::Response(Response {
            status,
            headers: headers.map_err(|error| StoreFault::Damaged(error.to_string()))?,
            body,
            body_cut: !is_whole || marks & BODY_CUT != 0,
            head_ms: unsigned(row.get(10)?)?,
            repeated,
        })
    } else {
        Outcome::Failure(Failure {
            kind: read_failure(row.get(5)?)?,
            detail: row.get(6)?,
            repeated,
        })
    };
    let request_headers = match is_whole {
        true => HeaderLines::recorded(row.get(11)?),
        false => HeaderLines::default(),
    };
    let mut attempt = Attempt {
        sent: Box::new(sent::read(row, SENT, request_headers)?),
        id: AttemptId::from_u128(id(row.get_ref(1)?.as_blob().map_err(damaged)?)?),
        number: row.get(0)?,
        started_at: Wall(unsigned(row.get(2)?)?),
        duration_ms: unsigned(row.get(3)?)?,
        outcome,
    };
    room.fit(&mut attempt);
    Ok(attempt)
}

/// Reads an event, from [`EVENT_COLUMNS`] at this place.
pub(super) fn event(row: &Row<'_>, at: usize) -> Result<Event, StoreFault> {
    let text = |column: usize| -> Result<&str, StoreFault> {
        row.get_ref(at + column)?.as_str().map_err(damaged)
    };
    let named = |column: usize| -> Result<OrderingKey, StoreFault> {
        match text(column)? {
            "" => Ok(OrderingKey::none()),
            key => key.parse().map_err(damaged),
        }
    };
    let bytes = row.get_ref(at)?.as_blob().map_err(damaged)?;
    let payload = row.get_ref(at + 5)?.as_blob().map_err(damaged)?;
    let event = Event {
        id: postrider_engine::EventId::from_u128(id(bytes)?),
        tenant: text(1)?.parse().map_err(damaged)?,
        event_type: text(2)?.parse().map_err(damaged)?,
        ordering_key: named(3)?,
        published_at: Wall(unsigned(row.get(at + 4)?)?),
        payload: bytes::Bytes::copy_from_slice(payload),
        payload_type: payload_type(row, at + 7)?,
        headers: event_headers(row, at + 9)?,
    };
    if row.get::<_, u32>(at + 6)? != event_checksum(&event) {
        return Err(StoreFault::Damaged(format!(
            "event {} has changed",
            event.id
        )));
    }
    Ok(event)
}

/// Over all that the row of an event holds.
pub(super) fn event_checksum(event: &Event) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&event.id.as_u128().to_be_bytes());
    for text in [
        event.tenant.as_str(),
        event.event_type.as_str(),
        event.ordering_key.get().unwrap_or_default(),
    ] {
        sum.update(text.as_bytes());
        sum.update(&[0]);
    }
    sum.update(&event.published_at.0.to_be_bytes());
    sum.update(&event.payload);
    if let (Some(media_type), coding) = type_columns(&event.payload_type) {
        for text in [media_type, coding.unwrap_or_default()] {
            sum.update(&[0]);
            sum.update(text.as_bytes());
        }
    }
    if let Some(headers) = event.headers.lines() {
        // A byte that begins no media type.
        sum.update(&[1]);
        sum.update(headers.as_bytes());
    }
    sum.finalize()
}

/// Reads the headers of an event from the column at this place.
pub(super) fn event_headers(row: &Row<'_>, at: usize) -> Result<EventHeaders, StoreFault> {
    let lines = row.get_ref(at)?.as_str_or_null().map_err(damaged)?;
    EventHeaders::recorded(lines.unwrap_or_default()).map_err(damaged)
}

/// How the type of a payload stands in its two columns: plain JSON as nothing.
pub(super) fn type_columns(kind: &PayloadType) -> (Option<&str>, Option<&str>) {
    let media_type = (!kind.is_default()).then(|| kind.media_type());
    (media_type, kind.coding())
}

/// Reads the type of a payload from its two columns, of which the first is at this place.
pub(super) fn payload_type(row: &Row<'_>, at: usize) -> Result<PayloadType, StoreFault> {
    let text = |at: usize| -> Result<Option<&str>, StoreFault> {
        row.get_ref(at)?.as_str_or_null().map_err(damaged)
    };
    let Some(media_type) = text(at)? else {
        return Ok(PayloadType::default());
    };
    PayloadType::new(media_type, text(at + 1)?).map_err(damaged)
}

/// What the row of a delivery holds besides what its checksum is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliveryRow {
    pub(super) number: i64,
    pub(super) id: u128,
    pub(super) event: i64,
    pub(super) owner: i64,
    pub(super) lane: i64,
    pub(super) seq: i64,
    pub(super) bytes: i64,
    pub(super) state: DeliveryState,
    pub(super) attempts: u32,
    pub(super) ended_at: Option<i64>,
    pub(super) resend_of: Option<u128>,
    pub(super) resent_as: Option<u128>,
    pub(super) replay: Option<u128>,
    /// The number of its event in its lane.
    pub(super) ordinal: Option<i64>,
}

/// Columns of `postrider_delivery`, for [`DeliveryRow::read`].
pub(super) const DELIVERY_COLUMNS: &str = "d.number, d.id, d.event, d.owner, d.lane, d.seq, \
     d.bytes, d.state, d.detail, d.attempts, d.ended_at, d.resend_of, d.resent_as, d.replay, \
     d.ordinal, d.checksum";

/// How many these are.
pub(super) const DELIVERY_WIDTH: usize = 16;

impl DeliveryRow {
    /// Reads it from the first columns of a row.
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreFault> {
        let optional = |at: usize| -> Result<Option<u128>, StoreFault> {
            let bytes = row.get_ref(at)?.as_blob_or_null().map_err(damaged)?;
            bytes.map(id).transpose()
        };
        let read = Self {
            number: row.get(0)?,
            id: id(row.get_ref(1)?.as_blob().map_err(damaged)?)?,
            event: row.get(2)?,
            owner: row.get(3)?,
            lane: row.get(4)?,
            seq: row.get(5)?,
            bytes: row.get(6)?,
            state: read_state(row.get(7)?, row.get(8)?)?,
            attempts: row.get(9)?,
            ended_at: row.get(10)?,
            resend_of: optional(11)?,
            resent_as: optional(12)?,
            replay: optional(13)?,
            ordinal: row.get(14)?,
        };
        if row.get::<_, u32>(15)? != read.checksum() {
            let id = postrider_engine::DeliveryId::from_u128(read.id);
            return Err(StoreFault::Damaged(format!("delivery {id} has changed")));
        }
        Ok(read)
    }

    pub(super) fn checksum(&self) -> u32 {
        let (state, detail) = state(self.state);
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.id.to_be_bytes());
        for number in [
            self.event,
            self.owner,
            self.lane,
            self.seq,
            self.bytes,
            state,
            detail,
            i64::from(self.attempts),
            self.ended_at.unwrap_or(-1),
        ] {
            sum.update(&number.to_be_bytes());
        }
        for id in [self.resend_of, self.resent_as, self.replay] {
            sum.update(&id.unwrap_or(0).to_be_bytes());
        }
        if let Some(ordinal) = self.ordinal {
            sum.update(&ordinal.to_be_bytes());
        }
        sum.finalize()
    }

    /// The number of its event in its lane.
    pub(super) fn number_in_lane(&self) -> Result<Option<u64>, StoreFault> {
        self.ordinal.map(unsigned).transpose()
    }

    /// Where its event stands in its lane, which has this epoch.
    pub(super) fn ordinal_in(&self, epoch: i64) -> Result<Option<Ordinal>, StoreFault> {
        let Some(number) = self.ordinal else {
            return Ok(None);
        };
        let epoch = unsigned(epoch)?;
        let number = NonZeroU64::new(unsigned(number)?);
        Ok(number.map(|number| Ordinal { epoch, number }))
    }
}

pub(super) fn unknown(what: &str, value: i64) -> StoreFault {
    StoreFault::Damaged(format!("no {what} has the number {value}"))
}

pub(super) fn damaged(error: impl std::fmt::Display) -> StoreFault {
    StoreFault::Damaged(error.to_string())
}
