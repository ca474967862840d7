//! The REST API on real sockets, over a real store.

mod attempts;
mod audit;
mod backfill;
mod bulk;
mod client;
mod deliveries;
mod endpoints;
mod errors;
mod event_headers;
mod events;
mod keys;
mod lists;
mod overview;
mod payload_types;
mod payloads;
mod playground;
mod portal;
mod reach;
mod readme;
mod receivers;
mod sending;
mod server;
mod shares;
mod tenants;
mod try_outs;
mod waiting;

pub(crate) use server::{Answer, Server, header};
