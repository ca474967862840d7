//! The store in a file against the store in memory: the same random changes, the same answers.
//!
//! Places are compared by their order alone: a lane that held nothing for a while may go on
//! counting anywhere above.

mod script;

use super::changes::{attempted, endpoint, lane, open, publish};
use postrider::audit::AuditQuery;
use postrider::store::Store;
use postrider::{
    DeliveryFilter, DeliveryQuery, Direction, EndpointQuery, EventFilter, EventOutlineQuery,
    EventQuery, EventSearch, EventState, LaneQuery, LaneRecord, StateKind,
};
use postrider::{MemoryBounds, MemoryStore};
use postrider_engine::{
    Change, CommitError, DeliveryId, DeliveryState, EndpointId, EndpointStatus, EndpointUpdate,
    Event, EventHeaders, EventId, FailReason, Health, Idempotency, LaneId, Load, Note, NoteId,
    PayloadType, Receipt, ReplayId, Seq, TenantId, Wall,
};
use postrider_sim::chance::{Chance, Rolls};
use script::{Script, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

const ENDPOINTS: u128 = 3;
const SEEDS: u64 = 24;
const GROUPS: u64 = 40;

type Answers = Vec<Result<Receipt, CommitError>>;

/// One of the two stores, and where it has put each delivery.
struct Side<S> {
    store: Arc<S>,
    places: BTreeMap<u128, (LaneId, Seq)>,
    attempts: BTreeMap<u128, u32>,
    /// Groups of changes so far.
    groups: u64,
}

impl<S: Store> Side<S> {
    fn new(store: Arc<S>) -> Self {
        Self {
            store,
            places: BTreeMap::new(),
            attempts: BTreeMap::new(),
            groups: 0,
        }
    }

    fn change(&mut self, step: &Step) -> Option<Change> {
        let (delivery, state, stops) = match step {
            Step::Plain(change) => return Some(change.clone()),
            Step::End(delivery, state, stops) => (*delivery, *state, *stops),
        };
        let place = self.places.get(&delivery)?.clone();
        let number = self.attempts.entry(delivery).or_default();
        *number += 1;
        let mut end = attempted(delivery, place, *number, state);
        end.stop_lane = stops;
        Some(Change::Attempted(Arc::new(end)))
    }

    /// Makes a group of changes; gives the answers without places.
    async fn commit(&mut self, steps: &[Step]) -> Answers {
        let changes: Vec<Change> = steps.iter().filter_map(|step| self.change(step)).collect();
        // Every other change is noted, some with a note that is known already.
        let places = (0..changes.len()).filter(|place| place % 2 == 0);
        let notes = places.map(|place| (place, self.note(place)));
        let notes: Vec<(usize, Note)> = notes.collect();
        self.groups += 1;
        let store = Arc::clone(&self.store);
        let mut answers = store.commit_noted(changes.clone(), notes).await;
        for (change, answer) in changes.iter().zip(&mut answers) {
            match (change, answer) {
                (Change::Publish(publish), Ok(Receipt::Published(seqs))) => {
                    for (new, seq) in publish.deliveries.iter().zip(seqs.iter_mut()) {
                        let place = (new.lane.clone(), std::mem::take(seq).seq);
                        self.places.insert(new.id.as_u128(), place);
                    }
                }
                (Change::Resend { new, .. }, Ok(Receipt::Resent(placed)))
                | (Change::Backfill { new, .. }, Ok(Receipt::Backfilled(placed))) => {
                    let place = (placed.lane.clone(), std::mem::take(&mut placed.seq));
                    placed.ordinal = None;
                    self.places.insert(new.as_u128(), place);
                }
                (_, Ok(Receipt::Discarded { placed, .. } | Receipt::Due(placed))) => {
                    placed.seq = Seq::default();
                    placed.ordinal = None;
                }
                _ => (),
            }
        }
        answers
    }

    /// The note of the change at this place of the next group.
    fn note(&self, place: usize) -> Note {
        let number = self.groups * 10 + place as u64;
        let number = if number.is_multiple_of(7) {
            self.groups
        } else {
            number
        };
        Note {
            id: NoteId::from_parts(Wall(number), 0),
            tenant: (number % 3 > 0).then(TenantId::default),
            target: (number % 2 > 0).then(|| "ep_1".into()),
            value: number.to_string().into(),
        }
    }

    /// The notes, as they are read.
    async fn notes(&self) -> String {
        let log = Arc::clone(&self.store).audit_log().unwrap();
        let mut told = String::new();
        for (tenant, target) in [
            (None, None),
            (Some(TenantId::default()), None),
            (None, Some("ep_1")),
            (Some(TenantId::default()), Some("ep_1")),
        ] {
            let mut query = AuditQuery {
                tenant,
                target: target.map(Arc::from),
                most: 7,
                ..AuditQuery::default()
            };
            loop {
                let page = Arc::clone(&log).page(query.clone()).await.unwrap();
                let values = page.notes.iter().map(|it| (it.id, it.value.clone()));
                told += &format!("{:?}\n", values.collect::<Vec<_>>());
                query.after = page.next;
                if page.next.is_none() {
                    break;
                }
            }
        }
        told
    }

    /// Everything that can be read, without places.
    async fn told(&self, made: &[u128]) -> String {
        let store = || Arc::clone(&self.store);
        let mut told = String::new();
        for id in made {
            let record = store().delivery(DeliveryId::from_u128(*id)).await.unwrap();
            let record = record.map(|record| postrider::DeliveryRecord {
                seq: Seq::default(),
                ordinal: None,
                ..record
            });
            told += &format!("{record:?}\n");
            told += &self.requests(*id).await;
        }
        told += &self.log().await;
        for state in EventState::ALL {
            told += &self.found(None, &[state]).await;
        }
        told += &self.notes().await;
        told += &format!("{:?}\n", store().oldest_pending().await);
        told += &self.pages(None).await;
        told += &self.outlines().await;
        told += &self.waiting_lanes().await;
        let groups = store().dead_letter_groups(Some(TenantId::default())).await;
        told += &format!("{:?}\n", groups.unwrap());
        told += &self.overview().await;
        for number in 1..=ENDPOINTS {
            let id = EndpointId::from_u128(number);
            told += &format!("{:?}\n", store().ledger(id).await.unwrap());
            told += &format!("{:?}\n", store().hours(id, Wall(0), Wall(1 << 40)).await);
            told += &self.pages(Some(id)).await;
            told += &self.event_outlines(id).await;
            told += &self.found(Some(id), &[]).await;
            let open = [EventState::Pending, EventState::Failed];
            told += &self.found(Some(id), &open).await;
            let dead = store().dead_letters(id, None, 1_000).await.unwrap();
            told += &format!("{:?}\n", dead.iter().map(|it| it.id).collect::<Vec<_>>());
            for lane in store().lanes(id, None, 1_000).await.unwrap() {
                let head = lane.head.map(|it| (it.id, it.attempts.len()));
                let LaneRecord {
                    key,
                    pending,
                    stopped_at,
                    ..
                } = lane;
                told += &format!("{key:?} {pending} {head:?} {stopped_at:?}\n");
            }
            for key in ["", "a", "b"] {
                let load = Load {
                    lane: lane(id, key),
                    after: Seq(0),
                    deliveries_max: 1_000,
                    bytes_max: 1_000_000,
                };
                let loaded = store().load(load).await.unwrap().deliveries;
                let waiting = loaded.iter().map(|it| (it.id, it.attempts, it.state));
                told += &format!("{:?}\n", waiting.collect::<Vec<_>>());
            }
        }
        told
    }

    /// The attempts of a delivery by pages, and the bodies that they sent.
    async fn requests(&self, id: u128) -> String {
        let delivery = DeliveryId::from_u128(id);
        let mut told = String::new();
        let mut after = 0;
        loop {
            let found = Arc::clone(&self.store).attempts(delivery, after, 3).await;
            let found = found.unwrap();
            let Some(last) = found.last() else {
                return told;
            };
            after = last.number;
            for attempt in &found {
                let number = attempt.number;
                let body = Arc::clone(&self.store).request_body(delivery, number).await;
                told += &format!("{id} {number} {:?} {body:?}\n", attempt.sent);
            }
        }
    }

    /// What is counted over many endpoints.
    async fn overview(&self) -> String {
        let store = || Arc::clone(&self.store);
        let (from, until) = (Wall(0), Wall(1 << 40));
        let mut told = String::new();
        for tenant in [None, Some(TenantId::default())] {
            let overview = store().overview(tenant, from, until).await;
            told += &format!("{:?}\n", overview.unwrap());
        }
        let all = (1..=ENDPOINTS).map(EndpointId::from_u128).collect();
        let counts = store().endpoint_counts(all, from, until).await;
        told += &format!("{:?}\n", counts.unwrap());
        let query = EndpointQuery {
            failing: true,
            most: 9,
            ..EndpointQuery::default()
        };
        told += &format!("{:?}\n", store().find_endpoints(query).await.unwrap());
        told
    }

    /// The log of events, as whoever reads along sees it.
    async fn log(&self) -> String {
        let mut query = EventQuery {
            direction: Direction::OldestFirst,
            most: 5,
            ..EventQuery::default()
        };
        let mut told = String::new();
        loop {
            let page = Arc::clone(&self.store).events(query.clone()).await.unwrap();
            for record in &page.events {
                told += &format!("{:?} {:?}\n", record.event, record.idempotency_key);
            }
            query.after = page.next;
            if page.next.is_none() {
                return told;
            }
        }
    }

    /// The events, and which of them an endpoint has had.
    async fn event_outlines(&self, endpoint: EndpointId) -> String {
        let mut query = EventOutlineQuery {
            endpoint,
            filter: EventFilter {
                tenant: Some(TenantId::default()),
                ..EventFilter::default()
            },
            ordering_key: None,
            payloads: true,
            after: None,
            most: 3,
        };
        let mut told = String::new();
        loop {
            let page = Arc::clone(&self.store).event_outlines(query.clone()).await;
            let page = page.unwrap();
            for it in &page.events {
                let of = (it.id, &it.payload, it.addressed, it.had);
                told += &format!("{endpoint:?} {of:?}\n");
            }
            query.after = page.next;
            if page.next.is_none() {
                return told;
            }
        }
    }

    /// The lanes in which something waits, page by page.
    async fn waiting_lanes(&self) -> String {
        let mut query = LaneQuery {
            most: 2,
            ..LaneQuery::default()
        };
        let mut told = String::new();
        loop {
            let page = Arc::clone(&self.store).waiting_lanes(query.clone());
            let page = page.await.unwrap();
            for lane in &page.lanes {
                let head = (lane.head.id, lane.head.attempts);
                told += &format!(
                    "{:?} {} {head:?} {:?}\n",
                    lane.id, lane.pending, lane.stopped_at
                );
            }
            query.after = page.next;
            if page.next.is_none() {
                return told;
            }
        }
    }

    /// The events that are found by an endpoint and by states, of any tenant and of one.
    async fn found(&self, endpoint: Option<EndpointId>, states: &[EventState]) -> String {
        let mut told = String::new();
        for tenant in [None, Some(TenantId::default())] {
            told += &format!("{endpoint:?} {states:?} {tenant:?}:");
            let mut search = EventSearch {
                endpoint,
                states: states.to_vec(),
                ..EventSearch::default()
            };
            search.query.filter.tenant = tenant;
            search.query.most = 9;
            loop {
                let page = Arc::clone(&self.store).find_events(search.clone());
                let page = page.await.unwrap();
                for event in &page.events {
                    told += &format!(" {} {:?} {}", event.id, event.state, event.deliveries);
                }
                search.query.after = page.next;
                if page.next.is_none() {
                    break;
                }
            }
        }
        told + "\n"
    }

    /// The ids of every page of some lists of deliveries, and the same in short.
    async fn pages(&self, endpoint: Option<EndpointId>) -> String {
        let mut told = String::new();
        for (states, dead) in [
            (vec![], false),
            (vec![], true),
            (vec![StateKind::Failed], false),
            (vec![StateKind::Retrying], false),
        ] {
            for direction in [Direction::NewestFirst, Direction::OldestFirst] {
                let mut query = DeliveryQuery {
                    filter: DeliveryFilter {
                        endpoint,
                        states: states.clone(),
                        tenant: (endpoint.is_none() || dead).then(TenantId::default),
                        dead,
                        ..DeliveryFilter::default()
                    },
                    direction,
                    after: None,
                    most: 7,
                };
                let mut found = Vec::new();
                loop {
                    let short = Arc::clone(&self.store).delivery_summaries(query.clone());
                    for mut summary in short.await.unwrap().deliveries {
                        summary.seq = Seq::default();
                        told += &format!("{summary:?}\n");
                    }
                    let page = Arc::clone(&self.store).deliveries(query.clone());
                    let page = page.await.unwrap();
                    let ids = page.deliveries.iter().map(|it| (it.id, it.attempts.len()));
                    found.extend(ids);
                    query.after = page.next;
                    if page.next.is_none() {
                        break;
                    }
                }
                told += &format!("{endpoint:?} {states:?} {dead} {direction:?}: {found:?}\n");
            }
        }
        told
    }

    /// The deliveries as whoever counts them sees them.
    async fn outlines(&self) -> String {
        let mut told = String::new();
        for dead in [false, true] {
            let mut query = DeliveryQuery {
                filter: DeliveryFilter {
                    tenant: Some(TenantId::default()),
                    dead,
                    ..DeliveryFilter::default()
                },
                direction: Direction::OldestFirst,
                after: None,
                most: 9,
            };
            loop {
                let page = Arc::clone(&self.store).outlines(query.clone());
                let page = page.await.unwrap();
                for outline in &page.deliveries {
                    told += &format!("{dead} {outline:?}\n");
                }
                query.after = page.next;
                if page.next.is_none() {
                    break;
                }
            }
        }
        told
    }

    /// What a core would start with, without places.
    async fn recovered(&self) -> String {
        let mut found = Arc::clone(&self.store).recover().await.unwrap();
        for lane in &mut found.lanes {
            (lane.after, lane.tail) = (Seq::default(), Seq::default());
            lane.retrying
                .iter_mut()
                .for_each(|it| it.seq = Seq::default());
        }
        // Written out without these.
        let specs = found.endpoints.iter().map(|it| &it.endpoint.spec);
        let headers: Vec<_> = specs.map(|spec| spec.headers.clone()).collect();
        format!("{found:?} {headers:?}")
    }
}

#[tokio::test]
async fn the_store_in_a_file_answers_as_the_store_in_memory_does() {
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..SEEDS {
        let bounds = MemoryBounds {
            ended_max: usize::MAX,
            ..MemoryBounds::default()
        };
        let path = directory.path().join(format!("{seed}.db"));
        let mut memory = Side::new(Arc::new(MemoryStore::bounded(bounds)));
        let mut file = Side::new(open(&path));
        let mut script = Script {
            rolls: Chance::new(seed).of("changes", 0, 0),
            next: 100,
            made: Vec::new(),
            events: Vec::new(),
        };
        let first: Vec<Step> = (1..=ENDPOINTS)
            .map(|number| Step::Plain(endpoint(EndpointId::from_u128(number))))
            .collect();
        assert_eq!(memory.commit(&first).await, file.commit(&first).await);
        for group in 0..GROUPS {
            let count = script.rolls.between(1, 6);
            let steps: Vec<Step> = (0..count).map(|_| script.step()).collect();
            let (here, there) = (memory.commit(&steps).await, file.commit(&steps).await);
            assert_eq!(here, there, "seed {seed}, group {group}");
            if script.rolls.percent(5) {
                drop(file.store);
                file.store = open(&path);
            }
        }
        let (here, there) = (
            memory.told(&script.made).await,
            file.told(&script.made).await,
        );
        for (here, there) in here.lines().zip(there.lines()) {
            assert_eq!(here, there, "seed {seed}");
        }
        assert_eq!(
            memory.recovered().await,
            file.recovered().await,
            "seed {seed}"
        );
    }
}
