//! Retries by hand: what refuses them.

use super::{Refused, is_there};
use crate::book::{Book, DeliveryPage};
use postrider_engine::{DeliveryId, EndpointStatus, Limits, Refusal, RetryError};

impl Refused {
    pub(super) fn retried(
        &mut self,
        error: &RetryError,
        id: DeliveryId,
        at_once: bool,
        limits: &Limits,
        book: &Book,
    ) -> bool {
        let Some(page) = book.deliveries.get(&id) else {
            return matches!(error, RetryError::NoSuchDelivery(_));
        };
        let endpoint = page.lane.endpoint;
        let status = book.endpoints.get(&endpoint).map(|it| it.told.status);
        let stopped_at = book.lanes.get(&page.lane).and_then(|lane| lane.stopped_at);
        match error {
            RetryError::NoSuchDelivery(_) => {
                let is_gone = at_once && !is_there(endpoint, book, None);
                is_gone || self.refusal == Some(Refusal::NoSuchDelivery)
            }
            RetryError::AlreadyEnded(_) => page.state.is_end(),
            RetryError::BehindHead { head, .. } => is_before(*head, page, book),
            RetryError::Sending(_) => {
                let is_under_way = book.in_flight.contains_key(&id);
                at_once && (is_under_way || book.recording.contains_key(&id))
            }
            RetryError::Stopped { at, .. } => at_once && stopped_at == Some(*at),
            RetryError::Paused(of) => {
                at_once && *of == endpoint && status == Some(EndpointStatus::Paused)
            }
            RetryError::Disabled(of) => {
                let is_disabled = matches!(status, Some(EndpointStatus::Disabled(_)));
                at_once && *of == endpoint && is_disabled
            }
            RetryError::Full(full) => self.full(*full, limits),
            // Its host says so, and has none here that could fail to be read.
            RetryError::Store(_) => false,
            RetryError::Closed(closed) => self.closed(*closed, book),
        }
    }
}

/// It has not ended, and stands before the other one in its lane.
pub(super) fn is_before(head: DeliveryId, other: &DeliveryPage, book: &Book) -> bool {
    let head = book.deliveries.get(&head);
    head.is_some_and(|head| head.lane == other.lane && head.seq < other.seq && !head.state.is_end())
}
