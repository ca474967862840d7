//! The run: starts Postrider and the receivers, submits everything, waits for the end of it.

use super::check::{End, OnRecord};
use super::data::{self, Data, DataError, Entry, Journal};
use super::plan::{EndpointPlan, EventPlan, Plan, Submitted};
use super::progress::Progress;
use super::receiver::{Log, Payload, Receiver, Reserved};
use crate::stop::Stop;
use postrider::egress::{EgressGuard, InvalidAllowList};
use postrider::signature::KeyError;
use postrider::store::{Store, StoreError};
use postrider::{
    BreakerPolicy, DeliveryState, Drained, Endpoint, EndpointError, EndpointId, EndpointSpec,
    EventId, EventStatus, FailReason, Ledger, MemoryBounds, MemoryStore, Outcome, Postrider,
    PublishError, Published, ReadError, RetryPolicy, Schedule, Secret, StartError, Submission,
};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The only addresses that the demo sends to.
pub(super) const EGRESS: &str = "127.0.0.0/8";

/// The retry policy of every endpoint of the demo.
pub(super) const RETRIES: u32 = 5;
pub(super) const FIRST_DELAY: Duration = Duration::from_millis(20);

/// The breaker of every endpoint of the demo.
pub(super) const BREAKER: BreakerPolicy = BreakerPolicy {
    failures: 10,
    cooldown: Duration::from_millis(50),
    cooldown_max: Duration::from_millis(200),
};

/// How often the accounts are read.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Without any change of the accounts for so long, the demo waits no longer: longer than any
/// attempt and any delay takes.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Room for payload bytes in the store, for one event: more than [`Payload`] takes.
const PAYLOAD_BYTES: usize = 128;

