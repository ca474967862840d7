//! Events for later: rows of the outbox with a time.

use super::changes::Changes;
use super::file::{Growth, SqliteFile};
use super::rows::{self, signed, unsigned};
use super::{SqliteStore, StoreFault, outbox};
use crate::agenda::{
    Agenda, NewScheduled, Noted, SCHEDULED_MAX, SCHEDULED_TENANT_MAX, ScheduledCursor,
    ScheduledEvent, ScheduledPage, ScheduledQuery,
};
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{Event, EventId, Idempotency, Note, Receipt, Target, TenantId, Wall};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Payload bytes after which a page ends.
const PAGE_BYTES: usize = 8 << 20;

/// When there were too many, they are counted again after this.
const COUNT_EVERY: Duration = Duration::from_secs(1);

impl Agenda for SqliteStore {
    fn schedule(self: Arc<Self>, new: NewScheduled) -> StoreFuture<Result<Noted, StoreError>> {
        let outbox = Arc::clone(&self.outbox);
        let done = self.beside(move |file| {
            // Its time may come before that of all others.
            file.schedule(&new).inspect(|_| outbox.hint())
        });
        Box::pin(async move {
            match done.await {
                Err(fault) if fault.is_full() => Ok(Noted::Full),
                done => Ok(done?),
            }
        })
    }

    fn cancel(self: Arc<Self>, event: EventId) -> StoreFuture<Result<bool, StoreError>> {
        self.drop_scheduled(event, None)
    }

    fn cancel_noted(
        self: Arc<Self>,
        event: EventId,
        note: Note,
    ) -> StoreFuture<Result<bool, StoreError>> {
        self.drop_scheduled(event, Some(note))
    }

    fn find(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<ScheduledEvent>, StoreError>> {
        self.read(move |connection, _| find(connection, event))
    }

    fn page(
        self: Arc<Self>,
        query: ScheduledQuery,
    ) -> StoreFuture<Result<ScheduledPage, StoreError>> {
        self.read(move |connection, _| page(connection, &query))
    }
}

impl SqliteStore {
    fn drop_scheduled(
        self: &Arc<Self>,
        event: EventId,
        note: Option<Note>,
    ) -> StoreFuture<Result<bool, StoreError>> {
        let done = self.beside(move |file| {
            file.beside_commits_with_room(Growth::Less, |changes| {
                let mut delete = changes.connection.prepare_cached(
                    "DELETE FROM postrider_outbox
                     WHERE id = ?1 AND not_before IS NOT NULL AND refused IS NULL",
                )?;
                let is_dropped = delete.execute([event.as_u128().to_be_bytes()])? > 0;
                if let Some(note) = note.as_ref().filter(|_| is_dropped) {
                    changes.write_note(note)?;
                }
                Ok(is_dropped)
            })
        });
        Box::pin(async move { Ok(done.await?) })
    }
}

/// Tenants whose events are counted. When there are more, all are counted anew.
const COUNTED_MAX: usize = 10_000;

/// How many events wait for their time, or a few more: those that have left since are not taken
/// off before it matters.
pub(super) struct Count {
    most: u64,
    tenant_most: u64,
    all: Option<(u64, Instant)>,
    by_tenant: BTreeMap<TenantId, (u64, Instant)>,
}

impl Default for Count {
    fn default() -> Self {
        Self {
            most: SCHEDULED_MAX,
            tenant_most: SCHEDULED_TENANT_MAX,
            all: None,
            by_tenant: BTreeMap::new(),
        }
    }
}

impl Count {
    /// Why there may not be one more of this tenant.
    fn full(
        &mut self,
        connection: &Connection,
        tenant: &TenantId,
    ) -> Result<Option<Noted>, StoreFault> {
        if self.by_tenant.len() > COUNTED_MAX {
            self.by_tenant.clear();
        }
        let count = || {
            let count = "SELECT count(*) FROM postrider_outbox
                         WHERE tenant = ?1 AND not_before IS NOT NULL";
            unsigned(connection.query_row(count, [tenant.as_str()], |row| row.get(0))?)
        };
        let known = self.by_tenant.get(tenant).copied();
        let own = counted(known, self.tenant_most, count)?;
        self.by_tenant.insert(tenant.clone(), own);
        if own.0 >= self.tenant_most {
            return Ok(Some(Noted::TooManyOfTenant));
        }
        let count = || {
            let count = "SELECT count(*) FROM postrider_outbox WHERE not_before IS NOT NULL";
            unsigned(connection.query_row(count, [], |row| row.get(0))?)
        };
        let all = counted(self.all, self.most, count)?;
        self.all = Some(all);
        Ok((all.0 >= self.most).then_some(Noted::TooMany))
    }

