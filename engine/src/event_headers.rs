//! What an event carries beside its payload: the headers of a provider's webhook, or a publisher's own.

use crate::custom_headers::{is_for_signatures, is_reserved, is_token, is_visible};
use crate::payload_form::quoted;
use std::fmt;
use std::sync::Arc;

/// Headers of an event: names in lower case, each once and in order, and their values. Filters
/// (`$headers`) and templates (`headers`) can ask for them, and endpoints get them as headers of their
/// requests, under the same names. They are on record, and no signature covers them: so nothing that is a
/// secret can be one.
///
/// ```
/// use postrider_engine::EventHeaders;
///
/// let headers = EventHeaders::new([("X-Shopify-Topic", "orders/create")])?;
/// assert_eq!(headers.get("x-shopify-topic"), Some("orders/create"));
/// assert_eq!(headers.json(), r#"{"x-shopify-topic":"orders/create"}"#);
///
/// assert!(EventHeaders::new([("Authorization", "Bearer abc")]).is_err());
/// assert!(EventHeaders::default().is_empty());
/// # Ok::<(), postrider_engine::InvalidEventHeaders>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventHeaders(
    /// Lines of `name: value`, each with a line feed at its end.
    Option<Arc<str>>,
);

/// Why headers of an event were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEventHeaders {
    /// Too many, or too long ones.
    #[error(
        "use at most {} headers, {} bytes together",
        EventHeaders::COUNT_MAX,
        EventHeaders::BYTES_MAX
    )]
    TooMany,
    /// A name that HTTP does not allow.
    #[error("header name {name:?} is refused: use a token as in RFC 9110, section 5.6.2")]
    Name {
        /// The name.
        name: String,
    },
    /// A name that belongs to somebody else.
    #[error(
        "header {name:?} is refused: names of the protocol and of Postrider are taken, and all others have \
         a hyphen, such as x-topic"
    )]
    Reserved {
        /// The name.
        name: String,
    },
    /// A header that holds a credential or a signature.
    #[error("header {name:?} is refused: it holds a credential or a signature, which is not kept")]
    Secret {
        /// The name.
        name: String,
    },
    /// A header that is given twice.
    #[error("header {name:?} is refused: it is given twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// A value that HTTP does not allow.
    #[error("the value of header {name:?} is refused: use visible ASCII, without spaces around it")]
    Value {
        /// The name.
        name: String,
    },
}

/// Families of names that say how a request is to be read or answered, or that are signatures.
const FAMILIES: &[&str] = &[
    "accept-",
    "access-control-",
    "content-",
    "if-",
    "proxy-",
    "sec-",
    "svix-",
];

/// Names that hold a credential.
const SECRETS: &[&str] = &[
    "authorization",
    "cookie",
    "set-cookie",
    "x-access-token",
    "x-api-key",
    "x-auth-token",
    "x-gitlab-token",
];

/// What is in the names of headers that hold a signature or a credential.
const SECRET_PARTS: &[&str] = &["signature", "secret", "password", "hmac", "authorization"];

impl EventHeaders {
    /// How many there can be.
    pub const COUNT_MAX: usize = 32;
    /// The most bytes of all names and values together.
    pub const BYTES_MAX: usize = 4 << 10;

    /// Headers with these names and values.
    ///
    /// # Errors
    ///
    /// [`InvalidEventHeaders`] says which of them is refused.
    pub fn new<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidEventHeaders> {
        let mut all: Vec<(String, &str)> = Vec::new();
        let mut bytes = 0;
        for (name, value) in headers {
            bytes += name.len() + value.len();
            if all.len() == Self::COUNT_MAX || bytes > Self::BYTES_MAX {
                return Err(InvalidEventHeaders::TooMany);
            }
            Self::check_name(name)?;
            if !is_value(value) {
                let name = name.to_owned();
                return Err(InvalidEventHeaders::Value { name });
            }
            all.push((name.to_ascii_lowercase(), value));
        }
        all.sort_unstable();
        if let Some(pair) = all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let name = pair[0].0.clone();
            return Err(InvalidEventHeaders::Twice { name });
        }
        let lines: String = all
            .iter()
            .flat_map(|(name, value)| [name.as_str(), ": ", *value, "\n"])
            .collect();
        Ok(Self((!lines.is_empty()).then(|| lines.into())))
    }

    /// Whether a header of this name can be one, in any case.
    ///
    /// # Errors
    ///
    /// [`InvalidEventHeaders`] says why not.
    pub fn check_name(name: &str) -> Result<(), InvalidEventHeaders> {
        let owned = || name.to_owned();
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidEventHeaders::Name { name: owned() });
        }
        let lower = name.to_ascii_lowercase();
        let is_secret = SECRETS.contains(&lower.as_str())
            || SECRET_PARTS.iter().any(|part| lower.contains(part));
        if is_secret {
            return Err(InvalidEventHeaders::Secret { name: owned() });
        }
        // All that HTTP itself gives a meaning to has no hyphen, or is of one of the families.
        let is_taken = is_reserved(&lower)
            || is_for_signatures(&lower)
            || !lower.contains('-')
            || FAMILIES.iter().any(|family| lower.starts_with(family));
        if is_taken {
            return Err(InvalidEventHeaders::Reserved { name: owned() });
        }
        Ok(())
    }

    /// What is on record: the form is looked at, and not whether the names could be given today.
    ///
    /// # Errors
    ///
    /// [`InvalidEventHeaders`] names what cannot have been written.
    pub fn recorded(lines: &str) -> Result<Self, InvalidEventHeaders> {
        for line in lines.split_terminator('\n') {
            let (name, value) = line.split_once(": ").unwrap_or((line, "\n"));
            if name.is_empty() || !name.bytes().all(is_token) || !is_value(value) {
                let name = name.chars().take(64).collect();
                return Err(InvalidEventHeaders::Value { name });
            }
        }
        Ok(Self((!lines.is_empty()).then(|| lines.into())))
    }

    /// The lines of `name: value` that are kept of them; `None` if there are none.
    #[must_use]
    pub fn lines(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Names, in lower case and in order, and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.lines().unwrap_or_default().lines();
        lines.filter_map(|line| line.split_once(": "))
    }

    /// The value of the header with this name, in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(it, _)| *it == name).map(|(_, it)| it)
    }

    /// A JSON object of them.
    #[must_use]
    pub fn json(&self) -> String {
        let mut json = String::from("{");
        for (name, value) in self.iter() {
            if json.len() > 1 {
                json.push(',');
            }
            json += &quoted(name);
            json.push(':');
            json += &quoted(value);
        }
        json.push('}');
        json
    }
}