/// Why there was no run. (A promise that was broken is no error: it is what the demo is for.)
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error(
        "the demo needs {needed} open files, and the system refuses ({error}): raise the limit \
         with `ulimit -n {needed}`, or use fewer --endpoints"
    )]
    OpenFiles { needed: usize, error: io::Error },
    #[error("a receiver could not be set up on the loopback: {0}")]
    Receiver(io::Error),
    #[error("the runtime could not be set up: {0}")]
    Runtime(io::Error),
    #[error("signals cannot be listened to: {0}")]
    Signals(io::Error),
    #[error("the progress bar could not be drawn: {0}")]
    Template(#[from] indicatif::style::TemplateError),
    #[error("an event could not be written: {0}")]
    Payload(#[from] serde_json::Error),
    #[error(transparent)]
    AllowList(#[from] InvalidAllowList),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the journal could not be written: {0}")]
    Journal(io::Error),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(
        "nothing has moved for {} s, and {publishers} publishers wait for an answer",
        STALLED_AFTER.as_secs()
    )]
    Stalled { publishers: usize },
    #[error("a publisher ended early: {0}")]
    Publisher(#[from] JoinError),
}

/// How it ended.
pub(super) enum Ending {
    /// Every event has ended, or nothing moved any more.
    Done(Ran),
    /// It was asked to.
    Stopped(Stopped),
}

/// What there is when it was asked to end.
pub(super) struct Stopped {
    /// The accounts of all endpoints together.
    pub(super) account: Ledger,
    /// What Postrider said when it was shut down.
    pub(super) drained: Option<Drained>,
    pub(super) elapsed: Duration,
}

/// What came of it.
pub(super) struct Ran {
    pub(super) endpoints: Vec<EndpointRan>,
    /// What Postrider said when it was shut down.
    pub(super) drained: Option<Drained>,
    /// How often the process has ended before it was done, and before it had drained.
    pub(super) kills: usize,
    pub(super) elapsed: Duration,
}

/// What came of one endpoint.
pub(super) struct EndpointRan {
    pub(super) plan: Arc<EndpointPlan>,
    pub(super) log: Log,
    pub(super) records: Vec<OnRecord>,
    pub(super) ledger: Ledger,
    pub(super) repeats: Repeats,
    /// Events that were accepted in an earlier life and are not known any more.
    pub(super) forgotten: u64,
}

/// Submissions that were made twice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repeats {
    pub(super) made: u64,
    /// Of these, those that did not give one event, new once.
    pub(super) wrong: u64,
}

/// An endpoint at work.
struct Working {
    id: EndpointId,
    plan: Arc<EndpointPlan>,
    receiver: Arc<Receiver>,
}

/// What a publisher has done: the events of one endpoint, in the order of submission.
struct Submissions {
    endpoint: usize,
    events: Vec<EventId>,
    repeats: Repeats,
    forgotten: u64,
}

/// Who submits the events of one endpoint.
struct Publisher {
    postrider: Postrider,
    id: EndpointId,
    endpoint: usize,
    plan: Arc<EndpointPlan>,
    journal: Option<Arc<Journal>>,
    /// What was accepted in the lives before this one.
    accepted: Vec<(usize, EventId)>,
    stop: Stop,
}

pub(super) async fn run(
    plan: Plan,
    data: Option<Data>,
    stop: Stop,
    progress: &Progress,
) -> Result<Ending, DemoError> {
    let start = Instant::now();
    check_open_files(&plan)?;
    let Life {
        store,
        journal,
        before,
    } = Life::of(data, &plan);
    let (starts, kills) = (data::starts(&before), data::kills(&before));
    let known = Arc::clone(&store).endpoints().await?;
    let mut setting_up = Vec::with_capacity(plan.endpoints.len());
    for (index, plan) in plan.endpoints.into_iter().enumerate() {
        let plan = Arc::new(plan);
        let receiver = Receiver::new(index, Arc::clone(&plan), &before, journal.clone())?;
        let known = known.get(index);
        let port = port(known).map_err(DemoError::Receiver)?;
        setting_up.push((plan, Arc::new(receiver), known, port));
    }
    let postrider = start_postrider(store, plan.engine_seed, starts).await?;
    let mut working = Vec::with_capacity(setting_up.len());
    let mut ports = Vec::with_capacity(setting_up.len());
    for (plan, receiver, known, port) in setting_up {
        let id = register(&postrider, known, &port, &plan).await?;
        working.push(Working { id, plan, receiver });
        ports.push(port);
    }
    for (endpoint, port) in working.iter().zip(ports) {
        endpoint.listen(port, starts > 0)?;
    }
    let books = Books { journal, before };
    let submissions = deliver(&postrider, &working, &books, &stop, progress).await?;
    let drained = postrider.shutdown().await;
    progress.end();
    let Some(submissions) = submissions else {
        let stopped = Stopped {
            account: account(&postrider, &working).await?,
            drained,
            elapsed: start.elapsed(),
        };
        books.end(drained)?;
        return Ok(Ending::Stopped(stopped));
    };
    let mut endpoints = Vec::with_capacity(working.len());
    for (endpoint, submissions) in working.into_iter().zip(submissions) {
        endpoints.push(endpoint.read(&postrider, submissions).await?);
    }
    books.end(drained)?;
    Ok(Ending::Done(Ran {
        endpoints,
        drained,
        kills,
        elapsed: start.elapsed(),
    }))
}

/// What a process begins with.
struct Life {
    store: Arc<dyn Store>,
    journal: Option<Arc<Journal>>,
    before: Vec<Entry>,
}

/// What is written down of this life, and of those before it.
struct Books {
    journal: Option<Arc<Journal>>,
    before: Vec<Entry>,
}

impl Books {
    /// This life ends. If nothing was given up for it, the next one finds that written down.
    fn end(&self, drained: Option<Drained>) -> Result<(), DemoError> {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        if drained.is_some_and(|drained| drained.cancelled == 0 && !drained.store_failed) {
            journal.add(Entry::Stopped);
        }
        journal.is_whole().map_err(DemoError::Journal)
    }
}

impl Life {
    fn of(data: Option<Data>, plan: &Plan) -> Self {
        match data {
            Some(data) => Self {
                store: Arc::new(data.store),
                journal: Some(Arc::new(data.journal)),
                before: data.before,
            },
            None => Self {
                store: Arc::new(in_memory(plan)),
                journal: None,
                before: Vec::new(),
            },
        }
    }
}

/// The port that an endpoint had, or a free one.
fn port(known: Option<&Endpoint>) -> io::Result<Reserved> {
    let port = known.and_then(|it| it.spec.url.parse::<hyper::Uri>().ok()?.port_u16());
    let before = port.map(|port| Reserved::new(Some(port)));
    match before {
        Some(Ok(reserved)) => Ok(reserved),
        // Somebody else has it by now.
        _ => Reserved::new(None),
    }
}

/// Fails now rather than in the middle: a lane is a connection with two ends, and so are the
/// attempts that time out while the next one is under way.
fn check_open_files(plan: &Plan) -> Result<(), DemoError> {
    const OTHERS: usize = 64;
    let of_endpoint = |it: &EndpointPlan| 1 + 2 * it.lanes * if it.hangs > 0 { 2 } else { 1 };
    let needed = OTHERS + plan.endpoints.iter().map(of_endpoint).sum::<usize>();
    let sockets = (0..needed).map(|_| TcpSocket::new_v4());
    match sockets.collect::<Result<Vec<_>, _>>() {
        Ok(_) => Ok(()),
        Err(error) => Err(DemoError::OpenFiles { needed, error }),
    }
}

fn in_memory(plan: &Plan) -> MemoryStore {
    let events: usize = plan
        .endpoints
        .iter()
        .map(|endpoint| endpoint.events.len())
        .sum();
    MemoryStore::bounded(MemoryBounds {
        deliveries_max: events,
        payload_bytes_max: events * PAYLOAD_BYTES,
        // Every event is looked up at the end.
        ended_max: events,
    })
}

async fn start_postrider(
    store: Arc<dyn Store>,
    mut seed: [u8; 32],
    starts: usize,
) -> Result<Postrider, DemoError> {
    // Another life makes other ids.
    for (byte, more) in seed.iter_mut().zip(starts.to_le_bytes()) {
        *byte ^= more;
    }
    let builder = Postrider::builder()
        .shared_store(store)
        .egress(EGRESS.parse::<EgressGuard>()?);
    Ok(builder.seed(seed).start().await?)
}

/// Registers an endpoint, or lets the one that was registered before have its new port. The port
/// refuses connections so far.
async fn register(
    postrider: &Postrider,
    known: Option<&Endpoint>,
    port: &Reserved,
    plan: &EndpointPlan,
) -> Result<EndpointId, DemoError> {
    let url = port.url();
    let spec = spec(&url, plan);
    match known {
        Some(known) if *known.spec.url == *url => Ok(known.id),
        Some(known) => Ok(postrider.update_endpoint(&known.id, spec).await?.id),
        None => {
            let secret = Secret::generate_hmac(plan.secret);
            Ok(postrider.register(spec, Some(secret)).await?.id)
        }
    }
}

fn spec(url: &str, plan: &EndpointPlan) -> EndpointSpec {
    EndpointSpec {
        timeout: plan.timeout(),
        retry: RetryPolicy::with_schedule(Schedule::Exponential {
            first: FIRST_DELAY,
            factor: 2.0,
            cap: Duration::from_secs(1),
            retries: RETRIES,
        }),
        breaker: Some(BREAKER),
        disable_after: None,
        ..EndpointSpec::new(url)
    }
}

/// Submits everything, and returns when nothing is pending any more (or nothing moves). Nothing,
/// if it was asked to stop before: all publishers have ended by then, too.
async fn deliver(
    postrider: &Postrider,
    working: &[Working],
    books: &Books,
    stop: &Stop,
    progress: &Progress,
) -> Result<Option<Vec<Submissions>>, DemoError> {
    let mut publishers = JoinSet::new();
    for (index, endpoint) in working.iter().enumerate() {
        let plan = Arc::clone(&endpoint.plan);
        let publisher = Publisher {
            postrider: postrider.clone(),
            id: endpoint.id,
            endpoint: index,
            plan,
            journal: books.journal.clone(),
            accepted: data::accepted(&books.before, index),
            stop: stop.clone(),
        };
        publishers.spawn(publisher.publish_all());
    }
    let mut submissions: Vec<Submissions> = Vec::with_capacity(working.len());
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut last_change) = (Ledger::default(), Instant::now());
    loop {
        look.tick().await;
        while let Some(done) = publishers.try_join_next() {
            submissions.push(done??);
        }
        let account = account(postrider, working).await?;
        progress.show(&account);
        if account != last {
            (last, last_change) = (account, Instant::now());
        }
        let is_stalled = last_change.elapsed() > STALLED_AFTER;
        if is_stalled && !publishers.is_empty() {
            return Err(DemoError::Stalled {
                publishers: publishers.len(),
            });
        }
        if !publishers.is_empty() {
            continue;
        }
        let planned: usize = working.iter().map(|it| it.plan.events.len()).sum();
        let submitted: usize = submissions.iter().map(|it| it.events.len()).sum();
        let is_all = submitted == planned;
        if is_all && (is_stalled || account.pending == 0) {
            submissions.sort_unstable_by_key(|done| done.endpoint);
            return Ok(Some(submissions));
        }
        if stop.is_asked() {
            return Ok(None);
        }
    }
}

