//! Every bound of the engine, by name. Nothing in the core grows past what is written here.

use std::time::Duration;

/// The bounds. Where one is reached the caller gets an error that names it; nothing is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest payload, in bytes. Default 256 KiB.
    pub payload_bytes_max: usize,
    /// Deliveries that were accepted and have not ended. Default 10,000,000.
    pub pending_deliveries_max: u64,
    /// Payload bytes of those deliveries, counted once per delivery. Default 64 GiB.
    pub pending_bytes_max: u64,
    /// Of `pending_deliveries_max`, what one tenant may use. Default: half of it.
    pub pending_deliveries_tenant_max: Option<u64>,
    /// Of `pending_bytes_max`, what one tenant may use; one event always fits. Default: half of it.
    pub pending_bytes_tenant_max: Option<u64>,
    /// Of `pending_deliveries_max`, what one endpoint may use. Default: a quarter of it.
    pub pending_deliveries_endpoint_max: Option<u64>,
    /// Of `pending_bytes_max`, what one endpoint may use; one event always fits. Default: a
    /// quarter of it.
    pub pending_bytes_endpoint_max: Option<u64>,
    /// Changes given to the store and not answered yet. Default 8,192.
    pub commits_in_flight_max: usize,
    /// Payload bytes of events given to the store and not answered yet. Default 64 MiB.
    pub commit_bytes_max: usize,
    /// Payload bytes of events that go in one request; one event always fits. Default 1 MiB, four
    /// times the largest payload.
    pub batch_bytes_max: usize,
    /// Attempts (and loads that precede one) at the same time. Default 4,096.
    pub attempts_max: usize,
    /// Of these, attempts to endpoints whose last attempt failed. Default 2,048: what hangs
    /// together cannot take the place of what works.
    pub attempts_failing_max: usize,
    /// Deliveries of one lane kept in memory, the next ones first; where deliveries go together, a
    /// whole batch if that is more. Default 32.
    pub window_deliveries_max: usize,
    /// Payload bytes kept in memory for deliveries that wait for their turn. Default 64 MiB.
    /// An attempt's own payload may stand beside it: see [`crate::Footprint::payload_bytes_bound`].
    pub window_bytes_max: usize,
    /// The same, of one endpoint. Default 4 MiB.
    pub window_bytes_endpoint_max: usize,
    /// The first bytes of a response body that are kept. Default 16 KiB.
    pub response_bytes_max: usize,
    /// Names and values of the response headers that are kept, in bytes. Default 8 KiB.
    pub response_header_bytes_max: usize,
    /// Endpoints. Default 100,000.
    pub endpoints_max: usize,
    /// Of these, endpoints of one tenant. Default: half of `endpoints_max`.
    pub endpoints_tenant_max: Option<usize>,
    /// Changes of one endpoint that wait for the one before. Default 64.
    pub endpoint_changes_max: usize,
    /// Secrets of one endpoint that sign at the same time. Default 4.
    pub secrets_max: usize,
    /// The fewest bytes of a new secret that have to be guessed: see
    /// [`Secret::strength_bytes`](postrider_signature::Secret::strength_bytes). Secrets that are
    /// recorded stay. Default 16; 24 or more are recommended.
    pub secret_bytes_min: usize,
    /// Custom headers of one endpoint. Default 32.
    pub headers_max: usize,
    /// Names and values of the custom headers of one endpoint, in bytes. Default 8 KiB.
    pub header_bytes_max: usize,
    /// The longest URL of an endpoint, in bytes. Default 2,048.
    pub url_bytes_max: usize,
    /// Event type patterns of one endpoint. Default 128.
    pub event_types_max: usize,
    /// Forms in which the requests of one endpoint are signed. Default 4.
    pub signatures_max: usize,
    /// The longest description of an endpoint, in bytes. Default 1 KiB.
    pub description_bytes_max: usize,
    /// The longest metadata of an endpoint, in bytes. Default 4 KiB.
    pub metadata_bytes_max: usize,
    /// The largest body that an envelope or a template may make of a payload, in bytes; that of a
    /// batch may be four times as large. A host has one for each attempt under way. Default 1 MiB.
    pub rendered_bytes_max: usize,
    /// The longest idempotency key, in bytes. Default 256.
    pub idempotency_key_bytes_max: usize,
    /// Delays of one explicit retry schedule. Default 64.
    pub retries_max: usize,
    /// The longest timeout of an attempt, from 1 ms on. Longer ones of endpoints on record are cut
    /// to it. Default 10 minutes.
    pub timeout_max: Duration,
    /// Bytes of a payload that the filters of one publish look at together; each comparison counts
    /// what it looks at, and no filter has more than [`crate::Filter::STEPS_MAX`]. Filters with the same
    /// text are one. When they are used up, each of the filters that are left has
    /// [`crate::Filter::STEPS_MIN`]. Default 16 MiB.
    pub filter_steps_max: u64,
}

/// What somebody may use of what may be pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Deliveries.
    pub deliveries: u64,
    /// Their payload bytes.
    pub bytes: u64,
}

impl Limits {
    /// What one tenant may use of what may be pending.
    #[must_use]
    pub fn tenant_share(&self) -> Share {
        let half = |all: u64| all.div_ceil(2);
        Share {
            deliveries: (self.pending_deliveries_tenant_max)
                .unwrap_or_else(|| half(self.pending_deliveries_max)),
            bytes: (self.pending_bytes_tenant_max).unwrap_or_else(|| half(self.pending_bytes_max)),
        }
    }

    /// What one endpoint may use of what may be pending.
    #[must_use]
    pub fn endpoint_share(&self) -> Share {
        let quarter = |all: u64| all.div_ceil(4);
        Share {
            deliveries: (self.pending_deliveries_endpoint_max)
                .unwrap_or_else(|| quarter(self.pending_deliveries_max)),
            bytes: (self.pending_bytes_endpoint_max)
                .unwrap_or_else(|| quarter(self.pending_bytes_max)),
        }
    }

    /// How many endpoints one tenant may have.
    #[must_use]
    pub fn endpoints_of_tenant(&self) -> usize {
        self.endpoints_tenant_max
            .unwrap_or_else(|| self.endpoints_max.div_ceil(2))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 256 << 10,
            pending_deliveries_max: 10_000_000,
            pending_bytes_max: 64 << 30,
            pending_deliveries_tenant_max: None,
            pending_bytes_tenant_max: None,
            pending_deliveries_endpoint_max: None,
            pending_bytes_endpoint_max: None,
            commits_in_flight_max: 8_192,
            commit_bytes_max: 64 << 20,
            batch_bytes_max: 1 << 20,
            attempts_max: 4_096,
            attempts_failing_max: 2_048,
            window_deliveries_max: 32,
            window_bytes_max: 64 << 20,
            window_bytes_endpoint_max: 4 << 20,
            response_bytes_max: 16 << 10,
            response_header_bytes_max: 8 << 10,
            endpoints_max: 100_000,
            endpoints_tenant_max: None,
            endpoint_changes_max: 64,
            secrets_max: 4,
            secret_bytes_min: 16,
            headers_max: 32,
            header_bytes_max: 8 << 10,
            url_bytes_max: 2_048,
            event_types_max: 128,
            signatures_max: 4,
            description_bytes_max: 1 << 10,
            metadata_bytes_max: 4 << 10,
            rendered_bytes_max: 1 << 20,
            idempotency_key_bytes_max: 256,
            retries_max: 64,
            timeout_max: Duration::from_secs(600),
            filter_steps_max: 16 << 20,
        }
    }
}
