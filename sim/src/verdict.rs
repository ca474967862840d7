//! What an outcome means, read anew from the promises: the engine's own reading is not believed.

use crate::waits;
use postrider_engine::{FailReason, Outcome, RetryPolicy, Wall};

/// What an outcome means for its delivery and its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 2xx in time.
    Delivered,
    /// An answer that no retry can better.
    Refused(FailReason),
    /// To be tried again, if the policy has attempts left.
    Failed {
        /// What the receiver asks to wait, in milliseconds, before the clamp.
        asked: Option<u64>,
    },
}

impl Verdict {
    /// What this outcome means for a request that might take `timeout_ms`.
    #[must_use]
    pub fn of(outcome: &Outcome, timeout_ms: u64, policy: &RetryPolicy, wall: Wall) -> Self {
        let Some(response) = in_time(outcome, timeout_ms) else {
            return Self::Failed { asked: None };
        };
        let asked = || asked(response, wall);
        match response.status {
            200..=299 => Self::Delivered,
            300..=399 => Self::Refused(FailReason::Redirected),
            status if policy.also_retry.contains(&status) => Self::Failed { asked: asked() },
            410 => Self::Refused(FailReason::Gone),
            400..=499 => Self::Refused(FailReason::Rejected),
            _ => Self::Failed { asked: asked() },
        }
    }
}

/// How long the receiver asks to be left alone, all deliveries of the endpoint together, in
/// milliseconds, within the clamp of the policy: `Retry-After` with 429 or 503.
#[must_use]
pub fn asks_for_time(
    outcome: &Outcome,
    timeout_ms: u64,
    policy: &RetryPolicy,
    wall: Wall,
) -> Option<u64> {
    let response = in_time(outcome, timeout_ms)?;
    let asks = response.status == 429 || response.status == 503;
    let asked = asked(response, wall).filter(|_| asks)?;
    Some(asked.min(waits::ms(policy.retry_after_max))).filter(|asked| *asked > 0)
}

fn asked(response: &postrider_engine::Response, wall: Wall) -> Option<u64> {
    let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("retry-after");
    let header = response.headers.iter().find(named);
    header.and_then(|(_, text)| waits::retry_after(text, wall))
}

/// The answer, if its head came in time.
#[must_use]
pub fn in_time(outcome: &Outcome, timeout_ms: u64) -> Option<&postrider_engine::Response> {
    match outcome {
        Outcome::Response(response) if response.head_ms <= timeout_ms => Some(response),
        _ => None,
    }
}
