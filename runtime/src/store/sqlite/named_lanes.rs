//! Lanes by the names that receivers know them by.

use super::StoreFault;
use super::lanes::lane_id;
use super::rows;
use postrider_engine::{EndpointId, OrderingKey};
use rusqlite::Connection;

/// The ordering key and the epoch of a lane. A name is a digest of the key: each key of the endpoint is
/// looked at, a microsecond each.
pub(super) fn find(
    connection: &Connection,
    endpoint: EndpointId,
    name: &str,
) -> Result<Option<(OrderingKey, u64)>, StoreFault> {
    let endpoint = endpoint.as_u128().to_be_bytes();
    let mut select =
        connection.prepare_cached("SELECT key, epoch FROM postrider_lane WHERE endpoint = ?1")?;
    let mut rows = select.query([endpoint])?;
    while let Some(row) = rows.next()? {
        let id = lane_id(endpoint, row.get_ref(0)?.as_str().map_err(rows::damaged)?)?;
        if id.name() == name {
            return Ok(Some((id.key, rows::unsigned(row.get(1)?)?)));
        }
    }
    Ok(None)
}
