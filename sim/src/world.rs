//! The model world: the engine alone, driven from event to event.
//!
//! There is one clock of true time, in milliseconds, and it jumps to whatever happens next: a
//! retry that waits for a day costs as much as one that waits for a second. The engine is the real
//! one, driven by the same `turn` as in production; network, receivers, disk and clocks are
//! models.

mod agenda;
mod callers;
mod clock;
mod disk;
mod faults;
mod host;
mod network;
mod sabotage;

pub use clock::EPOCH;
use host::Host;

use crate::allocated;
use crate::bug::Bug;
use crate::checker::{Checker, memory};
use crate::panics;
use crate::plan::{FaultKind, Plan};
use crate::trace::{Audit, Stop, What};
use crate::watch::{Keep, Run};
use disk::Loss;
use network::{Exchange, Packet};
use postrider_engine::{BatchId, Command, Core, Input, Loaded, Mono, Outcome, turn};
use std::sync::Arc;

/// More turns than any run needs: beyond, the engine and its host go round in circles.
const TURNS_MAX: u64 = 2_000_000;

/// How many turns without time passing are too many.
const TURNS_AT_ONCE_MAX: u64 = 20_000;

/// After healing, whether all has ended is looked at every so many turns.
const LOOK_EVERY: u64 = 64;

/// The model world.
pub struct World {
    core: Option<Core>,
    host: Host,
    turns: u64,
    turns_at_once: u64,
}

/// What will happen besides packets and the engine's timer.
#[derive(Debug)]
enum Happening {
    /// The endpoint at this place of the plan is registered.
    Register(usize),
    /// A step of the workload.
    Step { index: usize, tries: u32 },
    /// A fault strikes.
    Fault(usize),
    /// A fault that lasted is over.
    FaultOver(usize),
    /// The group with this number is written.
    Written(u64),
    /// The group with this number is synced.
    Synced(u64),
    /// A read is done.
    Read { life: u32, loaded: Box<Reading> },
    /// The sender's process is started again.
    Restart,
    /// All is well from now on.
    Heal,
    /// The last moment.
    End,
}

/// A read from the store: done at its beginning or at its end.
#[derive(Debug)]
enum Reading {
    Done(Loaded),
    ToDo(postrider_engine::Load),
}

impl World {
    /// Runs a plan to its end, or to the first promise that breaks.
    #[must_use]
    pub fn run(plan: &Arc<Plan>, checkers: Vec<Box<dyn Checker>>, keep: Keep) -> Run {
        Self::run_with(plan, checkers, keep, None)
    }

    /// The same, with a planted bug.
    #[must_use]
    pub fn run_with(
        plan: &Arc<Plan>,
        checkers: Vec<Box<dyn Checker>>,
        keep: Keep,
        bug: Option<Bug>,
    ) -> Run {
        let mut world = Self {
            core: None,
            host: Host::new(plan, checkers, keep, bug),
            turns: 0,
            turns_at_once: 0,
        };
        if let Err(said) = panics::heard(|| world.play()) {
            world.host.watch.broke("panic", said);
        }
        let at_ms = world.host.at_ms;
        world.host.watch.finish(at_ms)
    }

    fn play(&mut self) {
        self.host.put_down_the_plan();
        self.start();
        while !self.host.over && !self.host.watch.is_broken() {
            self.step();
        }
        if !self.host.watch.is_broken() {
            self.audit(true);
            self.host.note(What::Stopped(Stop::End));
        }
        if let Some(core) = self.core.take() {
            self.release(core);
        }
    }

    /// An engine ends. What it said that it holds is what it gives back.
    fn release(&mut self, core: Core) {
        let held = core.footprint();
        if let Some(freed) = allocated::freed_by(core)
            && let Err(said) = memory::fits(freed, &held)
        {
            self.host.watch.broke("memory", said);
        }
    }