/// The accounts of all endpoints together.
async fn account(postrider: &Postrider, working: &[Working]) -> Result<Ledger, DemoError> {
    let mut sum = Ledger::default();
    for endpoint in working {
        let ledger = postrider.ledger(&endpoint.id).await?;
        sum.accepted += ledger.accepted;
        sum.pending += ledger.pending;
        sum.delivered += ledger.delivered;
        sum.failed += ledger.failed;
        sum.discarded += ledger.discarded;
    }
    Ok(sum)
}

impl Publisher {
    /// Submits the events of one endpoint: each after the one before was accepted, until there are
    /// no more or it is asked to stop. Where a life may follow another, each has an idempotency
    /// key: what was accepted before is accepted again as the same event.
    async fn publish_all(self) -> Result<Submissions, DemoError> {
        let mut events = Vec::with_capacity(self.plan.events.len());
        let (mut repeats, mut forgotten) = (Repeats::default(), 0);
        let endpoint = self.endpoint;
        for (sequence, event) in self.plan.events.iter().enumerate() {
            if self.stop.is_asked() {
                break;
            }
            let payload = serde_json::to_vec(&Payload { endpoint, sequence })?;
            let mut submission = Submission::new("demo.event", payload).to(&self.id);
            if self.plan.lanes > 1 {
                submission = submission.ordering_key(format!("customer-{}", event.lane));
            }
            if event.submitted != Submitted::Once || self.journal.is_some() {
                submission = submission.idempotency_key(format!("{endpoint}-{sequence}"));
            }
            let before = self.accepted.iter().find(|(number, _)| *number == sequence);
            let (published, repeated) = publish(&self.postrider, event, submission).await?;
            if let Some(again) = repeated {
                let new = [published.duplicate, again.duplicate];
                let new = new.iter().filter(|duplicate| !**duplicate).count();
                // It may have become durable in a life that nobody was told of.
                let may_be_old = self.journal.is_some() && new == 0;
                let is_one = again.event == published.event && (new == 1 || may_be_old);
                repeats.made += 1;
                repeats.wrong += u64::from(!is_one);
            }
            forgotten += u64::from(before.is_some_and(|(_, id)| *id != published.event));
            if let Some(journal) = self.journal.as_ref().filter(|_| before.is_none()) {
                journal.add(Entry::Accepted(endpoint, sequence, published.event));
            }
            events.push(published.event);
        }
        Ok(Submissions {
            endpoint,
            events,
            repeats,
            forgotten,
        })
    }
}

