//! What the API says to a publish, as callers in the process are told it.

use crate::trace::Reply;
use crate::turmoil_tier::stage::Stage;
use http::StatusCode;
use postrider::engine::{
    Full, LaneId, NewDelivery, NewEvent, OrderingKey, PublishError, Published, Target,
};
use postrider::{Closed, DeliveryId, EndpointId, EventId};
use serde::Deserialize;
use std::error::Error;

/// An event that was accepted.
#[derive(Deserialize)]
struct Accepted {
    id: String,
    deliveries: Vec<AcceptedDelivery>,
    duplicate: bool,
}

#[derive(Deserialize)]
struct AcceptedDelivery {
    id: String,
    endpoint_id: String,
    queue_full: bool,
}

/// A problem (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

/// What an answer means. One that means nothing breaks the promise `api`.
pub(super) fn read(stage: &Stage, event: &NewEvent, status: StatusCode, body: &[u8]) -> Reply {
    let read = match status {
        StatusCode::ACCEPTED => accepted(stage, body).map(|it| Reply::Published(Ok(it))),
        _ => refused(stage, event, status, body),
    };
    read.unwrap_or_else(|error| {
        let body = String::from_utf8_lossy(body);
        stage.broke("api", format!("{status} {body}: {error}"));
        Reply::Nothing(Closed::Crashed)
    })
}

fn accepted(stage: &Stage, body: &[u8]) -> Result<Published, Box<dyn Error>> {
    let accepted: Accepted = serde_json::from_slice(body)?;
    let event: EventId = accepted.id.parse()?;
    let state = stage.state();
    let held = &state.disk.held;
    let delivery = |told: &AcceptedDelivery| -> Result<NewDelivery, Box<dyn Error>> {
        let id: DeliveryId = told.id.parse()?;
        let endpoint: EndpointId = told.endpoint_id.parse()?;
        // The API does not tell the lane's key.
        let key = held.delivery(id).map(|record| record.lane.key);
        let key = key.unwrap_or_else(OrderingKey::none);
        let lane = LaneId { endpoint, key };
        Ok(NewDelivery {
            id,
            lane,
            queue_full: told.queue_full,
        })
    };
    let told = accepted.deliveries.iter().map(delivery);
    let mut deliveries = told.collect::<Result<Vec<_>, _>>()?;
    if accepted.duplicate {
        // Beyond what callers in the process are told: the deliveries of the first time.
        let records = held.deliveries_of(event).unwrap_or_default().into_iter();
        let first = records.filter(|record| record.resend_of.is_none());
        let first: Vec<_> = first.map(|record| (record.id, record.lane)).collect();
        let told = deliveries.drain(..).map(|it| (it.id, it.lane));
        let told: Vec<_> = told.collect();
        if told != first {
            return Err(format!("the repeat tells {told:?}, and there are {first:?}").into());
        }
    }
    Ok(Published {
        event,
        deliveries: deliveries.into(),
        duplicate: accepted.duplicate,
    })
}

fn refused(
    stage: &Stage,
    event: &NewEvent,
    status: StatusCode,
    body: &[u8],
) -> Result<Reply, Box<dyn Error>> {
    let problem: Problem = serde_json::from_slice(body)?;
    let detail = &problem.detail;
    let error = match (status.as_u16(), problem.code.as_str(), event.target) {
        (404, "not_found", Target::Endpoint(id)) => PublishError::NoSuchEndpoint(id),
        (409, "endpoint_disabled", Target::Endpoint(id)) => PublishError::EndpointDisabled(id),
        (409, "idempotency_key_reused", _) => {
            let words = detail.split([' ', ',']);
            let mut ids = words.filter_map(|word| word.parse().ok());
            PublishError::IdempotencyKeyReused(ids.next().ok_or("which event?")?)
        }
        (503, "full" | "tenant_full" | "endpoint_full", _) => {
            PublishError::Full(bound(stage, detail).ok_or("which bound?")?)
        }
        (503, "shutting_down", _) => Closed::Draining.into(),
        // It may have been accepted all the same.
        (503, "store_failed", _) => return Ok(Reply::Nothing(Closed::StoreFailed)),
        _ => return Err("no answer to a publish".into()),
    };
    Ok(Reply::Published(Err(error)))
}

/// The bound that was reached.
fn bound(stage: &Stage, detail: &str) -> Option<Full> {
    let limits = stage.plan.bounds.limits();
    let most = limits.pending_deliveries_max;
    let (tenant, own) = (limits.tenant_share(), limits.endpoint_share());
    let words = detail.split([' ', ',']);
    let named: Option<EndpointId> = words.filter_map(|word| word.parse().ok()).next();
    let of_endpoint = named.into_iter().flat_map(|endpoint| {
        let (deliveries, bytes) = (own.deliveries, own.bytes);
        let deliveries = Full::EndpointDeliveries {
            endpoint,
            most: deliveries,
        };
        let most = bytes;
        [deliveries, Full::EndpointBytes { endpoint, most }]
    });
    let bounds = [
        Full::TenantDeliveries {
            most: tenant.deliveries,
        },
        Full::TenantBytes { most: tenant.bytes },
        Full::PendingDeliveries { most },
        Full::PendingBytes {
            most: limits.pending_bytes_max,
        },
        Full::Commits,
        Full::Store,
    ];
    let mut bounds = bounds.into_iter().chain(of_endpoint);
    bounds.find(|bound| bound.to_string() == detail)
}