/// Whether a header can have this value as it stands.
fn is_value(value: &str) -> bool {
    value.bytes().all(is_visible) && value.trim_matches([' ', '\t']) == value
}

impl fmt::Debug for EventHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<EventHeaders, InvalidEventHeaders> {
        EventHeaders::new([(name, value)])
    }

    #[test]
    fn names_are_in_lower_case_and_in_order() {
        let headers = EventHeaders::new([("X-Z", "a: b"), ("x-a", ""), ("Linear-Event", "Issue")]);
        let headers = headers.unwrap();
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(
            all,
            [("linear-event", "Issue"), ("x-a", ""), ("x-z", "a: b")]
        );
        assert_eq!(headers.get("x-a"), Some(""));
        assert_eq!(headers.get("x-b"), None);
        let json = r#"{"linear-event":"Issue","x-a":"","x-z":"a: b"}"#;
        assert_eq!(headers.json(), json);
        let lines = headers.lines().unwrap();
        assert_eq!(EventHeaders::recorded(lines), Ok(headers.clone()));
    }

    #[test]
    fn no_headers_are_nothing() {
        let none = EventHeaders::new([]).unwrap();
        assert_eq!(none, EventHeaders::default());
        assert_eq!((none.lines(), none.json().as_str()), (None, "{}"));
        assert_eq!(EventHeaders::recorded(""), Ok(none));
    }

    #[test]
    fn credentials_and_signatures_are_refused() {
        for name in [
            "Authorization",
            "Cookie",
            "X-Gitlab-Token",
            "X-Hub-Signature-256",
            "X-Shopify-Hmac-Sha256",
            "X-Hook-Secret",
            "X-Api-Key",
        ] {
            let secret = InvalidEventHeaders::Secret { name: name.into() };
            assert_eq!(one(name, "x"), Err(secret));
        }
    }

    #[test]
    fn what_belongs_to_http_or_to_us_is_refused() {
        for name in [
            "Host",
            "range",
            "content-type",
            "If-Match",
            "X-Forwarded-For",
            "X-Event-Id",
            "webhook-id",
            "svix-id",
            "postrider-sequence",
        ] {
            let reserved = InvalidEventHeaders::Reserved { name: name.into() };
            assert_eq!(one(name, "x"), Err(reserved));
        }
    }

    #[test]
    fn nothing_can_be_smuggled_in_a_name_or_a_value() {
        for name in ["", "x a", "x-a:b", "x-a\r\nhost", "x-é"] {
            let refused = InvalidEventHeaders::Name { name: name.into() };
            assert_eq!(one(name, "x"), Err(refused));
        }
        for value in ["a\r\nhost: b", "a\n", "\0", "é", " a", "a\t"] {
            let refused = InvalidEventHeaders::Value { name: "x-a".into() };
            assert_eq!(one("x-a", value), Err(refused));
        }
        for lines in ["x-a", "x-a: é\n", ": b\n", "x-a: b\n\n"] {
            assert!(EventHeaders::recorded(lines).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn the_list_refuses_repeats_and_is_bounded() {
        let twice = EventHeaders::new([("x-a", "1"), ("X-A", "2")]);
        let name = "x-a".to_owned();
        assert_eq!(twice, Err(InvalidEventHeaders::Twice { name }));
        let names: Vec<String> = (0..=EventHeaders::COUNT_MAX)
            .map(|number| format!("x-{number}"))
            .collect();
        let many = |count: usize| names[..count].iter().map(|name| (name.as_str(), "v"));
        assert!(EventHeaders::new(many(EventHeaders::COUNT_MAX)).is_ok());
        let more = EventHeaders::new(many(EventHeaders::COUNT_MAX + 1));
        assert_eq!(more, Err(InvalidEventHeaders::TooMany));
        let most = "v".repeat(EventHeaders::BYTES_MAX - 3);
        assert!(one("x-a", &most).is_ok());
        assert_eq!(one("x-ab", &most), Err(InvalidEventHeaders::TooMany));
    }
}
