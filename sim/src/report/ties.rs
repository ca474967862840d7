//! What belongs to what: which delivery is in which lane, which call made which event.

use crate::trace::{Line, Names, Reply, What, Wish};
use postrider_engine::{CallId, Change, DeliveryId, EndpointId, EventId, Fact, LaneId, Receipt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What belongs to what, over the whole run.
#[derive(Debug, Default)]
pub(super) struct Ties {
    pub(super) lane: BTreeMap<DeliveryId, LaneId>,
    /// The delivery that each makes anew.
    pub(super) resend_of: BTreeMap<DeliveryId, DeliveryId>,
    pub(super) url: BTreeMap<EndpointId, Arc<str>>,
    event: BTreeMap<DeliveryId, EventId>,
    deliveries: BTreeMap<EventId, Vec<DeliveryId>>,
    /// What each call brought about.
    called: BTreeMap<CallId, Vec<Subject>>,
}

/// What a line can be about.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Event(EventId),
    Delivery(DeliveryId),
    Endpoint(EndpointId),
}

impl Ties {
    pub(super) fn of(lines: &[Line]) -> Self {
        let mut ties = Self::default();
        for line in lines {
            match &line.what {
                What::CommitAsked { change, .. } => ties.changed(change),
                What::Durable { change, receipt } => {
                    ties.changed(change);
                    if let Receipt::Resent(placed) | Receipt::Backfilled(placed) = receipt {
                        ties.lane.insert(placed.delivery, placed.lane.clone());
                        ties.belongs(placed.delivery, placed.event);
                    }
                }
                What::Sent(wire) => ties.belongs(wire.delivery, wire.event),
                What::Called { call, wish, .. } => {
                    ties.called.insert(*call, wished(wish));
                }
                What::Answered { call, reply } => {
                    ties.called.entry(*call).or_default().extend(replied(reply));
                }
                _ => (),
            }
        }
        ties
    }

    fn changed(&mut self, change: &Change) {
        match change {
            Change::Publish(publish) => {
                for delivery in publish.deliveries.iter() {
                    self.lane.insert(delivery.id, delivery.lane.clone());
                    self.belongs(delivery.id, publish.event.id);
                }
            }
            Change::Attempted(end) => {
                self.lane.insert(end.delivery, end.lane.clone());
            }
            Change::AddEndpoint(endpoint) => {
                self.url.insert(endpoint.id, Arc::clone(&endpoint.spec.url));
            }
            Change::Resend { of, new, .. } => {
                self.resend_of.insert(*new, *of);
                if let Some(lane) = self.lane.get(of).cloned() {
                    self.lane.entry(*new).or_insert(lane);
                }
            }
            Change::ChangeEndpoint(_)
            | Change::DeleteEndpoint { .. }
            | Change::Backfill { .. }
            | Change::Discard { .. }
            | Change::RetryNow { .. } => {}
        }
    }

    fn belongs(&mut self, delivery: DeliveryId, event: EventId) {
        if self.event.insert(delivery, event).is_none() {
            self.deliveries.entry(event).or_default().push(delivery);
        }
    }

    /// What a line is about, as short names.
    pub(super) fn about(&self, line: &Line, names: &Names) -> Vec<String> {
        let mut about = Vec::new();
        for subject in self.subjects(&line.what) {
            match subject {
                Subject::Event(event) => {
                    push(&mut about, 'e', names.number_of_event(event));
                    for delivery in self.deliveries.get(&event).into_iter().flatten() {
                        self.push_delivery(*delivery, names, &mut about);
                    }
                }
                Subject::Delivery(delivery) => {
                    self.push_delivery(delivery, names, &mut about);
                    let event = self.event.get(&delivery);
                    let number = event.and_then(|event| names.number_of_event(*event));
                    push(&mut about, 'e', number);
                }
                Subject::Endpoint(id) => push(&mut about, 'm', names.number_of_endpoint(id)),
            }
        }
        match &line.what {
            What::Called { call, .. } | What::Answered { call, .. } => {
                about.push(format!("c{}", call.0));
            }
            What::Arrived { receiver, .. } | What::Responded { receiver, .. } => {
                about.push(format!("r{receiver}"));
            }
            What::Fault { index, .. } | What::FaultOver { index } => {
                about.push(format!("f{index}"));
            }
            _ => (),
        }
        about.sort_unstable();
        about.dedup();
        about
    }

    fn push_delivery(&self, id: DeliveryId, names: &Names, about: &mut Vec<String>) {
        push(about, 'd', names.number_of_delivery(id));
        if let Some(lane) = self.lane.get(&id) {
            push(about, 'm', names.number_of_endpoint(lane.endpoint));
        }
    }

