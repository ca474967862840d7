//! The bounds of a transport, by name.

use std::time::Duration;

/// How much of a response a transport reads and keeps, and of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportLimits {
    /// The longest head of a response that is read, in bytes: status line and headers. Of a longer
    /// one the status and the first headers are; if none is found, it fails as
    /// [`TooLarge`](postrider_engine::FailureKind::TooLarge). At least
    /// [`HEAD_BYTES_MIN`](TransportLimits::HEAD_BYTES_MIN). Interim (1xx) responses and the head
    /// together may be four times as long.
    pub head_bytes_max: usize,
    /// The most headers of a response that are kept.
    pub kept_headers_max: usize,
    /// The most bytes of names and values that the kept headers have together. A header that does
    /// not fit is left out; smaller ones after it may fit.
    pub kept_header_bytes_max: usize,
    /// The longest rest of a body, in bytes, that is read and thrown away for the sake of using
    /// the connection again. If more is to come, the connection is closed instead.
    pub drain_bytes_max: u64,
    /// The most addresses of a name that one attempt dials. All of them are vetted.
    pub dials_max: usize,
    /// The bounds on connections that are kept.
    pub pool: PoolLimits,
}

/// How many connections are kept for the next request, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// The most idle connections kept for one origin (scheme, host and port).
    pub idle_per_origin_max: usize,
    /// The most idle connections kept altogether. The one unused for longest makes room.
    pub idle_max: usize,
    /// How long a connection is kept unused. Judged whenever the pool is used, not by a timer:
    /// a transport that sends nothing closes nothing. Best shorter than what receivers use, so
    /// that they seldom close a connection that a request is just leaving on.
    pub idle_timeout: Duration,
    /// The most requests under way at once on one HTTP/2 connection. The receiver's own limit
    /// holds if it is lower.
    pub streams_per_connection_max: usize,
}

impl TransportLimits {
    /// The least that [`head_bytes_max`](field@TransportLimits::head_bytes_max) may be: hyper's own
    /// minimum. Lower values count as this one.
    pub const HEAD_BYTES_MIN: usize = 8192;

    /// The most headers of an HTTP/1 response that hyper reads: its default, which it parses
    /// without allocating. Of a response with more, the status and those in the first 16 KiB are
    /// read, and no body.
    pub const HEADERS_MAX: usize = 100;

    pub(crate) fn head_bytes_max(&self) -> usize {
        self.head_bytes_max.max(Self::HEAD_BYTES_MIN)
    }
}

impl Default for TransportLimits {
    fn default() -> Self {
        Self {
            head_bytes_max: 64 * 1024,
            kept_headers_max: 64,
            kept_header_bytes_max: 8 * 1024,
            drain_bytes_max: 16 * 1024,
            dials_max: 4,
            pool: PoolLimits::default(),
        }
    }
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            idle_per_origin_max: 256,
            idle_max: 2_048,
            idle_timeout: Duration::from_secs(30),
            streams_per_connection_max: 100,
        }
    }
}
