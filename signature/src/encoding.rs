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

    /// Reads a signature of exactly `N` bytes; hex in either case, base64 padded or not.
    pub(crate) fn decode<const N: usize>(self, text: &[u8]) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let length = match self {
            Self::Hex => hex::decode_to_slice(text, &mut bytes).ok().map(|()| N),
            Self::Base64 => decode_base64(text, &mut bytes).map(<[u8]>::len),
        };
        (length == Some(N)).then_some(bytes)
    }
}

/// Reads the standard alphabet of RFC 4648, section 4, padded or not. Bits that belong to no byte
/// must be zero, so that a text has one spelling but for its padding. `None` for any other text,
/// and for one that does not fit.
///
/// How long it takes tells nothing of the digits, which may be those of a secret. (base64ct, which
/// writes, would do this too, in a quarter of the verifier's WebAssembly.)
pub(crate) fn decode_base64<'b>(text: &[u8], bytes: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut digits = text;
    while let [rest @ .., b'='] = digits {
        digits = rest;
    }
    let padding = (4 - digits.len() % 4) % 4;
    let length = digits.len() / 4 * 3 + (digits.len() % 4 * 3) / 4;
    if padding == 3 || text.len() - digits.len() > padding || length > bytes.len() {
        return None;
    }
    let (mut held, mut bits, mut faults) = (0_u32, 0_u32, 0);
    let mut written = 0;
    for digit in digits {
        let value = value(*digit);
        faults |= value;
        held = held << 6 | (value & 63);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes[written] = (held >> bits & 255) as u8;
            written += 1;
        }
    }
    let rest = held & ((1 << bits) - 1);
    (faults < 64 && rest == 0).then_some(&bytes[..written])
}

/// The value of a digit, 64 or more for what is none. Without a branch or a table.
fn value(digit: u8) -> u32 {
    let digit = u32::from(digit);
    // All ones if `digit` is within, else zero.
    let within = |first: u8, last: u8| {
        let outside = digit.wrapping_sub(first.into()) | u32::from(last).wrapping_sub(digit);
        (outside >> 31).wrapping_sub(1)
    };
    let upper = within(b'A', b'Z') & digit.wrapping_sub(65);
    let lower = within(b'a', b'z') & digit.wrapping_sub(71);
    let number = within(b'0', b'9') & digit.wrapping_add(4);
    let plus = within(b'+', b'+') & 62;
    let slash = within(b'/', b'/') & 63;
    let any = within(b'A', b'Z') | within(b'a', b'z') | within(b'0', b'9');
    let any = any | within(b'+', b'+') | within(b'/', b'/');
    upper | lower | number | plus | slash | (!any & 64)
}

/// The bytes behind a base64 text of any length, as [`decode_base64`] reads it.
pub(crate) fn decode_base64_secret(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Large enough from the start: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = decode_base64(text.as_bytes(), &mut bytes)?.len();
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
    fn every_byte_that_is_no_digit_is_refused() {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for byte in 0..=255_u8 {
            let place = digits.iter().position(|digit| *digit == byte);
            let expected = place.map_or(64, |place| u32::try_from(place).unwrap());
            assert_eq!(value(byte), expected, "{byte}");
        }
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
