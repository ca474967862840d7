//! Hex and base64, as the schemes write them.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_PAD_INDIFFERENT};
use core::str;

use crate::scheme::Encoding;

/// The standard alphabet of RFC 4648, section 4: written with padding, read with or without.
/// Bits that belong to no byte must be zero, so that a signature has one spelling.
pub(crate) const BASE64: GeneralPurpose = STANDARD_PAD_INDIFFERENT;

/// The longest signature in bytes: ed25519, RFC 8032.
const SIGNATURE_BYTES_MAX: usize = 64;

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
        match self {
            Self::Hex => {
                let mut digits = [0; SIGNATURE_BYTES_MAX * 2];
                let digits = &mut digits[..bytes.len() * 2];
                if hex::encode_to_slice(bytes, digits).is_ok() {
                    text.push_str(str::from_utf8(digits).unwrap_or_default());
                }
            }
            Self::Base64 => BASE64.encode_string(bytes, text),
        }
    }

    /// Reads a signature of exactly `N` bytes; hex in either case, base64 padded or not.
    pub(crate) fn decode<const N: usize>(self, text: &str) -> Option<[u8; N]> {
        match self {
            Self::Hex => {
                let mut bytes = [0; N];
                hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
            }
            Self::Base64 => {
                // Two more than fit, as the decoder rounds up what it may need.
                let mut bytes = [0; SIGNATURE_BYTES_MAX + 2];
                let length = BASE64.decode_slice(text, &mut bytes).ok()?;
                bytes[..length].try_into().ok()
            }
        }
    }
}
