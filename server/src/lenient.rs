//! JSON as it comes, as a value of `serde_json`: for what has to have one.

use postrider::engine::json::{self, Kind};
use serde_json::{Map, Number, Value};

/// What stands deeper is a text: values are dropped, and checked, by functions that call themselves.
const DEPTH_MAX: usize = 256;

/// The value, with its numbers as this makes them of their digits.
pub(crate) fn value(json: json::Value<'_, '_>, number: fn(&str) -> Value) -> Value {
    converted(json, number, 0)
}

fn converted(json: json::Value<'_, '_>, number: fn(&str) -> Value, depth: usize) -> Value {
    let below = |json| converted(json, number, depth + 1);
    match json.kind() {
        Kind::Array | Kind::Object if depth == DEPTH_MAX => Value::from(json.json()),
        Kind::Array => json.elements().map(below).collect(),
        Kind::Object => {
            let members = json.members().into_iter();
            let members = members.map(|(name, value)| (name.into_owned(), below(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::from(value),
        Kind::Number => number(json.number().unwrap_or_default()),
        Kind::Text => Value::from(json.text().unwrap_or_default()),
        Kind::Word => Value::from(json.json().trim_matches('"')),
    }
}

/// The number, or the nearest one that `serde_json` has.
pub(crate) fn nearest(digits: &str) -> Value {
    if let Ok(whole) = digits.parse::<u64>() {
        return Value::from(whole);
    }
    if let Ok(whole) = digits.parse::<i64>() {
        return Value::from(whole);
    }
    let number = digits.parse::<f64>().unwrap_or_default();
    let number = Number::from_f64(number.clamp(f64::MIN, f64::MAX));
    number.map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::engine::json::Document;
    use serde_json::json;

    const ODD: &str =
        r#"{"t": "caf\ud83d", "n": [7, -7, 1.5, 1.10, 1e400, -1e400, 12345678901234567890123]}"#;

    #[test]
    fn what_serde_json_refuses_is_as_near_as_it_can_be() {
        let document = Document::read(ODD.as_bytes()).unwrap();
        let near = json!({
            "t": "caf\u{fffd}",
            "n": [7, -7, 1.5, 1.1, f64::MAX, f64::MIN, 12345678901234567890123_f64],
        });
        assert_eq!(value(document.root(), nearest), near);
    }

    #[test]
    fn what_stands_too_deep_is_a_text() {
        let levels = 200_000;
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let document = Document::read(deep.as_bytes()).unwrap();
        let mut value = value(document.root(), nearest);
        for _ in 0..DEPTH_MAX {
            value = value[0].take();
        }
        let text = value.as_str().unwrap();
        assert_eq!(text.len(), 2 * (levels - DEPTH_MAX));
    }
}
