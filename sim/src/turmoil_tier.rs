//! The turmoil tier: the whole service (shell, hyper, rustls, REST API) on simulated hosts and
//! sockets.
//!
//! One step simulates `TICK_MS` of every host, the sender's first. Between two steps the log is
//! told to the watch, and hosts are crashed and started. A host that is to be crashed in the
//! middle of a step stands still for the rest of it (`Stage::stands`).
//!
//! Some events are published by the API, from a host of its own, over a way that has faults of its
//! own. Whoever asks there is a caller like the others: the same book knows it, and a request that
//! is made again is one more call with the same wish.
//!
//! The same plan gives the same trace, packets included: turmoil's and tokio's chance is seeded,
//! the engine's too, and every wait is a simulated one. The TLS handshake and the ids of the API's
//! requests alone are drawn from the system, and `Date` is read from its clock; that changes no
//! length and no moment.

mod agenda;
mod api;
mod callers;
mod client;
mod dial;
mod disk;
mod faults;
mod receiver;
mod recorder;
mod sender;
mod stage;
#[cfg(test)]
mod tests;
mod tls;
mod weather;

use crate::book::Book;
use crate::bug::Bug;
use crate::checker::Checker;
use crate::panics;
use crate::plan::{Plan, Way};
use crate::trace::{Stop, What};
use crate::watch::{Keep, Run, Watch};
use crate::world::EPOCH;
use postrider::EndpointStatus;
use stage::{Order, Stage, Who};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use turmoil::Sim;

/// So much of every host is simulated in one step.
const TICK_MS: u64 = 10;

/// After healing, whether all has ended is looked at every so many steps.
const LOOK_EVERY: u64 = 10;

/// Segments on their way in one direction of a connection, and connections not yet accepted.
const SEGMENTS_MAX: usize = 1_024;

/// A simulation and the one who steps it.
struct Driver {
    stage: Arc<Stage>,
    sim: Sim<'static>,
    watch: Watch,
    /// Faults at given times, the next one last.
    faults: Vec<(u64, usize)>,
    /// Hosts that are down, and until when.
    down: Vec<(u64, Who)>,
    now_ms: u64,
}

/// Runs a plan to its end, or to the first promise that breaks.
#[must_use]
pub fn run(plan: &Arc<Plan>, checkers: Vec<Box<dyn Checker>>, keep: Keep) -> Run {
    run_with(plan, checkers, keep, None)
}

/// The same with a planted bug; those of the model world change nothing here.
#[must_use]
pub fn run_with(
    plan: &Arc<Plan>,
    checkers: Vec<Box<dyn Checker>>,
    keep: Keep,
    bug: Option<Bug>,
) -> Run {
    let stage = Stage::new(plan, bug);
    let mut driver = Driver {
        sim: simulation(plan),
        watch: Watch::new(plan, checkers, keep),
        faults: stage.put_down_faults(),
        down: Vec::new(),
        now_ms: 0,
        stage,
    };
    driver.faults.reverse();
    if !cfg!(tokio_unstable) {
        let said = "built without `--cfg tokio_unstable`, which .cargo/config.toml sets: runs of \
                    such a build do not replay";
        driver.watch.broke("simulation", said.to_owned());
    }
    let played = panics::heard(|| driver.play());
    driver.stage.tell(&mut driver.watch);
    if let Err(said) = played {
        driver.watch.broke("panic", said);
    }
    driver.watch.finish(driver.now_ms)
}

fn simulation(plan: &Plan) -> Sim<'static> {
    turmoil::Builder::new()
        .rng_seed(
            crate::chance::Chance::new(plan.seed)
                .of("turmoil", 0, 0)
                .bits(),
        )
        .epoch(UNIX_EPOCH + Duration::from_millis(EPOCH.0))
        .tick_duration(Duration::from_millis(TICK_MS))
        .simulation_duration(Duration::MAX / 4)
        .tcp_capacity(SEGMENTS_MAX)
        .build()
}

fn name(who: Who) -> String {
    match who {
        Who::Sender => "sender".to_owned(),
        Who::Receiver(number) => format!("r{number}.example"),
        Who::Client => "client".to_owned(),
    }
}

impl Driver {
    fn play(&mut self) {
        self.set_up();
        let end = &self.stage.plan.end;
        let healed_at_ms = end.healed_at_ms;
        let over_at_ms = healed_at_ms.saturating_add(end.within_ms);
        let mut steps = 0;
        while self.now_ms < over_at_ms && !self.watch.is_broken() {
            self.happen(healed_at_ms);
            self.step();
            steps += 1;
            let healed = self.watch.book().healed;
            if healed && steps % LOOK_EVERY == 0 && self.has_ended() {
                break;
            }
        }
        if !self.watch.is_broken() {
            self.has_answers();
            self.stage.audit(true);
            self.stage.note(What::Stopped(Stop::End));
        }
    }

    fn set_up(&mut self) {
        let stage = Arc::clone(&self.stage);
        self.sim
            .host(name(Who::Sender), move || sender::live(Arc::clone(&stage)));
        for number in 0..self.stage.plan.receivers.len() {
            let stage = Arc::clone(&self.stage);
            let host = name(Who::Receiver(number));
            self.sim
                .host(&*host, move || receiver::live(Arc::clone(&stage), number));
            let address = self.sim.lookup(&*host);
            self.stage.state().addresses.push(address);
        }
        if self.stage.plan.client.is_some() {
            let stage = Arc::clone(&self.stage);
            self.sim
                .host(name(Who::Client), move || client::live(Arc::clone(&stage)));
        }
        self.links();
    }

