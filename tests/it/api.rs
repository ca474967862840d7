//! The REST API on real sockets, over a real store.

mod client;
mod deliveries;
mod endpoints;
mod errors;
mod events;
mod keys;
mod overview;
mod payloads;
mod reach;
mod readme;
mod server;
mod shares;
mod tenants;

pub(crate) use server::{Answer, Server};
