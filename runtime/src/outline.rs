//! Deliveries without what is large of them: what is counted, and what acts over many look at.

use crate::history::{Cursor, DeliveryQuery};
use crate::store::{Store, StoreError};
use postrider_engine::{
    DeliveryId, DeliveryState, EndpointId, EndpointStatus, EventType, TenantId, Wall,
};
use std::sync::Arc;
use tokio::task::yield_now;

/// A delivery without its payload and its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryOutline {
    /// Its id.
    pub id: DeliveryId,
    /// The tenant of its event.
    pub tenant: TenantId,
    /// The type of its event.
    pub event_type: EventType,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// Whether its endpoint gets deliveries; `None` if it has been deleted.
    pub endpoint_status: Option<EndpointStatus>,
    /// What has become of it.
    pub state: DeliveryState,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// The delivery that made it anew last.
    pub resent_as: Option<DeliveryId>,
}

/// A page of outlines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutlinePage {
    /// Deliveries that match. There may be fewer than were asked for, or none, while there are more to
    /// come: a page looks at a bounded number of records.
    pub deliveries: Vec<DeliveryOutline>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<Cursor>,
}

/// Shows each delivery of a list, page by page: others read and write between two of them.
pub(crate) async fn each(
    store: &Arc<dyn Store>,
    query: DeliveryQuery,
    see: impl FnMut(&DeliveryOutline) + Send,
) -> Result<(), StoreError> {
    each_of_pages(store, (query, usize::MAX), see).await?;
    Ok(())
}

/// The same for so many pages at most. Whether that was the whole list.
pub(crate) async fn each_of_pages(
    store: &Arc<dyn Store>,
    (mut query, pages_max): (DeliveryQuery, usize),
    mut see: impl FnMut(&DeliveryOutline) + Send,
) -> Result<bool, StoreError> {
    for _ in 0..pages_max {
        let page = Arc::clone(store).outlines(query.clone()).await?;
        page.deliveries.iter().for_each(&mut see);
        if page.next.is_none() {
            return Ok(true);
        }
        query.after = page.next;
        // A store in memory answers at once.
        yield_now().await;
    }
    Ok(false)
}
