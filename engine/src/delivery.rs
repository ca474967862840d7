//! Events, their deliveries, and what is recorded of each attempt.

use crate::event_headers::EventHeaders;
use crate::id::{self, AttemptId, EndpointId, EventId};
use crate::names::{EventType, OrderingKey, TenantId};
use crate::outcome::Outcome;
use crate::payload_type::PayloadType;
use crate::sent::Sent;
use crate::time::Wall;
use bytes::Bytes;
use postrider_signature::content_digest;
use std::fmt;
use std::num::NonZeroU64;

/// What happened, as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id, the same in every delivery and every attempt.
    pub id: EventId,
    /// Who published it.
    pub tenant: TenantId,
    /// What kind it is.
    pub event_type: EventType,
    /// The exact bytes that are sent.
    pub payload: Bytes,
    /// What these bytes are.
    pub payload_type: PayloadType,
    /// What is told beside them.
    pub headers: EventHeaders,
    /// Which lane of each endpoint it goes to.
    pub ordering_key: OrderingKey,
    /// When it was published.
    pub published_at: Wall,
}

/// The queue that keeps order: one per endpoint, or per endpoint and ordering key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneId {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The key, if the publisher gave one.
    pub key: OrderingKey,
}

impl LaneId {
    /// The name by which a receiver knows the lane: 16 characters that say nothing of the key, and
    /// belong to no other lane of any endpoint.
    #[must_use]
    pub fn name(&self) -> String {
        let endpoint = self.endpoint.as_u128().to_be_bytes();
        let key = self.key.get().unwrap_or_default();
        id::of_lane(content_digest(&[&endpoint, key.as_bytes()]))
    }
}

/// The place of a delivery in its lane, assigned by the store when it commits. Places grow for
/// ever; while a lane holds anything they are assigned without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

impl Seq {
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Where an event stands among those of its lane, as its receiver is told. A delivery that is made
/// anew has the ordinal of the first one: it takes another place, and is the same thing to its
/// receiver. So the numbers of an epoch have no gaps, and each that a receiver has not got was lost,
/// given up, or is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ordinal {
    /// The life of the lane: Unix milliseconds of its beginning, greater than that of every life
    /// before. 0 for a lane that was there before events were counted.
    pub epoch: u64,
    /// From 1 on, in the order of the places.
    pub number: NonZeroU64,
}

/// What a store gives to a delivery when it commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Its place.
    pub seq: Seq,
    /// Its ordinal; `None` if it is from before events were counted.
    pub ordinal: Option<Ordinal>,
}

impl From<Seq> for Spot {
    fn from(seq: Seq) -> Self {
        let ordinal = None;
        Self { seq, ordinal }
    }
}

/// What has become of a delivery. `sending` is not recorded: it is what the core is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// No attempt has ended yet.
    Pending,
    /// The last attempt failed; the next one is due then.
    Retrying {
        /// When, by the calendar: it outlives a restart.
        due: Wall,
    },
    /// Answered with 2xx. An end.
    Delivered,
    /// Given up: a dead letter. An end.
    Failed(FailReason),
    /// Given up by hand, or its endpoint was deleted. An end.
    Discarded,
}

impl DeliveryState {
    /// Whether nothing more will be sent.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Pending | Self::Retrying { .. })
    }

    /// `pending`, `retrying`, `delivered`, `failed`, `discarded`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying { .. } => "retrying",
            Self::Delivered => "delivered",
            Self::Failed(_) => "failed",
            Self::Discarded => "discarded",
        }
    }
}

/// Why a delivery is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailReason {
    /// The receiver refused it: 4xx, of those that are not retried.
    Rejected,
    /// The receiver is gone for good: 410. Its endpoint is disabled, too.
    Gone,
    /// The receiver pointed elsewhere: 3xx is never followed.
    Redirected,
    /// All attempts failed.
    Exhausted,
    /// When its event was accepted, as much was pending for its endpoint (or for its tenant) as may
    /// be: no attempt was made.
    QueueFull,
}

