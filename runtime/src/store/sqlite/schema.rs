//! The tables, and what is asked of a file before it is used.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

/// `PSTR`: the file is Postrider's.
pub(super) const APPLICATION_ID: i32 = 0x5053_5452;

/// Older ones lose durable transactions in rare races of checkpoints (fixed in SQLite 3.51.3).
pub(super) const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Each brings the schema from its place to the next one. Never changed, only added to.
const MIGRATIONS: &[&str] = &[
    FIRST,
    SECOND,
    THIRD,
    SENT_REQUESTS,
    REPLAYS,
    AUDIT,
    UNFINISHED_DUE,
    PAYLOAD_TYPES,
    BACKFILLS,
    SEQUENCES,
    EVENT_HEADERS,
];

/// Names begin with `postrider_`, so that the tables can live in an application's database.
///
/// - An owner is an endpoint by a short number, which outlives it: lanes, deliveries and
///   statistics name it. Its account is here and not in the endpoint's long row, because every
///   transaction writes it.
/// - A lane's `tail` is the last place that was assigned; `pending` counts what has not ended,
///   `kept` all deliveries on record.
/// - An event's deliveries are those with `count` numbers from `first` on; resends come later and
///   are found by an index. `idempotency` is its publisher's key.
/// - A delivery's `state` is 0 pending, 1 retrying, 2 delivered, 3 failed, 4 discarded; `detail`
///   is when a retry is due (Unix milliseconds) or why it failed.
/// - An attempt's `place` counts those of its delivery.
/// - An hour is a number of hours since 1970; `latency` a histogram of the durations of attempts.
/// - An outbox is written by applications (see [`crate::outbox`]); `refused` says why an event of
///   it will not be accepted.
/// - `checksum` is a CRC-32 over the row's other columns, so that a flipped bit is found.
const FIRST: &str = "
CREATE TABLE postrider_endpoint (
    id BLOB PRIMARY KEY NOT NULL,
    tenant TEXT NOT NULL,
    spec TEXT NOT NULL,
    secrets BLOB NOT NULL,
    status INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failing_since INTEGER,
    open_until INTEGER,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE postrider_owner (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint BLOB NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0,
    pending_bytes INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    discarded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX postrider_owner_endpoint ON postrider_owner (endpoint);

CREATE TABLE postrider_lane (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    endpoint BLOB NOT NULL,
    key TEXT NOT NULL,
    tail INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    stopped_seq INTEGER,
    stopped_at BLOB
) STRICT;
CREATE UNIQUE INDEX postrider_lane_name ON postrider_lane (endpoint, key);
CREATE INDEX postrider_lane_live ON postrider_lane (number)
    WHERE pending > 0 OR stopped_at IS NOT NULL;

CREATE TABLE postrider_event (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    idempotency TEXT,
    payload BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX postrider_event_id ON postrider_event (id);
CREATE INDEX postrider_event_for_nobody ON postrider_event (published_at) WHERE count = 0;

CREATE TABLE postrider_delivery (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    event INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    state INTEGER NOT NULL,
    detail INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    ended_at INTEGER,
    resend_of BLOB,
    resent_as BLOB,
    replay BLOB,
    checksum INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX postrider_delivery_id ON postrider_delivery (id);
CREATE INDEX postrider_delivery_owner ON postrider_delivery (owner, id);
CREATE INDEX postrider_delivery_resend ON postrider_delivery (event)
    WHERE resend_of IS NOT NULL;
CREATE INDEX postrider_delivery_pending ON postrider_delivery (lane, seq, state)
    WHERE state <= 1;
CREATE INDEX postrider_delivery_retrying ON postrider_delivery (lane, seq) WHERE state = 1;
CREATE INDEX postrider_delivery_dead ON postrider_delivery (owner, id) WHERE state = 3;
CREATE INDEX postrider_delivery_ended ON postrider_delivery (ended_at)
    WHERE state > 1 AND state <> 3;
CREATE INDEX postrider_delivery_failed ON postrider_delivery (ended_at) WHERE state = 3;

CREATE TABLE postrider_attempt (
    delivery INTEGER NOT NULL,
    place INTEGER NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    request_headers TEXT NOT NULL,
    status INTEGER,
    failure INTEGER,
    detail TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    body_cut INTEGER NOT NULL,
    head_ms INTEGER NOT NULL,
    PRIMARY KEY (delivery, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE postrider_idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE postrider_hour (
    owner INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    discarded INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    attempts_failed INTEGER NOT NULL,
    latency BLOB NOT NULL,
    PRIMARY KEY (owner, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX postrider_hour_age ON postrider_hour (hour);

CREATE TABLE postrider_outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL CHECK (length(id) = 16),
    tenant TEXT NOT NULL,
    endpoint BLOB CHECK (length(endpoint) = 16),
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    idempotency TEXT,
    payload BLOB NOT NULL,
    refused TEXT
) STRICT;
CREATE UNIQUE INDEX postrider_outbox_id ON postrider_outbox (id);
CREATE INDEX postrider_outbox_waiting ON postrider_outbox (number) WHERE refused IS NULL;

CREATE TABLE postrider_replay (
    id BLOB PRIMARY KEY NOT NULL,
    request TEXT NOT NULL,
    state INTEGER NOT NULL,
    after BLOB,
    resent INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE postrider_meta (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What is read by tenant, what is due later, and what whoever embeds the store keeps in it.
///
/// - An owner has its endpoint's tenant, so that the deliveries of a tenant are found by those
///   indexes that an endpoint's are found by: a delivery costs no more for it.
/// - An event's `number` is its place in the order of the commits. None is given away twice
///   ([`FORGOTTEN_EVENT`]): whoever reads along remembers one.
/// - The index of dead letters holds the columns of its own condition: so it answers alone.
/// - An event of the outbox with `not_before` (Unix milliseconds) waits until then; `digest` is
///   that of its content, if it has an idempotency key.
/// - A record's `value` is sealed, and bound to its kind, tenant and id.
const SECOND: &str = "
ALTER TABLE postrider_owner ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
UPDATE postrider_owner AS o SET tenant = coalesce(
    (SELECT e.tenant FROM postrider_endpoint e WHERE e.id = o.endpoint),
    (SELECT e.tenant FROM postrider_delivery d JOIN postrider_event e ON e.number = d.event
     WHERE d.owner = o.number LIMIT 1),
    '');
CREATE INDEX postrider_owner_tenant ON postrider_owner (tenant);
CREATE INDEX postrider_endpoint_tenant ON postrider_endpoint (tenant);
CREATE INDEX postrider_event_tenant ON postrider_event (tenant);
CREATE INDEX postrider_delivery_letter ON postrider_delivery (owner, detail, id, state, resent_as)
    WHERE state = 3 AND resent_as IS NULL;
CREATE INDEX postrider_delivery_oldest ON postrider_delivery (number) WHERE state <= 1;

DROP INDEX postrider_lane_live;
CREATE INDEX postrider_lane_live ON postrider_lane (endpoint, key)
    WHERE pending > 0 OR stopped_at IS NOT NULL;

ALTER TABLE postrider_outbox ADD COLUMN not_before INTEGER;
ALTER TABLE postrider_outbox ADD COLUMN digest BLOB CHECK (length(digest) = 32);
DROP INDEX postrider_outbox_waiting;
CREATE INDEX postrider_outbox_waiting ON postrider_outbox (number)
    WHERE refused IS NULL AND not_before IS NULL;
CREATE INDEX postrider_outbox_due ON postrider_outbox (not_before, number)
    WHERE refused IS NULL AND not_before IS NOT NULL;
CREATE INDEX postrider_outbox_scheduled ON postrider_outbox (tenant, not_before, number)
    WHERE not_before IS NOT NULL;
CREATE INDEX postrider_outbox_key ON postrider_outbox (tenant, idempotency)
    WHERE not_before IS NOT NULL AND idempotency IS NOT NULL;

CREATE TABLE postrider_record (
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, tenant, id)
) STRICT, WITHOUT ROWID;
";

/// Until when an endpoint's receiver has asked to be left alone (Unix milliseconds).
const THIRD: &str = "
ALTER TABLE postrider_endpoint ADD COLUMN held_until INTEGER;
";

/// Of each attempt where it went, how long its phases took, and its body.
///
/// - `total_ms` is there if the phases were measured.
/// - `sent_bytes` is the length of the body; there is none for attempts of before. The body is the
///   payload of its event unless `sent_keeper` names a delivery by its number, and `sent_attempt` an
///   attempt of it by its id: that row has it as `sent_body`. -1: it was not kept.
const SENT_REQUESTS: &str = "
ALTER TABLE postrider_attempt ADD COLUMN url TEXT;
ALTER TABLE postrider_attempt ADD COLUMN queued_ms INTEGER;
ALTER TABLE postrider_attempt ADD COLUMN dns_ms INTEGER;
ALTER TABLE postrider_attempt ADD COLUMN connect_ms INTEGER;
ALTER TABLE postrider_attempt ADD COLUMN tls_ms INTEGER;
ALTER TABLE postrider_attempt ADD COLUMN first_byte_ms INTEGER;
ALTER TABLE postrider_attempt ADD COLUMN total_ms INTEGER;
ALTER TABLE postrider_attempt ADD COLUMN sent_bytes INTEGER;
ALTER TABLE postrider_attempt ADD COLUMN sent_keeper INTEGER;
ALTER TABLE postrider_attempt ADD COLUMN sent_attempt BLOB;
ALTER TABLE postrider_attempt ADD COLUMN sent_body BLOB;
";

/// How far a replay is, whose it is, and what it has passed over.
///
/// - `tenant` is that of its request, so that a tenant's replays have pages of their own.
/// - `total` is how many deliveries are part of it, once they are counted; `skipped_by` counts by
///   reason, as JSON.
/// - `page_until` and `page_due` are of dead letters that it is about to discard.
const REPLAYS: &str = "
ALTER TABLE postrider_replay ADD COLUMN tenant TEXT;
ALTER TABLE postrider_replay ADD COLUMN total INTEGER;
ALTER TABLE postrider_replay ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE postrider_replay ADD COLUMN skipped_by TEXT NOT NULL DEFAULT '{}';
ALTER TABLE postrider_replay ADD COLUMN ended_at INTEGER;
ALTER TABLE postrider_replay ADD COLUMN page_until BLOB;
ALTER TABLE postrider_replay ADD COLUMN page_due INTEGER;
UPDATE postrider_replay SET tenant = json_extract(request, '$.tenant');
CREATE INDEX postrider_replay_tenant ON postrider_replay (tenant, id);
CREATE INDEX postrider_replay_running ON postrider_replay (id) WHERE state = 0;
";

/// Who did what. A note's `number` counts up; the oldest go first. `id` begins with the time, and
/// `value` is sealed, and bound to id, tenant and target.
const AUDIT: &str = "
CREATE TABLE postrider_audit (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    tenant TEXT,
    target TEXT,
    value BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX postrider_audit_id ON postrider_audit (id);
CREATE INDEX postrider_audit_tenant ON postrider_audit (tenant, id);
CREATE INDEX postrider_audit_target ON postrider_audit (target, id);
";

/// Endpoints of which not all that waits is due yet and is to be by `at`: in the lanes up to `key`, and
/// there up to `seq`, it is. What is named beside has had another attempt since that was asked for,
/// and keeps its time.
const UNFINISHED_DUE: &str = "
CREATE TABLE postrider_due (
    endpoint BLOB PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE postrider_due_kept (
    delivery INTEGER PRIMARY KEY,
    endpoint BLOB NOT NULL
) STRICT;
";

/// What the bytes of payloads are, where they are not JSON without a coding.
const PAYLOAD_TYPES: &str = "
ALTER TABLE postrider_event ADD COLUMN media_type TEXT;
ALTER TABLE postrider_event ADD COLUMN coding TEXT;
ALTER TABLE postrider_outbox ADD COLUMN media_type TEXT;
ALTER TABLE postrider_outbox ADD COLUMN coding TEXT;
";

/// What endpoints were given that they had missed.
///
/// - `addressed` is 1 for an event that was published for one endpoint alone. Of events of before that
///   is not known.
/// - A row of `postrider_backfill` says that an owner was given an event later, as which delivery, and
///   by which replay. It goes with the event, so that the same is not made again when the record of
///   the delivery has been dropped. Such deliveries are no resends and are not among the `count` of
///   their event: they are found here.
/// - `made` counts such deliveries of a replay; `after_event` is the last event that it has looked at.
const BACKFILLS: &str = "
ALTER TABLE postrider_event ADD COLUMN addressed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE postrider_backfill (
    event INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    delivery BLOB NOT NULL,
    replay BLOB NOT NULL,
    PRIMARY KEY (event, owner)
) STRICT, WITHOUT ROWID;
ALTER TABLE postrider_replay ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
ALTER TABLE postrider_replay ADD COLUMN after_event INTEGER;
";

/// Where events stand among those of their lane, as receivers are told.
///
/// - A lane's `numbered` is the number of its last event in its `epoch` (Unix milliseconds; 0 for a
///   lane that was there before).
/// - A delivery's `ordinal` is the number of its event: a resend has that of the first delivery. NULL
///   for those that were there before; it is part of the checksum if it is there.
const SEQUENCES: &str = "
ALTER TABLE postrider_lane ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE postrider_lane ADD COLUMN numbered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE postrider_delivery ADD COLUMN ordinal INTEGER;
";

/// What is told of events beside their payloads, as lines of `name: value`.
const EVENT_HEADERS: &str = "
ALTER TABLE postrider_event ADD COLUMN headers TEXT;
ALTER TABLE postrider_outbox ADD COLUMN headers TEXT;
";

/// In `postrider_meta`: how many of the migrations the tables have seen.
const VERSION: &str = "version";

/// In `postrider_meta`: no lane that was forgotten had a place above this one.
pub(super) const FORGOTTEN_TAIL: &str = "forgotten_tail";

/// In `postrider_meta`: no lane that was forgotten had an epoch above this one.
pub(super) const FORGOTTEN_EPOCH: &str = "forgotten_epoch";

/// In `postrider_meta`: no event that was dropped had a number above this one.
pub(super) const FORGOTTEN_EVENT: &str = "forgotten_event";

/// In `postrider_meta`: how many transactions the writer has committed; the lock file remembers it.
pub(super) const COMMITS: &str = "commits";

/// In `postrider_meta`: how often it was tried whether a change becomes durable.
pub(super) const PROBES: &str = "probes";

/// In `postrider_meta`: the id of the key with which all notes were sealed at the last start.
pub(super) const AUDIT_KEY: &str = "audit_key";

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The linked SQLite is too old.
    #[error("this SQLite is too old: {0} is needed, or a newer one")]
    SqliteTooOld(&'static str),
    /// The file is a database of something else.
    #[error("the file is the database of another application")]
    NotOurs,
    /// The file was written by a newer Postrider.
    #[error("the file has schema version {found}; this Postrider knows {known}: use a newer one")]
    TooNew {
        /// The file's.
        found: usize,
        /// The newest that this program knows.
        known: usize,
    },
    /// SQLite says no.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Whose database it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Home {
    /// Postrider's: it is marked as such, and what is not is left alone.
    #[default]
    Own,
    /// An application's, which has its tables beside ours.
    Shared,
}

/// Brings a database to the newest schema. Each step is a transaction: whoever is interrupted
/// begins again where it was.
pub(super) fn migrate(connection: &mut Connection, home: Home) -> Result<(), SchemaError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(SchemaError::SqliteTooOld("3.51.3"));
    }
    let found = version(connection)?;
    if home == Home::Own {
        let marked: i32 =
            connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let is_new = marked == 0 && has_no_tables(connection)?;
        if marked != APPLICATION_ID && !is_new {
            return Err(SchemaError::NotOurs);
        }
    }
    let known = MIGRATIONS.len();
    if found > known {
        return Err(SchemaError::TooNew { found, known });
    }
    for (version, step) in (1_i64..).zip(MIGRATIONS).skip(found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        set_meta(&transaction, VERSION, version)?;
        if home == Home::Own {
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// How many migrations the tables have seen; 0 if there are none.
fn version(connection: &Connection) -> rusqlite::Result<usize> {
    if !is_ours(connection)? {
        return Ok(0);
    }
    let version = meta(connection, VERSION)?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Whether there are tables of Postrider's.
pub(super) fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    connection.table_exists(None, "postrider_meta")
}

/// How many transactions the writer has committed; 0 if there are no tables.
pub(super) fn commits(connection: &Connection) -> rusqlite::Result<i64> {
    match is_ours(connection)? {
        true => meta(connection, COMMITS),
        false => Ok(0),
    }
}

/// A number of `postrider_meta`; 0 if it is not there.
pub(super) fn meta(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let mut select =
        connection.prepare_cached("SELECT value FROM postrider_meta WHERE name = ?1")?;
    let value = select.query_row([name], |row| row.get(0)).optional()?;
    Ok(value.unwrap_or(0))
}

/// Sets a number of `postrider_meta`.
pub(super) fn set_meta(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO postrider_meta (name, value) VALUES (?1, ?2)")?
        .execute(params![name, value])?;
    Ok(())
}

pub(super) fn has_no_tables(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
}