    fn add(&mut self, tenant: &TenantId) {
        if let Some((count, _)) = &mut self.all {
            *count += 1;
        }
        if let Some((count, _)) = self.by_tenant.get_mut(tenant) {
            *count += 1;
        }
    }
}

/// What is known, as long as it is not too much and not too old to say so.
fn counted(
    known: Option<(u64, Instant)>,
    most: u64,
    count: impl FnOnce() -> Result<u64, StoreFault>,
) -> Result<(u64, Instant), StoreFault> {
    match known {
        Some((known, at)) if known < most || at.elapsed() < COUNT_EVERY => Ok((known, at)),
        _ => Ok((count()?, Instant::now())),
    }
}

impl SqliteFile {
    fn schedule(&mut self, new: &NewScheduled) -> Result<Noted, StoreFault> {
        let full = self.scheduled.full(&self.connection, &new.event.tenant)?;
        let noted = self.beside_commits_with_room(Growth::More, |changes| {
            let known = changes.noted_before(new)?;
            if known.is_none() && full.is_none() {
                changes.note(new)?;
            }
            Ok(known.or(full).unwrap_or(Noted::New))
        })?;
        if noted == Noted::New {
            self.scheduled.add(&new.event.tenant);
        }
        Ok(noted)
    }
}

impl Changes<'_> {
    /// What is known of its idempotency key.
    fn noted_before(&self, new: &NewScheduled) -> Result<Option<Noted>, StoreFault> {
        let Some(key) = &new.event.idempotency_key else {
            return Ok(None);
        };
        let key = Idempotency {
            key: Arc::clone(key),
            digest: new.event.digest(),
        };
        match self.known_by_key(&new.event.tenant, &key, new.id)? {
            Some(Receipt::Duplicate(earlier)) => {
                let known = find(self.connection, earlier)?;
                Ok(Some(Noted::Known(earlier, known.map(|known| known.due))))
            }
            Some(Receipt::KeyReused(earlier)) => Ok(Some(Noted::KeyReused(earlier))),
            _ => Ok(None),
        }
    }

    fn note(&self, new: &NewScheduled) -> Result<(), StoreFault> {
        let event = &new.event;
        let endpoint = match event.target {
            Target::Endpoint(endpoint) => Some(endpoint.as_u128().to_be_bytes()),
            Target::Subscribers => None,
        };
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO postrider_outbox
                 (id, tenant, endpoint, type, key, idempotency, payload, not_before, digest,
                  media_type, coding, headers)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        let (media_type, coding) = rows::type_columns(&event.payload_type);
        insert.execute(params![
            new.id.as_u128().to_be_bytes(),
            event.tenant.as_str(),
            endpoint,
            event.event_type.as_str(),
            event.ordering_key.get().unwrap_or_default(),
            event.idempotency_key.as_deref(),
            &event.payload[..],
            signed(new.due.0),
            event.idempotency_key.as_ref().map(|_| event.digest()),
            media_type,
            coding,
            event.headers.lines(),
        ])?;
        Ok(())
    }

    /// The event that has this key, if it is not this one: published, or waiting for its time.
    pub(super) fn known_by_key(
        &self,
        tenant: &TenantId,
        key: &Idempotency,
        but: EventId,
    ) -> Result<Option<Receipt>, StoreFault> {
        let read = |row: &Row<'_>| {
            let digest: Option<[u8; 32]> = row.get(0)?;
            Ok((digest, row.get::<_, [u8; 16]>(1)?))
        };
        let mut published = self.connection.prepare_cached(
            "SELECT digest, event FROM postrider_idempotency WHERE tenant = ?1 AND key = ?2",
        )?;
        let bound = params![tenant.as_str(), &*key.key];
        let mut known = published.query_row(bound, read).optional()?;
        if known.is_none() {
            let mut waiting = self.connection.prepare_cached(
                "SELECT digest, id FROM postrider_outbox INDEXED BY postrider_outbox_key
                 WHERE tenant = ?1 AND idempotency = ?2 AND not_before IS NOT NULL AND id <> ?3",
            )?;
            let but = but.as_u128().to_be_bytes();
            let bound = params![tenant.as_str(), &*key.key, but];
            known = waiting.query_row(bound, read).optional()?;
        }
        Ok(known.map(|(digest, event)| {
            let earlier = EventId::from_u128(u128::from_be_bytes(event));
            if digest == Some(key.digest) {
                Receipt::Duplicate(earlier)
            } else {
                Receipt::KeyReused(earlier)
            }
        }))
    }
}

/// Behind those of the outbox.
const COLUMNS: &str = "not_before, refused, number";

/// Places of columns.
const NOT_BEFORE: usize = outbox::WIDTH;
const REFUSED: usize = outbox::WIDTH + 1;
const NUMBER: usize = outbox::WIDTH + 2;

