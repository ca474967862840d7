//! A fingerprint of content, for telling a repeat from something new.

use sha2::{Digest, Sha256};

/// SHA-256 (FIPS 180-4) over the parts, each preceded by its length in eight bytes, so that no
/// two lists of parts run together.
#[must_use]
pub fn content_digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::content_digest;

    #[test]
    fn a_byte_that_moves_to_the_next_part_changes_the_digest() {
        assert_ne!(
            content_digest(&[b"ab", b"c"]),
            content_digest(&[b"a", b"bc"])
        );
        assert_ne!(content_digest(&[b"ab"]), content_digest(&[b"ab", b""]));
        assert_eq!(
            content_digest(&[b"ab", b"c"]),
            content_digest(&[b"ab", b"c"])
        );
    }
}
