//! The headers that the owner of an endpoint may add to its requests.

use crate::delivery::HeaderLines;
use crate::error::InvalidSpec;
use crate::limits::Limits;
use postrider_signature::HeaderNames;
use std::fmt;

/// Names that belong to the connection (RFC 9110, section 7.6.1), to HTTP message framing and
/// routing, or to the engine. Lower case.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-attempt",
    "x-attempt-repeat",
    "x-batch-size",
    "x-delivery-id",
    "x-event-id",
    "x-event-type",
];

/// Families of names that are reserved whole.
const RESERVED_PREFIXES: &[&str] = &["x-forwarded-", "postrider-"];

/// Whether no one may choose this name, in lower case, for a header.
pub(crate) fn is_reserved(name: &str) -> bool {
    let begins = |prefix: &&str| name.starts_with(prefix);
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(begins)
}

/// Names that are kept for signatures, whether or not the endpoint has them.
pub(crate) fn is_for_signatures(name: &str) -> bool {
    let signature = "x-signature";
    name == signature || HeaderNames::is_next(name, signature) || name.starts_with("webhook-")
}

/// Custom headers as they may be written anywhere: their values are as secret as a secret.
pub(crate) struct Names<'a>(pub(crate) &'a [(String, String)]);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| (name, HeaderLines::SECRET));
        f.debug_map().entries(names).finish()
    }
}

pub(crate) fn check(headers: &[(String, String)], limits: &Limits) -> Result<(), InvalidSpec> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if headers.len() > limits.headers_max || bytes > limits.header_bytes_max {
        return Err(InvalidSpec::Headers {
            most: limits.headers_max,
            bytes_most: limits.header_bytes_max,
        });
    }
    for (place, (name, value)) in headers.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidSpec::HeaderName { name: name.clone() });
        }
        if is_reserved(&lower) || is_for_signatures(&lower) {
            return Err(InvalidSpec::HeaderReserved { name: name.clone() });
        }
        if headers[..place]
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            return Err(InvalidSpec::HeaderTwice { name: name.clone() });
        }
        if !value.bytes().all(is_visible) || value.trim_matches([' ', '\t']) != value {
            return Err(InvalidSpec::HeaderValue { name: name.clone() });
        }
    }
    Ok(())
}

/// What values of headers are made of, for us.
pub(crate) fn is_visible(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) || byte == b'\t'
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<(), InvalidSpec> {
        check(&[(name.into(), value.into())], &Limits::default())
    }

    #[test]
    fn a_header_of_ones_own_is_accepted() {
        assert_eq!(one("Authorization", "Bearer abc"), Ok(()));
        assert_eq!(one("X-Shop", ""), Ok(()));
    }

    #[test]
    fn names_of_the_protocol_and_of_the_engine_are_refused_in_any_case() {
        for name in [
            "Host",
            "TRANSFER-ENCODING",
            "Webhook-Id",
            "x-signature",
            "X-Signature-Next",
            "X-Forwarded-For",
        ] {
            let reserved = InvalidSpec::HeaderReserved { name: name.into() };
            assert_eq!(one(name, "x"), Err(reserved));
        }
    }

    #[test]
    fn nothing_can_be_smuggled_in_a_name_or_a_value() {
        for name in ["", "a b", "a:b", "a\r\nHost", "é"] {
            assert!(
                matches!(one(name, "x"), Err(InvalidSpec::HeaderName { .. })),
                "{name:?}"
            );
        }
        for value in ["a\r\nHost: b", "a\n", "\0", "é", " a", "a\t"] {
            assert!(
                matches!(one("x-a", value), Err(InvalidSpec::HeaderValue { .. })),
                "{value:?}"
            );
        }
    }

    #[test]
    fn the_list_refuses_repeats_and_is_bounded() {
        let pair = |name: &str, bytes| (name.to_owned(), "v".repeat(bytes));
        let limits = Limits::default();
        let twice = check(&[pair("x-a", 1), pair("X-A", 1)], &limits);
        assert_eq!(twice, Err(InvalidSpec::HeaderTwice { name: "X-A".into() }));
        assert!(matches!(
            check(&[pair("x-a", 9_000)], &limits),
            Err(InvalidSpec::Headers { .. })
        ));
    }
}