    /// Whatever happens next, happens.
    fn step(&mut self) {
        let host = &mut self.host;
        let alarm = host.armed.map(|at| host.rings_at(at).max(host.at_ms));
        let packet = host.network.packets.next_at();
        let other = host.agenda.next_at();
        let Some(at_ms) = [other, packet, alarm].into_iter().flatten().min() else {
            host.over = true;
            return;
        };
        self.turns_at_once = if at_ms > host.at_ms {
            0
        } else {
            self.turns_at_once + 1
        };
        if self.turns_at_once > TURNS_AT_ONCE_MAX || self.turns > TURNS_MAX {
            return host
                .watch
                .broke("progress", "it goes round in circles".to_owned());
        }
        host.at_ms = host.at_ms.max(at_ms);
        if other == Some(at_ms) {
            if let Some(happening) = host.agenda.take() {
                self.happen(happening);
            }
        } else if packet == Some(at_ms) {
            if let Some(packet) = host.network.packets.take() {
                self.packet(packet);
            }
        } else {
            host.armed = None;
            self.input(Input::Tick);
        }
        self.follow();
        if let Some(said) = self.host.disk.broke.take() {
            self.host.watch.broke("store", said);
        }
        if self.host.watch.book().healed && self.turns.is_multiple_of(LOOK_EVERY) {
            self.host.over |= self.host.has_ended();
        }
    }

    fn packet(&mut self, packet: Packet) {
        if let Some((exchange, outcome)) = self.host.packet(packet) {
            self.outcome(&exchange, outcome);
        }
    }

    fn outcome(&mut self, exchange: &Exchange, outcome: Outcome) {
        if self.core.is_none() {
            return;
        }
        let shared = Arc::new(outcome);
        self.ended(exchange, &shared);
        let again = matches!(exchange.mishap, Some(FaultKind::RepeatOutcome));
        self.input(Input::AttemptDone(
            exchange.attempt,
            (*shared).clone(),
            Box::default(),
        ));
        if again {
            self.input(Input::AttemptDone(
                exchange.attempt,
                (*shared).clone(),
                Box::default(),
            ));
        }
    }

    /// Notes how an attempt ended, for each delivery in it. One that was discarded meanwhile has
    /// left the request, which went on for the others.
    fn ended(&mut self, exchange: &Exchange, outcome: &Arc<Outcome>) {
        for wire in &exchange.wires {
            let (delivery, number) = (wire.delivery, wire.number);
            let page = self.host.watch.book().deliveries.get(&delivery);
            let has_left = exchange.wires.len() > 1 && page.is_some_and(|page| page.told_end);
            self.host.note(if has_left {
                What::Cancelled { delivery, number }
            } else {
                What::Outcome {
                    delivery,
                    number,
                    outcome: Arc::clone(outcome),
                }
            });
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Register(number) => self.register(number),
            Happening::Step { index, tries } => self.act(index, tries),
            Happening::Fault(index) => self.host.strike(index),
            Happening::FaultOver(index) => self.host.pass(index),
            Happening::Written(group) => self.host.written(group),
            Happening::Synced(group) => self.synced(group),
            Happening::Read { life, loaded } => self.read(life, *loaded),
            Happening::Restart => self.start(),
            Happening::Heal => self.host.heal(),
            Happening::End => self.host.over = true,
        }
    }

    /// Gives the engine an input, and does what it says.
    fn input(&mut self, input: Input) {
        let Some(core) = &mut self.core else {
            return;
        };
        let Some(input) = self.host.sabotage.input(input) else {
            return;
        };
        self.turns += 1;
        let reason = turn(core, &mut self.host, input);
        let held = core.footprint();
        self.host.watch.weigh(&held);
        self.host.watch.rest(reason, &held);
        while let Some(input) = self.host.at_once.pop_front() {
            turn(core, &mut self.host, input);
        }
    }

    /// What the turn before has brought about besides inputs: the sender's end, for one.
    fn follow(&mut self) {
        if let Some((loss, down_ms)) = self.host.struck.take() {
            let stop = match loss {
                Loss::Process => Stop::Killed,
                Loss::Power => Stop::PowerLost,
            };
            self.stop(stop, loss, down_ms);
        }
        if let Some(down_ms) = self.host.drained.take() {
            self.stop(Stop::Drained, Loss::Process, down_ms);
        }
    }

