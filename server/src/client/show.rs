//! JSON as people read it: columns, and fields one below the other.

use crate::lenient;
use postrider::engine::json;
use serde_json::Value;

/// A title, and the JSON pointer (RFC 6901) of what stands below it.
pub(crate) type Column = (&'static str, &'static str);

/// Spaces between columns.
const GAP: &str = "  ";

/// What a server has answered. Numbers that would not be shown with the digits they have are texts.
pub(crate) fn value(json: json::Value<'_, '_>) -> Value {
    lenient::value(json, |digits| {
        let number = lenient::nearest(digits);
        let spelled = number.to_string();
        if spelled == digits {
            number
        } else {
            Value::from(digits)
        }
    })
}

/// The rows in aligned columns, with titles.
pub(crate) fn table(rows: &[Value], columns: &[Column]) -> String {
    if rows.is_empty() {
        return "there are none\n".to_owned();
    }
    let titles = columns.iter().map(|(title, _)| (*title).to_owned());
    let mut lines: Vec<Vec<String>> = vec![titles.collect()];
    lines.extend(rows.iter().map(|row| {
        let cells = columns.iter();
        cells
            .map(|(_, pointer)| cell(row.pointer(pointer).unwrap_or(&Value::Null)))
            .collect()
    }));
    aligned(&lines)
}

/// The values of a list; none, if it is none.
pub(crate) fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Lines of cells in aligned columns; the last one is as wide as it is.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text += cells.join(GAP).trim_end();
        text.push('\n');
    }
    text
}

/// The fields of an object, one below the other: those that are named first, then the others.
/// Lists of objects are left out.
pub(crate) fn fields(object: &Value, first: &[&str]) -> String {
    let Some(object) = object.as_object() else {
        return format!("{}\n", cell(object));
    };
    let named = first.iter().filter_map(|name| object.get_key_value(*name));
    let others = object
        .iter()
        .filter(|(name, _)| !first.contains(&name.as_str()));
    let simple = named
        .chain(others)
        .filter(|(_, value)| !is_list_of_objects(value));
    let lines: Vec<Vec<String>> = simple
        .map(|(name, value)| vec![name.replace('_', " "), cell(value)])
        .collect();
    aligned(&lines)
}

fn is_list_of_objects(value: &Value) -> bool {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().any(Value::is_object)
}

/// A value on one line.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) if !values.iter().any(|it| it.is_object() || it.is_array()) => {
            let cells: Vec<String> = values.iter().map(cell).collect();
            cells.join(",")
        }
        other => plain(&other.to_string()),
    }
}

/// The text without what a terminal would act upon: receivers and publishers write such texts.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            character if character.is_control() => plain.extend(character.escape_default()),
            character => plain.push(character),
        }
    }
    plain
}

/// JSON over several lines, indented; every token as it is, if JSON has it.
pub(crate) fn indented(json: json::Value<'_, '_>) -> String {
    let mut text = String::from("  ");
    let (mut depth, mut in_string, mut escaped) = (1, false, false);
    // From a depth on that no screen has, lines are not indented further.
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth.min(64)));
    let compact = json::compact(&json.json());
    let mut characters = compact.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            in_string = character != '"' || escaped;
            escaped = character == '\\' && !escaped;
            text += &plain(character.encode_utf8(&mut [0; 4]));
            continue;
        }
        in_string = character == '"';
        let is_empty = matches!(characters.peek(), Some('}' | ']'));
        match character {
            '{' | '[' if !is_empty => {
                depth += 1;
                text.push(character);
                text += &line(depth);
            }
            '{' | '[' => {
                text.push(character);
                text.extend(characters.next());
            }
            '}' | ']' => {
                depth -= 1;
                text += &line(depth);
                text.push(character);
            }
            ',' => {
                text.push(',');
                text += &line(depth);
            }
            ':' => text += ": ",
            other => text.push(other),
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            json!({"id": "a", "types": ["x", "y.*"], "in": {"n": 1}}),
            json!({"id": "longer", "types": [], "in": null}),
        ];
        let columns = [("ID", "/id"), ("TYPES", "/types"), ("N", "/in/n")];
        assert_eq!(
            table(&rows, &columns),
            "ID      TYPES  N\na       x,y.*  1\nlonger  -      -\n"
        );
        assert_eq!(table(&[], &columns), "there are none\n");
    }

    fn shown_json(text: &str) -> String {
        indented(json::Document::read(text.as_bytes()).unwrap().root())
    }

    #[test]
    fn json_is_shown_with_the_tokens_that_it_has() {
        let text = r#"{"z":[1.10,{},[]],"a":"b: {\"c\", d}","far":1e400,"half":"\ud83d"}"#;
        let lines = [
            "{",
            r#"  "z": ["#,
            "    1.10,",
            "    {},",
            "    []",
            "  ],",
            r#"  "a": "b: {\"c\", d}","#,
            r#"  "far": 1e400,"#,
            "  \"half\": \"\u{fffd}\"",
            "}",
        ];
        let lines = lines.map(|line| format!("  {line}\n")).concat();
        assert_eq!(shown_json(text), lines);
        assert_eq!(shown_json("7"), "  7\n");
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(shown_json(&deep).len() < 3_000_000);
    }

    #[test]
    fn numbers_are_shown_with_their_digits() {
        let text = r#"{"a": 1.10, "b": 12345678901234567890123, "c": 1e400, "d": 1.5, "e": -7}"#;
        let document = json::Document::read(text.as_bytes()).unwrap();
        let shown = value(document.root());
        assert_eq!(
            fields(&shown, &[]),
            "a  1.10\nb  12345678901234567890123\nc  1e400\nd  1.5\ne  -7\n"
        );
    }

    #[test]
    fn fields_begin_with_those_that_matter() {
        let object = json!({"a_b": 1, "id": "x", "attempts": [{"n": 1}], "list": [2, 3]});
        assert_eq!(fields(&object, &["id"]), "id    x\na b   1\nlist  2,3\n");
    }

    #[test]
    fn nothing_that_a_terminal_acts_upon_is_shown_as_it_is() {
        let shown = cell(&json!("a\u{1b}[2Jb\nc"));
        assert_eq!(shown, "a\\u{1b}[2Jb\\nc");
        assert!(!shown_json("{\"a\": \"\u{9b}1m\"}").contains('\u{9b}'));
    }
}
