//! The REST API on real sockets, over a real store.

mod deliveries;
mod endpoints;
mod errors;
mod events;
mod keys;
mod server;

pub(crate) use server::{Answer, Server};
