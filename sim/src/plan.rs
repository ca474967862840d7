//! A plan: everything that a run is made of, as data.
//!
//! It is generated from a seed once; from then on the plan is what counts. Saved as JSON it
//! replays when the generator has long changed, and it can be written by hand.
//!
//! All times are simulated milliseconds since the start of the run, all numbers of endpoints and
//! receivers are places in the plan's lists. A step that means something that is not there (any
//! more) is passed over, so that any part of a plan is a plan.

mod batch;
mod bounds;
mod client;
mod convert;
mod generate;
mod holds;
mod names;

use serde::{Deserialize, Serialize};
use std::path::Path;

pub use batch::Batch;
pub use bounds::{Bounds, StoreBounds};
pub use client::{Client, Way};

/// The version of the format.
pub const VERSION: u32 = 1;

/// Everything that a run is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// What all draws during the run depend on.
    pub seed: u64,
    /// Where it runs.
    pub tier: Tier,
    /// The scenario that it is; empty for a generated plan.
    #[serde(default)]
    pub story: String,
    /// The bounds of the engine and the store.
    pub bounds: Bounds,
    /// The merchants' servers.
    pub receivers: Vec<Receiver>,
    /// What is registered.
    pub endpoints: Vec<EndpointPlan>,
    /// A host that publishes by the REST API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// What publishers and administrators do, in order of time.
    pub workload: Vec<Step>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How the sender's disk behaves when nothing is wrong with it.
    pub disk: Disk,
    /// The sender's monotonic clock runs so fast: 1,000 is true time.
    pub mono_permille: u64,
    /// The sender's timer rings up to so much late.
    #[serde(default)]
    pub alarm_late_max_ms: u64,
    /// How the run ends.
    pub end: End,
}

/// Which simulator.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The engine alone in a model world: jumps from event to event.
    World,
    /// The whole sender on simulated hosts and sockets.
    #[cfg_attr(not(feature = "turmoil"), value(skip))]
    Turmoil,
}

impl Tier {
    /// Those that this build can run.
    pub const BUILT: &[Self] = &[
        Self::World,
        #[cfg(feature = "turmoil")]
        Self::Turmoil,
    ];
}

/// A merchant's server: `r0.example`, `r1.example`, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// The shortest way there and back.
    pub latency_min_ms: u64,
    /// The longest.
    pub latency_max_ms: u64,
    /// What it answers when no fault says otherwise, each as often as its weight says.
    pub answers: Vec<Weighted>,
}

/// An answer and how often it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// The answer.
    pub answer: Answer,
    /// How often, relative to the others.
    pub weight: u32,
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// This status, at once.
    Status(u16),
    /// This status with a `Retry-After` header of this text.
    RetryAfter(u16, String),
    /// 200 to one request in so many milliseconds, 429 with the `Retry-After` that fits to the others.
    OneEvery(u64),
    /// This status, in a head that is not as tidy as RFC 9112 wants it.
    Untidy(u16),
    /// This status after so many milliseconds.
    Late(u16, u64),
    /// The request is taken and never answered.
    Hang,
    /// This status after so many milliseconds, then one byte of the body a second, for ever.
    Drip(u16, u64),
    /// The connection is reset before the head of the response.
    Reset,
    /// This status, then the connection is reset in the body.
    ResetInBody(u16),
    /// What comes is not HTTP.
    Malformed,
    /// The head of the response never ends: status 200, then headers without end.
    EndlessHead,
    /// The body never ends.
    EndlessBody(u16),
    /// The connection is refused.
    Refused,
    /// The connection is never made.
    Unreachable,
    /// The name does not resolve.
    NoName,
    /// The name resolves to a private address.
    PrivateAddress,
    /// The TLS handshake fails.
    BadTls,
}

