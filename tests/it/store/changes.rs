//! Changes as an engine would ask for them.

use bytes::Bytes;
use postrider::store::sqlite::Retention;
use postrider::{SqliteStore, Store};
use postrider_engine::{
    Attempt, AttemptId, Attempted, Change, DeliveryId, DeliveryState, Endpoint, EndpointId,
    EndpointSecret, EndpointSpec, EndpointStatus, Event, EventHeaders, EventId, Failure,
    FailureKind, HeaderLines, Health, LaneId, NewDelivery, OrderingKey, Outcome, PayloadType,
    PhaseTimes, Publish, Receipt, Repeat, Response, Secret, Sent, SentBody, Seq, Wall,
};
use std::path::Path;
use std::sync::Arc;

pub(super) fn endpoint(id: EndpointId) -> Change {
    Change::AddEndpoint(Box::new(Endpoint {
        id,
        spec: Arc::new(EndpointSpec::new("https://example.com/hooks")),
        secrets: vec![EndpointSecret {
            secret: Secret::generate_hmac([7; 32]),
            expires_at: None,
        }],
        status: EndpointStatus::Active,
        health: Health::default(),
        created_at: Wall(1),
        revision: 1,
    }))
}

pub(super) fn lane(endpoint: EndpointId, key: &str) -> LaneId {
    let key = match key {
        "" => OrderingKey::none(),
        key => key.parse().unwrap(),
    };
    LaneId { endpoint, key }
}

/// An event with this number, for these deliveries.
pub(super) fn publish(number: u128, payload: &str, to: &[(u128, LaneId)]) -> Publish {
    let key = to
        .first()
        .map_or(OrderingKey::none(), |(_, lane)| lane.key.clone());
    let deliveries = to.iter().map(|(id, lane)| NewDelivery {
        queue_full: false,
        id: DeliveryId::from_u128(*id),
        lane: lane.clone(),
    });
    Publish {
        event: Arc::new(Event {
            id: EventId::from_u128(number),
            tenant: Default::default(),
            event_type: "payment.succeeded".parse().unwrap(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: key,
            published_at: Wall(1_000),
        }),
        deliveries: deliveries.collect(),
        idempotency: None,
        addressed: false,
        from_outbox: false,
    }
}

/// What an attempt sent: nothing that is known, the payload, or something made of it, which every
/// other attempt changes. In memory only the last attempt keeps its headers, so there are none.
fn sent(delivery: u128, number: u32) -> Sent {
    let made = Bytes::from(format!("[{delivery},{}]", number / 2));
    let is_payload = number.is_multiple_of(5);
    let body = SentBody {
        bytes: made.len() as u64,
        is_payload,
        made: (!is_payload).then_some(made),
        kept_with: number
            .is_multiple_of(4)
            .then(|| DeliveryId::from_u128(delivery - 1)),
    };
    let phases = PhaseTimes {
        queued_ms: number.is_multiple_of(3).then_some(number),
        dns_ms: Some(0),
        connect_ms: None,
        tls_ms: number.is_multiple_of(2).then_some(7),
        first_byte_ms: Some(12),
        total_ms: 15,
    };
    Sent {
        url: Some(format!("https://example.com/{number}").into()),
        headers: HeaderLines::default(),
        body: (!number.is_multiple_of(7)).then_some(body),
        phases: number.is_multiple_of(2).then_some(phases),
    }
}

/// The end of an attempt of a delivery that stands there.
pub(super) fn attempted(
    delivery: u128,
    (lane, seq): (LaneId, Seq),
    number: u32,
    state: DeliveryState,
) -> Attempted {
    let repeated = Repeat::ALL.get(number as usize % 4).copied();
    let outcome = if state == DeliveryState::Delivered {
        Outcome::Response(Response {
            status: 204,
            headers: vec![("x-request-id".to_owned(), format!("r{number}"))],
            body: Bytes::new(),
            body_cut: number.is_multiple_of(2),
            head_ms: 12,
            repeated,
        })
    } else {
        Outcome::Failure(Failure::new(FailureKind::Reset, "it broke off")).with_repeat(repeated)
    };
    Attempted {
        delivery: DeliveryId::from_u128(delivery),
        lane,
        seq,
        attempt: Attempt {
            sent: Box::new(sent(delivery, number)),
            id: AttemptId::from_u128(delivery * 1_000 + u128::from(number)),
            number,
            started_at: Wall(2_000 + u64::from(number)),
            duration_ms: 15,
            outcome,
        },
        state,
        stop_lane: false,
        health: None,
        disable: None,
    }
}

/// The events of these tests happened in 1970: none of them is too old.
pub(super) fn open(path: impl AsRef<Path>) -> Arc<SqliteStore> {
    let options = SqliteStore::options().retention(Retention::FOREVER);
    Arc::new(options.open(path).unwrap())
}

/// Makes them, and gives what became of them.
pub(super) async fn commit(store: &Arc<SqliteStore>, changes: Vec<Change>) -> Vec<Receipt> {
    let answers = Arc::clone(store).commit(changes).await;
    answers.into_iter().map(Result::unwrap).collect()
}
