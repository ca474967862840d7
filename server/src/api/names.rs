//! The names of states and kinds, for the description. The views hold them as text, which the engine
//! gives.

#![allow(dead_code)] // only described

use serde::Deserialize;
use utoipa::ToSchema;

/// What a delivery waits for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WaitCause {
    Sending,
    Due,
    Backoff,
    RetryAfter,
    Breaker,
    RateLimit,
    Paused,
    Disabled,
    BehindHead,
    Stopped,
}

/// The state of a delivery.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryStateName {
    Pending,
    Retrying,
    Delivered,
    Failed,
    Discarded,
}

/// Why an attempt got no answer.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureName {
    Dns,
    BlockedAddress,
    Connect,
    Tls,
    TimeoutResolve,
    TimeoutConnect,
    TimeoutTls,
    TimeoutResponse,
    TimeoutUnanswered,
    Reset,
    Malformed,
    TooLarge,
    Internal,
    Local,
}

/// Why a request was sent twice.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RepeatReason {
    ConnectionClosed,
    RequestTimeout,
    Misdirected,
}

/// Whether an endpoint gets its deliveries.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointStatusName {
    Active,
    Paused,
    Disabled,
}

/// Why an endpoint is disabled.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisabledReasonName {
    Manual,
    Gone,
    Failing,
}

/// What holds an endpoint.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HeldBy {
    RetryAfter,
    Breaker,
}

/// The kind of a secret.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecretKindName {
    Hmac,
    Ed25519,
}

/// What a replay does to each delivery.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplayActName {
    Resend,
    Discard,
    Backfill,
}

/// The state of a replay.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplayStateName {
    Running,
    Done,
    Cancelled,
}

/// Why a replay passes a delivery over.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SkipReasonName {
    EndpointGone,
    EndpointDisabled,
    AlreadyResent,
    NotEnded,
    AlreadyDiscarded,
    AlreadyReached,
    Addressed,
    NotSubscribed,
    FilteredOut,
    FilterUndecided,
}

/// The kind of an actor.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActorKind {
    Key,
    Portal,
    Cli,
    System,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::dead_letter_acts::LetterReason;
    use postrider::{FailReason, FailureKind, ReplayAct, SkipReason};
    use serde::de::DeserializeOwned;

    fn assert_described<T: DeserializeOwned>(names: impl IntoIterator<Item = &'static str>) {
        for name in names {
            assert!(serde_json::from_value::<T>(name.into()).is_ok(), "{name}");
        }
    }

    #[test]
    fn every_name_of_the_engine_is_described() {
        assert_described::<LetterReason>(FailReason::ALL.map(FailReason::name));
        assert_described::<FailureName>(FailureKind::ALL.map(FailureKind::name));
        assert_described::<SkipReasonName>(SkipReason::ALL.map(SkipReason::name));
        let acts = [ReplayAct::Resend, ReplayAct::Discard, ReplayAct::Backfill];
        assert_described::<ReplayActName>(acts.map(ReplayAct::name));
    }
}
