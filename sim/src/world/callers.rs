//! Publishers and administrators: what they ask for, and what they do when they get nothing.

use super::host::Host;
use super::{Happening, World};
use crate::book::Book;
use crate::plan::Act;
use crate::trace::{Reply, What, Wish};
use crate::workload::{self, Known};
use postrider_engine::{CallId, Closed, Command, EndpointChange, Input};
use std::sync::Arc;
use std::time::Duration;

impl World {
    /// A step of the workload.
    pub(super) fn act(&mut self, index: usize, tries: u32) {
        let plan = Arc::clone(&self.host.plan);
        let Some(step) = plan.workload.get(index) else {
            return;
        };
        if let Act::Restart { within_ms, down_ms } = step.act {
            return self.restart(within_ms, down_ms);
        }
        let host = &self.host;
        let known = Known {
            plan: &plan,
            endpoints: &host.endpoints,
            deliveries: &host.deliveries,
        };
        let many = matches!(step.act, Act::ResendDead(_));
        let wishes = known.wishes(&step.act, |id| {
            let dead = host.disk.state.dead_letters(id);
            dead.map(|record| record.id).collect()
        });
        for wish in wishes {
            if self.core.is_none() {
                return self.host.try_again(workload::again(&plan, index, tries));
            }
            let step = (!many).then_some((index, tries));
            let call = self.host.call(step, wish.clone());
            if let Some(input) = input(call, wish, self.host.watch.book()) {
                self.input(input);
            }
        }
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
}

/// What the engine is given for a wish.
fn input(call: CallId, wish: Wish, book: &Book) -> Option<Input> {
    let command = match wish {
        Wish::Publish(event) => return Some(Input::Publish(call, event)),
        Wish::Change(id, change) => Command::Change(id, change),
        Wish::Delete(id) => Command::Delete(id),
        Wish::Resend(id) => Command::Resend(id, None),
        Wish::Discard(id) => Command::Discard(id),
        Wish::RetryNow(id) => Command::RetryNow(id, book.deliveries.get(&id)?.lane.clone()),
        // These have ways of their own.
        Wish::Register(_) | Wish::Drain { .. } => return None,
    };
    Some(Input::Command(call, command))
}

impl Host {
    /// A caller has its answer.
    pub(super) fn replied(&mut self, call: CallId, reply: Reply) {
        let Some(caller) = self.calls.remove(&call) else {
            return self
                .watch
                .broke("answers", format!("call {} is answered twice", call.0));
        };
        let pause = matches!(caller.wish, Wish::Change(_, EndpointChange::Pause));
        let reply = self.sabotage.reply(reply, pause);
        match (&reply, &caller.wish) {
            (Reply::Endpoint(Ok(endpoint)), Wish::Register(number)) => {
                self.endpoints.insert(*number, endpoint.id);
            }
            (Reply::Endpoint(Err(_)) | Reply::Nothing(_), Wish::Register(number)) => {
                self.later(Happening::Register(*number));
            }
            // Another one is answered at once, with what is known then.
            (Reply::Drained(_), _) if self.is_first_drain(call) => {
                self.drained = Some(self.down_ms);
            }
            _ => self.try_again(caller.again(&reply, &self.plan)),
        }
        self.note(What::Answered { call, reply });
    }

    fn is_first_drain(&self, call: CallId) -> bool {
        let draining = self.watch.book().draining;
        draining.is_some_and(|(first, _)| first == call)
    }

    /// A step is tried again.
    fn try_again(&mut self, again: Option<(usize, u32, u64)>) {
        if let Some((index, tries, in_ms)) = again {
            let again = Happening::Step { index, tries };
            self.agenda.put(self.at_ms + in_ms, again);
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
