//! The tokio shell: runs one core, and does what it says.
//!
//! One task owns the core. Requests run in tasks of their own, signatures included. The store is
//! given whatever batches have come up while it was busy with the ones before: that is the group
//! commit.

mod deliver;

use crate::clock::{Clock, Start};
use crate::facts::{Observer, TypedFact};
use crate::store::{Store, StoreError, StoreFuture};
use crate::transport::Transport;
use deliver::Attempts;
use postrider_engine::{
    Answer, AttemptId, Batch, BatchId, CallId, Command, CommitError, Core, DeliveryId, EventId,
    Fact, Footprint, Input, LaneId, Limits, Load, Loaded, Mono, NewEvent, Note, Now, Outlook,
    PublishError, Reason, Receipt, Recovered, Request, Scheduler, turn,
};
use std::collections::{BTreeMap, VecDeque};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// What a handle asks of the shell.
pub(crate) enum Call {
    Publish(NewEvent, oneshot::Sender<Answer>),
    /// Events from the store's outbox, in their order. What is answered may be fewer: those behind
    /// one that finds no room are not looked at.
    FromOutbox(Vec<(EventId, NewEvent)>, oneshot::Sender<AllTaken>),
    /// What is wanted, and what is to be noted of it.
    Command(Command, Option<Box<Note>>, oneshot::Sender<Answer>),
    Drain(Instant, oneshot::Sender<Answer>),
    Footprint(oneshot::Sender<Footprint>),
    /// What these deliveries wait for, and the clocks by which that is so.
    Outlooks(
        Vec<(LaneId, DeliveryId)>,
        oneshot::Sender<(Now, Vec<Option<Outlook>>)>,
    ),
}

/// What has become of events from the outbox, in their order.
pub(crate) type AllTaken = Vec<(EventId, Taken)>;

/// What has become of an event from the outbox.
pub(crate) enum Taken {
    /// The core has refused it.
    Refused(Answer),
    /// The store is asked; this will be the answer.
    Asked(oneshot::Receiver<Answer>),
}

/// Calls taken in one go, so that answers from the network are not kept waiting.
const CALLS_PER_TURN: usize = 128;

/// Everything a shell is made of.
pub(crate) struct Parts {
    pub(crate) limits: Limits,
    pub(crate) seed: [u8; 32],
    pub(crate) recovered: Recovered,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) calls: mpsc::Receiver<Call>,
    pub(crate) facts: broadcast::Sender<TypedFact>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) shutdown_timeout: Duration,
}

pub(crate) struct Shell {
    core: Core,
    host: Host,
    calls: mpsc::Receiver<Call>,
    shutdown_timeout: Duration,
    committing: Option<Committing>,
    reason: Reason,
}

/// Batches that the store is working on.
struct Committing {
    ids: Vec<BatchId>,
    began: Instant,
    receipts: StoreFuture<Vec<Result<Receipt, CommitError>>>,
}

impl Committing {
    /// Gives the batches to the store.
    fn of(batches: impl ExactSizeIterator<Item = Batch>, store: &Arc<dyn Store>) -> Self {
        let mut ids = Vec::with_capacity(batches.len());
        let mut changes = Vec::with_capacity(batches.len());
        let mut notes = Vec::new();
        for batch in batches {
            notes.extend(batch.note.map(|note| (changes.len(), *note)));
            ids.push(batch.id);
            changes.push(batch.change);
        }
        let began = Instant::now();
        let store = Arc::clone(store);
        let receipts = match notes.is_empty() {
            true => store.commit(changes),
            false => store.commit_noted(changes, notes),
        };
        Self {
            ids,
            began,
            receipts,
        }
    }
}

/// What the store has answered.
struct Committed {
    ids: Vec<BatchId>,
    took: Duration,
    receipts: Vec<Result<Receipt, CommitError>>,
}

/// The core's scheduler.
struct Host {
    start: Start,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    attempts: Attempts,
    inputs: mpsc::UnboundedSender<Input>,
    facts: broadcast::Sender<TypedFact>,
    /// Starts of the request that the core gives next, which knows the types of their events.
    starting: Vec<Fact>,
    observers: Vec<Arc<dyn Observer>>,
    replies: BTreeMap<CallId, oneshot::Sender<Answer>>,
    last_call: u64,
    alarm: Option<Mono>,
    batches: Vec<Batch>,
    loads: VecDeque<Load>,
}

