//! `postrider.toml`.

use super::{ConfigError, Origin, SETTINGS};
use std::io::ErrorKind;
use std::path::PathBuf;
use toml::Value;

/// Read if it is in the working directory and no other file is named.
const DEFAULT_FILE: &str = "postrider.toml";

/// The settings of a file: name, text, path.
pub(super) fn read(
    named: Option<PathBuf>,
) -> Result<Vec<(&'static str, String, PathBuf)>, ConfigError> {
    let is_named = named.is_some();
    let path = match named {
        // An empty name is for no file at all.
        Some(path) if path.as_os_str().is_empty() => return Ok(Vec::new()),
        Some(path) => path,
        None => PathBuf::from(DEFAULT_FILE),
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !is_named => return Ok(Vec::new()),
        Err(error) => return Err(ConfigError::Read { path, error }),
    };
    let wrong = |why: String| ConfigError::File {
        path: path.clone(),
        why,
    };
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let mut settings = Vec::new();
    for (name, value) in &table {
        let known = SETTINGS.iter().find(|setting| setting.name == name);
        let setting = known.ok_or_else(|| ConfigError::Unknown {
            origin: Origin::File(path.clone()),
            name: name.clone(),
        })?;
        let text = text_of(value).ok_or_else(|| {
            wrong(format!(
                "{name}: expected a text, a number, a yes or no, or a list of texts"
            ))
        })?;
        settings.push((setting.name, text, path.clone()));
    }
    Ok(settings)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(yes) => Some(yes.to_string()),
        Value::Array(parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            Some(parts?.join(","))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("postrider.toml");
        std::fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn lists_and_numbers_are_read_as_they_would_be_written_elsewhere() {
        let (_directory, path) =
            file("allow_networks = ['10.0.0.0/8', '127.0.0.0/8']\nkeep_ended_days = 7");
        let settings = read(Some(path)).unwrap();
        let text = |name| {
            let found = settings.iter().find(|it| it.0 == name);
            found.map(|it| it.1.as_str())
        };
        assert_eq!(text("allow_networks"), Some("10.0.0.0/8,127.0.0.0/8"));
        assert_eq!(text("keep_ended_days"), Some("7"));
    }

    #[test]
    fn an_unknown_setting_or_a_missing_file_is_an_error() {
        let (_directory, path) = file("listenn = 'x'");
        assert!(matches!(read(Some(path)), Err(ConfigError::Unknown { .. })));
        let missing = read(Some(PathBuf::from("/nowhere/postrider.toml")));
        assert!(matches!(missing, Err(ConfigError::Read { .. })));
    }
}
