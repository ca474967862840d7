//! What the parts of a run share: clocks, the log, who is there, and what is under way.
//!
//! The hosts live in one thread, but the traits that they implement want to be shared between
//! threads, hence the lock. The checkers are not given lines here but between two steps of the
//! simulation: whoever writes a line need not fear what it sets off.

use super::agenda::Agenda;
use super::api::Door;
use super::disk::Disk;
use super::weather::Weather;
use crate::book::Book;
use crate::bug::Bug;
use crate::chance::Chance;
use crate::plan::{FaultKind, Plan, When};
use crate::trace::{Stop, What, Wire};
use crate::watch::Watch;
use crate::workload::{Caller, Counts};
use crate::world::EPOCH;
use postrider::engine::{CallId, CommitError, Mono, Now, Wall};
use postrider::{DeliveryId, EndpointId, Footprint};
use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::Notify;

/// A simulated host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The sender.
    Sender,
    /// The receiver with this number.
    Receiver(usize),
    /// The client of the API.
    Client,
}

/// What only the one who steps the simulation can do.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// The host's process ends, and starts again after so long. With the power, its sockets say
    /// nothing more.
    Crash { who: Who, power: bool, down_ms: u64 },
    /// The links have changed: see [`Weather`].
    Links,
}

/// A line of the log.
enum Entry {
    Line(u64, Now, Box<What>),
    Packet(u64, Packet),
    Weigh(Box<Footprint>),
    Broke(&'static str, String),
}

/// Bytes that pass a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    /// What happens there.
    pub(super) act: &'static str,
    pub(super) bytes: usize,
}

/// What the parts of a run share.
pub(super) struct Stage {
    pub(super) plan: Arc<Plan>,
    pub(super) chance: Chance,
    /// What goes wrong that should not.
    pub(super) bug: Option<Bug>,
    /// The sender's API.
    pub(super) door: Door,
    state: Mutex<State>,
    /// The workload has something new in it.
    pub(super) put: Notify,
    /// The client has something new to do.
    pub(super) posted: Notify,
}

/// Everything that changes.
pub(super) struct State {
    log: Vec<Entry>,
    /// The time of the last line: no line is earlier than the one before it.
    at_ms: u64,
    /// The time between two steps; `None` during a step, when each host has its own.
    pub(super) between_ms: Option<u64>,
    pub(super) life: u32,
    pub(super) up: bool,
    /// When the engine of this life began to count.
    pub(super) born_ms: Option<u64>,
    pub(super) skew_ms: i64,
    /// When the calendar jumped last, and how wrong it was before.
    pub(super) jumped: Option<(u64, i64)>,
    sender_stands: bool,
    receivers_stand: Vec<bool>,
    /// The sender's process is gone while its machine is there: it refuses.
    pub(super) sender_refuses: bool,
    /// Receivers whose process is gone while their machine is there: it refuses.
    pub(super) refusing: BTreeSet<usize>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) orders: Vec<Order>,
    pub(super) disk: Disk,
    pub(super) weather: Weather,
    pub(super) agenda: Agenda,
    pub(super) calls: BTreeMap<CallId, Caller>,
    /// What the client will do.
    pub(super) posts: Agenda,
    /// Its requests that wait for an answer.
    pub(super) asked: BTreeMap<CallId, Caller>,
    pub(super) last_call: u64,
    /// The endpoints of the plan, as far as they are registered.
    pub(super) endpoints: BTreeMap<usize, EndpointId>,
    /// Every endpoint that became durable.
    pub(super) known_endpoints: Vec<EndpointId>,
    /// Every delivery that became durable, in that order.
    pub(super) deliveries: Vec<DeliveryId>,
    /// Every request that left the sender.
    pub(super) sent: BTreeMap<(DeliveryId, u32), Arc<Wire>>,
    /// Those of them that are under way.
    pub(super) under_way: BTreeSet<(DeliveryId, u32)>,
    /// Faults that wait for their moment, by what they count.
    pub(super) counted: BTreeMap<When, Vec<usize>>,
    pub(super) next_request: Vec<usize>,
    pub(super) next_response: Vec<usize>,
    pub(super) counts: Counts,
    /// Faults that last, and until when.
    pub(super) lasting: BTreeMap<usize, u64>,
    /// The drain under way, and whether it is through.
    pub(super) draining: Option<(CallId, bool)>,
    /// How long the sender stays down after what stops it next.
    pub(super) down_ms: u64,
    pub(super) healed: bool,
}

