//! The engine's host in the model world.

use super::agenda::Agenda;
use super::clock::Clocks;
use super::disk::{Disk, Loss};
use super::network::Network;
use super::sabotage::Sabotage;
use super::{Happening, Reading};
use crate::bug::Bug;
use crate::chance::Chance;
use crate::checker::Checker;
use crate::plan::{Plan, When};
use crate::trace::{Reply, What, Wire, Wish};
use crate::watch::{Keep, Watch};
use crate::workload::{Caller, Counts};
use postrider_engine::{
    Answer, AttemptId, Batch, CallId, Change, DeliveryId, EndpointId, Fact, Input, Load, Mono, Now,
    Receipt, Request, Scheduler,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(crate) struct Host {
    pub(super) plan: Arc<Plan>,
    pub(super) chance: Chance,
    pub(super) watch: Watch,
    pub(super) agenda: Agenda<Happening>,
    pub(super) clocks: Clocks,
    pub(super) disk: Disk,
    pub(super) network: Network,
    /// True time.
    pub(super) at_ms: u64,
    pub(super) life: u32,
    pub(super) armed: Option<Mono>,
    /// Who waits for what.
    pub(super) calls: BTreeMap<CallId, Caller>,
    pub(super) last_call: u64,
    /// The endpoints of the plan, as far as they are registered.
    pub(super) endpoints: BTreeMap<usize, EndpointId>,
    /// Every delivery that became durable, in that order.
    pub(super) deliveries: Vec<DeliveryId>,
    /// Faults that wait for their moment, by what they count.
    pub(super) counted: BTreeMap<When, Vec<usize>>,
    /// Faults that strike the next one of their kind.
    pub(super) next_request: Vec<usize>,
    pub(super) next_response: Vec<usize>,
    pub(super) counts: Counts,
    /// The sender ends after this turn, and is down so long.
    pub(super) struck: Option<(Loss, u64)>,
    /// The same, because it has drained.
    pub(super) drained: Option<u64>,
    /// How long the sender stays down after what stops it next.
    pub(super) down_ms: u64,
    pub(super) over: bool,
    pub(super) sabotage: Sabotage,
    /// What a planted bug tells the engine after this turn.
    pub(super) at_once: VecDeque<Input>,
}

impl Host {
    pub(super) fn new(
        plan: &Arc<Plan>,
        checkers: Vec<Box<dyn Checker>>,
        keep: Keep,
        bug: Option<Bug>,
    ) -> Self {
        let chance = Chance::new(plan.seed);
        let sabotage = Sabotage::new(bug);
        Self {
            plan: Arc::clone(plan),
            chance,
            watch: Watch::new(plan, checkers, keep),
            agenda: Agenda::new(),
            clocks: Clocks::new(plan.mono_permille),
            disk: Disk::new(plan.disk, sabotage.store(plan.store_bounds()), chance),
            network: Network::new(plan, chance),
            at_ms: 0,
            life: 0,
            armed: None,
            calls: BTreeMap::new(),
            last_call: 0,
            endpoints: BTreeMap::new(),
            deliveries: Vec::new(),
            counted: BTreeMap::new(),
            next_request: Vec::new(),
            next_response: Vec::new(),
            counts: Counts::default(),
            struck: None,
            drained: None,
            down_ms: 0,
            over: false,
            sabotage,
            at_once: VecDeque::new(),
        }
    }

    pub(super) fn note(&mut self, what: What) {
        let now = self.clocks.now(self.at_ms);
        self.watch.note(self.at_ms, now, what);
    }

    /// Puts everything down that the plan says.
    pub(super) fn put_down_the_plan(&mut self) {
        let plan = Arc::clone(&self.plan);
        for (number, endpoint) in plan.endpoints.iter().enumerate() {
            self.agenda.put(endpoint.at_ms, Happening::Register(number));
        }
        for (index, step) in plan.workload.iter().enumerate() {
            self.agenda
                .put(step.at_ms, Happening::Step { index, tries: 0 });
        }
        for (index, fault) in plan.faults.iter().enumerate() {
            match fault.when {
                When::At(at_ms) => self.agenda.put(at_ms, Happening::Fault(index)),
                when => self.counted.entry(when).or_default().push(index),
            }
        }
        self.agenda.put(plan.end.healed_at_ms, Happening::Heal);
        let end = plan.end.healed_at_ms.saturating_add(plan.end.within_ms);
        self.agenda.put(end, Happening::End);
    }

    /// When the timer rings that is set for this time.
    pub(super) fn rings_at(&self, at: Mono) -> u64 {
        let late_max_ms = self.plan.alarm_late_max_ms;
        let mut rolls = self.chance.of("alarm", u64::from(self.life), at.0);
        self.clocks.when(at) + rolls.up_to(late_max_ms)
    }

    /// Tries again a little later.
    pub(super) fn later(&mut self, happening: Happening) {
        self.agenda.put(self.at_ms + 500, happening);
    }

    /// A call to the sender.
    pub(super) fn call(&mut self, step: Option<(usize, u32)>, wish: Wish) -> CallId {
        self.last_call += 1;
        let call = CallId(self.last_call);
        self.note(What::Called {
            call,
            step: step.map(|(index, _)| index),
            wish: wish.clone(),
        });
        self.calls.insert(call, Caller { wish, step });
        call
    }

    /// A change is durable.
    pub(super) fn durable(&mut self, change: Change, receipt: Receipt) {
        match (&change, &receipt) {
            (Change::Publish(publish), Receipt::Published(_)) => {
                let made = publish.deliveries.iter().map(|delivery| delivery.id);
                self.deliveries.extend(made);
            }
            (Change::Resend { new, .. }, Receipt::Resent(_)) => self.deliveries.push(*new),
            _ => (),
        }
        self.note(What::Durable { change, receipt });
    }

    pub(super) fn begin_writing(&mut self) {
        if let Some(in_ms) = self.disk.begin() {
            let group = Happening::Written(self.disk.group_number);
            self.agenda.put(self.at_ms + in_ms, group);
        }
    }

    pub(super) fn written(&mut self, group: u64) {
        if group == self.disk.group_number {
            let in_ms = self.disk.written();
            self.agenda
                .put(self.at_ms + in_ms, Happening::Synced(group));
        }
    }

    /// Whether nothing is left that could still end: all that is pending is held, or its receiver
    /// is dead.
    pub(super) fn has_ended(&self) -> bool {
        let book = self.watch.book();
        let dead = &self.plan.end.dead;
        book.up
            && book.calls.is_empty()
            && book.lanes.iter().all(|(id, lane)| {
                lane.pending.is_empty()
                    || lane.stopped_at.is_some()
                    || book.endpoints.get(&id.endpoint).is_none_or(|page| {
                        let receiver = crate::book::Book::receiver_of(&page.told.spec.url);
                        page.told.status != postrider_engine::EndpointStatus::Active
                            || receiver.is_none_or(|receiver| dead.contains(&receiver))
                    })
            })
    }
}

impl Scheduler for Host {
    fn now(&self) -> Now {
        self.sabotage.now(self.clocks.now(self.at_ms))
    }

    fn arm(&mut self, at: Option<Mono>) {
        let now = self.clocks.now(self.at_ms);
        self.armed = self.sabotage.alarm(at, now);
    }

    fn commit(&mut self, batch: Batch) {
        self.note(What::CommitAsked {
            batch: batch.id,
            change: batch.change.clone(),
        });
        let state = &self.disk.state;
        let (batch, at_once) = self.sabotage.batch(batch, |lane| state.tail(lane));
        self.at_once.extend(at_once);
        self.disk.give(batch);
        self.begin_writing();
        self.counts.commits += 1;
        self.strike_counted(When::Commit(self.counts.commits));
    }

    fn load(&mut self, load: Load) {
        self.note(What::LoadAsked(load.clone()));
        self.counts.loads += 1;
        self.strike_counted(When::Load(self.counts.loads));
        let (in_ms, at_end) = self.disk.read_ms(self.counts.loads);
        let reading = if at_end {
            Reading::ToDo(load)
        } else {
            Reading::Done(self.disk.load(&load))
        };
        let happening = Happening::Read {
            life: self.life,
            loaded: Box::new(reading),
        };
        self.agenda.put(self.at_ms + in_ms, happening);
    }

    fn send(&mut self, request: Request, deadline: Mono) {
        let now = self.now();
        let prepared = match request.prepare() {
            Ok(prepared) => prepared,
            Err(error) => return self.watch.broke("signatures", error.to_string()),
        };
        let headers = prepared.headers.into_iter();
        let deliveries = request.deliveries().map(|(_, id)| id);
        let batch = match request.batches() {
            true => deliveries.collect(),
            false => Arc::default(),
        };
        let mut wire = Wire {
            life: self.life,
            delivery: request.delivery,
            event: request.event.id,
            number: request.number,
            batch,
            url: Arc::clone(&request.route.url),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.into_owned()))
                .collect(),
            body: prepared.body,
            at: Now {
                mono: now.mono,
                wall: request.at,
            },
            timeout_ms: deadline.0.saturating_sub(now.mono.0),
        };
        let delivery = self.watch.book().deliveries.get(&request.delivery);
        let resent = delivery.is_some_and(|delivery| delivery.resend_of.is_some());
        let twice = self
            .sabotage
            .wire(&mut wire, request.route.endpoint, resent);
        let behind = request.behind.iter();
        let behind = behind.map(|it| Arc::new(wire.behind(it.delivery, it.event.id)));
        let behind: Vec<Arc<Wire>> = behind.collect();
        let wires: Vec<Arc<Wire>> = std::iter::once(Arc::new(wire)).chain(behind).collect();
        for wire in &wires {
            if twice {
                self.note(What::Sent(Arc::clone(wire)));
            }
            self.note(What::Sent(Arc::clone(wire)));
        }
        let mishap = self.request_fault();
        // The engine's clock may be a planted bug's.
        let true_now = self.clocks.now(self.at_ms).mono;
        let timeout_ms = wires.first().map_or(0, |wire| wire.timeout_ms);
        let deadline = Mono(true_now.0 + timeout_ms);
        self.dispatch(request.attempt, wires, deadline, mishap);
    }

    fn cancel(&mut self, attempt: AttemptId) {
        self.give_up(attempt);
    }

    fn answer(&mut self, call: CallId, answer: Answer) {
        let reply = match answer {
            Answer::Published(answer) => Reply::Published(answer),
            Answer::Endpoint(answer) => Reply::Endpoint(answer),
            Answer::Deleted(answer) => Reply::Deleted(answer),
            Answer::Resent(answer) => Reply::Resent(answer),
            Answer::Discarded(answer) => Reply::Discarded(answer),
            Answer::RetriedNow(answer) => Reply::RetriedNow(answer),
            Answer::Drained(drained) => Reply::Drained(drained),
            Answer::Backfilled(_) => unreachable!("no one backfills here"),
            Answer::Pinged(_) => unreachable!("no one pings here"),
        };
        self.replied(call, reply);
    }

    fn observe(&mut self, fact: Fact) {
        if self.sabotage.keeps_quiet_of(&fact) {
            return;
        }
        if self.sabotage.tells_twice(&fact) {
            self.note(What::Fact(fact));
        }
        self.note(What::Fact(fact));
    }
}
