//! JSON written again: with less white space, or without what JSON does not have.

use super::{number, text};
use std::borrow::Cow;

/// The text without the white space between its tokens. The tokens stay as they are.
#[must_use]
pub fn compact(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string {
            in_string = character != '"' || escaped;
            escaped = character == '\\' && !escaped;
        } else if matches!(character, ' ' | '\t' | '\r' | '\n') {
            continue;
        } else {
            in_string = character == '"';
        }
        compact.push(character);
    }
    compact
}

/// Whether every parser takes this text: it is JSON to the letter, and has no half of a surrogate
/// pair, which the grammar allows and strict parsers refuse.
pub(crate) fn is_strict(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
        && !has_half_pair(text.as_bytes())
}

/// Whether an escape in it stands for no character: in JSON, half a surrogate pair.
fn has_half_pair(mut json: &[u8]) -> bool {
    while let Some(place) = json.iter().position(|byte| *byte == b'\\') {
        let (character, length) = text::escape(&json[place..]);
        if character.is_none() {
            return true;
        }
        json = &json[place + length..];
    }
    false
}

/// These bytes, whose structure is that of JSON, as JSON that every parser takes.
pub(super) fn mended(raw: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(raw)
        && is_strict(text)
    {
        return Cow::Borrowed(text);
    }
    let mut json = String::with_capacity(raw.len() + 16);
    let mut rest = raw;
    while let Some(byte) = rest.first() {
        let length = match byte {
            b'"' => {
                let length = string_length(rest);
                json.push('"');
                string(&rest[1..length - 1], &mut json);
                json.push('"');
                length
            }
            b'{' | b'}' | b'[' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                json.push(char::from(*byte));
                1
            }
            _ => word(rest, &mut json),
        };
        rest = &rest[length..];
    }
    Cow::Owned(json)
}

fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// What stands between the quotes of a string.
fn string(mut rest: &[u8], json: &mut String) {
    loop {
        let odd = |byte: &u8| *byte == b'\\' || *byte < b' ';
        let plain = rest.iter().position(odd).unwrap_or(rest.len());
        json.push_str(&String::from_utf8_lossy(&rest[..plain]));
        rest = &rest[plain..];
        let length = match rest.first() {
            None => return,
            Some(b'\\') => {
                let (character, length) = text::escape(rest);
                match std::str::from_utf8(&rest[..length]) {
                    Ok(escape) if character.is_some() => json.push_str(escape),
                    _ => json.push(char::REPLACEMENT_CHARACTER),
                }
                length
            }
            Some(control) => {
                json.push_str(&format!("\\u{control:04x}"));
                1
            }
        };
        rest = &rest[length..];
    }
}

/// A number, a word of JSON, or another one: then a string.
fn word(rest: &[u8], json: &mut String) -> usize {
    let end = |byte: &u8| matches!(byte, b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n');
    let length = rest.iter().position(end).unwrap_or(rest.len());
    let word = &rest[..length];
    let text = String::from_utf8_lossy(word);
    if matches!(word, b"null" | b"true" | b"false") || number::is_number(word) {
        json.push_str(&text);
    } else {
        // It has letters, digits and signs only.
        json.push_str(&format!("\"{text}\""));
    }
    length
}