impl Shell {
    pub(crate) fn new(
        parts: Parts,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Input>), postrider_engine::InvalidSpec> {
        let start = Start::now();
        let now = start.read(&*parts.clock);
        let limits = parts.limits.clone();
        let core = Core::recover(parts.limits, parts.seed, parts.recovered, now)?;
        let (inputs, received) = mpsc::unbounded_channel();
        let host = Host {
            start,
            clock: parts.clock,
            store: parts.store,
            attempts: Attempts::new(parts.transport, inputs.clone(), &limits),
            inputs,
            facts: parts.facts,
            starting: Vec::new(),
            observers: parts.observers,
            replies: BTreeMap::new(),
            last_call: 0,
            alarm: None,
            batches: Vec::new(),
            loads: VecDeque::new(),
        };
        let shutdown_timeout = parts.shutdown_timeout;
        let shell = Self {
            core,
            host,
            calls: parts.calls,
            shutdown_timeout,
            committing: None,
            reason: Reason::Idle,
        };
        Ok((shell, received))
    }

    /// Runs until the core has drained or its store has failed.
    pub(crate) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        self.turn(Input::Tick);
        let mut failed = Arc::clone(&self.host.store).failed();
        let mut calls = Vec::with_capacity(CALLS_PER_TURN);
        let mut orphaned = false;
        loop {
            self.settle().await;
            if self.is_over() {
                break;
            }
            tokio::select! {
                biased;
                receipts = next_receipts(&mut self.committing) => self.committed(receipts),
                input = inputs.recv() => {
                    let Some(input) = input else { return };
                    self.turn(input);
                    while let Ok(input) = inputs.try_recv() {
                        self.turn(input);
                    }
                }
                error = &mut failed => self.turn(loaded(Err(error))),
                () = alarm(self.host.alarm.map(|at| self.host.start.instant(at))) => {
                    self.turn(Input::Tick);
                }
                count = self.calls.recv_many(&mut calls, CALLS_PER_TURN), if !orphaned => {
                    // Every handle is gone: nobody will ask for a shutdown, so it comes by itself.
                    if count == 0 {
                        orphaned = true;
                        let (reply, _) = oneshot::channel();
                        self.call(Call::Drain(Instant::now() + self.shutdown_timeout, reply));
                    }
                    for call in calls.drain(..) {
                        self.call(call);
                    }
                }
            }
        }
        // Whoever calls from now on gets nothing; whoever called before gets an answer.
        self.calls.close();
        while let Some(call) = self.calls.recv().await {
            self.call(call);
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.reason, Reason::Drained | Reason::StoreFailed)
    }

    fn turn(&mut self, input: Input) {
        if let Input::AttemptDone(attempt, ..) = &input {
            self.host.attempts.ended(*attempt);
        }
        self.reason = turn(&mut self.core, &mut self.host, input);
    }

    fn call(&mut self, call: Call) {
        let input = match call {
            Call::Publish(event, reply) => Input::Publish(self.host.expect(reply), event),
            Call::FromOutbox(events, reply) => {
                // The pump may have gone; what is taken is taken all the same.
                let _ = reply.send(self.take_from_outbox(events));
                return;
            }
            Call::Command(command, None, reply) => Input::Command(self.host.expect(reply), command),
            Call::Command(command, Some(note), reply) => {
                Input::Noted(self.host.expect(reply), command, note)
            }
            Call::Drain(deadline, reply) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let deadline = self.host.now().mono.after(left);
                Input::Drain(self.host.expect(reply), deadline)
            }
            Call::Footprint(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.core.footprint());
                return;
            }
            Call::Outlooks(asked, reply) => {
                let now = self.host.now();
                let seen = asked.iter();
                let seen = seen.map(|(lane, id)| self.core.outlook(*id, lane, now.mono));
                // Whoever asked may have gone.
                let _ = reply.send((now, seen.collect()));
                return;
            }
        };
        self.turn(input);
    }

    /// Gives the core these events. All that it takes go to the store as one group, so that either
    /// all or none of them find no room there.
    fn take_from_outbox(&mut self, events: Vec<(EventId, NewEvent)>) -> AllTaken {
        let mut taken = Vec::with_capacity(events.len());
        for (id, event) in events {
            let (reply, mut answer) = oneshot::channel();
            let call = self.host.expect(reply);
            self.turn(Input::FromOutbox(call, id, event));
            let Ok(answered) = answer.try_recv() else {
                taken.push((id, Taken::Asked(answer)));
                continue;
            };
            let later_must_wait = matches!(
                answered,
                Answer::Published(Err(PublishError::Full(_) | PublishError::Closed(_)))
            );
            taken.push((id, Taken::Refused(answered)));
            if later_must_wait {
                break;
            }
        }
        taken
    }

    /// Gives the store what the core wants of it, and takes the answers that come at once. After a
    /// failure it is asked for nothing: what was gathered by then has been refused.
    async fn settle(&mut self) {
        while !self.is_over() {
            while let Some(load) = self.host.loads.pop_front() {
                self.load(load).await;
            }
            if self.is_over() || self.committing.is_some() || self.host.batches.is_empty() {
                return;
            }
            let batches = self.host.batches.drain(..);
            self.committing = Some(Committing::of(batches, &self.host.store));
            match poll_once(next_receipts(&mut self.committing)).await {
                Some(receipts) => self.committed(receipts),
                None => return,
            }
        }
    }

    async fn load(&mut self, load: Load) {
        let mut reading = Arc::clone(&self.host.store).load(load);
        if let Some(read) = poll_once(&mut reading).await {
            self.turn(loaded(read));
            return;
        }
        let inputs = self.host.inputs.clone();
        tokio::spawn(async move {
            // The shell may have stopped.
            let _ = inputs.send(loaded(reading.await));
        });
    }

    fn committed(&mut self, committed: Committed) {
        let Committed {
            ids,
            took,
            receipts,
        } = committed;
        for observer in &self.host.observers {
            observer.committed(ids.len(), took);
        }
        assert_eq!(ids.len(), receipts.len(), "a store answers every change");
        for (id, receipt) in ids.into_iter().zip(receipts) {
            let input = match receipt {
                Ok(receipt) => Input::Committed(id, receipt),
                Err(error) => {
                    if let CommitError::Failed(reason) = &error {
                        tracing::error!(%reason, "postrider.store.failed");
                    }
                    Input::CommitFailed(id, error)
                }
            };
            self.turn(input);
        }
    }
}

