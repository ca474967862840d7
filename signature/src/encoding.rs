//! Hex and base64, as the schemes write them.

use base64ct::{Base64, Base64Unpadded, Encoding as _};
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
pub(crate) fn decode_base64<'b>(text: &[u8], bytes: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut digits = text;
    while let [rest @ .., b'='] = digits {
        digits = rest;
    }
    let padding = (4 - digits.len() % 4) % 4;
    if text.len() - digits.len() > padding {
        return None;
    }
    Base64Unpadded::decode(digits, bytes).ok()
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

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_in_base64_is_read_again(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = Base64::encode_string(&bytes);
            prop_assert_eq!(decode_base64_secret(&text).map(|found| found.to_vec()), Some(bytes));
        }
    }
}
