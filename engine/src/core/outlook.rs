//! What deliveries wait for.

use super::Core;
use crate::delivery::LaneId;
use crate::endpoint::Ordering;
use crate::endpoint_state::Existence;
use crate::id::DeliveryId;
use crate::lane::{Lane, Phase};
use crate::outlook::{Kept, Outlook};
use crate::time::Mono;

impl Core {
    /// What a delivery of this lane, which has not ended, waits for at `now`. `None` if its endpoint
    /// is not there.
    #[must_use]
    pub fn outlook(&self, delivery: DeliveryId, lane: &LaneId, now: Mono) -> Option<Outlook> {
        let state = self.endpoints.get(*self.by_id.get(&lane.endpoint)?)?;
        if state.existence != Existence::Here {
            return None;
        }
        let lane = state.lane(&lane.key).and_then(|key| self.lanes.get(key));
        let entry = lane.and_then(|lane| lane.entry_of(delivery));
        let phase = entry.map(|entry| entry.phase);
        let is_urgent = entry
            .zip(lane)
            .is_some_and(|(entry, lane)| lane.was_asked_for(entry.seq));
        let keeps = |ready: Result<(), Option<Mono>>| match is_urgent {
            true => Kept::No,
            false => ready.into(),
        };
        let limit = state.bucket.as_ref().zip(state.record.spec.rate_limit);
        Some(Outlook {
            sending: matches!(phase, Some(Phase::Sending(_) | Phase::Recording)),
            status: state.record.status,
            stopped_at: lane.and_then(|lane| lane.stopped_at),
            behind: lane.and_then(|lane| lane.ahead_of(delivery, state.ordering())),
            unread: state.ordering() == Ordering::Fifo && lane.is_some_and(Lane::is_first_unread),
            due: match phase {
                Some(Phase::Waiting(timer)) => Some(timer.at()),
                _ => None,
            },
            hold: keeps(state.hold.ready(now)),
            breaker: keeps(state.breaker.ready(now)),
            rate_until: limit.and_then(|(bucket, limit)| bucket.next(&limit, now)),
        })
    }
}
