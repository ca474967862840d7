//! What deliveries wait for, as it is shown.

use super::Api;
use super::names::WaitCause;
use super::time::Time;
use postrider::{Cause, DeliveryId, Wait, WaitQuery};
use serde::Serialize;
use utoipa::ToSchema;

/// What a delivery waits for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitView {
    /// `sending`, `due` (for a free slot), `backoff`, `retry_after`, `breaker`, `rate_limit`, `paused`,
    /// `disabled`, `behind_head` or `stopped`.
    #[schema(value_type = WaitCause)]
    cause: &'static str,
    /// When the next attempt may begin; `null` where nobody knows.
    pub(crate) until: Option<Time>,
    /// The same for people, and what can be done.
    detail: String,
    /// The delivery that is before it in its lane, with `behind_head`.
    head_id: Option<String>,
}

impl WaitView {
    pub(crate) fn of(wait: Wait) -> Self {
        let head: Option<DeliveryId> = match wait.cause {
            Cause::BehindHead(head) => Some(head),
            _ => None,
        };
        Self {
            cause: wait.cause.name(),
            until: wait.until.map(Time),
            detail: detail(wait.cause),
            head_id: head.map(|head| head.to_string()),
        }
    }
}

fn detail(cause: Cause) -> String {
    let text = match cause {
        Cause::Sending => "an attempt is under way",
        Cause::Due => "it goes out as soon as there is a free slot",
        Cause::Backoff => {
            "it waits for its retry by the endpoint's policy; retry it to send it now"
        }
        Cause::RetryAfter => {
            "the receiver has asked for this time with Retry-After; retry it to send it now"
        }
        Cause::Breaker => {
            "the endpoint's breaker is open after failures in a row; retry it to probe now"
        }
        Cause::RateLimit => "the endpoint's rate limit is used up until then",
        Cause::Paused => "the endpoint is paused: resume it",
        Cause::Disabled => "the endpoint is disabled: enable it",
        Cause::BehindHead(head) => {
            return format!("delivery {head} is before it in its lane, and has not ended");
        }
        Cause::Stopped(at) => {
            return format!("its lane has stopped at dead letter {at}: resend or discard that one");
        }
    };
    text.to_owned()
}

/// What deliveries wait for, in the order of a list; `None` for one that has ended.
pub(crate) type Waits = Vec<Option<WaitView>>;

/// What each of these waits for: one question to the engine for all of them.
pub(crate) async fn of(api: &Api, asked: &[WaitQuery]) -> Waits {
    let waits = api.postrider().waits(asked).await;
    waits.into_iter().map(|it| it.map(WaitView::of)).collect()
}