impl FailReason {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Rejected,
        Self::Gone,
        Self::Redirected,
        Self::Exhausted,
        Self::QueueFull,
    ];

    /// The one with this [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// `rejected`, `gone`, `redirected`, `exhausted`, `queue_full`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Gone => "gone",
            Self::Redirected => "redirected",
            Self::Exhausted => "exhausted",
            Self::QueueFull => "queue_full",
        }
    }
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One HTTP request of a delivery, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// 1 for the first one of its delivery.
    pub number: u32,
    /// When it started.
    pub started_at: Wall,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The request.
    pub sent: Box<Sent>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Attempt {
    /// What stays on record of it: see [`Sent::recorded`].
    pub(crate) fn recorded(&self) -> Self {
        Self {
            sent: Box::new(self.sent.recorded()),
            outcome: self.outcome.clone(),
            ..*self
        }
    }
}

/// The headers that Postrider makes itself, under the names that they have unless others are chosen.
const MADE_HEADERS: [&str; 18] = [
    "content-type",
    "stripe-signature",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-attempt",
    "x-batch-size",
    "x-delivery-id",
    "x-event-id",
    "x-event-type",
    "x-hub-signature-256",
    "x-shopify-hmac-sha256",
    "x-signature",
    "x-slack-request-timestamp",
    "x-slack-signature",
    "x-webhook-signature",
    "x-webhook-timestamp",
];

/// The headers of a request as they were sent, in one text, without what is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderLines(Box<str>);

impl HeaderLines {
    /// Stands for a value that must not be kept.
    pub const SECRET: &'static str = "[secret]";

    /// At the beginning of lines: none of the endpoint's own headers has its value in them.
    pub(crate) const WITHOUT_VALUES: &'static str = "\n";

    /// What is on record. Records of before kept the values of some of the endpoint's own headers:
    /// of those the values are left that Postrider itself has made.
    #[must_use]
    pub fn recorded(lines: String) -> Self {
        if lines.is_empty() || lines.starts_with(Self::WITHOUT_VALUES) {
            return Self(lines.into());
        }
        let mut kept = String::with_capacity(lines.len());
        for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
            let is_made = MADE_HEADERS.contains(&name) || name.starts_with("svix-");
            let value = if is_made { value } else { Self::SECRET };
            for part in [name, ": ", value, "\n"] {
                kept.push_str(part);
            }
        }
        Self(kept.into())
    }

    /// Lines of `name: value`, each with a line feed at its end.
    #[must_use]
    pub fn from_lines(lines: impl Into<Box<str>>) -> Self {
        Self(lines.into())
    }

    /// The same lines and one more, which has no secret in it.
    #[must_use]
    pub fn with_line(&self, name: &str, value: &str) -> Self {
        Self(format!("{}{name}: {value}\n", self.0).into())
    }

    /// The lines.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Names and values, in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(|line| line.split_once(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_before_lose_the_values_of_headers_that_are_not_ours() {
        let before = "x-event-id: evt_1\nsvix-id: a\nAuthorization: Bearer zzz\nx-team: b: c\n";
        let read = HeaderLines::recorded(before.to_owned());
        let read: Vec<_> = read.iter().collect();
        let secret = HeaderLines::SECRET;
        let expected = [("x-event-id", "evt_1"), ("svix-id", "a")];
        let hidden = [("Authorization", secret), ("x-team", secret)];
        assert_eq!(read, [expected, hidden].concat());
        let own = "\nx-my-signature: v1\nx-team: [secret]\n";
        assert_eq!(HeaderLines::recorded(own.to_owned()).as_str(), own);
        assert_eq!(HeaderLines::recorded(String::new()), HeaderLines::default());
        let more = HeaderLines::from_lines(own).with_line("x-a", "b");
        assert_eq!(more.as_str(), format!("{own}x-a: b\n"));
    }
}
