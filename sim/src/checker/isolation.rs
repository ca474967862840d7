//! P5, I8: what goes wrong elsewhere does not keep a healthy endpoint waiting.
//!
//! An endpoint is healthy while its receiver has only ever answered 2xx at its usual speed, and it
//! is told active, without a rate limit, with the sender up, not draining, and its disk neither
//! slow nor full. The first delivery of one of its lanes leaves within a bound, counted from the
//! moment at which all that holds:
//!
//! - Where there was a slot free all the time, only the endpoint's own lanes are before it: each
//!   has one turn, which takes a read, the receiver's time and the record of the result.
//! - Where all slots were taken, each turn may have to wait for one first. Every slot is given
//!   back within the longest timeout of the plan, the second of grace and the record; and as
//!   endpoints take turns, as many slots must come free as there are endpoints.
//!
//! It sees no wait of a second delivery behind a first, and none of unordered endpoints. Under
//! turmoil reads are not seen, so that all slots are taken to be taken, and connections take time.

use super::Checker;
use crate::book::{Book, EndpointPage, GRACE_MS, LanePage};
use crate::plan::{Act, Answer, FaultKind, Plan, Receiver};
use crate::trace::{Line, What};
use crate::verdict::Verdict;
use crate::waits::ms;
use postrider_engine::{Change, EndpointId, EndpointStatus, LaneId, Ordering};
use std::collections::BTreeSet;

#[derive(Default)]
pub(super) struct Isolation {
    bounds: Option<Bounds>,
    /// Lanes that may hold something, by when to look at them again.
    watched: BTreeSet<LaneId>,
    looks: BTreeSet<(u64, LaneId)>,
    /// Endpoints that were not healthy at some time.
    spoilt: BTreeSet<EndpointId>,
    /// Receivers that a fault has hit.
    hit: BTreeSet<usize>,
    /// Reads under way.
    loads: usize,
    /// Until then all slots were taken.
    scarce_ms: u64,
    /// Until then the disk was slow or full.
    disk_ms: u64,
}

/// The longest that things take, in milliseconds.
#[derive(Clone, Copy)]
struct Bounds {
    slots: usize,
    /// A read, or a record, with all that may be before it on the disk.
    disk: u64,
    /// Until as many slots have come free as there are endpoints.
    slot: u64,
    /// What a plan without exact lines adds to everything.
    late: u64,
}

impl Checker for Isolation {
    fn promise(&self) -> &'static str {
        "isolation"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        let bounds = *self.bounds.get_or_insert_with(|| Bounds::of(&book.plan));
        let taken = book.in_flight.len() + book.recording.len() + self.loads;
        if taken + 1 >= bounds.slots || !book.is_exact() {
            self.scarce_ms = line.at_ms;
        }
        self.weather(line, book);
        match &line.what {
            What::Started { .. } => {
                self.loads = 0;
                for (id, _) in book
                    .lanes
                    .iter()
                    .filter(|(_, lane)| !lane.pending.is_empty())
                {
                    self.watch(id, line.at_ms + bounds.disk);
                }
            }
            What::LoadAsked(_) => self.loads += 1,
            What::Loaded { .. } => self.loads = self.loads.saturating_sub(1),
            What::Outcome { .. } | What::Cancelled { .. } => self.ended(line, book, &bounds),
            What::Durable { change, .. } => self.durable(change, line.at_ms + bounds.disk, book),
            _ => (),
        }
        while self
            .looks
            .first()
            .is_some_and(|(at_ms, _)| *at_ms < line.at_ms)
        {
            let Some((_, lane)) = self.looks.pop_first() else {
                break;
            };
            match self.look(&lane, line.at_ms, book, &bounds)? {
                Some(again_ms) => {
                    self.looks.insert((again_ms.max(line.at_ms), lane));
                }
                None => {
                    self.watched.remove(&lane);
                }
            }
        }
        Ok(())
    }
}

impl Bounds {
    fn of(plan: &Plan) -> Self {
        let changed = plan.workload.iter().filter_map(|step| match &step.act {
            Act::Change(_, spec) => Some(&**spec),
            _ => None,
        });
        let timeouts = plan.endpoints.iter().chain(changed).map(|it| it.timeout_ms);
        let timeout = timeouts.max().unwrap_or(0);
        // What comes up while a group is written waits for that group and for its own.
        let disk = 2 * (plan.disk.write_max_ms + plan.disk.sync_max_ms) + 2;
        let hold = timeout + GRACE_MS + disk;
        // The sender's clock may be slow.
        let hold = hold * 1_000 / plan.mono_permille.clamp(500, 1_000);
        let slots = plan.bounds.attempts_max.max(1);
        let rounds = plan.endpoints.len().div_ceil(slots) as u64;
        let exact = plan.tier == crate::plan::Tier::World;
        Self {
            slots,
            disk,
            slot: hold * rounds,
            late: if exact { 0 } else { 2_000 },
        }
    }

    /// One turn of a lane: reads that may have to be repeated, the request, the record.
    fn turn(&self, receiver: &Receiver) -> u64 {
        3 * self.disk + answer_ms(receiver) + self.late
    }
}

/// The longest that a healthy receiver takes.
fn answer_ms(receiver: &Receiver) -> u64 {
    receiver.latency_max_ms + 2
}

