//! Publishers and administrators: what they ask the sender for, and what they do when they get
//! nothing.

use super::agenda::{self, Task};
use super::stage::{Stage, State, Who};
use crate::plan::Act;
use crate::trace::{Reply, What, Wish};
use crate::workload::{self, Caller, Known};
use postrider::engine::{CallId, EndpointChange, NewEvent, Target};
use postrider::{
    Closed, DiscardError, Endpoint, EndpointError, EndpointId, Postrider, PublishError,
    ResendError, RetryError, Submission,
};
use std::sync::Arc;
use std::time::Duration;

/// How long after a registration failed it is tried again.
const AGAIN_MS: u64 = 500;

/// Makes every step of the workload when its time comes, for as long as the sender is there.
pub(super) async fn play(stage: Arc<Stage>, postrider: Postrider) {
    loop {
        let task = agenda::next(&stage, &stage.put, |state| &mut state.agenda).await;
        begin(&stage, &postrider, task);
    }
}

/// What came due while the sender was not there.
pub(super) fn miss(stage: &Stage) {
    let mut state = stage.state();
    let now_ms = state.now_ms();
    while let Some(task) = state.agenda.take_due(now_ms) {
        match task {
            Task::Register(_) => state.agenda.put(now_ms + AGAIN_MS, task),
            Task::Step { index, tries } => {
                state.try_again(stage, workload::again(&stage.plan, index, tries));
            }
        }
    }
}

fn begin(stage: &Arc<Stage>, postrider: &Postrider, task: Task) {
    let act = |index: usize| stage.plan.workload.get(index).map(|step| &step.act);
    let (wishes, step) = match task {
        Task::Register(number) => (vec![Wish::Register(number)], None),
        Task::Step { index, tries } => match act(index) {
            Some(&Act::Restart { within_ms, down_ms }) => {
                return restart(stage, postrider, within_ms, down_ms);
            }
            Some(act @ Act::ResendDead(_)) => (wishes(stage, act), None),
            Some(act) => (wishes(stage, act), Some((index, tries))),
            None => return,
        },
    };
    let calls: Vec<(CallId, Wish)> = wishes
        .into_iter()
        .map(|wish| (stage.state().call(step, wish.clone()), wish))
        .collect();
    let (stage, postrider) = (Arc::clone(stage), postrider.clone());
    tokio::task::spawn_local(async move {
        for (call, wish) in calls {
            let asking = ask(&stage, &postrider, wish);
            let reply = stage.alive(Who::Sender, asking).await;
            stage.still_alive(Who::Sender).await;
            stage.state().replied(&stage, call, reply);
        }
    });
}

pub(super) fn wishes(stage: &Stage, act: &Act) -> Vec<Wish> {
    let state = stage.state();
    let known = Known {
        plan: &stage.plan,
        endpoints: &state.endpoints,
        deliveries: &state.deliveries,
    };
    known.wishes(act, |id| {
        let dead = state.disk.held.dead_letters(id);
        dead.map(|record| record.id).collect()
    })
}

async fn ask(stage: &Stage, postrider: &Postrider, wish: Wish) -> Reply {
    match wish {
        Wish::Publish(event) => match postrider.publish(submission(event)).await {
            Err(PublishError::Closed(closed @ Closed::Crashed)) => Reply::Nothing(closed),
            answer => Reply::Published(answer),
        },
        Wish::Register(number) => {
            let spec = stage.plan.endpoints.get(number).map(|plan| plan.spec());
            let Some(Ok(spec)) = spec else {
                return Reply::Nothing(Closed::Crashed);
            };
            endpoint(postrider.register(spec, None).await)
        }
        Wish::Change(id, change) => endpoint(changed(postrider, &id, change).await),
        Wish::Delete(id) => match postrider.delete_endpoint(&id).await {
            Err(EndpointError::Closed(closed @ Closed::Crashed)) => Reply::Nothing(closed),
            answer => Reply::Deleted(answer),
        },
        Wish::Resend(id) => match postrider.resend(&id).await {
            Err(ResendError::Closed(closed @ Closed::Crashed)) => Reply::Nothing(closed),
            answer => Reply::Resent(answer),
        },
        Wish::Discard(id) => match postrider.discard(&id).await {
            Err(DiscardError::Closed(closed @ Closed::Crashed)) => Reply::Nothing(closed),
            answer => Reply::Discarded(answer),
        },
        Wish::RetryNow(id) => match postrider.retry_now(&id).await {
            Err(RetryError::Closed(closed @ Closed::Crashed)) => Reply::Nothing(closed),
            // The host was going down.
            Err(RetryError::Store(_)) => Reply::Nothing(Closed::Crashed),
            answer => Reply::RetriedNow(answer),
        },
        // Has a way of its own.
        Wish::Drain { .. } => Reply::Nothing(Closed::Crashed),
    }
}

