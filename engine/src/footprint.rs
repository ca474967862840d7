//! How much the core holds, to be asserted against its bounds.

use crate::core::Core;

/// What the core holds at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Endpoints.
    pub endpoints: usize,
    /// Of these, paused ones.
    pub endpoints_paused: usize,
    /// Of these, disabled ones, by hand or by themselves.
    pub endpoints_disabled: usize,
    /// Of these, those whose breaker is open or probes.
    pub breakers_open: usize,
    /// Endpoints that are held because their receiver has asked for time.
    pub endpoints_held: usize,
    /// Lanes in memory: those with something pending, and each endpoint's own.
    pub lanes: usize,
    /// Of these, those with something pending.
    pub lanes_active: usize,
    /// Deliveries of the lane that has the most. What was discarded far behind in it may be counted
    /// until the lane has come there.
    pub lane_depth_max: u64,
    /// Deliveries in the windows of the lanes.
    pub window_deliveries: usize,
    /// Requests under way.
    pub attempts: usize,
    /// Requests and reads under way, and results that are being recorded.
    pub slots: usize,
    /// Batches that the store has not answered.
    pub commits: usize,
    /// Timers that are set.
    pub timers: usize,
    /// Deliveries that were accepted (or are being accepted) and have not ended.
    pub pending_deliveries: u64,
    /// Their payload bytes.
    pub pending_bytes: u64,
    /// Payload bytes at hand: in windows, in requests, and in events being recorded.
    pub payload_bytes: usize,
    /// What `payload_bytes` never exceeds, whatever happens.
    pub payload_bytes_bound: usize,
    /// Bytes of the core's own structures besides payloads and endpoint records.
    pub state_bytes: usize,
}

impl Core {
    /// Counts what the core holds. Walks through everything: for tests and metrics, not for every
    /// input.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let limits = self.limits();
        let own_slot = limits.attempts_max.saturating_mul(limits.payload_bytes_max);
        let one_event = limits.payload_bytes_max;
        Footprint {
            payload_bytes_bound: limits
                .window_bytes_max
                .saturating_add(own_slot)
                .saturating_add(limits.commit_bytes_max.max(one_event)),
            ..self.count()
        }
    }
}
