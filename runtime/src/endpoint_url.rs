//! The URL of an endpoint.
/// A vetted URL.
#[derive(Clone, Debug)]
pub struct EndpointUrl(String);
/// Why a URL was refused.
#[derive(Debug)]
pub enum InvalidUrl {}
