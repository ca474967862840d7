//! All that the tables hold, as text.

use postrider::store::sqlite::SqliteFile;
use std::fmt::Write;

/// What is sealed is sealed anew each time, and is left out: what a start gives has it.
const TABLES: [&str; 6] = [
    "SELECT id, tenant, spec, status, failures, failing_since, open_until, created_at, revision,
        accepted, pending, pending_bytes, delivered, failed, discarded
     FROM postrider_endpoint ORDER BY id",
    "SELECT * FROM postrider_lane ORDER BY number",
    "SELECT * FROM postrider_event ORDER BY number",
    "SELECT * FROM postrider_delivery ORDER BY number",
    "SELECT * FROM postrider_attempt ORDER BY delivery, place",
    "SELECT * FROM postrider_idempotency ORDER BY tenant, key",
];

pub(super) fn tell(file: &SqliteFile) -> Result<String, String> {
    let mut told = String::new();
    for table in TABLES {
        let mut select = file.connection().prepare(table).map_err(text)?;
        let columns = select.column_count();
        let mut rows = select.query([]).map_err(text)?;
        while let Some(row) = rows.next().map_err(text)? {
            for column in 0..columns {
                let value = row.get_ref(column).map_err(text)?;
                // A text takes whatever is written to it.
                let _ = write!(told, "{value:?} ");
            }
            told.push('\n');
        }
    }
    Ok(told)
}

/// The first line that one of the two does not have.
pub(super) fn difference(before: &str, found: &str) -> String {
    let mut lines = before.lines().zip(found.lines());
    match lines.find(|(before, found)| before != found) {
        Some((before, found)) => format!("`{found}` where there was `{before}`"),
        None => "there are more or fewer rows".to_owned(),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
