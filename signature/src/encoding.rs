//! Hex and base64, as the schemes write them.

use base64ct::{Base64, Encoding as _};
use core::str;
use zeroize::Zeroizing;

use crate::ed25519;
use crate::scheme::Encoding;

/// The longest signature in bytes.
const SIGNATURE_BYTES_MAX: usize = ed25519::SIGNATURE_BYTES;

impl Encoding {
    /// The length of the text of `bytes` bytes.
    pub(crate) const fn text_length(self, bytes: usize) -> usize {
        match self {
            Self::Hex => bytes * 2,
            Self::Base64 => bytes.div_ceil(3) * 4,
        }
    }

    /// Appends the text of `bytes`, of which there are at most `SIGNATURE_BYTES_MAX`.
    pub(crate) fn append(self, bytes: &[u8], text: &mut String) {
        let mut digits = Zeroizing::new([0; SIGNATURE_BYTES_MAX * 2]);
        let digits = &mut digits[..self.text_length(bytes.len())];
        let written = match self {
            Self::Hex => hex::encode_to_slice(bytes, digits).is_ok(),
            Self::Base64 => Base64::encode(bytes, digits).is_ok(),
        };
        if written {
            text.push_str(str::from_utf8(digits).unwrap_or_default());
        }
    }

    /// Reads a signature of exactly `N` bytes; hex in either case, base64 padded or not. What comes
    /// in a request is no secret, so digits are looked up.
    pub(crate) fn decode<const N: usize>(self, text: &[u8]) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let digit = |digit: u8| i32::from(BASE64_VALUES[usize::from(digit)].cast_signed());
        let length = match self {
            Self::Hex => decode_hex(text, &mut bytes),
            Self::Base64 => decode_base64(text, &mut bytes, digit),
        };
        (length == Some(N)).then_some(bytes)
    }
}

/// The value of each digit, and this for what is none.
const NO_DIGIT: u8 = 0xff;
const BASE64_VALUES: [u8; 256] =
    values(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const HEX_VALUES: [u8; 256] = {
    let mut values = values(b"0123456789ABCDEF");
    let mut upper = b'A';
    while upper <= b'F' {
        values[upper.to_ascii_lowercase() as usize] = values[upper as usize];
        upper += 1;
    }
    values
};

const fn values(digits: &[u8]) -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let (mut place, mut value) = (0, 0);
    while place < digits.len() {
        values[digits[place] as usize] = value;
        place += 1;
        value += 1;
    }
    values
}

fn decode_hex(text: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let mut faults = 0;
    if text.len() != bytes.len() * 2 {
        return None;
    }
    for (digits, byte) in text.chunks_exact(2).zip(bytes.iter_mut()) {
        let value = |digit: u8| HEX_VALUES[usize::from(digit)];
        let (high, low) = (value(digits[0]), value(digits[1]));
        faults |= high | low;
        *byte = high << 4 | low & 15;
    }
    (faults < 16).then_some(bytes.len())
}

/// Reads the standard alphabet of RFC 4648, section 4, padded or not. Bits that belong to no byte
/// must be zero, so that a text has one spelling but for its padding. Gives how many bytes there
/// are; `None` for any other text, and for one that does not fit.
fn decode_base64(text: &[u8], bytes: &mut [u8], value: impl Fn(u8) -> i32) -> Option<usize> {
    let mut digits = text;
    while let [rest @ .., b'='] = digits {
        digits = rest;
    }
    let padding = (4 - digits.len() % 4) % 4;
    let length = digits.len() / 4 * 3 + (digits.len() % 4 * 3) / 4;
    if padding == 3 || text.len() - digits.len() > padding || length > bytes.len() {
        return None;
    }
    let mut faults = 0;
    for (digits, bytes) in digits.chunks(4).zip(bytes.chunks_mut(3)) {
        let mut held = 0;
        for place in 0..4 {
            let value = digits.get(place).map_or(0, |digit| value(*digit));
            faults |= value;
            held = held << 6 | value & 63;
        }
        let [_, held @ ..] = held.to_be_bytes();
        let (whole, rest) = held.split_at(digits.len() * 6 / 8);
        bytes[..whole.len()].copy_from_slice(whole);
        for byte in rest {
            faults |= -i32::from(*byte);
        }
    }
    (faults >= 0).then_some(length)
}

