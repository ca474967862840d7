//! Publishers and administrators: what they ask for, and what they do when they get nothing.

use super::host::{Caller, Host};
use super::{Happening, World};
use crate::plan::Act;
use crate::trace::{Reply, Wish};
use postrider_engine::{CallId, Closed, Command, DeliveryId, EndpointChange, Input, PublishError};
use std::time::Duration;

/// How often a publisher tries an event again that it has no answer for.
const TRIES_MAX: u32 = 6;

impl World {
    /// A step of the workload.
    pub(super) fn act(&mut self, index: usize, tries: u32) {
        let plan = std::sync::Arc::clone(&self.host.plan);
        let Some(step) = plan.workload.get(index) else {
            return;
        };
        let endpoint = |number: &usize| self.host.endpoints.get(number).copied();
        let change = |id, change: EndpointChange| {
            let command = Command::Change(id, change.clone());
            Some((Wish::Change(id, change), command))
        };
        let asked = match &step.act {
            Act::Publish(publish) => return self.publish(index, tries, publish),
            Act::Restart { within_ms, down_ms } => return self.restart(*within_ms, *down_ms),
            Act::ResendDead(number) => return self.resend_dead(*number),
            Act::Pause(number) => endpoint(number).and_then(|id| change(id, EndpointChange::Pause)),
            Act::Resume(number) => {
                endpoint(number).and_then(|id| change(id, EndpointChange::Resume))
            }
            Act::Disable(number) => {
                endpoint(number).and_then(|id| change(id, EndpointChange::Disable))
            }
            Act::Enable(number) => {
                endpoint(number).and_then(|id| change(id, EndpointChange::Enable))
            }
            Act::Change(number, new) => match (endpoint(number), new.spec()) {
                (Some(id), Ok(spec)) => change(id, EndpointChange::Spec(Box::new(spec))),
                _ => None,
            },
            Act::Rotate {
                endpoint: number,
                overlap_ms,
            } => endpoint(number).and_then(|id| {
                let overlap = Duration::from_millis(*overlap_ms);
                let secret = None;
                change(id, EndpointChange::RotateSecret { secret, overlap })
            }),
            Act::Delete(number) => {
                endpoint(number).map(|id| (Wish::Delete(id), Command::Delete(id)))
            }
            Act::Resend(number) => self
                .known(*number)
                .map(|id| (Wish::Resend(id), Command::Resend(id))),
            Act::Discard(number) => self
                .known(*number)
                .map(|id| (Wish::Discard(id), Command::Discard(id))),
        };
        if let Some((wish, command)) = asked
            && self.core.is_some()
        {
            let call = self.host.call(Some((index, tries)), wish);
            self.input(Input::Command(call, command));
        }
    }

    /// The delivery that a number leads to.
    fn known(&self, number: u64) -> Option<DeliveryId> {
        let known = &self.host.deliveries;
        let index = number.checked_rem(known.len() as u64)?;
        known.get(usize::try_from(index).ok()?).copied()
    }

    fn publish(&mut self, index: usize, tries: u32, publish: &crate::plan::Publish) {
        let plan = &self.host.plan;
        let endpoints = &self.host.endpoints;
        let event = publish.event(|number| {
            let id = endpoints.get(&number)?;
            Some((*id, plan.endpoints.get(number)?.tenant))
        });
        let Ok(Some(event)) = event else {
            return;
        };
        if self.core.is_none() {
            return self.host.try_again(index, tries);
        }
        let wish = Wish::Publish(event.clone());
        let call = self.host.call(Some((index, tries)), wish);
        self.input(Input::Publish(call, event));
    }

    fn restart(&mut self, within_ms: u64, down_ms: u64) {
        if self.core.is_none() {
            return;
        }
        let now = self.host.clocks.now(self.host.at_ms).mono;
        let deadline = now.after(Duration::from_millis(within_ms));
        let deadline_ms = self.host.clocks.when(deadline);
        self.host.down_ms = down_ms;
        let call = self.host.call(None, Wish::Drain { deadline_ms });
        self.input(Input::Drain(call, deadline));
    }

    fn resend_dead(&mut self, number: usize) {
        let Some(id) = self.host.endpoints.get(&number).copied() else {
            return;
        };
        let dead = self.host.disk.state.dead_letters(id);
        let dead: Vec<DeliveryId> = dead.map(|record| record.id).collect();
        for delivery in dead {
            if self.core.is_none() {
                return;
            }
            let call = self.host.call(None, Wish::Resend(delivery));
            self.input(Input::Command(call, Command::Resend(delivery)));
        }
    }
}

impl Host {
    /// A caller has its answer.
    pub(super) fn replied(&mut self, call: CallId, reply: Reply) {
        let Some(Caller { wish, step }) = self.calls.remove(&call) else {
            return self
                .watch
                .broke("answers", format!("call {} is answered twice", call.0));
        };
        let pause = matches!(wish, Wish::Change(_, EndpointChange::Pause));
        let reply = self.sabotage.reply(reply, pause);
        match (&reply, &wish, step) {
            (Reply::Endpoint(Ok(endpoint)), Wish::Register(number), _) => {
                self.endpoints.insert(*number, endpoint.id);
            }
            (Reply::Endpoint(Err(_)) | Reply::Nothing(_), Wish::Register(number), _) => {
                self.later(Happening::Register(*number));
            }
            (
                Reply::Nothing(_)
                | Reply::Published(Err(PublishError::Full(_) | PublishError::Closed(_))),
                Wish::Publish(_),
                Some((index, tries)),
            ) => self.try_again(index, tries),
            // Another one is answered at once, with what is known then.
            (Reply::Drained(_), _, _) if self.is_first_drain(call) => {
                self.drained = Some(self.down_ms);
            }
            _ => (),
        }
        self.note(crate::trace::What::Answered { call, reply });
    }

    fn is_first_drain(&self, call: CallId) -> bool {
        let draining = self.watch.book().draining;
        draining.is_some_and(|(first, _)| first == call)
    }

    /// A publisher that does not know whether its event was taken tries again if it may: with an
    /// idempotency key.
    pub(super) fn try_again(&mut self, index: usize, tries: u32) {
        let has_key = self.plan.workload.get(index).is_some_and(
            |step| matches!(&step.act, Act::Publish(publish) if publish.once.is_some()),
        );
        if has_key && tries < TRIES_MAX {
            let pause = 200 << tries;
            let tries = tries + 1;
            let again = Happening::Step { index, tries };
            self.agenda.put(self.at_ms + pause, again);
        }
    }

    /// The sender's process has ended: nobody is answered any more.
    pub(super) fn leave_callers(&mut self) {
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.replied(call, Reply::Nothing(Closed::Crashed));
        }
        self.drained = None;
    }
}
