//! The core, driven by hand: no runtime, no threads, two simulated clocks.

mod admission;
mod backfills;
mod batches;
mod check;
mod counts;
mod dead_letters;
mod drain;
mod endpoints;
mod event_headers;
mod forms;
mod harness;
mod holds;
mod limits;
mod notes;
mod order;
mod ping;
mod publishing;
mod random;
mod recovery;
mod retries;
mod sent;
mod sequence;
mod shares;
mod subscribers;
mod urgent;