impl Isolation {
    fn weather(&mut self, line: &Line, book: &Book) {
        let kind = match &line.what {
            What::Fault { kind, .. } => kind,
            What::FaultOver { index } => match book.plan.faults.get(*index) {
                Some(fault) => &fault.kind,
                None => return,
            },
            _ => return,
        };
        match kind {
            FaultKind::Storm { receiver, .. }
            | FaultKind::Latency { receiver, .. }
            | FaultKind::ReceiverCrash { receiver, .. } => {
                self.hit.insert(*receiver);
            }
            // What was full is tried again after a second; what was slow is still under way.
            FaultKind::DiskFull { .. } => self.disk_ms = self.disk_ms.max(line.at_ms + 2_000),
            FaultKind::SlowDisk { add_ms, .. } => {
                self.disk_ms = self.disk_ms.max(line.at_ms + 2 * add_ms);
            }
            _ => (),
        }
    }

    fn ended(&mut self, line: &Line, book: &Book, bounds: &Bounds) {
        let (What::Outcome { delivery, .. } | What::Cancelled { delivery, .. }) = &line.what else {
            return;
        };
        let Some(flight) = book.in_flight.get(delivery) else {
            return;
        };
        let Some(ending) = book.ending(line) else {
            return;
        };
        let receiver = receiver_of(&flight.wire.url, &book.plan);
        let usual = receiver.map_or(0, answer_ms) + bounds.late;
        if ending.verdict != Verdict::Delivered || line.at_ms > flight.sent_ms + usual {
            self.spoilt.insert(flight.endpoint);
        }
    }

    fn durable(&mut self, change: &Change, look_ms: u64, book: &Book) {
        match change {
            Change::Publish(publish) => {
                for new in publish.deliveries.iter() {
                    self.watch(&new.lane, look_ms);
                }
            }
            Change::Attempted(end) => self.watch(&end.lane, look_ms),
            Change::Resend { of: id, .. } | Change::Discard { delivery: id, .. } => {
                if let Some(page) = book.deliveries.get(id) {
                    self.watch(&page.lane, look_ms);
                }
            }
            _ => (),
        }
    }

    fn watch(&mut self, lane: &LaneId, look_ms: u64) {
        if !self.watched.contains(lane) && !self.spoilt.contains(&lane.endpoint) {
            self.watched.insert(lane.clone());
            self.looks.insert((look_ms, lane.clone()));
        }
    }

    /// Whether the first delivery of a lane has waited too long; when to look again.
    fn look(
        &mut self,
        id: &LaneId,
        at_ms: u64,
        book: &Book,
        bounds: &Bounds,
    ) -> Result<Option<u64>, String> {
        let Some(lane) = book.lanes.get(id) else {
            return Ok(None);
        };
        let Some(page) = book.endpoints.get(&id.endpoint) else {
            return Ok(None);
        };
        let Some((_, first)) = lane.pending.first_key_value() else {
            return Ok(None);
        };
        let Some(receiver) = self.healthy(page, lane, book) else {
            return Ok(None);
        };
        let usual = answer_ms(receiver) + bounds.late;
        let slow = book
            .in_flight
            .values()
            .find(|flight| flight.endpoint == id.endpoint && flight.sent_ms + usual < at_ms);
        if slow.is_some() {
            self.spoilt.insert(id.endpoint);
            return Ok(None);
        }
        let disturbed = book.faults.iter().any(|index| {
            let kind = book.plan.faults.get(*index).map(|fault| &fault.kind);
            matches!(
                kind,
                Some(FaultKind::DiskFull { .. } | FaultKind::SlowDisk { .. })
            )
        });
        if lane.flying > 0 || book.recording.contains_key(first) || disturbed {
            return Ok(Some(at_ms + bounds.turn(receiver)));
        }
        let since_ms = lane.first_since_ms.max(book.up_since_ms);
        let since_ms = since_ms.max(page.changed_ms).max(self.disk_ms);
        let lanes = book.lanes_of(id.endpoint).count() as u64 + 1;
        let turn = bounds.turn(receiver);
        let scarce = self.scarce_ms >= since_ms;
        let most = if scarce {
            (lanes + 1) * (turn + bounds.slot)
        } else {
            lanes * turn
        };
        let most = most + batch_ms(page, &book.plan);
        if since_ms + most < at_ms {
            return Err(format!(
                "{first} of {id:?} has waited {} ms, and {most} are the most",
                at_ms - since_ms
            ));
        }
        Ok(Some(since_ms + most))
    }

    /// The receiver of a healthy endpoint.
    fn healthy<'a>(
        &self,
        page: &EndpointPage,
        lane: &LanePage,
        book: &'a Book,
    ) -> Option<&'a Receiver> {
        let spec = &page.told.spec;
        let number = Book::receiver_of(&spec.url)?;
        let receiver = book.plan.receivers.get(number)?;
        let good = |answer: &Answer| matches!(answer, Answer::Status(200..=299));
        let answers_well = receiver
            .answers
            .iter()
            .all(|it| good(&it.answer) || it.weight == 0);
        let dead = book.healed && book.plan.end.dead.contains(&number);
        let healthy = book.up
            && book.draining.is_none()
            && page.known
            && !page.is_leaving()
            && page.told.status == EndpointStatus::Active
            && spec.rate_limit.is_none()
            && spec.ordering == Ordering::Fifo
            && lane.stopped_at.is_none()
            && !lane.unordered
            && answers_well
            && !dead
            && !self.hit.contains(&number)
            && !self.spoilt.contains(&page.told.id);
        healthy.then_some(receiver)
    }
}

/// A batch may wait so long for more. The sender's clock may be slow, and its timer late.
fn batch_ms(page: &EndpointPage, plan: &Plan) -> u64 {
    let wait_ms = page.told.spec.batch.map_or(0, |batch| ms(batch.wait));
    wait_ms * 1_000 / plan.mono_permille.clamp(500, 1_000) + plan.alarm_late_max_ms + 1
}

fn receiver_of<'a>(url: &str, plan: &'a Plan) -> Option<&'a Receiver> {
    plan.receivers.get(Book::receiver_of(url)?)
}
