//! The Huffman code of HPACK ([RFC 7541 appendix B](https://www.rfc-editor.org/rfc/rfc7541#appendix-B)).
//!
//! The code is canonical: among codes of one length, and from one length to the next, they count up in
//! the order of the bytes. So the lengths say everything.

use std::sync::LazyLock;

/// The bits of the code of each byte.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const LONGEST: usize = 30;

/// The codes by their lengths.
struct Codes {
    /// The first code of each length.
    first: [u32; LONGEST + 1],
    /// Where the bytes of each length begin among all bytes.
    start: [u16; LONGEST + 2],
    /// The bytes in the order of their codes.
    bytes: [u8; 256],
}

static CODES: LazyLock<Codes> = LazyLock::new(Codes::new);

impl Codes {
    fn new() -> Self {
        let mut codes = Self {
            first: [0; LONGEST + 1],
            start: [0; LONGEST + 2],
            bytes: [0; 256],
        };
        let (mut code, mut at) = (0_u32, 0_u16);
        for length in 1..=LONGEST {
            code <<= 1;
            codes.first[length] = code;
            codes.start[length] = at;
            for byte in 0..=u8::MAX {
                if usize::from(LENGTHS[usize::from(byte)]) == length {
                    codes.bytes[usize::from(at)] = byte;
                    (code, at) = (code + 1, at + 1);
                }
            }
        }
        codes.start[LONGEST + 1] = at;
        codes
    }

    /// The byte of this code, if it is one.
    fn byte(&self, code: u32, length: usize) -> Option<u8> {
        let count = u32::from(self.start[length + 1] - self.start[length]);
        let index = code.checked_sub(self.first[length])?;
        let at = usize::from(self.start[length]) + usize::try_from(index).ok()?;
        (index < count).then(|| self.bytes[at])
    }
}

/// Decodes a text. None if it is not one: an unknown code, or an end that is not padded with ones.
pub(super) fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let codes = &*CODES;
    let mut text = Vec::with_capacity(encoded.len() * 8 / 5);
    let (mut code, mut length) = (0_u32, 0);
    for byte in encoded {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            if let Some(byte) = codes.byte(code, length) {
                text.push(byte);
                (code, length) = (0, 0);
            } else if length == LONGEST {
                return None;
            }
        }
    }
    let padding = (1 << length) - 1;
    (length < 8 && code == padding).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 7541, appendices C.4 and C.6.
        for (encoded, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            ("640eff", "307"),
        ] {
            let bytes: Vec<u8> = (0..encoded.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&encoded[at..at + 2], 16).unwrap())
                .collect();
            assert_eq!(decode(&bytes).as_deref(), Some(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn every_byte_has_one_code() {
        for byte in 0..=u8::MAX {
            let length = usize::from(LENGTHS[usize::from(byte)]);
            let codes = &*CODES;
            let own = (0..codes.start[length + 1] - codes.start[length])
                .map(|index| codes.first[length] + u32::from(index))
                .filter(|code| codes.byte(*code, length) == Some(byte));
            assert_eq!(own.count(), 1, "{byte}");
        }
    }

    #[test]
    fn an_end_that_is_not_padding_is_refused() {
        assert_eq!(decode(&[0xf1]).as_deref(), Some(&b"w"[..]));
        assert_eq!(decode(&[0xf0]), None, "padded with a zero");
        assert_eq!(decode(&[0xff, 0xff]), None, "more than seven bits of it");
        assert_eq!(decode(&[0xff; 4]), None, "the end of a text");
        assert_eq!(decode(&[]).as_deref(), Some(&[][..]));
    }
}
