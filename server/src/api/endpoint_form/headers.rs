//! Custom headers: what a view has hidden, taken back.

use super::refused;
use crate::api::problem::Problem;
use postrider::HeaderLines;
use serde_json::{Map, Value};

/// The headers of a change or a new endpoint, with the values that are kept for what a view has
/// hidden, and under the names of those that are kept: names are compared without regard to case.
///
/// Values of another type than text are left to the form.
pub(crate) fn restored(
    given: Map<String, Value>,
    kept: &[(String, String)],
) -> Result<Map<String, Value>, Problem> {
    let mut restored = Map::new();
    for (name, value) in given {
        let known = kept
            .iter()
            .find(|(kept, _)| kept.eq_ignore_ascii_case(&name));
        let is_hidden = value == HeaderLines::SECRET;
        let value = match known {
            // A version of before has stored what the view said in the place of the value.
            Some((_, kept)) if is_hidden && kept != HeaderLines::SECRET => {
                Value::from(kept.as_str())
            }
            _ if is_hidden => {
                return Err(refused(
                    &format!("/headers/{}", escaped(&name)),
                    "`[secret]` stands for a value that is kept, and there is none: give the value",
                ));
            }
            _ => value,
        };
        let name = known.map_or(name, |(kept, _)| kept.clone());
        if restored.insert(name.clone(), value).is_some() {
            let detail = format!("the header {name} is given twice");
            return Err(refused("/headers", detail));
        }
    }
    Ok(restored)
}

/// A part of a JSON pointer (RFC 6901, section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept() -> Vec<(String, String)> {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        [
            ("Authorization", "Bearer a"),
            ("x-team", "b"),
            ("x-lost", "[secret]"),
        ]
        .map(pair)
        .into()
    }

    fn given(headers: &Value) -> Result<Value, Problem> {
        let headers = headers.as_object().unwrap().clone();
        restored(headers, &kept()).map(Value::from)
    }

    #[test]
    fn what_was_hidden_is_what_is_kept_whatever_the_case_of_its_name() {
        let patch = json!({ "authorization": "[secret]", "X-Team": "c", "x-new": "d" });
        let expected = json!({ "Authorization": "Bearer a", "x-team": "c", "x-new": "d" });
        assert_eq!(given(&patch).unwrap(), expected);
        let removed = json!({ "AUTHORIZATION": null });
        assert_eq!(given(&removed).unwrap(), json!({ "Authorization": null }));
    }

    #[test]
    fn what_stands_for_nothing_or_twice_for_the_same_is_refused() {
        assert!(given(&json!({ "x-new": "[secret]" })).is_err());
        assert!(given(&json!({ "x-lost": "[secret]" })).is_err());
        assert!(given(&json!({ "x-team": "1", "X-TEAM": "2" })).is_err());
    }
}
