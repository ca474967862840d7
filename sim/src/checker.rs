//! The promises, one a file. A checker reads the trace line by line and says where its promise
//! broke.

mod accounting;
mod attempts;
mod breaker;
mod dead_letters;
mod durable;
mod durable_first;
mod endpoint;
mod hold;
mod idempotency;
mod invented;
mod isolation;
mod liveness;
pub(crate) mod memory;
mod one_end;
mod oracle;
mod order;
mod prompt;
mod rate;
mod reason;
mod refused;
mod rejected;
mod shutdown;
mod signatures;
#[cfg(test)]
mod tests;
mod timeout;

use crate::book::Book;
use crate::trace::Line;
use postrider_engine::{Footprint, Reason};
use serde::{Deserialize, Serialize};

/// Watches one promise.
pub trait Checker {
    /// Its name: what a failure is known by, and what shrinking keeps.
    fn promise(&self) -> &'static str;

    /// Sees a line; `book` holds what was before it.
    ///
    /// # Errors
    ///
    /// How the promise broke, in words.
    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String>;

    /// Sees what the engine holds after a turn.
    ///
    /// # Errors
    ///
    /// How the promise broke, in words.
    fn weigh(&mut self, footprint: &Footprint, book: &Book) -> Result<(), String> {
        let _ = (footprint, book);
        Ok(())
    }

    /// Hears why the engine has nothing more to do after a turn.
    ///
    /// # Errors
    ///
    /// How the promise broke, in words.
    fn rest(&mut self, reason: Reason, footprint: &Footprint, book: &Book) -> Result<(), String> {
        let _ = (reason, footprint, book);
        Ok(())
    }

    /// Sees the end of the run.
    ///
    /// # Errors
    ///
    /// How the promise broke, in words.
    fn end(&mut self, book: &Book) -> Result<(), String> {
        let _ = book;
        Ok(())
    }
}

/// Where a promise broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The promise: the name of its checker; `panic` where the engine itself found fault.
    pub promise: String,
    /// When, in simulated milliseconds.
    pub at_ms: u64,
    /// At which line of the trace.
    pub line: u64,
    /// How, in words.
    pub said: String,
}

/// All checkers.
#[must_use]
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(durable_first::DurableFirst),
        Box::<invented::Invented>::default(),
        Box::<order::Order>::default(),
        Box::<one_end::OneEnd>::default(),
        Box::<attempts::Attempts>::default(),
        Box::<oracle::Oracle>::default(),
        Box::<rejected::Rejected>::default(),
        Box::<durable::Durable>::default(),
        Box::<dead_letters::DeadLetters>::default(),
        Box::<accounting::Accounting>::default(),
        Box::<idempotency::Idempotency>::default(),
        Box::<endpoint::EndpointTold>::default(),
        Box::<breaker::Breakers>::default(),
        Box::<hold::Holds>::default(),
        Box::<rate::Rate>::default(),
        Box::<prompt::Prompt>::default(),
        Box::<timeout::Timeout>::default(),
        Box::<signatures::Signatures>::default(),
        Box::<memory::Memory>::default(),
        Box::<shutdown::Shutdown>::default(),
        Box::<reason::Reasons>::default(),
        Box::<refused::Refused>::default(),
        Box::<isolation::Isolation>::default(),
        Box::<liveness::Liveness>::default(),
    ]
}
