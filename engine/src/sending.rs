//! How the requests of an endpoint are sent, where its owner wants it another way than usual.

use crate::client_identity::ClientIdentity;
use crate::error::InvalidSpec;
use std::sync::Arc;

/// How the requests of an endpoint are sent. [`Sending::default`] is what most receivers take.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// The value of `Content-Type`, whatever the body is: `type/subtype`, with parameters behind it
    /// (RFC 9110, section 8.3.1). At most 256 bytes. Default: what the body is.
    pub content_type: Option<Arc<str>>,
    /// The value of `User-Agent`: visible ASCII, at most 256 bytes. Default:
    /// [`USER_AGENT`](crate::USER_AGENT).
    pub user_agent: Option<Arc<str>>,
    /// Whether the request of an attempt may be sent a second time, if the first one, on a connection
    /// that was used before, may have reached nobody: see [`Repeat`](crate::Repeat). Without it each
    /// request has a connection of its own, so that there is nothing to repeat. Default: it may.
    pub send_again: bool,
    /// As whom it appears in the TLS handshake. Default: as its tenant does, or as nobody.
    pub identity: Option<ClientIdentity>,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            content_type: None,
            user_agent: None,
            send_again: true,
            identity: None,
        }
    }
}

impl Sending {
    /// The longest value of a header, in bytes.
    pub const VALUE_BYTES_MAX: usize = 256;

    pub(crate) fn check(&self) -> Result<(), InvalidSpec> {
        if self
            .content_type
            .as_deref()
            .is_some_and(|it| !is_media_type(it))
        {
            return Err(InvalidSpec::ContentType {
                most: Self::VALUE_BYTES_MAX,
            });
        }
        if self.user_agent.as_deref().is_some_and(|it| !is_value(it)) {
            return Err(InvalidSpec::UserAgent {
                most: Self::VALUE_BYTES_MAX,
            });
        }
        match &self.identity {
            Some(identity) if identity.bytes() > ClientIdentity::BYTES_MAX => {
                let most = ClientIdentity::BYTES_MAX;
                let why = format!("use at most {most} bytes for certificate and key together");
                Err(InvalidSpec::ClientIdentity(why))
            }
            _ => Ok(()),
        }
    }
}

/// Whether it can be the value of a header, without a space around it.
fn is_value(text: &str) -> bool {
    let visible = |byte: u8| (0x20..0x7f).contains(&byte);
    !text.is_empty()
        && text.len() <= Sending::VALUE_BYTES_MAX
        && text.bytes().all(visible)
        && text.trim() == text
}

fn is_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_token = |part: &str| !part.is_empty() && part.bytes().all(is_token_byte);
    let is_essence = |(kind, subtype)| is_token(kind) && is_token(subtype);
    is_value(text) && essence.split_once('/').is_some_and(is_essence)
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Result<(), InvalidSpec> {
        Sending {
            content_type: Some(text.into()),
            ..Sending::default()
        }
        .check()
    }

    #[test]
    fn a_media_type_has_two_tokens_and_perhaps_parameters() {
        for good in [
            "application/json",
            "application/vnd.acme.v2+json; charset=utf-8",
            "text/xml;charset=UTF-8",
        ] {
            assert_eq!(typed(good), Ok(()), "{good}");
        }
        let refused = Err(InvalidSpec::ContentType { most: 256 });
        let long = format!("a/{}", "b".repeat(255));
        for bad in [
            "",
            "json",
            "/json",
            "text/",
            "a b/c",
            " a/b",
            "a/b\r\nx: y",
            "a/b; é",
            &long,
        ] {
            assert_eq!(typed(bad), refused, "{bad:?}");
        }
    }

    #[test]
    fn nothing_can_be_smuggled_in_a_user_agent() {
        let named = |text: &str| {
            Sending {
                user_agent: Some(text.into()),
                ..Sending::default()
            }
            .check()
        };
        assert_eq!(named("Acme-Hooks/2.1 (+https://acme.example)"), Ok(()));
        for bad in ["", " a", "a\r\nhost: b", "é"] {
            assert_eq!(
                named(bad),
                Err(InvalidSpec::UserAgent { most: 256 }),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn an_identity_is_bounded() {
        let of = |bytes: usize| {
            Sending {
                identity: Some(ClientIdentity::new("c", "k".repeat(bytes))),
                ..Sending::default()
            }
            .check()
        };
        assert_eq!(of(ClientIdentity::BYTES_MAX - 1), Ok(()));
        assert!(matches!(
            of(ClientIdentity::BYTES_MAX),
            Err(InvalidSpec::ClientIdentity(_))
        ));
    }
}
