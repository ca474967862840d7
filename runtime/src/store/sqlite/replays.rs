//! Replays on record.

use super::rows::{self, signed, unsigned};
use super::{SqliteStore, StoreFault};
use crate::events::EventCursor;
use crate::history::{Cursor, DeliveryFilter, Direction, StateKind};
use crate::replay::{
    Replay, ReplayAct, ReplayLog, ReplayPage, ReplayQuery, ReplayRequest, ReplayState, SkipReason,
};
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{
    DeliveryId, EndpointId, EventId, FailReason, FailureKind, Filter, Note, OrderingKey, ReplayId,
    TenantId, Wall,
};
use rusqlite::{Connection, Row, ToSql, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was asked for, as JSON. What is left out asks for nothing: earlier versions had less.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RequestRecord {
    act: Option<String>,
    tenant: Option<String>,
    event: Option<String>,
    /// Empty for deliveries without a key.
    ordering_key: Option<String>,
    status: Option<u16>,
    status_class: Option<u8>,
    failure: Option<String>,
    reasons: Vec<String>,
    dead: bool,
    endpoint: Option<String>,
    states: Vec<String>,
    event_types: Vec<String>,
    from_ms: Option<u64>,
    until_ms: Option<u64>,
    beyond: Option<u64>,
    per_second: Option<u32>,
    payload: Option<String>,
}

/// Columns of `postrider_replay`, for [`read`].
const COLUMNS: &str = "id, request, state, after, resent, skipped, created_at, total, discarded, \
     skipped_by, ended_at, page_until, page_due, made, after_event";

impl ReplayLog for SqliteStore {
    fn put(self: Arc<Self>, replay: Replay) -> StoreFuture<Result<(), StoreError>> {
        let done =
            self.beside(move |file| file.beside_commits(|made| put(made.connection, &replay)));
        Box::pin(async move { Ok(done.await?) })
    }

    fn put_noted(
        self: Arc<Self>,
        replay: Replay,
        note: Note,
    ) -> StoreFuture<Result<(), StoreError>> {
        let done = self.beside(move |file| {
            file.beside_commits(|made| {
                put(made.connection, &replay)?;
                made.write_note(&note)
            })
        });
        Box::pin(async move { Ok(done.await?) })
    }

    fn put_if_running(
        self: Arc<Self>,
        replay: Replay,
        note: Option<Note>,
    ) -> StoreFuture<Result<bool, StoreError>> {
        let done = self.beside(move |file| {
            file.beside_commits(|made| {
                if !is_running(made.connection, replay.id)? {
                    return Ok(false);
                }
                put(made.connection, &replay)?;
                if let Some(note) = &note {
                    made.write_note(note)?;
                }
                Ok(true)
            })
        });
        Box::pin(async move { Ok(done.await?) })
    }

    fn replay(self: Arc<Self>, id: ReplayId) -> StoreFuture<Result<Option<Replay>, StoreError>> {
        self.read(move |connection, _| one(connection, id))
    }

    fn replays(
        self: Arc<Self>,
        query: ReplayQuery,
    ) -> StoreFuture<Result<Vec<Replay>, StoreError>> {
        self.read(move |connection, _| page(connection, &query))
    }
}

fn put(connection: &Connection, replay: &Replay) -> Result<(), StoreFault> {
    let request = serde_json::to_string(&RequestRecord::of(&replay.request));
    let skipped_by = replay.skipped_by.iter();
    let skipped_by: BTreeMap<&str, u64> = skipped_by.map(|(why, n)| (why.name(), *n)).collect();
    let page = replay.page;
    let place = |cursor: Cursor| cursor.0.as_u128().to_be_bytes();
    let mut replace = connection.prepare_cached(&format!(
        "INSERT OR REPLACE INTO postrider_replay ({COLUMNS}, tenant)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    ))?;
    replace.execute(params![
        replay.id.as_u128().to_be_bytes(),
        request.map_err(rows::damaged)?,
        state(replay.state),
        replay.after.map(place),
        signed(replay.resent),
        signed(replay.skipped),
        signed(replay.created_at.0),
        replay.total.map(signed),
        signed(replay.discarded),
        serde_json::to_string(&skipped_by).map_err(rows::damaged)?,
        replay.ended_at.map(|at| signed(at.0)),
        page.map(|page| place(page.until)),
        page.map(|page| signed(page.due)),
        signed(replay.made),
        replay.after_event.map(|place| signed(place.0)),
        replay.request.filter.tenant.as_ref().map(TenantId::as_str),
    ])?;
    Ok(())
}

fn is_running(connection: &Connection, id: ReplayId) -> Result<bool, StoreFault> {
    let mut select =
        connection.prepare_cached("SELECT 1 FROM postrider_replay WHERE id = ?1 AND state = ?2")?;
    let running = state(ReplayState::Running);
    Ok(select.exists(params![id.as_u128().to_be_bytes(), running])?)
}

fn state(state: ReplayState) -> i64 {
    match state {
        ReplayState::Running => 0,
        ReplayState::Done => 1,
        ReplayState::Cancelled => 2,
    }
}

fn one(connection: &Connection, id: ReplayId) -> Result<Option<Replay>, StoreFault> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM postrider_replay WHERE id = ?1"
    ))?;
    let mut rows = select.query([id.as_u128().to_be_bytes()])?;
    rows.next()?.map(read).transpose()
}

