//! What happens, for those who watch: one task reads the facts, finds out whose they are, and hands
//! them to the open streams and to the operational events.
//!
//! The task never waits for a reader. Each stream has a queue of its own, of which only its own
//! facts take places; when it is full the stream is told how many it has missed.

mod directory;
mod hub;
mod item;
mod types;

pub(super) use hub::Hub;
pub(super) use item::Item;

use super::problem::{Code, Problem};
use postrider::{EndpointId, EventPattern, EventType, TenantId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch};

/// Streams at the same time.
const STREAMS_MAX: usize = 100;

/// Of these, those of one tenant: half.
const STREAMS_TENANT_MAX: usize = STREAMS_MAX / 2;

/// What a stream may lag behind before it misses something.
const QUEUE: usize = 1_024;

/// The family of the events that Postrider itself publishes.
const OWN_FAMILY: &str = "postrider.";

/// Whether Postrider itself publishes events of this type.
pub(super) fn is_operational(event_type: &EventType) -> bool {
    event_type.as_str().starts_with(OWN_FAMILY)
}

/// What a stream wants to see.
#[derive(Clone, Debug)]
pub(crate) struct Wants {
    /// `None`: what all tenants have.
    pub(super) tenant: Option<TenantId>,
    pub(super) events: bool,
    /// Attempts that start.
    pub(super) starts: bool,
    /// Attempts that end.
    pub(super) attempts: bool,
    pub(super) deliveries: bool,
    pub(super) endpoints: bool,
    /// Of events, attempts and deliveries only those of these types; empty for any.
    pub(super) event_types: Vec<EventPattern>,
    /// Only what concerns this endpoint.
    pub(super) endpoint: Option<EndpointId>,
    /// So many events in a second, and of all the other items together; all of them, if there is none.
    pub(super) per_second: Option<u32>,
    /// Events without their payloads.
    pub(super) is_short: bool,
}

impl Wants {
    /// Whether it matters for this item of which type its event is: the item shows it, or is chosen
    /// by it.
    fn asks_for_type(&self, tenant: &TenantId, item: &Item) -> bool {
        self.takes_kind(tenant, item) && (item.shows_type() || self.chooses_by_type(item))
    }

    fn chooses_by_type(&self, item: &Item) -> bool {
        !self.event_types.is_empty() && item.event().is_some()
    }

    fn takes_kind(&self, tenant: &TenantId, item: &Item) -> bool {
        let kind = match item {
            Item::Started(_) => self.starts,
            Item::Attempt(_) => self.attempts,
            Item::Delivery(_) => self.deliveries,
            Item::Endpoint(_) => self.endpoints,
            Item::Skipped(_) => true,
        };
        let concerns = |wanted| item.endpoint() == Some(wanted);
        let is_theirs = self.tenant.as_ref().is_none_or(|own| own == tenant);
        kind && is_theirs && self.endpoint.is_none_or(concerns)
    }

    fn takes(&self, tenant: &TenantId, item: &Item, event_type: Option<&EventType>) -> bool {
        let covers = |event_type| self.event_types.iter().any(|it| it.matches(event_type));
        self.takes_kind(tenant, item)
            && (!self.chooses_by_type(item) || event_type.is_some_and(covers))
    }
}

/// Something that has happened, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// `None` for what was missed.
    pub(super) tenant: Option<TenantId>,
    pub(super) item: Item,
}

/// A stream, as the hub sees it.
struct Subscriber {
    wants: Wants,
    queue: mpsc::Sender<Shown>,
    /// What it may be given in this second, where it asks for no more.
    room: Option<u32>,
    /// What found no place since.
    missed: u64,
    /// It may have missed more, of which it is not known whose it was.
    maybe_more: bool,
}

impl Subscriber {
    fn give(&mut self, shown: impl FnOnce() -> Shown) {
        // What it asked not to be given is told once a second, and not between two items.
        let has_room = self.room != Some(0);
        if !has_room || !self.catch_up() || self.queue.try_send(shown()).is_err() {
            self.missed += 1;
        } else if let Some(room) = &mut self.room {
            *room -= 1;
        }
    }

    /// Whether it knows of everything that it has missed.
    fn catch_up(&mut self) -> bool {
        let nothing = self.missed == 0 && !self.maybe_more;
        // How many facts were missed of all tenants is nobody's business.
        let count = Some(self.missed).filter(|_| !self.maybe_more);
        let skipped = Shown {
            tenant: None,
            item: Item::Skipped(count),
        };
        if !nothing && self.queue.try_send(skipped).is_ok() {
            self.missed = 0;
            self.maybe_more = false;
        }
        self.missed == 0 && !self.maybe_more
    }
}