/// The value of a digit of a secret: without a branch or a look-up, so that the time tells nothing.
fn secret_value(digit: u8) -> i32 {
    let digit = i32::from(digit);
    // All ones between the two, else zero.
    let between = |before: i32, behind: i32| ((before - digit) & (digit - behind)) >> 31;
    let upper = between(0x40, 0x5b) & (digit - 0x40);
    let lower = between(0x60, 0x7b) & (digit - 0x46);
    let number = between(0x2f, 0x3a) & (digit + 5);
    let plus = between(0x2a, 0x2c) & 63;
    let slash = between(0x2e, 0x30) & 64;
    upper + lower + number + plus + slash - 1
}

/// The bytes behind a base64 text of any length, as `decode_base64` reads it.
pub(crate) fn decode_base64_secret(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Large enough from the start: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = decode_base64(text.as_bytes(), &mut bytes, secret_value)?;
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_may_be_left_out_and_never_be_more_than_it_should() {
        for (text, expected) in [
            ("", Some(&b""[..])),
            ("AA==", Some(b"\0")),
            ("AA=", Some(b"\0")),
            ("AA", Some(b"\0")),
            ("AAA=", Some(b"\0\0")),
            ("AAAA", Some(b"\0\0\0")),
            ("AAA==", None),
            ("AAAA=", None),
            ("A===", None),
            ("A", None),
            ("=", None),
            ("====", None),
            ("AA=A", None),
            ("AB", None),
            ("A-==", None),
            ("AA\n", None),
        ] {
            let found = decode_base64_secret(text);
            assert_eq!(found.as_ref().map(|found| &found[..]), expected, "{text:?}");
        }
    }

    #[test]
    fn both_ways_to_read_a_digit_know_the_same_digits() {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for byte in 0..=255_u8 {
            let place = digits.iter().position(|digit| *digit == byte);
            let expected = place.map_or(-1, |place| i32::try_from(place).unwrap());
            assert_eq!(secret_value(byte), expected, "{byte}");
            assert_eq!(
                i32::from(BASE64_VALUES[usize::from(byte)].cast_signed()),
                expected,
                "{byte}"
            );
        }
    }

    #[test]
    fn hex_is_read_in_either_case_and_nothing_else_is() {
        for byte in 0..=255_u8 {
            let text = [byte, b'0'];
            let expected = hex::decode(text).ok().map(|bytes| [bytes[0]]);
            assert_eq!(Encoding::Hex.decode(&text), expected, "{byte}");
        }
        assert_eq!(Encoding::Hex.decode::<2>(b"000"), None);
        assert_eq!(Encoding::Hex.decode::<2>(b"aBCd"), Some([0xab, 0xcd]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_in_base64_is_read_again(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = Base64::encode_string(&bytes);
            prop_assert_eq!(decode_base64_secret(&text).map(|found| found.to_vec()), Some(bytes));
        }

        #[test]
        fn what_is_read_in_base64_has_one_spelling(text in "[A-Za-z0-9+/=_ -]{0,12}") {
            let expected = Base64::decode_vec(&text).ok();
            let found = decode_base64_secret(&text).map(|found| found.to_vec());
            if text.len() % 4 == 0 {
                prop_assert_eq!(found, expected);
            } else if let Some(found) = found {
                let again = Base64::encode_string(&found);
                prop_assert_eq!(again.trim_end_matches('='), text.trim_end_matches('='));
            }
        }
    }
}