fn page(connection: &Connection, query: &ReplayQuery) -> Result<Vec<Replay>, StoreFault> {
    // Every id is greater than no bytes at all, and smaller than more bytes than it has.
    let (than, order, first) = match query.direction {
        Direction::OldestFirst => (">", "ASC", Vec::new()),
        Direction::NewestFirst => ("<", "DESC", vec![0xff; 17]),
    };
    let after = query.after.map(|id| id.as_u128().to_be_bytes().to_vec());
    let after = after.unwrap_or(first);
    let most = signed(query.most as u64);
    let tenant = query.tenant.as_ref().map(TenantId::as_str);
    let mut which = format!("id {than} ?1");
    let mut bound: Vec<&dyn ToSql> = vec![&after, &most];
    if let Some(tenant) = &tenant {
        which += " AND tenant = ?3";
        bound.push(tenant);
    }
    if let Some(asked) = query.state {
        // Written out: the index of those that run is found by it.
        which += &format!(" AND state = {}", state(asked));
    }
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM postrider_replay WHERE {which} ORDER BY id {order} LIMIT ?2"
    ))?;
    let mut rows = select.query(&bound[..])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Replay, StoreFault> {
    let id = |bytes: [u8; 16]| u128::from_be_bytes(bytes);
    let place = |bytes: [u8; 16]| Cursor(DeliveryId::from_u128(id(bytes)));
    let number = |at: usize| -> Result<Option<u64>, StoreFault> {
        row.get::<_, Option<i64>>(at)?.map(unsigned).transpose()
    };
    let request: RequestRecord =
        serde_json::from_str(&row.get::<_, String>(1)?).map_err(rows::damaged)?;
    let until: Option<[u8; 16]> = row.get(11)?;
    let page = until.map(place).zip(number(12)?);
    Ok(Replay {
        id: ReplayId::from_u128(id(row.get(0)?)),
        request: request.request()?,
        state: match row.get::<_, i64>(2)? {
            0 => ReplayState::Running,
            1 => ReplayState::Done,
            2 => ReplayState::Cancelled,
            other => return Err(rows::unknown("state of a replay", other)),
        },
        after: row.get::<_, Option<[u8; 16]>>(3)?.map(place),
        after_event: number(14)?.map(EventCursor),
        page: page.map(|(until, due)| ReplayPage { until, due }),
        total: number(7)?,
        resent: unsigned(row.get(4)?)?,
        discarded: unsigned(row.get(8)?)?,
        made: unsigned(row.get(13)?)?,
        skipped: unsigned(row.get(5)?)?,
        skipped_by: skipped_by(&row.get::<_, String>(9)?)?,
        created_at: Wall(unsigned(row.get(6)?)?),
        ended_at: number(10)?.map(Wall),
    })
}

fn skipped_by(text: &str) -> Result<BTreeMap<SkipReason, u64>, StoreFault> {
    let counts: BTreeMap<String, u64> = serde_json::from_str(text).map_err(rows::damaged)?;
    let counts = counts.into_iter().map(|(name, count)| {
        let why = SkipReason::named(&name);
        let why = why.ok_or_else(|| rows::damaged(format!("nothing is skipped as {name}")))?;
        Ok::<_, StoreFault>((why, count))
    });
    counts.collect()
}

