//! One HTTP request, as the core wants it sent.

use crate::custom_headers;
use crate::delivery::{Event, HeaderLines, LaneId, Ordinal};
use crate::endpoint::Endpoint;
use crate::error::InvalidSpec;
use crate::id::{self, AttemptId, DeliveryId, EndpointId};
use crate::names::OrderingKey;
use crate::payload_form::{BodyTooLarge, PayloadForm, RenderContext};
use crate::payload_type;
use crate::sending::Sending;
use crate::sent::{Sent, SentBody};
use crate::time::Wall;
use bytes::Bytes;
use postrider_signature::{Message, Sequence, SignError, Signer, content_digest};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The value of `User-Agent`.
pub const USER_AGENT: &str = concat!("Postrider/", env!("CARGO_PKG_VERSION"));

/// A request that is sent a second time within its attempt says why in this header: the attempt, and so
/// `x-attempt`, is the same. Its values are the names of [`Repeat`](crate::Repeat).
pub const REPEAT_HEADER: &str = "x-attempt-repeat";

/// Where the requests of an endpoint go and how they are signed, as of one revision of it.
pub struct Route {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Counts the changes of the endpoint; [`Route::UNREGISTERED`] if it is none yet.
    pub revision: u64,
    /// The URL, as registered.
    pub url: Arc<str>,
    /// Its custom headers.
    pub headers: Vec<(String, String)>,
    /// How its requests are sent.
    pub sending: Sending,
    payload_form: PayloadForm,
    /// Bodies are arrays.
    batches: bool,
    signers: Vec<Signer>,
    /// The first of its secrets expires then: from then on another route holds.
    expires_at: Option<Wall>,
    /// The last of the secrets that it leaves out had expired by then: should the calendar jump
    /// back to before that, another route holds.
    expired_at: Option<Wall>,
}

/// One HTTP POST. The host sends it and reports the [`crate::Outcome`].
///
/// Cheap to make and to hand to another thread: the body is rendered and signed by
/// [`Request::prepare`].
#[derive(Clone, Debug)]
pub struct Request {
    /// The attempt it makes.
    pub attempt: AttemptId,
    /// 1 for the first attempt of its delivery.
    pub number: u32,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The key of the lane that it queued in.
    pub lane_key: OrderingKey,
    /// Where its event stands in the sequence of the lane; `None` for a ping.
    pub ordinal: Option<Ordinal>,
    /// The event.
    pub event: Arc<Event>,
    /// What goes with it in the same request, in order.
    pub behind: Vec<Behind>,
    /// Where it goes.
    pub route: Arc<Route>,
    /// When the attempt starts: the time that is signed.
    pub at: Wall,
    /// The bound of a rendered body: [`crate::Limits::rendered_bytes_max`].
    pub body_bytes_max: usize,
}

/// A delivery that goes in one request with others.
#[derive(Clone, Debug)]
pub struct Behind {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Where its event stands in the sequence of the lane.
    pub ordinal: Option<Ordinal>,
    /// Its event.
    pub event: Arc<Event>,
}

/// What goes out: the exact body, and headers that sign it.
#[derive(Clone)]
pub struct Prepared<'r> {
    /// Content type, identification, signatures in every form of the endpoint by every secret that
    /// is live, headers of the event, all with names in lower case; and last the endpoint's own, as its
    /// owner wrote them.
    pub headers: Vec<(&'r str, Cow<'r, str>)>,
    /// How many of the headers, at the end, are the endpoint's own: their values are as secret as
    /// its secrets.
    pub own: usize,
    /// The exact bytes to send.
    pub body: Bytes,
}

/// Why a request cannot go out: the attempt has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The body is too large.
    #[error(transparent)]
    Body(#[from] BodyTooLarge),
    /// It cannot be signed. Never for a request that the core made: its ids are signable.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl fmt::Debug for Route {
    /// Without the values of its custom headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("endpoint", &self.endpoint)
            .field("revision", &self.revision)
            .field("url", &self.url)
            .field("headers", &custom_headers::Names(&self.headers))
            .field("sending", &self.sending)
            .field("signers", &self.signers)
            .finish_non_exhaustive()
    }
}

