//! The fields of a form, as they are signed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The fields of a body of the type `application/x-www-form-urlencoded`, sorted by name, each name
/// followed by its value. A name that repeats comes once for each of its values, sorted, the same
/// value once: so Twilio's libraries have it.
pub(super) fn sorted(body: &[u8]) -> Vec<u8> {
    let mut fields: BTreeMap<Cow<'_, [u8]>, BTreeSet<Cow<'_, [u8]>>> = BTreeMap::new();
    for field in body.split(|byte| *byte == b'&').filter(|it| !it.is_empty()) {
        let equals = field.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &b""[..]),
        };
        fields
            .entry(decoded(name))
            .or_default()
            .insert(decoded(value));
    }
    let mut text = Vec::with_capacity(body.len());
    for (name, values) in fields {
        for value in values {
            text.extend_from_slice(&name);
            text.extend_from_slice(&value);
        }
    }
    text
}

/// `+` is a space, and `%` with two hex digits a byte; a `%` with anything else stays.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        let mut byte = [0];
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, beyond @ ..])
                if hex::decode_to_slice([*high, *low], &mut byte).is_ok() =>
            {
                bytes.push(byte[0]);
                rest = beyond;
            }
            _ => bytes.push(*first),
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_sorted_and_decoded() {
        assert_eq!(sorted(b"b=2&a=1+%2B&c"), b"a1 +b2c");
        assert_eq!(sorted(b"x=2&x=1&x=2&=y&"), b"yx1x2");
        assert_eq!(sorted(b"a=%zz%4&b=%C3%a9"), "a%zz%4b\u{e9}".as_bytes());
        assert_eq!(sorted(b""), b"");
    }
}
