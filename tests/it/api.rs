//! The REST API on real sockets, over a real store.

mod audit;
mod client;
mod deliveries;
mod endpoints;
mod errors;
mod events;
mod keys;
mod payloads;
mod readme;
mod server;
mod shares;
mod tenants;

pub(crate) use server::{Answer, Server};
