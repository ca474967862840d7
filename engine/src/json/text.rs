//! What a string says.

use std::borrow::Cow;

/// The text of a string, quotes included; what cannot be read of it is U+FFFD.
pub(super) fn read(string: &[u8]) -> Cow<'_, str> {
    let inner = &string[1..string.len() - 1];
    if !inner.contains(&b'\\') {
        return String::from_utf8_lossy(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        text.push_str(&String::from_utf8_lossy(&rest[..place]));
        let (character, length) = escape(&rest[place..]);
        text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[place + length..];
    }
    text.push_str(&String::from_utf8_lossy(rest));
    Cow::Owned(text)
}

/// The character that the escape at the beginning stands for, and how long it is. No character, if it
/// is half a surrogate pair or none of JSON's; then it is the shortest part that can be passed over.
pub(super) fn escape(text: &[u8]) -> (Option<char>, usize) {
    let character = match text.get(1) {
        Some(b'u') => return unicode(text),
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        _ => return (None, 1),
    };
    (Some(character), 2)
}

fn unicode(text: &[u8]) -> (Option<char>, usize) {
    let Some(unit) = code_unit(text) else {
        return (None, 2);
    };
    let second = code_unit(&text[6..]).filter(|second| is_low(*second));
    match (char::from_u32(unit), second) {
        (Some(character), _) => (Some(character), 6),
        (None, Some(second)) if !is_low(unit) => {
            let scalar = 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
            (char::from_u32(scalar), 12)
        }
        (None, _) => (None, 6),
    }
}

fn is_low(unit: u32) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

/// The number in `\u1234` at the beginning.
fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    digits
        .iter()
        .try_fold(0, |unit, next| Some(unit * 16 + digit(next)?))
}