fn scheduled(row: &Row<'_>) -> Result<ScheduledEvent, StoreFault> {
    let new = outbox::event(row).map_err(rows::damaged)?;
    let due = Wall(unsigned(row.get(NOT_BEFORE)?)?);
    let event = Event {
        id: EventId::from_u128(u128::from_be_bytes(row.get(0)?)),
        tenant: new.tenant,
        event_type: new.event_type,
        payload: new.payload,
        payload_type: new.payload_type,
        headers: new.headers,
        ordering_key: new.ordering_key,
        published_at: due,
    };
    Ok(ScheduledEvent {
        event: Arc::new(event),
        endpoint: match new.target {
            Target::Endpoint(endpoint) => Some(endpoint),
            Target::Subscribers => None,
        },
        idempotency_key: new.idempotency_key,
        due,
        refused: row.get(REFUSED)?,
    })
}

fn find(connection: &Connection, event: EventId) -> Result<Option<ScheduledEvent>, StoreFault> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {event}, {COLUMNS} FROM postrider_outbox
         WHERE id = ?1 AND not_before IS NOT NULL",
        event = outbox::COLUMNS
    ))?;
    let mut rows = select.query([event.as_u128().to_be_bytes()])?;
    rows.next()?.map(scheduled).transpose()
}

fn page(connection: &Connection, query: &ScheduledQuery) -> Result<ScheduledPage, StoreFault> {
    let (due, number) = query
        .after
        .map_or((-1, -1), |after| (signed(after.due), signed(after.number)));
    let mut bound: Vec<&dyn ToSql> = vec![&due, &number];
    let tenant = query.tenant.as_ref().map(TenantId::as_str);
    let (index, which) = if tenant.is_some() {
        bound.push(&tenant);
        ("postrider_outbox_scheduled", "AND tenant = ?3")
    } else {
        ("postrider_outbox_due", "")
    };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {event}, {COLUMNS} FROM postrider_outbox INDEXED BY {index}
         WHERE refused IS NULL AND not_before IS NOT NULL AND (not_before, number) > (?1, ?2)
             {which}
         ORDER BY not_before, number",
        event = outbox::COLUMNS
    ))?;
    let mut rows = select.query(&bound[..])?;
    let mut page = ScheduledPage::default();
    let (mut bytes, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        if page.events.len() >= query.most || bytes >= PAGE_BYTES {
            page.next = last;
            break;
        }
        bytes += row
            .get_ref(outbox::PAYLOAD)?
            .as_bytes()
            .map_or(0, <[u8]>::len);
        page.events.push(scheduled(row)?);
        last = Some(ScheduledCursor {
            due: unsigned(row.get(NOT_BEFORE)?)?,
            number: unsigned(row.get(NUMBER)?)?,
        });
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let table = "CREATE TABLE postrider_outbox (tenant TEXT, not_before INTEGER)";
        connection.execute_batch(table).unwrap();
        connection
    }

    fn add(connection: &Connection, tenant: &str, not_before: Option<i64>) {
        let insert = "INSERT INTO postrider_outbox VALUES (?1, ?2)";
        connection
            .execute(insert, params![tenant, not_before])
            .unwrap();
    }

    fn named(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    #[test]
    fn there_is_room_up_to_the_bound_and_again_when_some_have_left() {
        let connection = connection();
        let mut count = Count {
            most: 3,
            tenant_most: 3,
            ..Count::default()
        };
        let (one, other) = (named("a"), named("b"));
        add(&connection, "a", None);
        for tenant in [&one, &one, &other] {
            assert_eq!(count.full(&connection, tenant).unwrap(), None);
            add(&connection, tenant.as_str(), Some(7));
            count.add(tenant);
        }
        assert_eq!(count.full(&connection, &one).unwrap(), Some(Noted::TooMany));
        let some_leave = "DELETE FROM postrider_outbox WHERE rowid = 2";
        connection.execute_batch(some_leave).unwrap();
        let full = count.full(&connection, &one).unwrap();
        assert_eq!(full, Some(Noted::TooMany), "not counted yet");
        count.all = count.all.map(|(count, at)| (count, at - COUNT_EVERY));
        assert_eq!(count.full(&connection, &one).unwrap(), None);
    }

    #[test]
    fn a_tenant_that_has_its_share_leaves_room_for_the_others() {
        let connection = connection();
        let mut count = Count {
            most: 4,
            tenant_most: 2,
            ..Count::default()
        };
        let (one, other) = (named("a"), named("b"));
        for _ in 0..2 {
            assert_eq!(count.full(&connection, &one).unwrap(), None);
            add(&connection, "a", Some(7));
            count.add(&one);
        }
        let full = count.full(&connection, &one).unwrap();
        assert_eq!(full, Some(Noted::TooManyOfTenant));
        assert_eq!(count.full(&connection, &other).unwrap(), None);
    }
}