fn loaded(read: Result<Loaded, StoreError>) -> Input {
    match read {
        Ok(loaded) => Input::Loaded(loaded),
        Err(error) => {
            tracing::error!(%error, "postrider.store.failed");
            Input::StoreFailed
        }
    }
}

/// The answers to the commit under way; never, if there is none.
async fn next_receipts(committing: &mut Option<Committing>) -> Committed {
    let Some(under_way) = committing else {
        return pending().await;
    };
    let receipts = (&mut under_way.receipts).await;
    let committed = Committed {
        ids: std::mem::take(&mut under_way.ids),
        took: under_way.began.elapsed(),
        receipts,
    };
    *committing = None;
    committed
}

async fn alarm(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// What the future gives if it is done, without waiting.
async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The start of a delivery of this request, with the type of its event.
fn started(fact: Fact, request: &Request) -> TypedFact {
    let event_type = match &fact {
        Fact::AttemptStarted { of, .. } => {
            let mut deliveries = request.deliveries();
            let event = deliveries.find(|(_, delivery)| *delivery == of.delivery);
            event.map(|(event, _)| event.event_type.clone())
        }
        _ => None,
    };
    TypedFact { fact, event_type }
}

impl Host {
    /// A number for a call, and who waits for its answer.
    fn expect(&mut self, reply: oneshot::Sender<Answer>) -> CallId {
        self.last_call += 1;
        let call = CallId(self.last_call);
        self.replies.insert(call, reply);
        call
    }

    /// Tells of the starts of this request. Somebody may have begun to watch between two of them, so
    /// the first ones may be missing.
    fn tell_starts(&mut self, request: &Request) {
        for fact in self.starting.drain(..) {
            // Receivers may have gone since.
            let _ = self.facts.send(started(fact, request));
        }
    }
}

impl Scheduler for Host {
    fn now(&self) -> Now {
        self.start.read(&*self.clock)
    }

    fn arm(&mut self, at: Option<Mono>) {
        self.alarm = at;
    }

    fn commit(&mut self, batch: Batch) {
        self.batches.push(batch);
    }

    fn load(&mut self, load: Load) {
        self.loads.push_back(load);
    }

    fn send(&mut self, request: Request, deadline: Mono) {
        self.tell_starts(&request);
        let deadline = self.start.instant(deadline);
        self.attempts.start(request, deadline);
    }

    fn cancel(&mut self, attempt: AttemptId) {
        self.attempts.cancel(attempt);
    }

    fn answer(&mut self, call: CallId, answer: Answer) {
        if let Some(reply) = self.replies.remove(&call) {
            // Whoever asked may have gone.
            let _ = reply.send(answer);
        }
    }

    fn observe(&mut self, fact: Fact) {
        if let Fact::EndpointDeleted { endpoint, .. } = fact {
            self.attempts.forget(endpoint);
        }
        crate::facts::trace(&fact);
        for observer in &self.observers {
            observer.fact(&fact);
        }
        if self.facts.receiver_count() == 0 {
            return;
        }
        if let Fact::AttemptStarted { .. } = fact {
            self.starting.push(fact);
            return;
        }
        let event_type = None;
        // Receivers may have gone since.
        let _ = self.facts.send(TypedFact { fact, event_type });
    }
}
