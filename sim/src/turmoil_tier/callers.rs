//! Publishers and administrators: what they ask the sender for, and what they do when they get
//! nothing.

use super::agenda::Task;
use super::stage::{Caller, Stage, State, Who};
use crate::plan::{Act, Publish};
use crate::trace::{Reply, What, Wish};
use postrider::engine::{CallId, EndpointChange, NewEvent, Target};
use postrider::{
    Closed, DeliveryId, DiscardError, Endpoint, EndpointError, EndpointId, Postrider, PublishError,
    ResendError, Submission,
};
use std::sync::Arc;
use std::time::Duration;

/// How often a publisher tries an event again that it has no answer for.
const TRIES_MAX: u32 = 6;

/// How long after a registration failed it is tried again.
const AGAIN_MS: u64 = 500;

/// What a step comes to.
enum Asked {
    Call(Wish),
    Many(Vec<Wish>),
    Nothing,
}

/// Makes every step of the workload when its time comes, for as long as the sender is there.
pub(super) async fn play(stage: Arc<Stage>, postrider: Postrider) {
    loop {
        let (due, next_at, now_ms) = {
            let mut state = stage.state();
            let now_ms = state.now_ms();
            let due = state.agenda.take_due(now_ms);
            (due, state.agenda.next_at(), now_ms)
        };
        if let Some(task) = due {
            begin(&stage, &postrider, task);
            continue;
        }
        let until = next_at.map_or(u64::MAX / 2, |at_ms| at_ms - now_ms);
        tokio::select! {
            biased;
            () = stage.put.notified() => (),
            () = tokio::time::sleep(Duration::from_millis(until)) => (),
        }
    }
}

/// What came due while the sender was not there.
pub(super) fn miss(stage: &Stage) {
    let mut state = stage.state();
    let now_ms = state.now_ms();
    while let Some(task) = state.agenda.take_due(now_ms) {
        match task {
            Task::Register(_) => state.agenda.put(now_ms + AGAIN_MS, task),
            Task::Step { index, tries } => state.try_again(stage, index, tries),
        }
    }
}

fn begin(stage: &Arc<Stage>, postrider: &Postrider, task: Task) {
    if let Task::Step { index, .. } = task
        && let Some(Act::Restart { within_ms, down_ms }) =
            stage.plan.workload.get(index).map(|step| &step.act)
    {
        let (within_ms, down_ms) = (*within_ms, *down_ms);
        return restart(stage, postrider, within_ms, down_ms);
    }
    let (wishes, step) = match task {
        Task::Register(number) => (Asked::Call(Wish::Register(number)), None),
        Task::Step { index, tries } => (asked(stage, index), Some((index, tries))),
    };
    let (wishes, step) = match wishes {
        Asked::Call(wish) => (vec![wish], step),
        Asked::Many(wishes) => (wishes, None),
        Asked::Nothing => return,
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

fn asked(stage: &Stage, index: usize) -> Asked {
    let Some(step) = stage.plan.workload.get(index) else {
        return Asked::Nothing;
    };
    let state = stage.state();
    let change = |number: &usize, change: EndpointChange| {
        let id = state.endpoints.get(number);
        id.map(|id| Wish::Change(*id, change))
    };
    let wish = match &step.act {
        Act::Publish(publish) => event(stage, &state, publish).map(Wish::Publish),
        Act::Pause(number) => change(number, EndpointChange::Pause),
        Act::Resume(number) => change(number, EndpointChange::Resume),
        Act::Disable(number) => change(number, EndpointChange::Disable),
        Act::Enable(number) => change(number, EndpointChange::Enable),
        Act::Change(number, new) => {
            let spec = new.spec().ok();
            spec.and_then(|spec| change(number, EndpointChange::Spec(Box::new(spec))))
        }
        Act::Rotate {
            endpoint,
            overlap_ms,
        } => {
            let overlap = Duration::from_millis(*overlap_ms);
            let secret = None;
            change(endpoint, EndpointChange::RotateSecret { secret, overlap })
        }
        Act::Delete(number) => state.endpoints.get(number).map(|id| Wish::Delete(*id)),
        Act::Resend(number) => state.known(*number).map(Wish::Resend),
        Act::Discard(number) => state.known(*number).map(Wish::Discard),
        Act::ResendDead(number) => {
            let Some(id) = state.endpoints.get(number) else {
                return Asked::Nothing;
            };
            let dead = state.disk.held.dead_letters(*id);
            return Asked::Many(dead.map(|record| Wish::Resend(record.id)).collect());
        }
        Act::Restart { .. } => None,
    };
    wish.map_or(Asked::Nothing, Asked::Call)
}

fn event(stage: &Stage, state: &State, publish: &Publish) -> Option<NewEvent> {
    let endpoint = |number: usize| {
        let id = state.endpoints.get(&number)?;
        Some((*id, stage.plan.endpoints.get(number)?.tenant))
    };
    publish.event(endpoint).ok().flatten()
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

fn restart(stage: &Arc<Stage>, postrider: &Postrider, within_ms: u64, down_ms: u64) {
    let call = {
        let mut state = stage.state();
        let deadline_ms = state.now_ms() + within_ms;
        let call = state.call(None, Wish::Drain { deadline_ms });
        if state.draining.is_none() {
            state.down_ms = down_ms;
            state.draining = Some((call, false));
        }
        call
    };
    let (stage, postrider) = (Arc::clone(stage), postrider.clone());
    tokio::task::spawn_local(async move {
        let draining = postrider.shutdown_within(Duration::from_millis(within_ms));
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
    });
}

impl State {
    /// A call to the sender.
    fn call(&mut self, step: Option<(usize, u32)>, wish: Wish) -> CallId {
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

    /// The delivery that a number leads to.
    fn known(&self, number: u64) -> Option<DeliveryId> {
        let index = number.checked_rem(self.deliveries.len() as u64)?;
        self.deliveries.get(usize::try_from(index).ok()?).copied()
    }

    /// A caller has its answer.
    fn replied(&mut self, stage: &Stage, call: CallId, reply: Reply) {
        let Some(Caller { wish, step }) = self.calls.remove(&call) else {
            return;
        };
        match (&reply, &wish, step) {
            (Reply::Endpoint(Ok(endpoint)), Wish::Register(number), _) => {
                self.endpoints.insert(*number, endpoint.id);
            }
            (Reply::Endpoint(Err(_)) | Reply::Nothing(_), Wish::Register(number), _) => {
                let at_ms = self.now_ms() + AGAIN_MS;
                self.agenda.put(at_ms, Task::Register(*number));
                stage.put.notify_one();
            }
            (
                Reply::Nothing(_)
                | Reply::Published(Err(PublishError::Full(_) | PublishError::Closed(_))),
                Wish::Publish(_),
                Some((index, tries)),
            ) => self.try_again(stage, index, tries),
            _ => (),
        }
        self.note(What::Answered { call, reply });
    }

    /// A publisher that does not know whether its event was taken tries again if it may: with an
    /// idempotency key.
    fn try_again(&mut self, stage: &Stage, index: usize, tries: u32) {
        let act = stage.plan.workload.get(index).map(|step| &step.act);
        let has_key = matches!(act, Some(Act::Publish(publish)) if publish.once.is_some());
        if has_key && tries < TRIES_MAX {
            let at_ms = self.now_ms() + (200 << tries);
            let tries = tries + 1;
            self.agenda.put(at_ms, Task::Step { index, tries });
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