impl Stage {
    pub(super) fn new(plan: &Arc<Plan>, bug: Option<Bug>) -> Arc<Self> {
        let chance = Chance::new(plan.seed);
        let receivers = plan.receivers.len();
        let state = State {
            log: Vec::new(),
            at_ms: 0,
            between_ms: Some(0),
            life: 0,
            up: false,
            born_ms: None,
            skew_ms: 0,
            jumped: None,
            sender_stands: false,
            receivers_stand: vec![false; receivers],
            sender_refuses: false,
            refusing: BTreeSet::new(),
            addresses: Vec::new(),
            orders: Vec::new(),
            disk: Disk::new(plan.disk, plan.store_bounds(), chance),
            weather: Weather::new(chance, receivers),
            agenda: Agenda::of_callers(plan),
            calls: BTreeMap::new(),
            posts: Agenda::of_client(plan),
            asked: BTreeMap::new(),
            last_call: 0,
            endpoints: BTreeMap::new(),
            known_endpoints: Vec::new(),
            deliveries: Vec::new(),
            sent: BTreeMap::new(),
            under_way: BTreeSet::new(),
            counted: BTreeMap::new(),
            next_request: Vec::new(),
            next_response: Vec::new(),
            counts: Counts::default(),
            lasting: BTreeMap::new(),
            draining: None,
            down_ms: 100,
            healed: false,
        };
        let stage = Self {
            plan: Arc::clone(plan),
            chance,
            bug,
            door: Door::default(),
            state: Mutex::new(state),
            put: Notify::new(),
            posted: Notify::new(),
        };
        Arc::new(stage)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic ends the run and is reported; what it left behind is only looked at.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This happens now.
    pub(super) fn note(&self, what: What) {
        self.state().note(what);
    }

    pub(super) fn packet(&self, packet: Packet) {
        let mut state = self.state();
        let at_ms = state.pass_time();
        state.log.push(Entry::Packet(at_ms, packet));
    }

    pub(super) fn weigh(&self, footprint: Footprint) {
        self.state().log.push(Entry::Weigh(Box::new(footprint)));
    }

    /// Something broke that no checker watches.
    pub(super) fn broke(&self, promise: &'static str, said: String) {
        self.state().log.push(Entry::Broke(promise, said));
    }

    /// Tells the watch what has happened since it was told last.
    pub(super) fn tell(&self, watch: &mut Watch) {
        let (log, broke) = {
            let mut state = self.state();
            (std::mem::take(&mut state.log), state.disk.broke.take())
        };
        for entry in log {
            match entry {
                Entry::Line(at_ms, now, what) => watch.note(at_ms, now, *what),
                Entry::Packet(at_ms, it) => watch.packet(
                    at_ms,
                    format_args!(
                        "net      {} {} {} {} B",
                        it.local, it.act, it.peer, it.bytes
                    ),
                ),
                Entry::Weigh(footprint) => watch.weigh(&footprint),
                Entry::Broke(promise, said) => watch.broke(promise, said),
            }
        }
        if let Some(said) = broke {
            watch.broke("store", said);
        }
    }

    /// Milliseconds since 1970 by a calendar that is right.
    pub(super) fn true_wall_ms(&self) -> u64 {
        EPOCH.0 + self.state().now_ms()
    }

    /// Whether the host has ended in this very step: it must not do anything more.
    pub(super) fn stands(&self, who: Who) -> bool {
        self.state().stands(who)
    }

    /// The future, for as long as the host does not stand still.
    pub(super) async fn alive<F: Future>(&self, who: Who, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.stands(who) {
                return Poll::Pending;
            }
            future.as_mut().poll(context)
        })
        .await
    }

    /// Goes on only if the host does not stand still.
    pub(super) async fn still_alive(&self, who: Who) {
        if self.stands(who) {
            pending().await
        }
    }

    /// Simulated time passes for the host.
    pub(super) async fn sleep_ms(&self, ms: u64) {
        if ms > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        }
    }
}

