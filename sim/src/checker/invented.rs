//! I2: nothing is stored or sent that nobody asked for, and an event goes exactly to those that
//! it was meant for.
//!
//! Whom an event is meant for is decided by what was told of the endpoints when it was submitted.
//! Under turmoil that can have changed by the time the engine takes the call: there only tenant,
//! type and the absence of repeats are judged.

use super::Checker;
use crate::book::Book;
use crate::trace::{Line, Reply, What, Wire, Wish};
use postrider_engine::{
    CallId, Change, Closed, DeliveryId, EndpointId, EndpointSpec, EndpointStatus, EndpointUpdate,
    EventType, LaneId, NewEvent, Ordering, OrderingKey, Publish, PublishError, Receipt, Target,
    TenantId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Invented {
    /// Submissions that may still become an event, by what they hold.
    open: BTreeMap<Content, Vec<Submission>>,
    /// Other things that were asked for and have not become durable.
    asked: BTreeMap<Asked, u32>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Content {
    payload: bytes::Bytes,
    tenant: String,
    event_type: String,
    key: Option<Arc<str>>,
    once: Option<Arc<str>>,
}

struct Submission {
    call: CallId,
    /// Where it should go; `None` if it must be refused.
    lanes: Option<Vec<LaneId>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Registration,
    Change(EndpointId),
    Deletion(EndpointId),
    Resend(DeliveryId),
    Discard(DeliveryId),
    RetryNow(DeliveryId),
}

impl Checker for Invented {
    fn promise(&self) -> &'static str {
        "invented"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Called { call, wish, .. } => {
                self.called(*call, wish, book);
                Ok(())
            }
            What::Answered {
                call,
                reply: Reply::Published(reply),
            } => self.answered(*call, reply, book),
            What::Durable { change, receipt } => self.durable(change, receipt, book),
            What::Sent(wire) => as_submitted(wire, book),
            What::Arrived { receiver, wire } => {
                if Book::receiver_of(&wire.url) != Some(*receiver) {
                    return Err(format!("{} arrives at receiver {receiver}", wire.url));
                }
                as_submitted(wire, book)?;
                headed(wire, book)
            }
            _ => Ok(()),
        }
    }
}

impl Invented {
    fn called(&mut self, call: CallId, wish: &Wish, book: &Book) {
        let asked = match wish {
            Wish::Publish(new) => {
                let lanes = meant_for(new, book);
                let open = self.open.entry(Content::of(new)).or_default();
                return open.push(Submission { call, lanes });
            }
            Wish::Register(_) => Asked::Registration,
            Wish::Change(endpoint, _) => Asked::Change(*endpoint),
            Wish::Delete(endpoint) => Asked::Deletion(*endpoint),
            Wish::Resend(delivery) => Asked::Resend(*delivery),
            Wish::Discard(delivery) => Asked::Discard(*delivery),
            Wish::RetryNow(delivery) => Asked::RetryNow(*delivery),
            Wish::Drain { .. } => return,
        };
        *self.asked.entry(asked).or_default() += 1;
    }

    fn answered(
        &mut self,
        call: CallId,
        reply: &Result<postrider_engine::Published, PublishError>,
        book: &Book,
    ) -> Result<(), String> {
        let Some((_, Wish::Publish(new))) = book.calls.get(&call) else {
            return Ok(());
        };
        let refused = match reply {
            // It may have been recorded all the same.
            Err(PublishError::Closed(Closed::StoreFailed | Closed::Crashed)) => return Ok(()),
            Err(_) => true,
            Ok(published) => published.duplicate,
        };
        if !refused {
            return Ok(());
        }
        // Which of several equal ones it was is not known: one of them is done with.
        let open = self.open.entry(Content::of(new)).or_default();
        let mine = open.iter().position(|open| open.call == call);
        if mine.or_else(|| open.len().checked_sub(1)).is_none() {
            return Err(format!("call {} is refused and recorded", call.0));
        }
        open.remove(mine.unwrap_or(0));
        Ok(())
    }

    fn durable(&mut self, change: &Change, receipt: &Receipt, book: &Book) -> Result<(), String> {
        let (asked, what) = match (change, receipt) {
            (Change::Publish(publish), Receipt::Published(_)) => {
                return self.published(publish, book);
            }
            (Change::AddEndpoint(_), _) => (Asked::Registration, "a registration"),
            (Change::ChangeEndpoint(update), _) => {
                mends(update, book)?;
                (Asked::Change(update.endpoint), "a change of an endpoint")
            }
            (Change::DeleteEndpoint { endpoint, .. }, _) => {
                (Asked::Deletion(*endpoint), "a deletion")
            }
            (Change::Resend { of, .. }, Receipt::Resent(placed)) => {
                if book.deliveries.contains_key(&placed.delivery) {
                    return Err(format!("{} is made twice", placed.delivery));
                }
                (Asked::Resend(*of), "a resend")
            }
            (Change::Discard { delivery, .. }, Receipt::Discarded { .. }) => {
                (Asked::Discard(*delivery), "a discard")
            }
            (Change::RetryNow { delivery, .. }, Receipt::Due(_)) => {
                (Asked::RetryNow(*delivery), "a retry by hand")
            }
            _ => return Ok(()),
        };
        let open = self.asked.entry(asked).or_default();
        *open = open
            .checked_sub(1)
            .ok_or_else(|| format!("{what} becomes durable that nobody asked for"))?;
        Ok(())
    }

