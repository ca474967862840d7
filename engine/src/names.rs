//! The words that people choose: tenants, event types and their patterns, ordering keys.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// An event type of another form.
    #[error(
        "event type {0:?} is refused: use 1 to {max} characters of A-Z a-z 0-9 _ - in parts \
         joined by single dots, such as payment.succeeded", max = EventType::CHARS_MAX
    )]
    EventType(String),
    /// A pattern of another form.
    #[error(
        "event type pattern {0:?} is refused: use *, an event type, or an event type whose last part is *, such as payment.*"
    )]
    EventPattern(String),
    /// A tenant of another form.
    #[error("tenant {0:?} is refused: use 1 to {max} characters of A-Z a-z 0-9 . _ -", max = TenantId::CHARS_MAX)]
    Tenant(String),
    /// An endpoint's name of another form.
    #[error("the endpoint's name {0:?} is refused: use 1 to {max} characters of A-Z a-z 0-9 . _ -", max = EndpointName::CHARS_MAX)]
    Endpoint(String),
    /// An ordering key of another form.
    #[error("the ordering key is refused: use 1 to {max} bytes without control characters", max = OrderingKey::BYTES_MAX)]
    OrderingKey,
}

/// Whoever owns endpoints and events. The default is `default`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// The name by which an endpoint is made only once. No other endpoint of its tenant has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointName(Arc<str>);

/// What kind of event it is: `payment.succeeded`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Arc<str>);

/// The event types that an endpoint wants: `*`, `payment.*` (any depth below), or one type.
///
/// Types whose first part is `postrider` are Postrider's own, about its operation. `*` does not
/// cover them: whoever wants them says `postrider.*`, or one of them by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPattern(Arc<str>);

/// Events to one endpoint with the same key keep their order; those with different keys do not
/// wait for each other. Events without a key share one lane.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderingKey(Option<Arc<str>>);

fn part(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

impl EventType {
    /// The longest event type.
    pub const CHARS_MAX: usize = 128;

    /// Whether it is one of Postrider's own, about its operation.
    pub(crate) fn is_own(&self) -> bool {
        self.0.split('.').next() == Some("postrider")
    }
}

impl FromStr for EventType {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() <= Self::CHARS_MAX && text.split('.').all(part) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::EventType(shown(text)))
        }
    }
}

impl EventPattern {
    /// Every event type but Postrider's own, `postrider.…`.
    #[must_use]
    pub fn all() -> Self {
        Self("*".into())
    }

    /// Whether the pattern covers this event type. `*` covers every one whose first part is not
    /// `postrider`.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self.0.strip_suffix('*') {
            Some("") => !event_type.is_own(),
            // The prefix of `payment.*` keeps its dot: `payments.made` is another family.
            Some(prefix) => event_type.0.starts_with(prefix),
            None => self.0 == event_type.0,
        }
    }
}

impl FromStr for EventPattern {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let family = text.strip_suffix(".*").unwrap_or(text);
        if text == "*" || (text.len() <= EventType::CHARS_MAX && family.split('.').all(part)) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::EventPattern(shown(text)))
        }
    }
}

impl TenantId {
    /// The longest tenant name.
    pub const CHARS_MAX: usize = 64;
}

impl Default for TenantId {
    fn default() -> Self {
        Self("default".into())
    }
}

/// 1 to so many letters, digits, dots, lines and hyphens of ASCII.
fn is_plain(text: &str, chars_max: usize) -> bool {
    (1..=chars_max).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl FromStr for TenantId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match is_plain(text, Self::CHARS_MAX) {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::Tenant(shown(text))),
        }
    }
}

impl EndpointName {
    /// The longest name of an endpoint.
    pub const CHARS_MAX: usize = 128;
}

impl FromStr for EndpointName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match is_plain(text, Self::CHARS_MAX) {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::Endpoint(shown(text))),
        }
    }
}

impl OrderingKey {
    /// The longest key.
    pub const BYTES_MAX: usize = 256;

    /// No key: the endpoint's own lane.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The key, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl FromStr for OrderingKey {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if (1..=Self::BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(Some(text.into())))
        } else {
            Err(InvalidName::OrderingKey)
        }
    }
}

macro_rules! shows_its_text {
    ($($name:ident)*) => {$(
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

shows_its_text!(TenantId EndpointName EventType EventPattern);

impl fmt::Debug for OrderingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.get().unwrap_or("-"), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, event_type: &str) -> bool {
        let pattern: EventPattern = pattern.parse().unwrap();
        pattern.matches(&event_type.parse().unwrap())
    }

    #[test]
    fn a_pattern_covers_its_family_and_nothing_beside_it() {
        assert!(matches("*", "payment.succeeded"));
        assert!(matches("payment.*", "payment.succeeded"));
        assert!(matches("payment.*", "payment.refund.created"));
        assert!(matches("payment.succeeded", "payment.succeeded"));
        assert!(!matches("payment.*", "payments.made"));
        assert!(!matches("payment.*", "payment"));
        assert!(!matches("payment.succeeded", "payment.succeeded.late"));
    }

    #[test]
    fn only_who_asks_for_postriders_own_events_gets_them() {
        for own in ["postrider", "postrider.endpoint.disabled"] {
            assert!(!matches("*", own), "{own}");
            assert!(matches(own, own), "{own}");
        }
        assert!(matches("postrider.*", "postrider.endpoint.disabled"));
        assert!(matches(
            "postrider.endpoint.*",
            "postrider.endpoint.disabled"
        ));
        assert!(!matches("postrider.*", "postrider"));
        assert!(matches("*", "postriders.made"));
        assert!(matches("*", "shop.postrider"));
    }

    #[test]
    fn names_of_another_form_are_refused() {
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "é",
            "a.*",
            "*",
            &"a".repeat(129),
        ] {
            assert!(text.parse::<EventType>().is_err(), "{text}");
        }
        for text in ["", "**", "a.*.b", "*.a", "a*", ".*"] {
            assert!(text.parse::<EventPattern>().is_err(), "{text}");
        }
        for text in ["", "a/b", "a b", &"a".repeat(65)] {
            assert!(text.parse::<TenantId>().is_err(), "{text}");
        }
        for text in ["", "a/b", "a b", "é", &"a".repeat(129)] {
            assert!(text.parse::<EndpointName>().is_err(), "{text}");
        }
        for text in ["", "a\nb", &"a".repeat(257)] {
            assert!(text.parse::<OrderingKey>().is_err(), "{text}");
        }
        assert!("cus_42/ünï".parse::<OrderingKey>().is_ok());
    }
}
