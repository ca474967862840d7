//! The headers of an event: as a publisher gives them, and as views show them.

use super::problem::{Code, Problem};
use postrider::EventHeaders;
use std::collections::BTreeMap;

/// The headers that a publisher gives. A problem at `/headers`, if one of them cannot be one.
pub(crate) fn given(texts: &BTreeMap<String, String>, code: Code) -> Result<EventHeaders, Problem> {
    let pairs = texts
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    EventHeaders::new(pairs).map_err(|error| Problem::new(code, &error).at("/headers", &error))
}

/// The headers as they are shown.
pub(crate) fn shown(headers: &EventHeaders) -> BTreeMap<String, String> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