impl Prepared<'_> {
    /// The headers as they are recorded: the endpoint's own lose their values, whatever their names.
    /// Signatures are no secrets: they were sent to the receiver, and help it to find out why it
    /// does not verify them.
    #[must_use]
    pub fn header_lines(&self) -> HeaderLines {
        let bytes = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 3);
        let mut lines = String::with_capacity(1 + bytes.sum::<usize>());
        lines.push_str(HeaderLines::WITHOUT_VALUES);
        for (place, (name, value)) in self.headers.iter().enumerate() {
            let kept = if self.is_own(place) {
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

    /// Whether the header at this place is one of the endpoint's own.
    #[must_use]
    pub fn is_own(&self, place: usize) -> bool {
        place + self.own >= self.headers.len()
    }
}

impl fmt::Debug for Prepared<'_> {
    /// Without the values of the endpoint's own headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("headers", &self.header_lines())
            .field("body", &self.body)
            .finish()
    }
}

impl Route {
    /// The revision of an endpoint that is pinged before it is registered, if it ever is: nothing
    /// says when its id is over, so nothing is to be kept by it.
    pub const UNREGISTERED: u64 = 0;

    /// Prepares the keys that sign at `wall`.
    pub(crate) fn of(endpoint: &Endpoint, wall: Wall) -> Result<Self, InvalidSpec> {
        let secrets: Vec<_> = endpoint
            .signing(wall)
            .map(|live| live.secret.clone())
            .collect();
        let forms = endpoint.spec.signatures.iter();
        let forms = forms.map(|form| form.signer(&secrets));
        Ok(Self {
            endpoint: endpoint.id,
            revision: endpoint.revision,
            url: Arc::clone(&endpoint.spec.url),
            headers: endpoint.spec.headers.clone(),
            sending: endpoint.spec.sending.clone(),
            payload_form: endpoint.spec.payload_form.clone(),
            batches: endpoint.spec.batch.is_some(),
            signers: forms.collect::<Result<_, _>>()?,
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
    /// The body, rendered each time it is asked for; a raw payload is not copied.
    ///
    /// # Errors
    ///
    /// If it is too large.
    pub fn body(&self) -> Result<Bytes, BodyTooLarge> {
        let form = &self.route.payload_form;
        if self.batches() {
            let deliveries = self.deliveries();
            let deliveries = deliveries.map(|(event, id)| (event, self.sending(id)));
            return form.render_all(deliveries, self.body_bytes_max);
        }
        form.render(
            &self.event,
            &self.sending(self.delivery),
            self.body_bytes_max,
        )
    }

    fn sending(&self, delivery: DeliveryId) -> RenderContext {
        RenderContext {
            delivery,
            attempt: self.number,
            at: self.at,
        }
    }

    /// Whether its body is the payload of its event, byte for byte.
    fn sends_payload(&self) -> bool {
        !self.batches() && self.route.payload_form == PayloadForm::Raw
    }

    /// What its body is: the payload has its own type, and what is made of it is JSON.
    fn body_type(&self) -> (&str, Option<&str>) {
        let kind = &self.event.payload_type;
        if self.sends_payload() {
            (kind.media_type(), kind.coding())
        } else {
            (payload_type::JSON, None)
        }
    }

    /// What is recorded of it once it was prepared and goes to this URL. A host that measures its
    /// phases adds them.
    #[must_use]
    pub fn sent(&self, prepared: &Prepared<'_>, url: Arc<str>) -> Sent {
        let is_payload = self.sends_payload();
        let body = SentBody {
            bytes: prepared.body.len() as u64,
            is_payload,
            made: (!is_payload).then(|| prepared.body.clone()),
            kept_with: None,
        };
        Sent {
            url: Some(url),
            headers: prepared.header_lines(),
            body: Some(body),
            phases: None,
        }
    }

    /// Every event in it, in order, with its delivery.
    pub fn deliveries(&self) -> impl Iterator<Item = (&Event, DeliveryId)> {
        let behind = self.behind.iter().map(|it| (&*it.event, it.delivery));
        std::iter::once((&*self.event, self.delivery)).chain(behind)
    }

    /// Whether its body is an array, be it of one event.
    #[must_use]
    pub fn batches(&self) -> bool {
        self.route.batches
    }

    /// Where its events stand in the sequence of their lane, if each of them was counted, and in the
    /// same epoch.
    fn sequence(&self) -> Option<Sequence<'static>> {
        let first = self.ordinal?;
        let behind = self.behind.iter().map(|it| it.ordinal);
        let ordinals = std::iter::once(Some(first)).chain(behind);
        let numbers: Option<Vec<u64>> = ordinals
            .map(|it| {
                let it = it.filter(|it| it.epoch == first.epoch)?;
                Some(it.number.get())
            })
            .collect();
        let lane = LaneId {
            endpoint: self.route.endpoint,
            key: self.lane_key.clone(),
        };
        Sequence::new(lane.name(), first.epoch, numbers?)
    }

    /// What its receiver knows a repeat by: the id of its event, or, in a batch, that of exactly
    /// these events; and where they stand. All of that is the same in every attempt, and when the
    /// event is sent anew: so receivers that look at the id alone see one message.
    fn message_id(&self, sequence: Option<&Sequence<'_>>) -> String {
        let id = self.bare_id();
        match sequence {
            Some(sequence) => sequence.message_id(&id),
            None => id,
        }
    }

    fn bare_id(&self) -> String {
        if !self.batches() {
            return self.event.id.to_string();
        }
        let ids: Vec<[u8; 16]> = self
            .deliveries()
            .map(|(event, _)| event.id.as_u128().to_be_bytes())
            .collect();
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
        id::of_batch(content_digest(&ids))
    }

    /// Renders the body and signs it. Takes as long as that takes: for the task that sends it.
    ///
    /// # Errors
    ///
    /// If the body is too large.
    pub fn prepare(&self) -> Result<Prepared<'_>, PrepareError> {
        let body = self.body()?;
        let sequence = self.sequence();
        let message_id = self.message_id(sequence.as_ref());
        let message = Message {
            id: &message_id,
            timestamp: self.at.unix_seconds(),
            body: &body,
        };
        let signatures = 4 * self.route.signers.len();
        let mut headers = Vec::with_capacity(8 + signatures + self.route.headers.len());
        let sending = &self.route.sending;
        let (media_type, coding) = self.body_type();
        // An endpoint's own name for what it gets goes before that of the event.
        let content_type = sending.content_type.as_deref().unwrap_or(media_type);
        headers.push(("content-type", Cow::Borrowed(content_type)));
        headers.extend(coding.map(|coding| ("content-encoding", Cow::Borrowed(coding))));
        let user_agent = sending.user_agent.as_deref().unwrap_or(USER_AGENT);
        headers.push(("user-agent", Cow::Borrowed(user_agent)));
        headers.push((
            "x-event-type",
            Cow::Borrowed(self.event.event_type.as_str()),
        ));
        headers.push(("x-event-id", Cow::Owned(self.event.id.to_string())));
        headers.push(("x-delivery-id", Cow::Owned(self.delivery.to_string())));
        headers.push(("x-attempt", Cow::Owned(self.number.to_string())));
        if let Some(sequence) = &sequence {
            // For schemes that sign no id: there it is told, and not proven.
            headers.push(("postrider-sequence", Cow::Owned(sequence.to_string())));
        }
        if self.batches() {
            let size = 1 + self.behind.len();
            headers.push(("x-batch-size", Cow::Owned(size.to_string())));
        }
        for signer in &self.route.signers {
            let signed = signer.sign(&message)?.into_iter();
            headers.extend(signed.map(|header| (header.name, Cow::Owned(header.value))));
        }
        self.add_event_headers(&mut headers);
        let own = self.route.headers.iter();
        headers.extend(own.map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))));
        let own = self.route.headers.len();
        Ok(Prepared { headers, own, body })
    }

    /// The headers of the event, under their own names where nothing else of the request has them. Of a
    /// batch, whose events may differ in them, none.
    fn add_event_headers<'r>(&'r self, headers: &mut Vec<(&'r str, Cow<'r, str>)>) {
        if self.batches() {
            return;
        }
        let own = &self.route.headers;
        for (name, value) in self.event.headers.iter() {
            let is_taken = headers.iter().any(|(it, _)| it.eq_ignore_ascii_case(name))
                || own.iter().any(|(it, _)| it.eq_ignore_ascii_case(name));
            if !is_taken {
                headers.push((name, Cow::Borrowed(value)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_headers_are_what_was_sent_less_what_the_endpoints_own_say() {
        let prepared = Prepared {
            headers: vec![
                ("x-event-id", Cow::Borrowed("evt_1")),
                ("webhook-signature", Cow::Borrowed("v1,abc=")),
                ("Authorization", Cow::Borrowed("Bearer xyz")),
                ("X-API-Key", Cow::Borrowed("k1")),
                ("x-team", Cow::Borrowed("a: b")),
            ],
            own: 3,
            body: Bytes::new(),
        };
        let lines = prepared.header_lines();
        let read: Vec<_> = lines.iter().collect();
        let secret = HeaderLines::SECRET;
        assert_eq!(
            read,
            [
                ("x-event-id", "evt_1"),
                ("webhook-signature", "v1,abc="),
                ("Authorization", secret),
                ("X-API-Key", secret),
                ("x-team", secret),
            ]
        );
        let written = format!("{prepared:?}");
        assert!(
            !written.contains("xyz") && !written.contains("k1"),
            "{written}"
        );
    }
}