    fn published(&mut self, publish: &Publish, book: &Book) -> Result<(), String> {
        let event = &publish.event;
        let content = Content {
            payload: event.payload.clone(),
            tenant: event.tenant.as_str().to_owned(),
            event_type: event.event_type.as_str().to_owned(),
            key: event.ordering_key.get().map(Arc::from),
            once: publish.idempotency.as_ref().map(|it| Arc::clone(&it.key)),
        };
        let Some(open) = self.open.get_mut(&content).filter(|open| !open.is_empty()) else {
            return Err(format!("{} is recorded, and nobody submitted it", event.id));
        };
        let lanes: Vec<&LaneId> = publish.deliveries.iter().map(|new| &new.lane).collect();
        let is_meant = |open: &Submission| {
            let meant = open.lanes.as_ref();
            meant.is_some_and(|meant| {
                meant.len() == lanes.len() && meant.iter().all(|lane| lanes.contains(&lane))
            })
        };
        let found = open.iter().position(is_meant);
        if book.is_exact() && found.is_none() {
            let meant = open.first().and_then(|open| open.lanes.as_ref());
            let id = event.id;
            return Err(format!(
                "{id} goes to {lanes:?} and was meant for {meant:?}"
            ));
        }
        open.remove(found.unwrap_or(0));
        for (place, lane) in lanes.iter().enumerate() {
            let page = book.endpoints.get(&lane.endpoint);
            if page.is_none_or(|page| page.durable.spec.tenant != event.tenant) {
                return Err(format!("{} goes to a stranger, {lane:?}", event.id));
            }
            if lanes.iter().take(place).any(|other| other == lane) {
                return Err(format!("{} goes to {lane:?} twice", event.id));
            }
        }
        let known = |id: &DeliveryId| book.deliveries.contains_key(id);
        match publish.deliveries.iter().find(|new| known(&new.id)) {
            Some(new) => Err(format!("{} is made twice", new.id)),
            None => Ok(()),
        }
    }
}

impl Content {
    fn of(new: &NewEvent) -> Self {
        Self {
            payload: new.payload.clone(),
            tenant: new.tenant.as_str().to_owned(),
            event_type: new.event_type.as_str().to_owned(),
            key: new.ordering_key.get().map(Arc::from),
            once: new.idempotency_key.clone(),
        }
    }
}

/// What waits for an endpoint is made due only if it is resumed or enabled, or has another URL or retry
/// policy: the checkers of waits believe what is recorded.
fn mends(update: &EndpointUpdate, book: &Book) -> Result<(), String> {
    let is_other = |spec: &Arc<EndpointSpec>| {
        let page = book.endpoints.get(&update.endpoint);
        page.is_none_or(|page| {
            let before = &page.durable.spec;
            spec.url != before.url || spec.retry != before.retry
        })
    };
    let is_mended =
        update.status == Some(EndpointStatus::Active) || update.spec.as_ref().is_some_and(is_other);
    if update.due.is_none() || is_mended {
        return Ok(());
    }
    let id = update.endpoint;
    Err(format!(
        "what waits for {id} is made due, and nobody mends it"
    ))
}

/// The lanes that an event is meant for; `None` if it must be refused.
pub(super) fn meant_for(new: &NewEvent, book: &Book) -> Option<Vec<LaneId>> {
    let takes = |tenant: &TenantId, kind: Option<&EventType>, page: &crate::book::EndpointPage| {
        let told = &page.told;
        page.known
            && !page.is_leaving()
            && !matches!(told.status, EndpointStatus::Disabled(_))
            && told.spec.tenant == *tenant
            && kind.is_none_or(|kind| told.spec.event_types.iter().any(|it| it.matches(kind)))
    };
    let lane = |(id, page): (&EndpointId, &crate::book::EndpointPage)| LaneId {
        endpoint: *id,
        key: match page.told.spec.ordering {
            Ordering::Fifo => new.ordering_key.clone(),
            Ordering::None => OrderingKey::none(),
        },
    };
    match new.target {
        Target::Endpoint(id) => {
            let page = book.endpoints.get(&id)?;
            takes(&new.tenant, None, page).then(|| vec![lane((&id, page))])
        }
        Target::Subscribers => {
            let kind = Some(&new.event_type);
            let all = book.endpoints.iter();
            let mine = all.filter(|(_, page)| takes(&new.tenant, kind, page));
            Some(mine.map(lane).collect())
        }
    }
}

fn as_submitted(wire: &Wire, book: &Book) -> Result<(), String> {
    let id = wire.delivery;
    let Some(page) = book.deliveries.get(&id) else {
        return Err(format!("{id} is on its way and is not durable"));
    };
    let is_its_event = wire.event == page.event;
    if is_its_event && book.body_of(wire).is_some_and(|body| wire.body == body) {
        return Ok(());
    }
    Err(format!("{id} is not sent as it was submitted"))
}

/// The headers say which event, delivery and attempt it is; in a batch, the first one, and how many
/// there are.
fn headed(wire: &Wire, book: &Book) -> Result<(), String> {
    if !wire.is_first() {
        return Ok(());
    }
    let kind = book
        .events
        .get(&wire.event)
        .map(|page| &page.event.event_type);
    let id = |name| wire.header(name).unwrap_or_default();
    let size = wire.header("x-batch-size").map(str::parse);
    if wire.header("x-event-type") != kind.map(EventType::as_str)
        || id("x-attempt").parse() != Ok(wire.number)
        || id("x-event-id").parse() != Ok(wire.event)
        || id("x-delivery-id").parse() != Ok(wire.delivery)
        || size.unwrap_or(Ok(0)) != Ok(wire.batch.len())
    {
        let id = wire.delivery;
        return Err(format!("the headers of {id} tell of something else"));
    }
    Ok(())
}
