//! The store in the file and the store in memory, given the same changes, and all that they say.

use super::script::{Script, Step};
use postrider::store::StoreError;
use postrider::store::sqlite::SqliteFile;
use postrider_engine::{
    Change, CommitError, DeliveryId, DeliveryRecord, EndpointId, EventId, HeaderLines, Ledger,
    Load, Loaded, MemoryStore, Receipt, Recovered, Seq,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One answer for each change, without places.
pub(super) type Answers = Vec<Result<Receipt, CommitError>>;

/// One of the two stores.
pub(super) trait Side {
    fn commit(&mut self, changes: &[Change]) -> Answers;
    fn load(&self, load: &Load) -> Result<Loaded, StoreError>;
    fn ledger(&self, endpoint: EndpointId) -> Result<Ledger, StoreError>;
    fn deliveries_of(&self, event: EventId) -> Result<Option<Vec<DeliveryRecord>>, StoreError>;
}

impl Side for SqliteFile {
    fn commit(&mut self, changes: &[Change]) -> Answers {
        Self::commit(self, changes)
    }

    fn load(&self, load: &Load) -> Result<Loaded, StoreError> {
        Self::load(self, load)
    }

    fn ledger(&self, endpoint: EndpointId) -> Result<Ledger, StoreError> {
        Self::ledger(self, endpoint)
    }

    fn deliveries_of(&self, event: EventId) -> Result<Option<Vec<DeliveryRecord>>, StoreError> {
        Self::deliveries_of(self, event)
    }
}

impl Side for MemoryStore {
    fn commit(&mut self, changes: &[Change]) -> Answers {
        changes.iter().map(|it| self.apply(it.clone())).collect()
    }

    fn load(&self, load: &Load) -> Result<Loaded, StoreError> {
        Ok(Self::load(self, load))
    }

    fn ledger(&self, endpoint: EndpointId) -> Result<Ledger, StoreError> {
        Ok(Self::ledger(self, endpoint))
    }

    fn deliveries_of(&self, event: EventId) -> Result<Option<Vec<DeliveryRecord>>, StoreError> {
        Ok(Self::deliveries_of(self, event))
    }
}

/// A store, and where it has put each delivery: that is its own affair, as long as the order in a
/// lane is the same.
pub(super) struct Placing<S> {
    pub(super) store: S,
    places: BTreeMap<DeliveryId, Seq>,
}

impl<S: Side> Placing<S> {
    pub(super) fn new(store: S) -> Self {
        Self {
            store,
            places: BTreeMap::new(),
        }
    }

    /// Makes a group of changes.
    pub(super) fn commit(&mut self, steps: &[Step]) -> Answers {
        let changes: Vec<Change> = steps.iter().map(|step| self.change(step)).collect();
        let mut answers = self.store.commit(&changes);
        for (change, answer) in changes.iter().zip(&mut answers) {
            match (change, answer) {
                (Change::Publish(publish), Ok(Receipt::Published(seqs))) => {
                    for (new, seq) in publish.deliveries.iter().zip(seqs.iter_mut()) {
                        self.places.insert(new.id, std::mem::take(seq).seq);
                    }
                }
                (Change::Resend { new, .. }, Ok(Receipt::Resent(placed)))
                | (Change::Backfill { new, .. }, Ok(Receipt::Backfilled(placed))) => {
                    self.places.insert(*new, std::mem::take(&mut placed.seq));
                    placed.ordinal = None;
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

    fn change(&self, step: &Step) -> Change {
        match step {
            Step::Plain(change) => change.clone(),
            Step::End(end) => {
                let mut end = (**end).clone();
                let seq = self.places.get(&end.delivery);
                end.seq = seq.copied().unwrap_or_default();
                Change::Attempted(end.into())
            }
        }
    }

    /// Everything that can be read, and what a core would start with: a line each, without places.
    pub(super) fn tell(
        &mut self,
        script: &Script,
        recovered: &Recovered,
    ) -> Result<String, StoreError> {
        let mut told = String::new();
        tell_recovered(&mut told, recovered);
        for id in &script.endpoints {
            let ledger = self.store.ledger(*id)?;
            line(&mut told, format_args!("{id} {ledger:?}"));
        }
        for lane in script.lanes() {
            let loaded = self.store.load(&whole(lane))?;
            for it in loaded.deliveries {
                self.places.insert(it.id, it.seq);
                let (id, event, attempts) = (it.id, &it.event, it.attempts);
                let (lane, state) = (&loaded.lane, it.state);
                line(
                    &mut told,
                    format_args!("{lane:?}: {id} {state:?} {attempts} {event:?}"),
                );
            }
        }
        for id in &script.events {
            let mut records = self.store.deliveries_of(*id)?;
            for record in records.iter_mut().flatten() {
                record.seq = Seq::default();
                record.ordinal = None;
                // Of these the store in memory keeps the last attempt's alone.
                let earlier = record.attempts.split_last_mut();
                for attempt in earlier.into_iter().flat_map(|(_, earlier)| earlier) {
                    attempt.sent.headers = HeaderLines::default();
                }
            }
            line(&mut told, format_args!("{id} {records:?}"));
        }
        Ok(told)
    }
}

/// All that waits in a lane.
pub(super) fn whole(lane: postrider_engine::LaneId) -> Load {
    Load {
        lane,
        after: Seq(0),
        deliveries_max: usize::MAX,
        bytes_max: usize::MAX,
    }
}

fn line(told: &mut String, text: std::fmt::Arguments<'_>) {
    // A text takes whatever is written to it.
    let _ = writeln!(told, "{text}");
}

fn tell_recovered(told: &mut String, recovered: &Recovered) {
    for it in &recovered.endpoints {
        let secrets = it.endpoint.secrets.iter();
        let secrets = secrets
            .map(|it| it.secret.expose_secret_text())
            .collect::<Vec<_>>();
        let headers = &it.endpoint.spec.headers;
        line(told, format_args!("{it:?} {secrets:?} {headers:?}"));
    }
    for lane in &recovered.lanes {
        let retrying = lane.retrying.iter().map(|it| {
            let (event, bytes) = (it.event, it.payload_bytes);
            (it.id, event, bytes, it.attempts, it.due)
        });
        let retrying = retrying.collect::<Vec<_>>();
        let (id, stopped_at) = (&lane.id, lane.stopped_at);
        line(
            told,
            format_args!("{id:?} {stopped_at:?}, retrying: {retrying:?}"),
        );
    }
}

/// Where the two begin to differ.
pub(super) fn difference(expected: &str, found: &str) -> String {
    let mut lines = expected.lines().zip(found.lines());
    let Some((expected, found)) = lines.find(|(expected, found)| expected != found) else {
        return "one of the two says more".to_owned();
    };
    let same = expected.bytes().zip(found.bytes());
    let same = same
        .take_while(|(expected, found)| expected == found)
        .count();
    let name = expected.chars().take(60).collect::<String>();
    let part = |line: &str| {
        let from = line.as_bytes().get(same.saturating_sub(60)..);
        let part = from.unwrap_or_default().iter().take(160).copied();
        String::from_utf8_lossy(&part.collect::<Vec<u8>>()).into_owned()
    };
    let (expected, found) = (part(expected), part(found));
    format!("`{name}…`: expected `…{expected}…`, found `…{found}…`")
}

/// The store in memory that has lived through this.
pub(super) fn model(script: &Script, deeds: &[Deed]) -> Placing<MemoryStore> {
    let bounds = postrider_engine::MemoryBounds {
        ended_max: usize::MAX,
        ..postrider_engine::MemoryBounds::default()
    };
    let mut model = Placing::new(MemoryStore::bounded(bounds));
    for deed in deeds {
        match deed {
            Deed::Group(group) => drop(model.commit(&script.groups[*group])),
            Deed::Steps(steps) => drop(model.commit(steps)),
            Deed::Recovered => discard_orphans(script, &mut model.store),
        }
    }
    model
}

/// What has become of a store.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// A group of the script.
    Group(usize),
    /// A part of one.
    Steps(Vec<Step>),
    /// It was opened and recovered.
    Recovered,
}

/// What a start does in the file: it ends what was under way to endpoints that are gone.
fn discard_orphans(script: &Script, model: &mut MemoryStore) {
    for lane in script.lanes() {
        if model.endpoint(lane.endpoint).is_some() {
            continue;
        }
        for orphan in model.load(&whole(lane)).deliveries {
            let at = orphan.event.published_at;
            let delivery = orphan.id;
            let dead = false;
            let discarded = model.apply(Change::Discard { delivery, dead, at });
            debug_assert!(matches!(discarded, Ok(Receipt::Discarded { .. })));
        }
    }
}