/// Submits an event, and once more if it is to be.
async fn publish(
    postrider: &Postrider,
    event: &EventPlan,
    submission: Submission,
) -> Result<(Published, Option<Published>), PublishError> {
    let again = submission.clone();
    match event.submitted {
        Submitted::Once => Ok((postrider.publish(submission).await?, None)),
        Submitted::InARow => {
            let published = postrider.publish(submission).await?;
            Ok((published, Some(postrider.publish(again).await?)))
        }
        Submitted::AtOnce => {
            let both = tokio::try_join!(postrider.publish(submission), postrider.publish(again));
            both.map(|(published, again)| (published, Some(again)))
        }
    }
}

impl Working {
    /// Lets the receiver listen, now or when it is to.
    fn listen(&self, port: Reserved, has_refused: bool) -> Result<(), DemoError> {
        let receiver = Arc::clone(&self.receiver);
        let refuses_for = self.plan.refuses_for;
        if refuses_for.is_zero() || has_refused {
            return port.serve(receiver).map_err(DemoError::Receiver);
        }
        tokio::spawn(async move {
            sleep(refuses_for).await;
            // If it cannot listen, it goes on refusing: its events are exhausted, which is told.
            port.serve(receiver)
        });
        Ok(())
    }

    async fn read(
        self,
        postrider: &Postrider,
        submissions: Submissions,
    ) -> Result<EndpointRan, DemoError> {
        let mut records = Vec::with_capacity(submissions.events.len());
        for event in submissions.events {
            records.push(match postrider.event_status(&event).await {
                Ok(status) => OnRecord::of(&status),
                Err(ReadError::NoSuchEvent(event)) => OnRecord::missing(event),
                Err(error) => return Err(error.into()),
            });
        }
        Ok(EndpointRan {
            log: self.receiver.take_log(),
            records,
            ledger: postrider.ledger(&self.id).await?,
            plan: self.plan,
            repeats: submissions.repeats,
            forgotten: submissions.forgotten,
        })
    }
}

impl OnRecord {
    fn missing(event: EventId) -> Self {
        Self {
            event,
            end: End::Missing,
            attempts: 0,
            unanswered: 0,
        }
    }

    /// The record of an event that went to one endpoint.
    fn of(status: &EventStatus) -> Self {
        let [delivery] = &status.deliveries[..] else {
            return Self::missing(status.event);
        };
        let unanswered = delivery.attempts.iter();
        let unanswered = unanswered.filter(|it| matches!(it.outcome, Outcome::Failure(_)));
        Self {
            event: status.event,
            end: match delivery.state {
                DeliveryState::Delivered => End::Delivered,
                DeliveryState::Failed(FailReason::Exhausted) => End::Exhausted,
                DeliveryState::Failed(_) => End::Rejected,
                DeliveryState::Pending | DeliveryState::Retrying { .. } => End::Pending,
                DeliveryState::Discarded => End::Missing,
            },
            attempts: delivery.attempts.len(),
            unanswered: unanswered.count(),
        }
    }
}