/// The open streams.
pub(crate) struct Live {
    subscribers: Mutex<Vec<Subscriber>>,
    /// The open streams of each tenant that has any.
    taken: Arc<Mutex<BTreeMap<TenantId, usize>>>,
    closing: watch::Sender<bool>,
}

/// The place of one stream among those that may be open.
pub(super) struct Place {
    tenant: TenantId,
    taken: Arc<Mutex<BTreeMap<TenantId, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

/// Why there is no place for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All are taken.
    All,
    /// The tenant has as many as it may.
    Tenant,
}

impl From<NoPlace> for Problem {
    fn from(refused: NoPlace) -> Self {
        let problem = match refused {
            NoPlace::All => {
                let detail = format!("{STREAMS_MAX} streams are open already");
                Self::new(Code::Busy, detail)
            }
            NoPlace::Tenant => {
                let detail =
                    format!("{STREAMS_TENANT_MAX} streams of this tenant are open already");
                Self::new(Code::TenantFull, detail)
            }
        };
        problem.retry_after(5)
    }
}

impl Default for Live {
    fn default() -> Self {
        Self {
            subscribers: Mutex::default(),
            taken: Arc::default(),
            closing: watch::Sender::new(false),
        }
    }
}

impl Live {
    /// A place for one more stream, if there is one.
    pub(super) fn place(&self, tenant: &TenantId) -> Result<Place, NoPlace> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(tenant).copied().unwrap_or(0);
        if own >= STREAMS_TENANT_MAX {
            return Err(NoPlace::Tenant);
        }
        if taken.values().sum::<usize>() >= STREAMS_MAX {
            return Err(NoPlace::All);
        }
        taken.insert(tenant.clone(), own + 1);
        Ok(Place {
            tenant: tenant.clone(),
            taken: Arc::clone(&self.taken),
        })
    }

    /// What happens from now on, as far as it is wanted.
    pub(super) fn subscribe(&self, wants: Wants) -> mpsc::Receiver<Shown> {
        let (queue, items) = mpsc::channel(QUEUE);
        self.with(|subscribers| {
            subscribers.push(Subscriber {
                room: wants.per_second,
                wants,
                queue,
                missed: 0,
                maybe_more: false,
            });
        });
        items
    }

    /// Ends all streams.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits until the streams are to end.
    pub(super) async fn closing(&self) {
        let mut closing = self.closing.subscribe();
        // The sender is here, so it is not gone.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Hands it to the streams that want it. Whether one of them has missed something.
    fn give(&self, tenant: &TenantId, item: &Item, event_type: Option<&EventType>) {
        self.with(|subscribers| {
            for subscriber in subscribers {
                if subscriber.wants.takes(tenant, item, event_type) {
                    subscriber.give(|| Shown {
                        tenant: Some(tenant.clone()),
                        item: item.clone(),
                    });
                }
            }
        });
    }

    /// Facts were missed before it was known whose they were.
    fn missed(&self) {
        self.with(|subscribers| {
            let live = |wants: &Wants| {
                wants.starts || wants.attempts || wants.deliveries || wants.endpoints
            };
            for subscriber in subscribers.iter_mut().filter(|it| live(&it.wants)) {
                subscriber.maybe_more = true;
                subscriber.catch_up();
            }
        });
    }

    /// A second begins. Tells those that have missed something and have room again; forgets those that
    /// are gone.
    fn tidy(&self) {
        self.with(|subscribers| {
            subscribers.retain(|subscriber| !subscriber.queue.is_closed());
            for subscriber in subscribers {
                subscriber.room = subscriber.wants.per_second;
                subscriber.catch_up();
            }
        });
    }

    /// The hub has ended: nothing more will come.
    fn end(&self) {
        self.with(Vec::clear);
    }

    /// Whether somebody wants to see attempts, or deliveries of some types.
    fn shows_types(&self) -> bool {
        self.with(|subscribers| {
            let mut wanted = subscribers.iter().map(|it| &it.wants);
            wanted
                .any(|it| it.starts || it.attempts || (it.deliveries && !it.event_types.is_empty()))
        })
    }

    /// Whether somebody wants this item and must know the type of its event.
    fn asks_for_type(&self, tenant: &TenantId, item: &Item) -> bool {
        self.with(|subscribers| {
            let mut subscribers = subscribers.iter();
            subscribers.any(|it| it.wants.asks_for_type(tenant, item))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Subscriber>) -> T) -> T {
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        act(&mut subscribers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::Fact;
    use postrider::engine::{DeliveryId, EventId, Of};

    fn wants(tenant: &str) -> Wants {
        Wants {
            tenant: Some(tenant.parse().unwrap()),
            events: false,
            starts: false,
            attempts: false,
            deliveries: true,
            endpoints: true,
            event_types: Vec::new(),
            endpoint: None,
            per_second: None,
            is_short: false,
        }
    }

    /// A delivery to the endpoint with this number.
    fn item(endpoint: u128) -> Item {
        let of = Of {
            delivery: DeliveryId::from_u128(1),
            event: EventId::from_u128(1),
            endpoint: EndpointId::from_u128(endpoint),
        };
        Item::of(&Fact::Discarded { of }, None).unwrap()
    }

    fn next(items: &mut mpsc::Receiver<Shown>) -> Option<Item> {
        items.try_recv().ok().map(|shown| shown.item)
    }

    #[test]
    fn who_watches_all_tenants_sees_whose_each_item_is() {
        let live = Live::default();
        let mut all = wants("default");
        all.tenant = None;
        let mut items = live.subscribe(all);
        for name in ["one", "other"] {
            let tenant: TenantId = name.parse().unwrap();
            live.give(&tenant, &item(1), None);
            assert_eq!(items.try_recv().unwrap().tenant, Some(tenant));
        }
    }

    #[test]
    fn who_falls_behind_is_told_how_many_he_has_missed_where_they_were() {
        let live = Live::default();
        let tenant = TenantId::default();
        let mut items = live.subscribe(wants("default"));
        let mut other = live.subscribe(wants("other"));
        for _ in 0..QUEUE + 5 {
            live.give(&tenant, &item(1), None);
        }
        for _ in 0..QUEUE {
            assert!(matches!(next(&mut items), Some(Item::Delivery(_))));
        }
        assert!(next(&mut items).is_none(), "it has not been told yet");
        live.give(&tenant, &item(1), None);
        assert!(matches!(next(&mut items), Some(Item::Skipped(Some(5)))));
        assert!(matches!(next(&mut items), Some(Item::Delivery(_))));
        live.missed();
        assert!(matches!(next(&mut items), Some(Item::Skipped(None))));
        assert!(matches!(next(&mut other), Some(Item::Skipped(None))));
        assert!(next(&mut other).is_none(), "what others miss is not told");
    }

    #[test]
    fn who_asks_for_a_few_a_second_gets_them_and_is_told_once_what_was_left_out() {
        let live = Live::default();
        let mut few = wants("default");
        few.per_second = Some(3);
        let mut items = live.subscribe(few);
        let mut all = live.subscribe(wants("default"));
        for second in 0..2 {
            for _ in 0..10 {
                live.give(&TenantId::default(), &item(1), None);
            }
            for _ in 0..3 {
                assert!(
                    matches!(next(&mut items), Some(Item::Delivery(_))),
                    "{second}"
                );
            }
            assert!(
                next(&mut items).is_none(),
                "{second}: the second is not over"
            );
            live.tidy();
            assert!(
                matches!(next(&mut items), Some(Item::Skipped(Some(7)))),
                "{second}"
            );
            assert!(next(&mut items).is_none(), "{second}");
        }
        let others = std::iter::from_fn(|| next(&mut all));
        assert_eq!(others.count(), 20, "who asks for all of them gets them");
    }

    #[test]
    fn who_has_room_again_is_told_without_waiting_for_more() {
        let live = Live::default();
        let mut items = live.subscribe(wants("default"));
        for _ in 0..=QUEUE {
            live.give(&TenantId::default(), &item(1), None);
        }
        while next(&mut items).is_some() {}
        live.tidy();
        assert!(matches!(next(&mut items), Some(Item::Skipped(Some(1)))));
        drop(items);
        live.tidy();
        assert!(live.with(|subscribers| subscribers.is_empty()));
    }

    #[test]
    fn what_is_of_an_unknown_type_is_not_shown_to_who_asks_for_one() {
        let mut wanted = wants("default");
        wanted.event_types = vec!["payment.*".parse().unwrap()];
        let tenant = TenantId::default();
        assert!(wanted.asks_for_type(&tenant, &item(1)));
        assert!(!wanted.takes(&tenant, &item(1), None));
        let payment = "payment.made".parse().unwrap();
        assert!(wanted.takes(&tenant, &item(1), Some(&payment)));
        let order = "order.made".parse().unwrap();
        assert!(!wanted.takes(&tenant, &item(1), Some(&order)));
    }

    #[test]
    fn types_are_looked_up_only_for_who_sees_them_or_chooses_by_them() {
        let tenant = TenantId::default();
        let live = Live::default();
        let _deliveries = live.subscribe(wants("default"));
        assert!(!live.shows_types());
        assert!(!live.asks_for_type(&tenant, &item(1)));
        let mut wanted = wants("default");
        wanted.attempts = true;
        let _attempts = live.subscribe(wanted);
        assert!(live.shows_types());
        assert!(
            !live.asks_for_type(&tenant, &item(1)),
            "a delivery has none"
        );
    }
}
