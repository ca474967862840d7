//! The lanes of all endpoints in which something waits.

use crate::Postrider;
use crate::history::{DeliverySummary, InvalidCursor};
use crate::status::ReadError;
use postrider_engine::{DeliveryId, EndpointId, LaneId, OrderingKey, TenantId};
use std::fmt;
use std::str::FromStr;

/// A page of lanes, as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneQuery {
    /// Only those of this tenant's endpoints.
    pub tenant: Option<TenantId>,
    /// Only those of this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Where the page before ended; `None` for the first one.
    pub after: Option<LaneCursor>,
    /// How many at most.
    pub most: usize,
}

/// A page of lanes, by the age of what waits first in each, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanePage {
    /// There may be fewer than were asked for, or none, while there are more to come: a page looks at a
    /// bounded number of records.
    pub lanes: Vec<WaitingLane>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<LaneCursor>,
}

/// A lane in which something waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingLane {
    /// The lane.
    pub id: LaneId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Deliveries that have not ended.
    pub pending: u64,
    /// The first of these, in short.
    pub head: DeliverySummary,
    /// The dead letter at which the lane has stopped, until that is resent or discarded.
    pub stopped_at: Option<DeliveryId>,
}

/// A place in the list of lanes: in an order that belongs to the store. Its text is for handing back,
/// not for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneCursor(pub(crate) u128);

impl fmt::Display for LaneCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for LaneCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let is_ours = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let place = u128::from_str_radix(text, 16).ok().filter(|_| is_ours);
        place.map(Self).ok_or(InvalidCursor)
    }
}

impl Postrider {
    /// The ordering key and the epoch of the lane that this endpoint's receiver knows by this name, as
    /// it stands in the ids that the receiver gets; `None` if none is on record.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn lane_named(
        &self,
        endpoint: EndpointId,
        name: &str,
    ) -> Result<Option<(OrderingKey, u64)>, ReadError> {
        Ok(self.store().lane_named(endpoint, name.to_owned()).await?)
    }

    /// A page of the lanes in which something waits, by the age of what waits first in each.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn waiting_lanes(&self, query: LaneQuery) -> Result<LanePage, ReadError> {
        Ok(self.store().waiting_lanes(query).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_nothing_else_is() {
        let place = LaneCursor(0x1234);
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "12", "+0000000000000000000000000001234"] {
            assert_eq!(text.parse::<LaneCursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
