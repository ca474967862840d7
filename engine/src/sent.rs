//! What is recorded of a request besides how it ended.

use crate::delivery::HeaderLines;
use crate::id::DeliveryId;
use bytes::Bytes;
use std::sync::Arc;

/// A request as it was sent. The default says nothing: it was never made, or the host does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Where it went. None in records of before URLs were kept, too.
    pub url: Option<Arc<str>>,
    /// Its headers.
    pub headers: HeaderLines,
    /// Its body. None in records of before bodies were kept, too.
    pub body: Option<SentBody>,
    /// How long its phases took, if they were measured.
    pub phases: Option<PhaseTimes>,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentBody {
    /// How long it was, in bytes.
    pub bytes: u64,
    /// Whether it was the payload of its event, byte for byte: then it is on record as that.
    pub is_payload: bool,
    /// The bytes, if they are not the payload: while the end of the attempt is being recorded, and
    /// no longer. A store gives them by the delivery and the number of the attempt.
    pub made: Option<Bytes>,
    /// The delivery before this one in the same request, if there is one: its attempt keeps them, or
    /// names the one that does. While the end is being recorded, as well.
    pub kept_with: Option<DeliveryId>,
}

/// How long the phases of a request took, in milliseconds. None: the phase did not happen, as a
/// request on a connection that was used before has no look-up. The phase in which an attempt failed
/// lasted until it failed. Of a request that was sent twice, each phase is that of both times together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseTimes {
    /// Waiting for a connection that another request was making.
    pub queued_ms: Option<u32>,
    /// Looking up the name.
    pub dns_ms: Option<u32>,
    /// Making the TCP connection.
    pub connect_ms: Option<u32>,
    /// The TLS handshake.
    pub tls_ms: Option<u32>,
    /// Writing the request and waiting for the head of the response.
    pub first_byte_ms: Option<u32>,
    /// The whole, from the start until the body of the response was read as far as it is kept.
    pub total_ms: u32,
}

impl Sent {
    /// What stays on record: all but the bytes of the body, which are kept beside it.
    #[must_use]
    pub fn recorded(&self) -> Self {
        let mut recorded = self.clone();
        if let Some(body) = &mut recorded.body {
            body.made = None;
            body.kept_with = None;
        }
        recorded
    }
}
