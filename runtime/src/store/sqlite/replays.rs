//! Replays on record.

use super::rows::{self, signed, unsigned};
use super::{SqliteStore, StoreFault};
use crate::history::{Cursor, DeliveryFilter, StateKind};
use crate::replay::{Replay, ReplayLog, ReplayRequest, ReplayState};
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{
    DeliveryId, EndpointId, EventId, FailReason, FailureKind, Note, ReplayId, TenantId, Wall,
};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What was asked for, as JSON. What is left out asks for nothing: earlier versions had less.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RequestRecord {
    tenant: Option<String>,
    event: Option<String>,
    status_class: Option<u8>,
    failure: Option<String>,
    reasons: Vec<String>,
    dead: bool,
    endpoint: Option<String>,
    states: Vec<String>,
    event_types: Vec<String>,
    from_ms: Option<u64>,
    until_ms: Option<u64>,
    per_second: Option<u32>,
}

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

    fn replays(self: Arc<Self>) -> StoreFuture<Result<Vec<Replay>, StoreError>> {
        self.read(|connection, _| all(connection))
    }
}

fn put(connection: &Connection, replay: &Replay) -> Result<(), StoreFault> {
    let request = serde_json::to_string(&RequestRecord::of(&replay.request));
    let state = match replay.state {
        ReplayState::Running => 0,
        ReplayState::Done => 1,
        ReplayState::Cancelled => 2,
    };
    let mut replace = connection.prepare_cached(
        "INSERT OR REPLACE INTO postrider_replay
             (id, request, state, after, resent, skipped, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    replace.execute(params![
        replay.id.as_u128().to_be_bytes(),
        request.map_err(rows::damaged)?,
        state,
        replay.after.map(|after| after.0.as_u128().to_be_bytes()),
        signed(replay.resent),
        signed(replay.skipped),
        signed(replay.created_at.0),
    ])?;
    Ok(())
}

fn all(connection: &Connection) -> Result<Vec<Replay>, StoreFault> {
    let mut select = connection.prepare_cached(
        "SELECT id, request, state, after, resent, skipped, created_at
         FROM postrider_replay ORDER BY id",
    )?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Replay, StoreFault> {
    let id = |bytes: [u8; 16]| u128::from_be_bytes(bytes);
    let request: RequestRecord =
        serde_json::from_str(&row.get::<_, String>(1)?).map_err(rows::damaged)?;
    let after: Option<[u8; 16]> = row.get(3)?;
    Ok(Replay {
        id: ReplayId::from_u128(id(row.get(0)?)),
        request: request.request()?,
        state: match row.get::<_, i64>(2)? {
            0 => ReplayState::Running,
            1 => ReplayState::Done,
            2 => ReplayState::Cancelled,
            other => return Err(rows::unknown("state of a replay", other)),
        },
        after: after.map(|after| Cursor(DeliveryId::from_u128(id(after)))),
        resent: unsigned(row.get(4)?)?,
        skipped: unsigned(row.get(5)?)?,
        created_at: Wall(unsigned(row.get(6)?)?),
    })
}

impl RequestRecord {
    fn of(request: &ReplayRequest) -> Self {
        let filter = &request.filter;
        Self {
            tenant: filter.tenant.as_ref().map(TenantId::to_string),
            event: filter.event.map(|event| event.to_string()),
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
            per_second: request.per_second.map(std::num::NonZeroU32::get),
        }
    }

    fn request(self) -> Result<ReplayRequest, StoreFault> {
        let tenant = self.tenant.map(|name| name.parse::<TenantId>());
        let event = self.event.map(|id| id.parse::<EventId>());
        let endpoint = self.endpoint.map(|id| id.parse::<EndpointId>());
        let failure = self.failure.map(|name| {
            FailureKind::named(&name).ok_or_else(|| rows::damaged(format!("no failure is {name}")))
        });
        let reasons = self.reasons.iter().map(|name| {
            FailReason::named(name).ok_or_else(|| rows::damaged(format!("no reason is {name}")))
        });
        let states = self.states.iter().map(|state| state.parse());
        let event_types = self.event_types.iter().map(|pattern| pattern.parse());
        Ok(ReplayRequest {
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
                status_class: self.status_class,
                failure: failure.transpose()?,
                reasons: reasons.collect::<Result<_, _>>()?,
                dead: self.dead,
            },
            per_second: self.per_second.and_then(std::num::NonZeroU32::new),
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
