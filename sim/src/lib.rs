//! Seeded storms for Postrider that replay, shrink and prove their own teeth.
//!
//! A [`Plan`] is data: receivers, endpoints, what publishers and administrators do, and what goes
//! wrong. [`World`] runs it against the engine in a model world that jumps from event to event;
//! `turmoil` runs it against the whole sender on simulated hosts. Both write the same
//! [trace](trace::Line), and the same [checkers](checker::Checker) read it.
//!
//! The feature `turmoil`, on by default, is the second of them and all that it needs. The feature
//! `sqlite`, on by default, is the real store on a simulated disk. Without both a build is the
//! engine, the model world and little else.

pub mod allocated;
pub mod book;
mod bug;
pub mod by_id;
pub mod chance;
pub mod checker;
pub mod coverage;
#[cfg(feature = "sqlite")]
pub mod crash_points;
#[cfg(feature = "sqlite")]
pub mod disk;
#[cfg(test)]
mod mutants;
#[cfg(not(feature = "sqlite"))]
mod no_shadow;
mod panics;
pub mod plan;
pub mod report;
pub mod runner;
pub mod scenario;
#[cfg(feature = "sqlite")]
mod shadow;
pub mod shrink;
pub mod teeth;
pub mod trace;
#[cfg(feature = "turmoil")]
pub mod turmoil_tier;
pub mod verdict;
pub mod waits;
mod watch;
mod workload;
mod world;

#[cfg(not(feature = "sqlite"))]
use no_shadow as shadow;

pub use bug::Bug;
pub use checker::{Checker, Violation};
pub use plan::{Plan, Tier};
pub use watch::{Keep, Run, Watch};
pub use world::{EPOCH, World};
