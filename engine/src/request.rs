//! One HTTP request, as the core wants it sent.

use crate::delivery::{Event, HeaderLines};
use crate::endpoint::Endpoint;
use crate::error::InvalidSpec;
use crate::id::{AttemptId, DeliveryId, EndpointId};
use crate::time::Wall;
use bytes::Bytes;
use postrider_signature::{Message, Scheme, SignError, Signer};
use std::borrow::Cow;
use std::sync::Arc;

/// The value of `User-Agent`.
pub const USER_AGENT: &str = concat!("Postrider/", env!("CARGO_PKG_VERSION"));

/// The value of `Content-Type`.
const CONTENT_TYPE: &str = "application/json";

/// Where the requests of an endpoint go and how they are signed, as of one revision of it.
#[derive(Debug)]
pub struct Route {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Counts the changes of the endpoint.
    pub revision: u64,
    /// The URL, as registered.
    pub url: Arc<str>,
    /// Its custom headers.
    pub headers: Vec<(String, String)>,
    signer: Signer,
    /// The first of its secrets expires then: from then on another route holds.
    expires_at: Option<Wall>,
    /// The last of the secrets that it leaves out had expired by then: should the calendar jump
    /// back to before that, another route holds.
    expired_at: Option<Wall>,
}

/// One HTTP POST. The host sends it and reports the [`crate::Outcome`].
///
/// Cheap to make and to hand to another thread: the signatures are computed when the headers are
/// asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The attempt it makes.
    pub attempt: AttemptId,
    /// 1 for the first attempt of its delivery.
    pub number: u32,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The event; its payload is the body.
    pub event: Arc<Event>,
    /// Where it goes.
    pub route: Arc<Route>,
    /// When the attempt starts: the time that is signed.
    pub at: Wall,
}

impl Route {
    /// Prepares the keys that sign at `wall`.
    pub(crate) fn of(endpoint: &Endpoint, wall: Wall) -> Result<Self, InvalidSpec> {
        let secrets: Vec<_> = endpoint
            .signing(wall)
            .map(|live| live.secret.clone())
            .collect();
        Ok(Self {
            endpoint: endpoint.id,
            revision: endpoint.revision,
            url: Arc::clone(&endpoint.spec.url),
            headers: endpoint.spec.headers.clone(),
            signer: Signer::new(Scheme::Postrider, &secrets)?,
            expires_at: endpoint
                .signing(wall)
                .filter_map(|live| live.expires_at)
                .min(),
            expired_at: endpoint
                .secrets
                .iter()
                .filter_map(|secret| secret.expires_at.filter(|at| *at <= wall))
                .max(),
        })
    }

    /// Whether the secrets that sign at `wall` are those that it signs with.
    pub(crate) fn holds_at(&self, wall: Wall) -> bool {
        self.expires_at.is_none_or(|at| at > wall) && self.expired_at.is_none_or(|at| at <= wall)
    }
}

impl Request {
    /// The exact bytes to send.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.event.payload
    }

    /// These headers as they are recorded: an endpoint's own headers whose name speaks of
    /// credentials lose their value. Signatures are no secrets: they were sent to the receiver,
    /// and help it to find out why it does not verify them.
    #[must_use]
    pub fn header_lines(headers: &[(&str, Cow<'_, str>)]) -> HeaderLines {
        let bytes = headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 3);
        let mut lines = String::with_capacity(bytes.sum());
        for (name, value) in headers {
            let kept = if speaks_of_credentials(name) {
                HeaderLines::SECRET
            } else {
                value
            };
            for part in [name, ": ", kept, "\n"] {
                lines.push_str(part);
            }
        }
        HeaderLines::from_lines(lines)
    }

    /// The headers to send, names in lower case: content type, identification, signatures by
    /// every secret that is live, and the endpoint's own. Makes the signatures each time.
    ///
    /// # Errors
    ///
    /// Never for a request that the core made: its ids are signable.
    pub fn headers(&self) -> Result<Vec<(&str, Cow<'_, str>)>, SignError> {
        let event_id = self.event.id.to_string();
        let signed = self.route.signer.sign(&Message {
            id: &event_id,
            timestamp: self.at.unix_seconds(),
            body: &self.event.payload,
        })?;
        let mut headers = Vec::with_capacity(6 + signed.len() + self.route.headers.len());
        headers.push(("content-type", Cow::Borrowed(CONTENT_TYPE)));
        headers.push(("user-agent", Cow::Borrowed(USER_AGENT)));
        headers.push((
            "x-event-type",
            Cow::Borrowed(self.event.event_type.as_str()),
        ));
        headers.push(("x-event-id", Cow::Owned(event_id)));
        headers.push(("x-delivery-id", Cow::Owned(self.delivery.to_string())));
        headers.push(("x-attempt", Cow::Owned(self.number.to_string())));
        headers.extend(
            signed
                .into_iter()
                .map(|header| (header.name, Cow::Owned(header.value))),
        );
        let own = self.route.headers.iter();
        headers.extend(own.map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))));
        Ok(headers)
    }
}

/// Parts of names under which credentials travel.
const CREDENTIALS: [&str; 8] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "token",
];

fn speaks_of_credentials(name: &str) -> bool {
    CREDENTIALS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_headers_are_what_was_sent_less_what_is_secret() {
        let headers = [
            ("webhook-signature", Cow::Borrowed("v1,abc=")),
            ("authorization", Cow::Borrowed("Bearer xyz")),
            ("x-team-api-key", Cow::Borrowed("k1")),
            ("x-team", Cow::Borrowed("a: b")),
        ];
        let lines = Request::header_lines(&headers);
        let read: Vec<_> = lines.iter().collect();
        let secret = HeaderLines::SECRET;
        assert_eq!(
            read,
            [
                ("webhook-signature", "v1,abc="),
                ("authorization", secret),
                ("x-team-api-key", secret),
                ("x-team", "a: b"),
            ]
        );
    }
}
