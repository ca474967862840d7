//! Several events in one request.

use crate::endpoint::{EndpointSpec, OnFailed, Ordering};
use crate::error::InvalidSpec;
use std::time::Duration;

/// When the events of a lane go together: in one request, whose body is a JSON array of what each
/// would be sent as, in order. A payload that is not JSON is a string in it.
///
/// The request is signed once. Its event headers are those of the first event, `x-batch-size` says
/// how many there are, and its message id belongs to exactly these events, so that whoever drops
/// repeats drops no event beside them. A 2xx delivers all of them, anything else fails all of them:
/// each has the attempt on its record. A batch that has failed is sent again as it was; the events
/// behind it are not added. A ping goes as an array of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPolicy {
    /// A request leaves as soon as so many wait. 2 to 100. It may have fewer where their payloads
    /// together are larger than [`crate::Limits::batch_bytes_max`], or memory is short.
    pub events_max: u32,
    /// It leaves with what there is once the first of them has waited for so long since it was
    /// published. At most 60 s.
    pub wait: Duration,
}

impl BatchPolicy {
    pub(crate) fn check(&self, spec: &EndpointSpec) -> Result<(), InvalidSpec> {
        if !(2..=100).contains(&self.events_max) || self.wait > Duration::from_secs(60) {
            return Err(InvalidSpec::Batch);
        }
        // Which of its events the receiver did not want is not known, so that there is none at
        // which the lane could stop.
        if spec.ordering == Ordering::None || spec.on_failed == OnFailed::Stop {
            return Err(InvalidSpec::BatchOrder);
        }
        Ok(())
    }
}