impl State {
    /// True time.
    pub(super) fn now_ms(&self) -> u64 {
        if let Some(ms) = self.between_ms {
            return ms;
        }
        let elapsed = turmoil::sim_elapsed().map(|elapsed| elapsed.as_millis());
        elapsed.map_or(self.at_ms, |ms| u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// Hosts take turns within a step, so a line may be of a time before the last one: it counts
    /// as of that time.
    fn pass_time(&mut self) -> u64 {
        self.at_ms = self.at_ms.max(self.now_ms());
        self.at_ms
    }

    /// What the calendar showed at this very moment before it jumped, if it did.
    pub(super) fn wall_before_jump(&self) -> Option<Wall> {
        let now_ms = self.now_ms();
        let (_, skew_ms) = self.jumped.filter(|(at_ms, _)| *at_ms == now_ms)?;
        Some(Wall((EPOCH.0 + now_ms).saturating_add_signed(skew_ms)))
    }

    /// The sender's clocks.
    pub(super) fn now(&self) -> Now {
        let now_ms = self.now_ms();
        let passed = self.born_ms.map_or(0, |born| now_ms.saturating_sub(born));
        Now {
            mono: Mono(passed),
            wall: Wall((EPOCH.0 + now_ms).saturating_add_signed(self.skew_ms)),
        }
    }

    pub(super) fn note(&mut self, what: What) {
        let at_ms = self.pass_time();
        let now = self.now();
        self.log.push(Entry::Line(at_ms, now, Box::new(what)));
    }

    pub(super) fn stands(&self, who: Who) -> bool {
        match who {
            Who::Sender => self.sender_stands,
            Who::Receiver(number) => self.receivers_stand.get(number).copied().unwrap_or(true),
            Who::Client => false,
        }
    }

    /// The host does nothing more until it is started again.
    pub(super) fn stand_still(&mut self, who: Who, still: bool) {
        match who {
            Who::Sender => {
                self.sender_refuses = false;
                self.sender_stands = still;
            }
            Who::Receiver(number) => {
                self.refusing.remove(&number);
                if let Some(stands) = self.receivers_stand.get_mut(number) {
                    *stands = still;
                }
            }
            // Nothing stops it.
            Who::Client => (),
        }
    }

    /// The sender's process ends, and with it all that it had not written.
    pub(super) fn stop(&mut self, stage: &Stage, stop: Stop, down_ms: u64) {
        if !self.up {
            return;
        }
        let power = stop == Stop::PowerLost;
        let (durable, lost) = self.disk.lose(power);
        for (change, receipt) in durable {
            self.durable(change, receipt);
        }
        self.under_way.clear();
        for batch in lost {
            let error = CommitError::Failed("lost".to_owned());
            self.note(What::NotDurable { batch, error });
        }
        self.leave_callers(stage);
        self.note(What::Stopped(stop));
        self.up = false;
        self.draining = None;
        self.stand_still(Who::Sender, true);
        self.sender_refuses = !power;
        self.orders.push(Order::Crash {
            who: Who::Sender,
            power,
            down_ms: down_ms.max(1),
        });
    }

    /// The engine has given a request up.
    pub(super) fn given_up(&mut self, delivery: DeliveryId, number: u32) {
        if self.under_way.remove(&(delivery, number)) {
            self.note(What::Cancelled { delivery, number });
        }
    }

    /// The kind of a fault.
    pub(super) fn kind(plan: &Plan, index: usize) -> Option<FaultKind> {
        plan.faults.get(index).map(|fault| fault.kind.clone())
    }

    /// The address of a receiver.
    pub(super) fn address(&self, receiver: usize) -> Option<IpAddr> {
        self.addresses.get(receiver).copied()
    }

    /// The receiver that a name belongs to.
    pub(super) fn receiver_of(name: &str) -> Option<usize> {
        Book::receiver_of(&format!("https://{name}"))
    }
}
