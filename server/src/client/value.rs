//! JSON on the command line: written out, in a file, or on the standard input.

use super::ClientError;
use crate::input;
use postrider::engine::json::without_mark;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;

/// The JSON that an argument means, in its exact text: `@FILE` names a file, `-` is the standard
/// input, everything else is JSON itself. `what` says what it is for.
pub(crate) fn json(what: &'static str, argument: &str) -> Result<Box<RawValue>, ClientError> {
    let bytes = bytes(argument)?;
    let json = serde_json::from_slice(without_mark(&bytes));
    json.map_err(|error| ClientError::NotJson { what, error })
}

/// The bytes that an argument means, likewise.
pub(crate) fn bytes(argument: &str) -> Result<Vec<u8>, ClientError> {
    Ok(match argument.strip_prefix('@') {
        Some(path) => input::file(Path::new(path))?,
        None if argument == "-" => input::body(None)?,
        None => argument.as_bytes().to_vec(),
    })
}

/// The fields of a request. Those that were given as JSON keep their exact text.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        // A value can be written as JSON.
        let text = RawValue::from_string(value.into().to_string());
        self.set_json(name, text.unwrap_or_default());
    }

    pub(crate) fn set_json(&mut self, name: &str, value: Box<RawValue>) {
        self.0.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_exact_text() {
        let text = r#"{"b": 1.0, "a":  12345678901234567890123}"#;
        assert_eq!(json("it", text).unwrap().get(), text);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("payload.json");
        std::fs::write(&path, format!("\u{feff}{text}\n")).unwrap();
        let named = json("it", &format!("@{}", path.display())).unwrap();
        assert_eq!(named.get(), text);
    }

    #[test]
    fn what_is_no_json_is_named() {
        let refused = json("the payload", "{").unwrap_err().to_string();
        assert!(
            refused.starts_with("the payload is not JSON: "),
            "{refused}"
        );
    }
}
