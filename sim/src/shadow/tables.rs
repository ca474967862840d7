//! All that the tables hold, as text.

use postrider::store::sqlite::SqliteFile;
use std::fmt::Write;

/// What is sealed is sealed anew each time, and is left out: what a start gives has it.
const SEALED: &str = "secrets";

const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";

pub(super) fn tell(file: &SqliteFile) -> Result<String, String> {
    let mut select = file.connection().prepare(TABLES).map_err(text)?;
    let names = select.query_map([], |row| row.get::<_, String>(0));
    let names = names.map_err(text)?.collect::<Result<Vec<_>, _>>();
    let mut told = String::new();
    for name in names.map_err(text)? {
        tell_table(&mut told, file, &name)?;
    }
    Ok(told)
}

fn tell_table(told: &mut String, file: &SqliteFile, name: &str) -> Result<(), String> {
    let all = format!("SELECT * FROM \"{name}\"");
    let mut select = file.connection().prepare(&all).map_err(text)?;
    let columns = select.column_names();
    let is_told: Vec<bool> = columns.map(|column| column != SEALED).collect();
    let mut rows = select.query([]).map_err(text)?;
    while let Some(row) = rows.next().map_err(text)? {
        told.push_str(name);
        for (column, _) in is_told.iter().enumerate().filter(|(_, is_told)| **is_told) {
            let value = row.get_ref(column).map_err(text)?;
            // A text takes whatever is written to it.
            let _ = write!(told, " {value:?}");
        }
        told.push('\n');
    }
    Ok(())
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
