//! How one attempt ended, as the host saw it.

use bytes::Bytes;
use std::fmt;

/// How one attempt ended: the receiver answered, or it did not. The list is closed; whatever
/// else goes wrong in a host is [`FailureKind::Internal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A status line and headers arrived. They decide, whatever became of the body.
    Response(Response),
    /// No answer.
    Failure(Failure),
}

/// What the receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The final HTTP status (never 1xx).
    pub status: u16,
    /// The first response headers, as far as the host keeps them; values that are not UTF-8 are
    /// converted with replacement characters.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the body: a copy of their own, at most the request's
    /// `response_bytes_max`.
    pub body: Bytes,
    /// Whether the body went on after `body`, or broke off.
    pub body_cut: bool,
    /// Milliseconds from the start of the attempt to the end of the headers. A head that came
    /// later than the endpoint's timeout is judged as a timeout.
    pub head_ms: u64,
    /// Whether the request was sent twice, and why.
    pub repeated: Option<Repeat>,
}

/// Why the request of an attempt was sent a second time, on a new connection: the first time, on a
/// connection that had been used before, it may have reached nobody who could answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repeat {
    /// The connection was closed without a byte in answer
    /// ([RFC 9112, section 9.3.1](https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1)).
    ConnectionClosed,
    /// The answer was 408, with which a server ends a connection that was idle for too long
    /// ([RFC 9110, section 15.5.9](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9)).
    RequestTimeout,
    /// The answer was 421: the connection leads to a server that does not answer for this host
    /// ([RFC 9110, section 15.5.20](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20)).
    Misdirected,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// One line for people, at most [`Failure::DETAIL_CHARS_MAX`] characters. Holds no secret.
    pub detail: String,
    /// Whether the request was sent twice, and why.
    pub repeated: Option<Repeat>,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// The name did not resolve.
    Dns,
    /// The address is one that no request may go to.
    BlockedAddress,
    /// The connection was refused or could not be made.
    Connect,
    /// The TLS handshake failed: certificate, host name, protocol.
    Tls,
    /// The attempt's time was up, in this phase.
    Timeout(Phase),
    /// The connection ended before the head of the response was complete.
    Reset,
    /// The answer was not HTTP: no status could be read.
    Malformed,
    /// More came than the host reads before there was a status.
    TooLarge,
    /// The host itself failed: a task panicked or was cancelled. Counted like any failure.
    Internal,
    /// The host is short of something (descriptors, ports, buffers, threads, memory), and nothing
    /// was sent. No attempt of the receiver's: the delivery is put back and sent a little later.
    Local,
}

/// What an attempt was doing when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Looking up the name.
    Resolve,
    /// Making the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Writing the request and waiting for the head of the response.
    Response,
    /// The host had not answered at all: the core ended the attempt.
    Unanswered,
}

impl Failure {
    /// The longest `detail` kept, in characters.
    pub const DETAIL_CHARS_MAX: usize = 256;

    /// A failure with its one line for people, cut to [`Failure::DETAIL_CHARS_MAX`].
    #[must_use]
    pub fn new(kind: FailureKind, detail: impl fmt::Display) -> Self {
        let mut detail = detail.to_string();
        if let Some((cut, _)) = detail.char_indices().nth(Self::DETAIL_CHARS_MAX) {
            detail.truncate(cut);
        }
        Self {
            kind,
            detail,
            repeated: None,
        }
    }
}

impl Repeat {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::ConnectionClosed,
        Self::RequestTimeout,
        Self::Misdirected,
    ];

    /// Whether this status asks for a request to be sent again on a new connection.
    #[must_use]
    pub fn asked_by(status: u16) -> Option<Self> {
        match status {
            408 => Some(Self::RequestTimeout),
            421 => Some(Self::Misdirected),
            _ => None,
        }
    }

    /// The stable name: `connection_closed`, `request_timeout`, `misdirected`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectionClosed => "connection_closed",
            Self::RequestTimeout => "request_timeout",
            Self::Misdirected => "misdirected",
        }
    }
}

impl Outcome {
    /// Whether the request was sent twice, and why.
    #[must_use]
    pub fn repeated(&self) -> Option<Repeat> {
        match self {
            Self::Response(response) => response.repeated,
            Self::Failure(failure) => failure.repeated,
        }
    }

    /// The same outcome of a request that was sent twice, if it was.
    #[must_use]
    pub fn with_repeat(mut self, repeat: Option<Repeat>) -> Self {
        match &mut self {
            Self::Response(response) => response.repeated = repeat,
            Self::Failure(failure) => failure.repeated = repeat,
        }
        self
    }
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Dns,
        Self::BlockedAddress,
        Self::Connect,
        Self::Tls,
        Self::Timeout(Phase::Resolve),
        Self::Timeout(Phase::Connect),
        Self::Timeout(Phase::Tls),
        Self::Timeout(Phase::Response),
        Self::Timeout(Phase::Unanswered),
        Self::Reset,
        Self::Malformed,
        Self::TooLarge,
        Self::Internal,
        Self::Local,
    ];

    /// The one with this [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The stable name, as in metrics, facts and filters: `dns`, `timeout_connect`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::BlockedAddress => "blocked_address",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout(Phase::Resolve) => "timeout_resolve",
            Self::Timeout(Phase::Connect) => "timeout_connect",
            Self::Timeout(Phase::Tls) => "timeout_tls",
            Self::Timeout(Phase::Response) => "timeout_response",
            Self::Timeout(Phase::Unanswered) => "timeout_unanswered",
            Self::Reset => "reset",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Internal => "internal",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{}: {}", self.kind, self.detail)
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(response) => write!(f, "HTTP {}", response.status),
            Self::Failure(failure) => failure.fmt(f),
        }
    }
}
