//! The bounds of the engine and of its store. What a plan does not name has its default.

use postrider_engine::{Limits, MemoryBounds};
use serde::{Deserialize, Serialize};

/// The bounds of the engine, where a plan makes them tighter than the defaults, and of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// [`Limits::attempts_max`].
    pub attempts_max: usize,
    /// [`Limits::attempts_failing_max`].
    pub attempts_failing_max: usize,
    /// [`Limits::window_deliveries_max`].
    pub window_deliveries_max: usize,
    /// [`Limits::window_bytes_max`].
    pub window_bytes_max: usize,
    /// [`Limits::window_bytes_endpoint_max`].
    pub window_bytes_endpoint_max: usize,
    /// [`Limits::pending_deliveries_max`].
    pub pending_deliveries_max: u64,
    /// [`Limits::commits_in_flight_max`].
    pub commits_in_flight_max: usize,
    /// [`Limits::pending_bytes_max`].
    pub pending_bytes_max: u64,
    /// [`Limits::commit_bytes_max`].
    pub commit_bytes_max: usize,
    /// [`Limits::endpoints_max`].
    pub endpoints_max: usize,
    /// The bounds of the store.
    pub store: StoreBounds,
}

/// The bounds of the model store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreBounds {
    /// [`MemoryBounds::deliveries_max`].
    pub deliveries_max: usize,
    /// [`MemoryBounds::payload_bytes_max`].
    pub payload_bytes_max: usize,
    /// [`MemoryBounds::ended_max`].
    pub ended_max: usize,
}

impl Bounds {
    /// The engine's limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            attempts_max: self.attempts_max,
            attempts_failing_max: self.attempts_failing_max,
            window_deliveries_max: self.window_deliveries_max,
            window_bytes_max: self.window_bytes_max,
            window_bytes_endpoint_max: self.window_bytes_endpoint_max,
            pending_deliveries_max: self.pending_deliveries_max,
            commits_in_flight_max: self.commits_in_flight_max,
            pending_bytes_max: self.pending_bytes_max,
            commit_bytes_max: self.commit_bytes_max,
            endpoints_max: self.endpoints_max,
            // A plan has few tenants: one of them may have all the endpoints.
            endpoints_tenant_max: Some(self.endpoints_max),
            ..Limits::default()
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            attempts_max: limits.attempts_max,
            attempts_failing_max: limits.attempts_failing_max,
            window_deliveries_max: limits.window_deliveries_max,
            window_bytes_max: limits.window_bytes_max,
            window_bytes_endpoint_max: limits.window_bytes_endpoint_max,
            pending_deliveries_max: limits.pending_deliveries_max,
            commits_in_flight_max: limits.commits_in_flight_max,
            pending_bytes_max: limits.pending_bytes_max,
            commit_bytes_max: limits.commit_bytes_max,
            endpoints_max: limits.endpoints_max,
            store: StoreBounds::default(),
        }
    }
}

impl StoreBounds {
    /// More than any run reaches.
    pub(super) const NONE: Self = Self {
        deliveries_max: usize::MAX / 4,
        payload_bytes_max: usize::MAX / 4,
        ended_max: usize::MAX / 4,
    };

    /// The store's bounds.
    #[must_use]
    pub fn bounds(self) -> MemoryBounds {
        MemoryBounds {
            deliveries_max: self.deliveries_max,
            payload_bytes_max: self.payload_bytes_max,
            ended_max: self.ended_max,
        }
    }
}

impl Default for StoreBounds {
    fn default() -> Self {
        let bounds = MemoryBounds::default();
        Self {
            deliveries_max: bounds.deliveries_max,
            payload_bytes_max: bounds.payload_bytes_max,
            ended_max: bounds.ended_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_before_has_the_defaults_for_what_it_does_not_name() {
        let read: Bounds = serde_json::from_str(r#"{"attempts_max": 7}"#).unwrap();
        let attempts_max = 7;
        let expected = Bounds {
            attempts_max,
            ..Bounds::default()
        };
        assert_eq!(read, expected);
        assert!(serde_json::from_str::<Bounds>(r#"{"attempts": 7}"#).is_err());
    }
}
