//! Delivers webhooks in order, through storms.

pub mod egress;
pub mod transport;
mod endpoint_url;

pub use endpoint_url::{EndpointUrl, InvalidUrl};
