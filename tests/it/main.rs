//! Proves the shipped whole from outside: real sockets, real processes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is test code, of which clippy knows the test functions only"
)]

mod addresses;
mod agreement;
mod api;
mod budget;
mod cli;
mod cli_client;
mod dashboard;
mod delivery;
mod demo;
mod ensure;
mod faults;
mod flows;
mod full_disk;
mod hostile;
mod inbound;
mod installing;
mod live;
mod lives;
mod node;
mod not_now;
mod outbox;
mod programs;
mod receive;
mod receiver;
mod replay;
mod report;
mod scenarios;
mod scheduled;
mod siege;
mod simulation;
mod std_thread;
mod store;
mod tidy;
mod transport;
mod verdicts;
mod verifier;
mod watching;