async fn changed(
    postrider: &Postrider,
    id: &EndpointId,
    change: EndpointChange,
) -> Result<Endpoint, EndpointError> {
    match change {
        EndpointChange::Pause => postrider.pause_endpoint(id).await,
        EndpointChange::Resume => postrider.resume_endpoint(id).await,
        EndpointChange::Disable => postrider.disable_endpoint(id).await,
        EndpointChange::Enable => postrider.enable_endpoint(id).await,
        EndpointChange::Spec(spec) => postrider.update_endpoint(id, *spec).await,
        EndpointChange::RotateSecret { secret, overlap } => {
            postrider.rotate_secret(id, secret, overlap).await
        }
        EndpointChange::EndOverlap => postrider.end_overlap(id).await,
    }
}

fn endpoint(answer: Result<Endpoint, EndpointError>) -> Reply {
    match answer {
        Err(EndpointError::Closed(closed @ Closed::Crashed)) => Reply::Nothing(closed),
        answer => Reply::Endpoint(answer.map(Box::new)),
    }
}

fn submission(event: NewEvent) -> Submission {
    let mut submission = Submission::new(event.event_type.as_str(), &event.payload);
    submission = submission.tenant(event.tenant.as_str());
    if let Target::Endpoint(id) = event.target {
        submission = submission.to(&id);
    }
    if let Some(key) = event.ordering_key.get() {
        submission = submission.ordering_key(key);
    }
    match event.idempotency_key {
        Some(key) => submission.idempotency_key(key),
        None => submission,
    }
}

/// Half of the processes end as the server does: it finishes with the requests under way first.
/// The others are told while requests come in.
fn restart(stage: &Arc<Stage>, postrider: &Postrider, within_ms: u64, down_ms: u64) {
    let life = u64::from(stage.state().life);
    let closes_first =
        stage.plan.client.is_some() && stage.chance.of("closes first", life, 0).percent(50);
    let (stage, postrider) = (Arc::clone(stage), postrider.clone());
    let within = Duration::from_millis(within_ms);
    if !closes_first {
        let call = drains(&stage, within_ms, down_ms);
        tokio::task::spawn_local(drain(stage, postrider, within, call));
        return;
    }
    tokio::task::spawn_local(async move {
        stage.alive(Who::Sender, stage.door.close(within)).await;
        let call = drains(&stage, within_ms, down_ms);
        drain(stage, postrider, within, call).await;
    });
}

/// The drain is asked for.
fn drains(stage: &Stage, within_ms: u64, down_ms: u64) -> CallId {
    let mut state = stage.state();
    let deadline_ms = state.now_ms() + within_ms;
    let call = state.call(None, Wish::Drain { deadline_ms });
    if state.draining.is_none() {
        state.down_ms = down_ms;
        state.draining = Some((call, false));
    }
    call
}

async fn drain(stage: Arc<Stage>, postrider: Postrider, within: Duration, call: CallId) {
    let draining = postrider.shutdown_within(within);
    let drained = stage.alive(Who::Sender, draining).await;
    stage.still_alive(Who::Sender).await;
    let reply = drained.map_or(Reply::Nothing(Closed::Crashed), Reply::Drained);
    let mut state = stage.state();
    if let Some((first, through)) = &mut state.draining
        && *first == call
    {
        *through = matches!(&reply, Reply::Drained(drained) if !drained.store_failed);
    }
    state.replied(&stage, call, reply);
}

impl State {
    /// A call to the sender.
    fn call(&mut self, step: Option<(usize, u32)>, wish: Wish) -> CallId {
        let call = self.called(step, wish.clone());
        self.calls.insert(call, Caller { wish, step });
        call
    }

    /// Notes that somebody asks for something.
    pub(super) fn called(&mut self, step: Option<(usize, u32)>, wish: Wish) -> CallId {
        self.last_call += 1;
        let call = CallId(self.last_call);
        let step = step.map(|(index, _)| index);
        self.note(What::Called { call, step, wish });
        call
    }

    /// A caller has its answer.
    fn replied(&mut self, stage: &Stage, call: CallId, reply: Reply) {
        let Some(caller) = self.calls.remove(&call) else {
            return;
        };
        match (&reply, &caller.wish) {
            (Reply::Endpoint(Ok(endpoint)), Wish::Register(number)) => {
                self.endpoints.insert(*number, endpoint.id);
            }
            (Reply::Endpoint(Err(_)) | Reply::Nothing(_), Wish::Register(number)) => {
                let at_ms = self.now_ms() + AGAIN_MS;
                self.agenda.put(at_ms, Task::Register(*number));
                stage.put.notify_one();
            }
            _ => self.try_again(stage, caller.again(&reply, &stage.plan)),
        }
        self.note(What::Answered { call, reply });
    }

    /// A step is tried again.
    fn try_again(&mut self, stage: &Stage, again: Option<(usize, u32, u64)>) {
        if let Some((index, tries, in_ms)) = again {
            let task = Task::Step { index, tries };
            self.agenda.put(self.now_ms() + in_ms, task);
            stage.put.notify_one();
        }
    }

    /// The sender's process has ended: nobody is answered any more.
    pub(super) fn leave_callers(&mut self, stage: &Stage) {
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.replied(stage, call, Reply::Nothing(Closed::Crashed));
        }
    }
}