/// An endpoint as its owner registers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointPlan {
    /// Tenant `t0`, `t1`, …
    pub tenant: u8,
    /// The receiver that its URL leads to.
    pub receiver: usize,
    /// The path of its URL: `/p0`, `/p1`, …
    pub path: u32,
    /// When it is registered.
    pub at_ms: u64,
    /// It gets only events of these types: `kind.k0`, `kind.k1`, …; empty: all.
    #[serde(default)]
    pub kinds: Vec<u8>,
    /// Its deliveries keep their order.
    pub fifo: bool,
    /// A lane stops at a dead letter.
    pub stop_on_failed: bool,
    /// The time of one attempt.
    pub timeout_ms: u64,
    /// Its retry policy.
    pub retry: Retry,
    /// Attempts at the same time.
    pub concurrency: u32,
    /// Its events go together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Its rate limit.
    pub rate: Option<Rate>,
    /// Its breaker.
    pub breaker: Option<Breaker>,
    /// It is disabled after failing for so long.
    pub disable_after_ms: Option<u64>,
    /// Headers of its owner's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

/// A retry policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The delays before the second attempt, the third, …
    pub delays: Delays,
    /// Each is drawn from its value ± this.
    pub jitter_percent: u8,
    /// The longest wait that a receiver may ask for.
    pub retry_after_max_ms: u64,
    /// Statuses from 400 to 499 that are retried.
    #[serde(default)]
    pub also_retry: Vec<u16>,
}

/// The delays of a retry policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Delays {
    /// These, in milliseconds.
    Listed(Vec<u64>),
    /// `first_ms`, then each time `factor` times longer, at most `cap_ms`.
    Exponential {
        /// The first.
        first_ms: u64,
        /// The factor.
        factor: f64,
        /// The longest.
        cap_ms: u64,
        /// Attempts after the first.
        retries: u32,
    },
}

/// A rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests …
    pub requests: u32,
    /// … in so many milliseconds.
    pub per_ms: u64,
    /// And so many at once.
    pub burst: u32,
}

/// A breaker's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open.
    pub cooldown_ms: u64,
    /// The longest that becomes after failed probes.
    pub cooldown_max_ms: u64,
}

/// Something that a publisher or an administrator does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When.
    pub at_ms: u64,
    /// What.
    pub act: Act,
}

/// What a publisher or an administrator does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Publishes an event.
    Publish(Publish),
    /// Pauses an endpoint.
    Pause(usize),
    /// Resumes it.
    Resume(usize),
    /// Disables it.
    Disable(usize),
    /// Enables it.
    Enable(usize),
    /// Gives it another spec. Tenant and time of registration do not count.
    Change(usize, Box<EndpointPlan>),
    /// Gives it a new secret.
    Rotate {
        /// The endpoint.
        endpoint: usize,
        /// How long both sign.
        overlap_ms: u64,
    },
    /// Deletes it.
    Delete(usize),
    /// Resends one delivery: of those known by then, the one that this number leads to.
    Resend(u64),
    /// Resends every dead letter of an endpoint, oldest first.
    ResendDead(usize),
    /// Discards one delivery, chosen in the same way.
    Discard(u64),
    /// Sends one delivery that waits at once, chosen in the same way.
    RetryNow(u64),
    /// Shuts the sender down and starts it again.
    Restart {
        /// How long it may take for what is under way.
        within_ms: u64,
        /// How long it stays down.
        down_ms: u64,
    },
}

/// An event to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Where it goes.
    pub to: To,
    /// Its type: `kind.k0`, …
    pub kind: u8,
    /// Its ordering key: `key-0`, …
    pub key: Option<u8>,
    /// Its payload begins with this number; repeats with the same idempotency key and the same
    /// number have the same content.
    pub content: u64,
    /// The size of its payload; at least 24.
    pub bytes: usize,
    /// Its idempotency key: `once-0`, …
    pub once: Option<u32>,
    /// The client publishes it, by the REST API, if the tier and the plan have one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub api: bool,
}

/// Where an event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// To this endpoint.
    Endpoint(usize),
    /// To the subscribers of this tenant.
    Subscribers(u8),
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When.
    pub when: When,
    /// What.
    pub kind: FaultKind,
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At this time.
    At(u64),
    /// At the nth commit that the engine asks for, counted from 1 over all restarts.
    Commit(u64),
    /// At the nth load.
    Load(u64),
    /// At the nth request that is sent.
    Request(u64),
    /// At the nth response that reaches the sender.
    Response(u64),
}

