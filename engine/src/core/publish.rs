//! Taking events.

use super::Core;
use super::judge::Judge;
use crate::batch::{Change, Idempotency, NewDelivery, Publish, Receipt};
use crate::commits::Next;
use crate::delivery::{Event, LaneId, Spot};
use crate::endpoint::Ordering;
use crate::endpoint_state::Existence;
use crate::error::PublishError;
use crate::fact::{Fact, Undecided};
use crate::id::{EndpointId, EventId};
use crate::input::{CallId, NewEvent, Target};
use crate::lane::{Entry, Phase};
use crate::names::OrderingKey;
use crate::output::{Answer, Published};
use crate::slab::Key;
use postrider_signature::content_digest;
use std::sync::Arc;

impl Core {
    /// `known` is the id of an event from the outbox.
    pub(super) fn publish(&mut self, call: CallId, new: NewEvent, known: Option<EventId>) {
        if let Err(error) = self.try_publish(call, new, known) {
            self.answer(call, Answer::Published(Err(error)));
        }
    }

    fn try_publish(
        &mut self,
        call: CallId,
        new: NewEvent,
        known: Option<EventId>,
    ) -> Result<(), PublishError> {
        if let Some(closed) = self.closed() {
            return Err(closed.into());
        }
        new.check(&self.limits)?;
        let addressed = matches!(new.target, Target::Endpoint(_));
        let bytes = new.payload.len();
        let (mut deliveries, undecided) = self.deliveries_of(&new)?;
        self.reserve(&new.tenant, &mut deliveries, bytes, known.is_some())?;
        let deliveries: Arc<[NewDelivery]> = deliveries.into();
        let idempotency = new.idempotency_key.clone().map(|key| {
            let digest = digest(&new);
            Idempotency { key, digest }
        });
        let event = Arc::new(Event {
            id: known.unwrap_or_else(|| self.chance.event_id(self.now.wall)),
            tenant: new.tenant,
            event_type: new.event_type,
            payload: new.payload,
            payload_type: new.payload_type,
            headers: new.headers,
            ordering_key: new.ordering_key,
            published_at: self.now.wall,
        });
        let publish = Publish {
            event: event.clone(),
            deliveries: deliveries.clone(),
            idempotency,
            addressed,
            from_outbox: known.is_some(),
        };
        self.commit(
            Change::Publish(publish),
            Next::Published {
                call,
                event,
                deliveries,
                undecided,
            },
        );
        Ok(())
    }

    /// The deliveries that it makes, in the order of the endpoints' ids, and of whom it is not known
    /// whether they want it.
    fn deliveries_of(
        &mut self,
        new: &NewEvent,
    ) -> Result<(Vec<NewDelivery>, Undecided), PublishError> {
        let wall = self.now.wall;
        let chance = &mut self.chance;
        let mut to = |endpoint: EndpointId, ordering| {
            let key = match ordering {
                Ordering::Fifo => new.ordering_key.clone(),
                // Without an order there is nothing for a key to keep.
                Ordering::None => OrderingKey::none(),
            };
            NewDelivery {
                id: chance.delivery_id(wall),
                lane: LaneId { endpoint, key },
                queue_full: false,
            }
        };
        if let Target::Endpoint(id) = new.target {
            let key = self.by_id.get(&id).copied();
            let state = key.and_then(|key| self.endpoints.get(key));
            let owned = state.filter(|state| {
                state.existence == Existence::Here && state.record.spec.tenant == new.tenant
            });
            let state = owned.ok_or(PublishError::NoSuchEndpoint(id))?;
            if !state.accepts() {
                return Err(PublishError::EndpointDisabled(id));
            }
            let only = to(id, state.ordering());
            return Ok((vec![only], Undecided::default()));
        }
        let Some(tenant) = self.tenants.get(&new.tenant) else {
            return Ok((Vec::new(), Undecided::default()));
        };
        let mut judge = Judge::new((&new.payload, &new.headers), self.limits.filter_steps_max);
        let mut deliveries = Vec::new();
        for (id, key) in tenant.subscriptions.candidates(&new.event_type) {
            let Some(state) = self.endpoints.get(key).filter(|state| state.accepts()) else {
                continue;
            };
            let spec = &state.record.spec;
            let mut patterns = spec.event_types.iter();
            if patterns.any(|pattern| pattern.matches(&new.event_type))
                && spec.filter.as_ref().is_none_or(|it| judge.fits(it))
            {
                deliveries.push(to(id, state.ordering()));
            }
        }
        Ok((deliveries, judge.undecided))
    }

