//! The sender's software: the real shell, on a simulated host.

use super::api;
use super::callers;
use super::dial::SimulatedDial;
use super::disk::DiskStore;
use super::recorder::Recorder;
use super::stage::{Stage, Who};
use super::tls;
use crate::trace::{Audit, Stop, What};
use postrider::egress::EgressGuard;
use postrider::engine::Wall;
use postrider::transport::{HyperTransport, TransportConfig, TransportLimits, Uplink};
use postrider::{Clock, Facts, FactsError, Postrider, StartError};
use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

/// The simulated hosts' addresses.
const NETWORK: &str = "192.168.0.0/16";

/// How often the engine is weighed.
const WEIGH_EVERY: Duration = Duration::from_millis(100);

/// The sender's calendar.
struct Calendar(Arc<Stage>);

impl Clock for Calendar {
    fn wall(&self) -> Wall {
        self.0.state().now().wall
    }
}

/// One life of the sender.
pub(super) async fn live(stage: Arc<Stage>) -> turmoil::Result {
    let life = run(&stage);
    stage.alive(Who::Sender, life).await;
    // What is left of the process goes when its host is told to.
    pending().await
}

async fn run(stage: &Arc<Stage>) {
    let life = {
        let mut state = stage.state();
        state.life += 1;
        state.born_ms = None;
        state.disk.begin_life();
        state.up = true;
        let life = state.life;
        state.note(What::Started { life });
        life
    };
    let postrider = match start(stage, life).await {
        Ok(postrider) => postrider,
        Err(error) if error.is::<StartError>() => {
            let mut state = stage.state();
            let down_ms = state.down_ms;
            return state.stop(stage, Stop::StoreFailed, down_ms);
        }
        Err(error) => return stage.broke("recovery", error.to_string()),
    };
    let facts = postrider.subscribe();
    stage.audit(false);
    if stage.plan.client.is_some() {
        spawn(stage, api::serve(Arc::clone(stage), postrider.clone()));
    }
    let playing = callers::play(Arc::clone(stage), postrider.clone());
    spawn(stage, playing);
    spawn(stage, weigh(Arc::clone(stage), postrider.clone()));
    follow(stage, facts).await;
    end(stage).await;
}

async fn start(stage: &Arc<Stage>, life: u32) -> Result<Postrider, Box<dyn Error>> {
    let guard: EgressGuard = NETWORK.parse()?;
    let config = TransportConfig {
        guard: guard.clone(),
        tls: tls::client(stage)?,
        limits: TransportLimits::default(),
        uplink: Uplink::default(),
    };
    let dial = SimulatedDial::new(Arc::clone(stage));
    let transport = Recorder::new(Arc::clone(stage), HyperTransport::with_dial(config, dial));
    let builder = Postrider::builder()
        .store(DiskStore(Arc::clone(stage)))
        .transport(transport)
        .egress(guard)
        .limits(stage.plan.bounds.limits())
        .clock(Calendar(Arc::clone(stage)))
        .seed(stage.chance.of("engine", u64::from(life), 0).bytes());
    Ok(builder.start().await?)
}

fn spawn(stage: &Arc<Stage>, work: impl Future<Output = ()> + 'static) {
    let stage = Arc::clone(stage);
    tokio::task::spawn_local(async move { stage.alive(Who::Sender, work).await });
}

/// Notes the facts until the shell ends.
async fn follow(stage: &Stage, mut facts: Facts) {
    loop {
        match facts.next().await {
            Ok(fact) => stage.note(What::Fact(fact)),
            Err(FactsError::Skipped(count)) => {
                stage.broke("facts", format!("{count} facts were skipped"));
            }
            Err(FactsError::Stopped) => return,
        }
    }
}

async fn weigh(stage: Arc<Stage>, postrider: Postrider) {
    while let Some(footprint) = postrider.footprint().await {
        stage.weigh(footprint);
        tokio::time::sleep(WEIGH_EVERY).await;
    }
}

/// The shell has ended: it was asked to, or its store has failed.
async fn end(stage: &Stage) {
    // Whoever waits for an answer has it, or will never have it.
    for _ in 0..1_000 {
        if stage.state().calls.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut state = stage.state();
    let stop = match state.draining {
        Some((_, true)) => Stop::Drained,
        _ => Stop::StoreFailed,
    };
    let down_ms = state.down_ms;
    state.stop(stage, stop, down_ms);
}

impl Stage {
    /// Notes what the store holds of everything that the trace has shown.
    pub(super) fn audit(&self, last: bool) {
        let mut state = self.state();
        let audit = Audit::of(
            &state.disk.held,
            state.deliveries.iter(),
            state.known_endpoints.iter(),
            last,
        );
        state.note(What::Audit(Box::new(audit)));
    }
}