/// What goes wrong. Those that hit one request or response need the matching [`When`]; with
/// [`When::At`] they hit the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The sender's process is killed. What it has written stays.
    Kill {
        /// How long it is down.
        down_ms: u64,
    },
    /// The sender loses power: of what was not synced any part may be lost or torn.
    PowerLoss {
        /// How long it is down.
        down_ms: u64,
    },
    /// The disk is full: publishing is refused.
    DiskFull {
        /// For how long.
        for_ms: u64,
        /// Nothing at all fits, results neither.
        wholly: bool,
    },
    /// The next write or sync fails. The process stops and is started again.
    WriteError {
        /// How long it is down.
        down_ms: u64,
    },
    /// The next read fails. The process stops and is started again.
    ReadError {
        /// How long it is down.
        down_ms: u64,
    },
    /// Every sync takes longer.
    SlowDisk {
        /// For how long.
        for_ms: u64,
        /// By how much.
        add_ms: u64,
    },
    /// The sender's calendar jumps; its monotonic clock does not.
    WallJump {
        /// By how much.
        by_ms: i64,
    },
    /// A receiver answers like this.
    Storm {
        /// Which.
        receiver: usize,
        /// For how long.
        for_ms: u64,
        /// In so many of a hundred cases.
        percent: u8,
        /// The answer.
        answer: Answer,
    },
    /// Everything to and from a receiver takes longer.
    Latency {
        /// Which.
        receiver: usize,
        /// For how long.
        for_ms: u64,
        /// By how much.
        add_ms: u64,
    },
    /// A receiver's process is killed and comes back.
    ReceiverCrash {
        /// Which.
        receiver: usize,
        /// How long it is down.
        down_ms: u64,
    },
    /// The receiver has taken the request and answered; then it loses power, and the answer is
    /// lost.
    LoseResponse,
    /// The response comes so much later.
    DelayResponse {
        /// By how much.
        by_ms: u64,
    },
    /// The connection is reset before the response is through.
    ResetResponse,
    /// The task that sends the request panics.
    Panic,
    /// The host forgets to tell the engine how the request ended.
    Forget,
    /// The host tells it twice.
    RepeatOutcome,
    /// Something is wrong with the way between the client and the sender.
    ClientWay {
        /// For how long.
        for_ms: u64,
        /// What.
        way: Way,
    },
}

/// How a disk behaves when nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The longest that a write or a read takes.
    pub write_max_ms: u64,
    /// The longest that a sync takes.
    pub sync_max_ms: u64,
    /// The real store is given the same changes as the model of one, on a simulated disk: see
    /// `docs/simulation.md`. A build without the feature `sqlite` runs the model alone.
    #[serde(default)]
    pub real: bool,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// From then on nothing new goes wrong and every receiver answers 200, except `dead`.
    pub healed_at_ms: u64,
    /// Receivers that never answer again.
    pub dead: Vec<usize>,
    /// So much later all that can end must have ended.
    pub within_ms: u64,
}

/// A plan could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file.
    #[error("{path}: {error}")]
    File {
        /// Its path.
        path: String,
        /// What went wrong.
        error: std::io::Error,
    },
    /// The text is no plan.
    #[error("{path} is not a plan: {error}")]
    Json {
        /// Its path.
        path: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A plan of another version.
    #[error("{path} is a plan of version {found}, and this is version {VERSION}")]
    Version {
        /// Its path.
        path: String,
        /// Its version.
        found: u32,
    },
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if it cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| PlanError::File {
            path: shown.clone(),
            error,
        })?;
        let plan: Self = serde_json::from_str(&text).map_err(|error| PlanError::Json {
            path: shown.clone(),
            error,
        })?;
        if plan.version != VERSION {
            return Err(PlanError::Version {
                path: shown,
                found: plan.version,
            });
        }
        Ok(plan)
    }

    /// The plan as JSON, for people.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Numbers, texts and lists only: there is nothing that JSON could not say.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The bounds of the store. The real one has none.
    #[must_use]
    pub fn store_bounds(&self) -> StoreBounds {
        if self.disk.real {
            StoreBounds::NONE
        } else {
            self.bounds.store
        }
    }

    /// Events that the workload publishes.
    #[must_use]
    pub fn events(&self) -> usize {
        let is_publish = |step: &&Step| matches!(step.act, Act::Publish(_));
        self.workload.iter().filter(is_publish).count()
    }
}