    /// What comes between two steps.
    fn happen(&mut self, healed_at_ms: u64) {
        let now_ms = self.now_ms;
        if now_ms >= healed_at_ms && !self.watch.book().healed {
            self.stage.heal();
            for (until_ms, who) in &mut self.down {
                if *until_ms != u64::MAX || *who == Who::Sender {
                    *until_ms = now_ms;
                }
            }
        }
        while let Some((_, index)) = self.faults.pop_if(|(at_ms, _)| *at_ms <= now_ms) {
            self.stage.strike(index);
        }
        self.stage.pass_over(now_ms);
        self.obey();
        let back = |(until_ms, _): &mut (u64, Who)| *until_ms <= now_ms;
        for (_, who) in self.down.extract_if(.., back).collect::<Vec<_>>() {
            self.stage.state().stand_still(who, false);
            self.sim.bounce(name(who));
        }
        if !self.stage.state().up && self.down.iter().any(|(_, who)| *who == Who::Sender) {
            callers::miss(&self.stage);
        }
    }

    fn step(&mut self) {
        self.stage.state().between_ms = None;
        let stepped = self.sim.step();
        self.now_ms += TICK_MS;
        self.stage.state().between_ms = Some(self.now_ms);
        if let Err(error) = stepped {
            self.stage.broke("simulation", error.to_string());
        }
        self.obey();
        self.stage.tell(&mut self.watch);
    }

    /// Does what only this one can do.
    fn obey(&mut self) {
        let orders = std::mem::take(&mut self.stage.state().orders);
        for order in orders {
            match order {
                Order::Links => self.links(),
                Order::Crash {
                    who,
                    power,
                    down_ms,
                } => self.crash(who, power, down_ms),
            }
        }
    }

    fn crash(&mut self, who: Who, power: bool, down_ms: u64) {
        let others: Vec<String> = match who {
            Who::Sender => self.others().map(name).collect(),
            Who::Receiver(_) | Who::Client => vec![name(Who::Sender)],
        };
        // Without power no socket says that it is closed.
        if power {
            for other in &others {
                self.sim.partition(name(who), &**other);
            }
        }
        self.sim.crash(name(who));
        if power {
            for other in &others {
                self.sim.repair(name(who), &**other);
            }
            self.links();
        }
        self.down.retain(|(_, known)| *known != who);
        self.down.push((self.now_ms.saturating_add(down_ms), who));
    }

    /// All hosts but the sender.
    fn others(&self) -> impl Iterator<Item = Who> {
        let receivers = (0..self.stage.plan.receivers.len()).map(Who::Receiver);
        receivers.chain(self.stage.plan.client.map(|_| Who::Client))
    }

    /// Sets the links as the weather is.
    fn links(&mut self) {
        let sender = name(Who::Sender);
        let one_way = |ms: u64| Duration::from_millis(ms.div_ceil(2));
        let way = self.stage.state().weather.client_way(&self.stage.plan);
        if let Some(((least, most), shut)) = way {
            let client = name(Who::Client);
            self.sim
                .set_link_latency(&*sender, &*client, one_way(least));
            self.sim
                .set_link_max_message_latency(&*sender, &*client, one_way(most));
            match shut {
                Some(Way::Parted) => self.sim.partition(&*sender, &*client),
                Some(Way::Held) => self.sim.hold(&*sender, &*client),
                Some(Way::Slow(_)) | None => self.sim.release(&*sender, &*client),
            }
        }
        for number in 0..self.stage.plan.receivers.len() {
            let receiver = name(Who::Receiver(number));
            let state = self.stage.state();
            let (least, most) = state.weather.latency_ms(&self.stage.plan, number);
            let cut_off = state.weather.is_cut_off(number);
            drop(state);
            self.sim
                .set_link_latency(&*sender, &*receiver, one_way(least));
            self.sim
                .set_link_max_message_latency(&*sender, &*receiver, one_way(most));
            if cut_off {
                self.sim.hold(&*sender, &*receiver);
            } else {
                self.sim.release(&*sender, &*receiver);
            }
        }
    }

    /// Whoever may ask the API again has its answer when all has long been well.
    fn has_answers(&self) {
        let waiting = self.stage.state().posts.next_at();
        if let Some(at_ms) = waiting.filter(|_| self.watch.book().healed) {
            let said = format!("the client would have to ask again at {at_ms} ms");
            self.stage.broke("liveness", said);
        }
    }

    /// Whether nothing is left that could still end: all that is pending is held, or its receiver
    /// is dead.
    fn has_ended(&self) -> bool {
        let book = self.watch.book();
        let dead = &self.stage.plan.end.dead;
        book.up
            && book.calls.is_empty()
            && self.stage.state().agenda.is_empty()
            && self.stage.state().posts.is_empty()
            && book.lanes.iter().all(|(id, lane)| {
                lane.pending.is_empty()
                    || lane.stopped_at.is_some()
                    || book.endpoints.get(&id.endpoint).is_none_or(|page| {
                        let receiver = Book::receiver_of(&page.told.spec.url);
                        page.told.status != EndpointStatus::Active
                            || receiver.is_none_or(|receiver| dead.contains(&receiver))
                    })
            })
    }
}