    fn subjects(&self, what: &What) -> Vec<Subject> {
        match what {
            What::Called { call, .. } | What::Answered { call, .. } => {
                self.called.get(call).cloned().unwrap_or_default()
            }
            What::CommitAsked { change, .. } => of_change(change),
            What::Durable { change, receipt } => {
                let mut subjects = of_change(change);
                if let Receipt::Duplicate(event) | Receipt::KeyReused(event) = receipt {
                    subjects.push(Subject::Event(*event));
                }
                subjects
            }
            What::LoadAsked(load) => vec![Subject::Endpoint(load.lane.endpoint)],
            What::Loaded { lane, .. } => vec![Subject::Endpoint(lane.endpoint)],
            What::Sent(wire) | What::Arrived { wire, .. } => {
                vec![Subject::Delivery(wire.delivery)]
            }
            What::Responded { delivery, .. }
            | What::Outcome { delivery, .. }
            | What::Cancelled { delivery, .. } => vec![Subject::Delivery(*delivery)],
            What::Fact(fact) => of_fact(fact),
            _ => Vec::new(),
        }
    }
}

fn push(about: &mut Vec<String>, letter: char, number: Option<usize>) {
    about.extend(number.map(|number| format!("{letter}{number}")));
}

fn wished(wish: &Wish) -> Vec<Subject> {
    match wish {
        Wish::Change(id, _) | Wish::Delete(id) => vec![Subject::Endpoint(*id)],
        Wish::Resend(id) | Wish::Discard(id) | Wish::RetryNow(id) => {
            vec![Subject::Delivery(*id)]
        }
        Wish::Publish(_) | Wish::Register(_) | Wish::Drain { .. } => Vec::new(),
    }
}

fn replied(reply: &Reply) -> Option<Subject> {
    match reply {
        Reply::Published(Ok(published)) => Some(Subject::Event(published.event)),
        Reply::Endpoint(Ok(endpoint)) => Some(Subject::Endpoint(endpoint.id)),
        Reply::Resent(Ok(delivery)) => Some(Subject::Delivery(*delivery)),
        _ => None,
    }
}

fn of_change(change: &Change) -> Vec<Subject> {
    match change {
        Change::Publish(publish) => vec![Subject::Event(publish.event.id)],
        Change::Attempted(end) => vec![Subject::Delivery(end.delivery)],
        Change::AddEndpoint(endpoint) => vec![Subject::Endpoint(endpoint.id)],
        Change::ChangeEndpoint(update) => vec![Subject::Endpoint(update.endpoint)],
        Change::DeleteEndpoint { endpoint, .. } => vec![Subject::Endpoint(*endpoint)],
        Change::Resend { of, new, .. } => vec![Subject::Delivery(*of), Subject::Delivery(*new)],
        Change::Backfill { event, new, .. } => {
            vec![Subject::Event(*event), Subject::Delivery(*new)]
        }
        Change::Discard { delivery, .. } | Change::RetryNow { delivery, .. } => {
            vec![Subject::Delivery(*delivery)]
        }
    }
}

fn of_fact(fact: &Fact) -> Vec<Subject> {
    match *fact {
        Fact::Accepted { event, .. } | Fact::FiltersUndecided { event, .. } => {
            vec![Subject::Event(event)]
        }
        Fact::AttemptStarted { of, .. }
        | Fact::AttemptPutBack { of, .. }
        | Fact::AttemptEnded { of, .. }
        | Fact::RetryScheduled { of, .. }
        | Fact::Delivered { of, .. }
        | Fact::Failed { of, .. }
        | Fact::Discarded { of }
        | Fact::Backfilled { of } => vec![Subject::Delivery(of.delivery)],
        Fact::Resent { of, original } => {
            vec![Subject::Delivery(of.delivery), Subject::Delivery(original)]
        }
        Fact::EndpointChanged { endpoint, .. }
        | Fact::EndpointDisabled { endpoint, .. }
        | Fact::EndpointDeleted { endpoint, .. }
        | Fact::EndpointHeld { endpoint, .. }
        | Fact::BreakerOpened { endpoint, .. }
        | Fact::BreakerClosed { endpoint } => vec![Subject::Endpoint(endpoint)],
    }
}

/// The number of the attempt that a line is about; 0 if it is about none.
pub(super) fn attempt(what: &What) -> u32 {
    match what {
        What::Sent(wire) | What::Arrived { wire, .. } => wire.number,
        What::Responded { number, .. }
        | What::Outcome { number, .. }
        | What::Cancelled { number, .. }
        | What::Fact(Fact::AttemptStarted { number, .. } | Fact::AttemptEnded { number, .. }) => {
            *number
        }
        What::CommitAsked { change, .. } | What::Durable { change, .. } => match change {
            Change::Attempted(end) => end.attempt.number,
            _ => 0,
        },
        _ => 0,
    }
}
