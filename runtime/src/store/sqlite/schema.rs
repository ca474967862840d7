//! The tables, and what is asked of a file before it is used.

use rusqlite::Connection;

/// `PSTR`: the file is Postrider's.
pub(super) const APPLICATION_ID: i32 = 0x5053_5452;

/// Older ones lose durable transactions in rare races of checkpoints (fixed in SQLite 3.51.3).
pub(super) const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Each brings the schema from its place to the next one. Never changed, only added to.
const MIGRATIONS: &[&str] = &[FIRST];

/// Names begin with `postrider_`, so that the tables can live in an application's database.
///
/// - A lane's `tail` is the last place that was assigned; `pending` counts what has not ended.
/// - A delivery's `state` is 0 pending, 1 retrying, 2 delivered, 3 failed, 4 discarded; `detail`
///   is when a retry is due (Unix milliseconds) or why it failed.
/// - An attempt's `place` counts those of its delivery.
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
    revision INTEGER NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0,
    pending_bytes INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    discarded INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE postrider_lane (
    number INTEGER PRIMARY KEY,
    endpoint BLOB NOT NULL,
    key TEXT NOT NULL,
    tail INTEGER NOT NULL,
    pending INTEGER NOT NULL,
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
    payload BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX postrider_event_id ON postrider_event (id);

CREATE TABLE postrider_delivery (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    event INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    state INTEGER NOT NULL,
    detail INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    ended_at INTEGER,
    resend_of BLOB,
    resent_as BLOB,
    checksum INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX postrider_delivery_id ON postrider_delivery (id);
CREATE INDEX postrider_delivery_event ON postrider_delivery (event);
CREATE INDEX postrider_delivery_pending ON postrider_delivery (lane, seq, state)
    WHERE state <= 1;
CREATE INDEX postrider_delivery_retrying ON postrider_delivery (lane, seq) WHERE state = 1;
CREATE INDEX postrider_delivery_dead ON postrider_delivery (lane, id)
    WHERE state = 3 AND resent_as IS NULL;

CREATE TABLE postrider_attempt (
    delivery INTEGER NOT NULL,
    place INTEGER NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
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
";

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

/// Brings a database to the newest schema. Each step is a transaction: whoever is interrupted
/// begins again where it was.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SchemaError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(SchemaError::SqliteTooOld("3.51.3"));
    }
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = pragma("application_id")?;
    let found = usize::try_from(pragma("user_version")?).unwrap_or(usize::MAX);
    let is_new = application == 0 && found == 0 && is_empty(connection)?;
    if application != APPLICATION_ID && !is_new {
        return Err(SchemaError::NotOurs);
    }
    let known = MIGRATIONS.len();
    if found > known {
        return Err(SchemaError::TooNew { found, known });
    }
    for (version, step) in (1_i32..).zip(MIGRATIONS).skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
}