    pub(super) fn published(
        &mut self,
        call: CallId,
        event: &Arc<Event>,
        deliveries: &Arc<[NewDelivery]>,
        undecided: Undecided,
        receipt: Receipt,
    ) {
        let answer = match receipt {
            Receipt::Published(spots) => {
                assert_eq!(spots.len(), deliveries.len(), "one place per delivery");
                let count = u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
                self.observe(Fact::Accepted {
                    event: event.id,
                    deliveries: count,
                });
                if undecided != Undecided::default() {
                    self.observe(Fact::FiltersUndecided {
                        event: event.id,
                        undecided,
                    });
                }
                for (delivery, spot) in deliveries.iter().zip(spots) {
                    if delivery.queue_full {
                        self.passed_over(delivery, spot.seq, event);
                    } else {
                        self.arrive(delivery, spot, event);
                    }
                }
                Ok(Published {
                    event: event.id,
                    deliveries: deliveries.clone(),
                    duplicate: false,
                })
            }
            Receipt::Duplicate(earlier) => {
                self.unreserve(deliveries, event);
                Ok(Published {
                    event: earlier,
                    deliveries: Arc::default(),
                    duplicate: true,
                })
            }
            Receipt::KeyReused(earlier) => {
                self.unreserve(deliveries, event);
                Err(PublishError::IdempotencyKeyReused(earlier))
            }
            other => unreachable!("a publish is not answered by {other:?}"),
        };
        self.answer(call, Answer::Published(answer));
    }

    /// A delivery is durable: it takes its place in its lane.
    fn arrive(&mut self, delivery: &NewDelivery, spot: Spot, event: &Arc<Event>) {
        let Spot { seq, ordinal } = spot;
        // The endpoint is there: its deletion would have been answered after this.
        let Some(&endpoint) = self.by_id.get(&delivery.lane.endpoint) else {
            return;
        };
        let bytes = event.payload.len();
        let key = self.lane_of(endpoint, &delivery.lane.key, seq.previous());
        let has_room = self.has_room(endpoint, bytes);
        let window_max = self.endpoints.get(endpoint).map(|it| self.window_max(it));
        let (Some(lane), Some(state)) = (self.lanes.get_mut(key), self.endpoints.get_mut(endpoint))
        else {
            return;
        };
        let is_next = lane.extended_to(seq);
        let keep = is_next
            && has_room
            && state.is_open(self.now.mono)
            && lane.moves(state.ordering())
            && Some(lane.len()) < window_max;
        if keep {
            state.window_bytes += bytes;
            self.window_bytes += bytes;
            lane.append(Entry {
                delivery: delivery.id,
                event_id: event.id,
                seq,
                ordinal,
                event: Some(event.clone()),
                payload_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
                attempts: 0,
                phase: Phase::Ready,
            });
        }
        self.wake_lane(key);
    }

    fn has_room(&self, endpoint: Key, bytes: usize) -> bool {
        self.room(endpoint) >= bytes
    }
}

/// SHA-256 over everything that a repeat must have in common. Headers are not among it: in one of them a
/// provider may count its repeats.
pub(crate) fn digest(new: &NewEvent) -> [u8; 32] {
    let target = match new.target {
        Target::Endpoint(id) => id.to_string(),
        Target::Subscribers => String::new(),
    };
    let content: [&[u8]; 4] = [
        target.as_bytes(),
        new.event_type.as_str().as_bytes(),
        new.ordering_key.get().unwrap_or_default().as_bytes(),
        &new.payload,
    ];
    let kind = &new.payload_type;
    if kind.is_default() {
        // As it was before payloads had a type: keys on record keep their meaning.
        return content_digest(&content);
    }
    let kind = [kind.media_type(), kind.coding().unwrap_or_default()];
    content_digest(&[&content[..], &kind.map(str::as_bytes)[..]].concat())
}
