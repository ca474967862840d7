//! The handle.

use crate::builder::Builder;
use crate::clock::Clock;
use crate::egress::EgressGuard;
use crate::ensure::Names;
use crate::facts::{Facts, TypedFact};
use crate::history::Statistics;
use crate::replay::{ReplayLog, Runner, Running, Stop};
use crate::shell::Call;
use crate::status::{EventStatus, ReadError};
use crate::store::Store;
use crate::submission::Submission;
use crate::transport::Transport;
use postrider_engine::{
    Answer, Attempt, Closed, Command, DeliveryId, DeliveryRecord, DiscardError, Drained, Endpoint,
    EndpointChange, EndpointError, EndpointId, EndpointSpec, EventId, Footprint, InvalidSpec,
    Ledger, Limits, Note, PingError, PublishError, Published, ResendError, Secret, Wall,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

/// A running Postrider. Clones are handles to the same one; when the last is dropped it shuts
/// down by itself. The note is that of the changes that are made by this handle.
#[derive(Clone)]
pub struct Postrider(Arc<Shared>, pub(crate) Option<Box<Note>>);

struct Shared {
    calls: mpsc::Sender<Call>,
    store: Arc<dyn Store>,
    guard: EgressGuard,
    transport: Arc<dyn Transport>,
    limits: Limits,
    facts: broadcast::WeakSender<TypedFact>,
    shutdown_timeout: Duration,
    shutting_down: AtomicBool,
    clock: Arc<dyn Clock>,
    running: Running,
    names: Names,
}

/// Dead letters read in one go.
const DEAD_LETTERS_PAGE: usize = 1_000;

impl Postrider {
    /// Chooses the parts; [`Builder::start`] starts.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        calls: mpsc::Sender<Call>,
        (store, clock): (Arc<dyn Store>, Arc<dyn Clock>),
        (guard, limits, transport): (EgressGuard, Limits, Arc<dyn Transport>),
        facts: &broadcast::Sender<TypedFact>,
        shutdown_timeout: Duration,
    ) -> Self {
        let shared = Arc::new(Shared {
            calls,
            store,
            guard,
            transport,
            limits,
            facts: facts.downgrade(),
            shutdown_timeout,
            shutting_down: AtomicBool::new(false),
            clock,
            running: Running::default(),
            names: Names::default(),
        });
        Self(shared, None)
    }

    /// Registers an endpoint with this secret and the defaults of [`EndpointSpec`].
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn register_endpoint(
        &self,
        url: &str,
        secret: &str,
    ) -> Result<EndpointId, EndpointError> {
        let secret = Secret::parse(secret).map_err(InvalidSpec::from)?;
        let spec = self.default_spec(url);
        Ok(self.register(spec, Some(secret)).await?.id)
    }

    /// Registers an endpoint with this secret, or a generated one: the answer has it.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn register(
        &self,
        spec: EndpointSpec,
        secret: Option<Secret>,
    ) -> Result<Endpoint, EndpointError> {
        if spec.name.is_some() {
            return Err(InvalidSpec::Named.into());
        }
        let spec = self.vet(spec).await?;
        self.register_vetted(spec, secret).await
    }

    pub(crate) async fn register_vetted(
        &self,
        spec: EndpointSpec,
        secret: Option<Secret>,
    ) -> Result<Endpoint, EndpointError> {
        self.endpoint_call(Command::Register(Box::new(spec), secret))
            .await
    }

    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    /// Gives an endpoint another spec (its tenant and its name stay). Requests under way finish at the old
    /// URL; retries go to the new one. With another URL or another retry policy, what waits is due.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn update_endpoint(
        &self,
        endpoint: &EndpointId,
        spec: EndpointSpec,
    ) -> Result<Endpoint, EndpointError> {
        let spec = self.vet_change(endpoint, spec).await?;
        self.change(endpoint, EndpointChange::Spec(Box::new(spec)))
            .await
    }

    /// Holds deliveries back; events are still accepted.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn pause_endpoint(&self, endpoint: &EndpointId) -> Result<Endpoint, EndpointError> {
        self.change(endpoint, EndpointChange::Pause).await
    }

    /// Goes on after a pause. What waits is due, and the breaker, if it is open, lets one attempt probe.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn resume_endpoint(&self, endpoint: &EndpointId) -> Result<Endpoint, EndpointError> {
        self.change(endpoint, EndpointChange::Resume).await
    }

    /// Holds deliveries back and refuses events for the endpoint; its queue is kept.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn disable_endpoint(&self, endpoint: &EndpointId) -> Result<Endpoint, EndpointError> {
        self.change(endpoint, EndpointChange::Disable).await
    }

    /// Goes on after the endpoint was disabled: its breaker is closed, and what waits is due.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn enable_endpoint(&self, endpoint: &EndpointId) -> Result<Endpoint, EndpointError> {
        self.change(endpoint, EndpointChange::Enable).await
    }

    /// Signs with a new secret (generated if `None`); the ones before go on signing beside it for
    /// `overlap`, usually [`EndpointChange::OVERLAP`], so that the receiver can change over. What
    /// both sign, and in which header, says [`Scheme`](postrider_engine::signature::Scheme).
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do: [`EndpointError::Secrets`] for the
    /// fourth rotation in an overlap.
    pub async fn rotate_secret(
        &self,
        endpoint: &EndpointId,
        secret: Option<Secret>,
        overlap: Duration,
    ) -> Result<Endpoint, EndpointError> {
        self.change(endpoint, EndpointChange::RotateSecret { secret, overlap })
            .await
    }

    /// Ends the overlap of the rotations before: the newest secret signs alone from now on. What is
    /// under way was signed before.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn end_overlap(&self, endpoint: &EndpointId) -> Result<Endpoint, EndpointError> {
        self.change(endpoint, EndpointChange::EndOverlap).await
    }

    /// Deletes an endpoint. Requests under way finish and are recorded; whatever else is pending
    /// for it is discarded.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is refused, and what to do.
    pub async fn delete_endpoint(&self, endpoint: &EndpointId) -> Result<(), EndpointError> {
        match self.command(Command::Delete(*endpoint)).await {
            Ok(Answer::Deleted(result)) => result,
            other => Err(self.unanswered(other).into()),
        }
    }

    /// Submits an event to one endpoint. Once this returns, the event is accepted: as durable as
    /// the store makes anything.
    ///
    /// # Errors
    ///
    /// [`PublishError`] says why it was not accepted, and what to do.
    pub async fn submit_event(
        &self,
        endpoint: &EndpointId,
        event_type: &str,
        payload: impl AsRef<[u8]>,
    ) -> Result<EventId, PublishError> {
        let published = self
            .publish(Submission::new(event_type, payload).to(endpoint))
            .await?;
        Ok(published.event)
    }

    /// Publishes an event to all subscribers, or as the submission says. Once this returns, the
    /// event is accepted.
    ///
    /// # Errors
    ///
    /// [`PublishError`] says why it was not accepted, and what to do.
    pub async fn publish(&self, submission: Submission) -> Result<Published, PublishError> {
        let event = submission.check()?;
        match self.call(|reply| Call::Publish(event, reply)).await {
            Ok(Answer::Published(result)) => result,
            other => Err(self.unanswered(other).into()),
        }
    }

    /// Publishes events in their order, without waiting for one before the next is given to the
    /// store. Each is accepted or refused by itself: the answers are in the same order.
    pub async fn publish_all(
        &self,
        submissions: Vec<Submission>,
    ) -> Vec<Result<Published, PublishError>> {
        let mut asked = Vec::with_capacity(submissions.len());
        for submission in submissions {
            asked.push(match submission.check() {
                Ok(event) => self
                    .ask(|reply| Call::Publish(event, reply))
                    .await
                    .map_err(PublishError::from),
                Err(error) => Err(error.into()),
            });
        }
        let mut published = Vec::with_capacity(asked.len());
        for asked in asked {
            published.push(match asked {
                Ok(answer) => match answer.await.map_err(|_| self.why_closed()) {
                    Ok(Answer::Published(result)) => result,
                    other => Err(self.unanswered(other).into()),
                },
                Err(error) => Err(error),
            });
        }
        published
    }

    /// What has become of an event.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchEvent`] also for one whose record has been dropped.
    pub async fn event_status(&self, event: &EventId) -> Result<EventStatus, ReadError> {
        if let Some(deliveries) = self.store().deliveries_of(*event).await? {
            return Ok(EventStatus::of(*event, deliveries));
        }
        if let Some(waiting) = self.unpublished(event).await? {
            return Ok(EventStatus::of_unpublished(waiting));
        }
        // It may have been published between the two.
        let deliveries = self.store().deliveries_of(*event).await?;
        let deliveries = deliveries.ok_or(ReadError::NoSuchEvent(*event))?;
        Ok(EventStatus::of(*event, deliveries))
    }

    /// A delivery with its attempts.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchDelivery`] also for one whose record has been dropped.
    pub async fn delivery(&self, delivery: &DeliveryId) -> Result<DeliveryRecord, ReadError> {
        let record = self.store().delivery(*delivery).await?;
        record.ok_or(ReadError::NoSuchDelivery(*delivery))
    }

    /// The oldest 1,000 dead letters of an endpoint, oldest first: deliveries that have failed and
    /// were neither resent nor discarded.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn dead_letters(
        &self,
        endpoint: &EndpointId,
    ) -> Result<Vec<DeliveryRecord>, ReadError> {
        Ok(self
            .store()
            .dead_letters(*endpoint, None, DEAD_LETTERS_PAGE)
            .await?)
    }

    /// The next 1,000 dead letters of an endpoint, after this one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn dead_letters_after(
        &self,
        endpoint: &EndpointId,
        after: &DeliveryId,
    ) -> Result<Vec<DeliveryRecord>, ReadError> {
        Ok(self
            .store()
            .dead_letters(*endpoint, Some(*after), DEAD_LETTERS_PAGE)
            .await?)
    }

    /// Makes a delivery that has ended anew, with a full set of attempts, at the end of its lane
    /// (or, if the lane stopped at it, in its place).
    ///
    /// # Errors
    ///
    /// [`ResendError`] says why not, and what to do.
    pub async fn resend(&self, delivery: &DeliveryId) -> Result<DeliveryId, ResendError> {
        // Whose bounds it has to keep. Of what is not there the engine says so.
        let known = self.store().delivery(*delivery).await;
        let endpoint = known.ok().flatten().map(|known| known.lane.endpoint);
        match self.command(Command::Resend(*delivery, endpoint)).await {
            Ok(Answer::Resent(result)) => result,
            other => Err(self.unanswered(other).into()),
        }
    }

    /// Gives up a pending delivery or a dead letter. A request that is under way is cancelled; the
    /// receiver may have got it all the same.
    ///
    /// # Errors
    ///
    /// [`DiscardError`] says why not, and what to do.
    pub async fn discard(&self, delivery: &DeliveryId) -> Result<(), DiscardError> {
        match self.command(Command::Discard(*delivery)).await {
            Ok(Answer::Discarded(result)) => result,
            other => Err(self.unanswered(other).into()),
        }
    }

    /// Sends one request to an endpoint now, with the submission's type and payload, signed and
    /// formed as always, and tells how it ended: the request's headers, the answer, how long it
    /// took. It goes beside the endpoint's lanes, rate limit and breaker, whether or not it is
    /// paused or disabled, and is not repeated. After a 2xx the breaker is closed, and what waits is due:
    /// durably. The submission's tenant must be the endpoint's; its target and keys do not count.
    ///
    /// # Errors
    ///
    /// [`PingError`] says why it was not sent, and what to do.
    pub async fn ping(
        &self,
        endpoint: &EndpointId,
        submission: Submission,
    ) -> Result<Attempt, PingError> {
        let event = Box::new(submission.check()?);
        self.ping_call(Command::Ping(*endpoint, event)).await
    }

    /// The same to an endpoint that is not registered, nor will be by this: to know whether it
    /// answers before it is registered with this spec and this secret. The submission's tenant does
    /// not count.
    ///
    /// # Errors
    ///
    /// [`PingError`] says why it was not sent, and what to do.
    pub async fn ping_unregistered(
        &self,
        spec: EndpointSpec,
        secret: Secret,
        submission: Submission,
    ) -> Result<Attempt, PingError> {
        let event = Box::new(submission.check()?);
        let spec = Box::new(self.vet(spec).await?);
        self.ping_call(Command::PingUnregistered(spec, secret, event))
            .await
    }

    async fn ping_call(&self, command: Command) -> Result<Attempt, PingError> {
        match self.command(command).await {
            Ok(Answer::Pinged(result)) => result,
            other => Err(self.unanswered(other).into()),
        }
    }

    /// An endpoint.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchEndpoint`] if there is none.
    pub async fn endpoint(&self, endpoint: &EndpointId) -> Result<Endpoint, ReadError> {
        let found = self.store().endpoint(*endpoint).await?;
        found.ok_or(ReadError::NoSuchEndpoint(*endpoint))
    }

    /// Every endpoint, oldest first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, ReadError> {
        Ok(self.store().endpoints().await?)
    }

    /// The account of an endpoint: accepted = pending + delivered + failed + discarded.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn ledger(&self, endpoint: &EndpointId) -> Result<Ledger, ReadError> {
        Ok(self.store().ledger(*endpoint).await?)
    }

    /// What has come of the deliveries to an endpoint, by the hour: the hours from the one in
    /// which `from` lies, as far as they begin before `until`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn statistics(
        &self,
        endpoint: &EndpointId,
        from: Wall,
        until: Wall,
    ) -> Result<Statistics, ReadError> {
        let hours = self.store().hours(*endpoint, from, until).await?;
        Ok(Statistics::of(hours, from))
    }

    /// Facts from now on.
    #[must_use]
    pub fn subscribe(&self) -> Facts {
        let live = self.0.facts.upgrade().map(|sender| sender.subscribe());
        Facts(live.unwrap_or_else(|| broadcast::channel(1).1))
    }

    /// How much the core holds; `None` once it has stopped.
    pub async fn footprint(&self) -> Option<Footprint> {
        let (reply, footprint) = oneshot::channel();
        self.0.calls.send(Call::Footprint(reply)).await.ok()?;
        footprint.await.ok()
    }

    pub(crate) fn calls(&self) -> &mpsc::Sender<Call> {
        &self.0.calls
    }

    /// Takes no new submissions, finishes the requests under way (for as long as
    /// [`Builder::shutdown_timeout`] says), and stops. What has not ended is kept as far as the
    /// store keeps anything.
    ///
    /// Returns what remains; `None` if it had stopped before.
    pub async fn shutdown(&self) -> Option<Drained> {
        self.shutdown_within(self.0.shutdown_timeout).await
    }

    /// The same, with another deadline.
    pub async fn shutdown_within(&self, timeout: Duration) -> Option<Drained> {
        self.0.shutting_down.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + timeout;
        match self.call(|reply| Call::Drain(deadline, reply)).await {
            Ok(Answer::Drained(drained)) => Some(drained),
            _ => None,
        }
    }

    /// Waits until it has stopped: after a shutdown, or because its store has failed. What was
    /// accepted is kept by a store that keeps anything; nothing is delivered any more.
    pub async fn stopped(&self) {
        self.0.calls.closed().await;
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0.store)
    }

    /// The bounds that hold: those of [`crate::Builder::limits`].
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What its calendar shows: [`crate::Builder::clock`].
    #[must_use]
    pub fn wall(&self) -> Wall {
        self.0.clock.wall()
    }

    /// Where requests may go.
    #[must_use]
    pub fn egress(&self) -> &EgressGuard {
        &self.0.guard
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.0.transport
    }

    pub(crate) fn running(&self) -> &Running {
        &self.0.running
    }

    pub(crate) fn runner(&self, log: Arc<dyn ReplayLog>) -> Runner {
        Runner {
            store: self.store(),
            log,
            clock: Arc::clone(&self.0.clock),
            calls: self.0.calls.downgrade(),
            stop: Stop::default(),
        }
    }

    /// Whether it still accepts something, without asking the store: see [`Postrider::probe`].
    ///
    /// # Errors
    ///
    /// [`Closed`] if it has stopped, or is about to.
    pub fn check_open(&self) -> Result<(), Closed> {
        if self.0.calls.is_closed() || self.0.shutting_down.load(Ordering::Relaxed) {
            return Err(self.why_closed());
        }
        Ok(())
    }

    async fn change(
        &self,
        endpoint: &EndpointId,
        change: EndpointChange,
    ) -> Result<Endpoint, EndpointError> {
        self.endpoint_call(Command::Change(*endpoint, change)).await
    }

    async fn endpoint_call(&self, command: Command) -> Result<Endpoint, EndpointError> {
        match self.command(command).await {
            Ok(Answer::Endpoint(result)) => result.map(|endpoint| *endpoint),
            other => Err(self.unanswered(other).into()),
        }
    }

    pub(crate) async fn command(&self, command: Command) -> Result<Answer, Closed> {
        self.call(|reply| Call::Command(command, self.1.clone(), reply))
            .await
    }

    async fn call(
        &self,
        call: impl FnOnce(oneshot::Sender<Answer>) -> Call,
    ) -> Result<Answer, Closed> {
        let answer = self.ask(call).await?;
        answer.await.map_err(|_| self.why_closed())
    }

    /// Asks, and does not wait for the answer: what is asked next comes after this.
    async fn ask(
        &self,
        call: impl FnOnce(oneshot::Sender<Answer>) -> Call,
    ) -> Result<oneshot::Receiver<Answer>, Closed> {
        let (reply, answer) = oneshot::channel();
        match self.0.calls.send(call(reply)).await {
            Ok(()) => Ok(answer),
            Err(_) => Err(self.why_closed()),
        }
    }

    fn why_closed(&self) -> Closed {
        match self.0.shutting_down.load(Ordering::Relaxed) {
            true => Closed::Draining,
            false => Closed::Crashed,
        }
    }

    /// An answer to another question cannot come; it would be a crash of the shell.
    pub(crate) fn unanswered(&self, answer: Result<Answer, Closed>) -> Closed {
        answer.err().unwrap_or(Closed::Crashed)
    }
}