impl RequestRecord {
    fn of(request: &ReplayRequest) -> Self {
        let filter = &request.filter;
        Self {
            act: Some(request.act.name().to_owned()),
            tenant: filter.tenant.as_ref().map(TenantId::to_string),
            event: filter.event.map(|event| event.to_string()),
            ordering_key: (filter.ordering_key.as_ref())
                .map(|key| key.get().unwrap_or_default().to_owned()),
            status: filter.status,
            status_class: filter.status_class,
            failure: filter.failure.map(|kind| kind.to_string()),
            reasons: filter.reasons.iter().map(FailReason::to_string).collect(),
            dead: filter.dead,
            endpoint: filter.endpoint.map(|endpoint| endpoint.to_string()),
            states: filter.states.iter().map(StateKind::to_string).collect(),
            event_types: filter
                .event_types
                .iter()
                .map(|it| it.as_str().to_owned())
                .collect(),
            from_ms: filter.from.map(|at| at.0),
            until_ms: filter.until.map(|at| at.0),
            beyond: filter.beyond,
            per_second: request.per_second.map(std::num::NonZeroU32::get),
            payload: request.payload.as_ref().map(|it| it.as_str().to_owned()),
        }
    }

    fn request(self) -> Result<ReplayRequest, StoreFault> {
        let act = self.act.map(|name| {
            ReplayAct::named(&name).ok_or_else(|| rows::damaged(format!("no act is {name}")))
        });
        let tenant = self.tenant.map(|name| name.parse::<TenantId>());
        let event = self.event.map(|id| id.parse::<EventId>());
        let endpoint = self.endpoint.map(|id| id.parse::<EndpointId>());
        let ordering_key = self.ordering_key.map(|key| match key.as_str() {
            "" => Ok(OrderingKey::none()),
            key => key.parse(),
        });
        let payload = self.payload.map(|text| text.parse::<Filter>());
        let failure = self.failure.map(|name| {
            FailureKind::named(&name).ok_or_else(|| rows::damaged(format!("no failure is {name}")))
        });
        let reasons = self.reasons.iter().map(|name| {
            FailReason::named(name).ok_or_else(|| rows::damaged(format!("no reason is {name}")))
        });
        let states = self.states.iter().map(|state| state.parse());
        let event_types = self.event_types.iter().map(|pattern| pattern.parse());
        Ok(ReplayRequest {
            act: act.transpose()?.unwrap_or_default(),
            filter: DeliveryFilter {
                tenant: tenant.transpose().map_err(rows::damaged)?,
                event: event.transpose().map_err(rows::damaged)?,
                endpoint: endpoint.transpose().map_err(rows::damaged)?,
                states: states.collect::<Result<_, _>>().map_err(rows::damaged)?,
                event_types: event_types
                    .collect::<Result<_, _>>()
                    .map_err(rows::damaged)?,
                from: self.from_ms.map(Wall),
                until: self.until_ms.map(Wall),
                ordering_key: ordering_key.transpose().map_err(rows::damaged)?,
                status: self.status,
                status_class: self.status_class,
                failure: failure.transpose()?,
                reasons: reasons.collect::<Result<_, _>>()?,
                dead: self.dead,
                beyond: self.beyond,
                resent_since: None,
            },
            per_second: self.per_second.and_then(std::num::NonZeroU32::new),
            payload: payload.transpose().map_err(rows::damaged)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_that_an_earlier_version_has_recorded_can_be_read() {
        let text = r#"{"endpoint":null,"states":["failed"],"event_types":["a.*"],"from_ms":7,
            "until_ms":null,"per_second":3}"#;
        let record: RequestRecord = serde_json::from_str(text).unwrap();
        let request = record.request().unwrap();
        let expected = DeliveryFilter {
            states: vec![StateKind::Failed],
            event_types: vec!["a.*".parse().unwrap()],
            from: Some(Wall(7)),
            ..DeliveryFilter::default()
        };
        assert_eq!(request.filter, expected);
    }
}
