//! Decides what webhook to send, when, and when to stop.

mod outcome;
mod time;

pub use outcome::{Failure, FailureKind, Outcome, Phase, Response};
pub use time::{Mono, Now, Wall};