    fn stop(&mut self, stop: Stop, loss: Loss, down_ms: u64) {
        let Some(core) = self.core.take() else {
            return;
        };
        self.release(core);
        let host = &mut self.host;
        host.armed = None;
        host.network.hang_up();
        let (durable, lost) = host.disk.recover(loss);
        for (batch, receipt) in durable {
            if let Ok(receipt) = receipt {
                host.durable(batch.change, receipt);
            }
        }
        for batch in lost {
            let error = postrider_engine::CommitError::Failed("lost".to_owned());
            host.note(What::NotDurable {
                batch: batch.id,
                error,
            });
        }
        host.leave_callers();
        host.note(What::Stopped(stop));
        let at_ms = host.at_ms + down_ms.max(1);
        host.agenda.put(at_ms, Happening::Restart);
    }

    fn start(&mut self) {
        if self.core.is_some() {
            return;
        }
        let host = &mut self.host;
        host.life += 1;
        let life = u64::from(host.life);
        let start = Mono(host.chance.of("boot", life, 0).up_to(1_000_000));
        host.clocks.restart(host.at_ms, start);
        let seed = host.chance.of("engine", life, 0).bytes();
        let now = host.clocks.now(host.at_ms);
        let now = host.sabotage.now(now);
        let limits = host.sabotage.limits(host.plan.bounds.limits());
        let recovered = host.sabotage.recovered(host.disk.start());
        host.note(What::Started { life: host.life });
        match Core::recover(limits, seed, recovered, now) {
            Ok(core) => self.core = Some(core),
            Err(error) => return host.watch.broke("recovery", error.to_string()),
        }
        self.audit(false);
        self.input(Input::Tick);
    }

    fn synced(&mut self, group: u64) {
        if group != self.host.disk.group_number || self.core.is_none() {
            return;
        }
        if self.host.disk.write_error {
            let down_ms = self.host.down_ms;
            return self.store_fails(
                Input::CommitFailed(
                    self.host.first_batch(),
                    postrider_engine::CommitError::Failed("input/output error".to_owned()),
                ),
                down_ms,
            );
        }
        for (batch, receipt) in self.host.disk.synced() {
            let input = match receipt {
                Ok(receipt) => {
                    self.host.durable(batch.change, receipt.clone());
                    Input::Committed(batch.id, receipt)
                }
                Err(error) => {
                    self.host.note(What::NotDurable {
                        batch: batch.id,
                        error: error.clone(),
                    });
                    let state = &self.host.disk.state;
                    let pretended = self.host.sabotage.refused(&batch, |lane| state.tail(lane));
                    match pretended {
                        Some(receipt) => Input::Committed(batch.id, receipt),
                        None => Input::CommitFailed(batch.id, error),
                    }
                }
            };
            self.input(input);
        }
        self.host.begin_writing();
    }

    fn store_fails(&mut self, input: Input, down_ms: u64) {
        self.input(input);
        self.stop(Stop::StoreFailed, Loss::Process, down_ms);
    }

    fn read(&mut self, life: u32, reading: Reading) {
        if life != self.host.life || self.core.is_none() {
            return;
        }
        if self.host.disk.read_error {
            let down_ms = self.host.down_ms;
            return self.store_fails(Input::StoreFailed, down_ms);
        }
        let loaded = match reading {
            Reading::Done(loaded) => loaded,
            Reading::ToDo(load) => self.host.disk.load(&load),
        };
        self.host.note(What::Loaded {
            lane: loaded.lane.clone(),
            deliveries: loaded.deliveries.len(),
            through: loaded.through,
        });
        let loaded = self.host.sabotage.loaded(loaded);
        self.input(Input::Loaded(loaded));
    }

    fn register(&mut self, number: usize) {
        let Some(plan) = self.host.plan.endpoints.get(number) else {
            return;
        };
        let Ok(spec) = plan.spec() else {
            return;
        };
        if self.core.is_none() {
            return self.host.later(Happening::Register(number));
        }
        let call = self.host.call(None, crate::trace::Wish::Register(number));
        self.input(Input::Command(
            call,
            Command::Register(Box::new(spec), None),
        ));
    }

    /// Reads what the store holds of everything that the trace has shown.
    fn audit(&mut self, last: bool) {
        let state = &self.host.disk.state;
        let book = self.host.watch.book();
        let audit = Audit::of(state, book.deliveries.keys(), book.endpoints.keys(), last);
        self.host.note(What::Audit(Box::new(audit)));
    }
}

impl Host {
    fn first_batch(&self) -> BatchId {
        self.disk.first().unwrap_or_default()
    }
}
