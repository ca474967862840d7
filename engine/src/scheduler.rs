//! The injected scheduler: what a host does for the core.

use crate::batch::Batch;
use crate::core::Core;
use crate::fact::Fact;
use crate::id::AttemptId;
use crate::input::{CallId, Input};
use crate::output::{Answer, Load, Output, Reason};
use crate::request::Request;
use crate::time::{Mono, Now};

/// What a host does for the core. Nothing here waits: answers come back as [`Input`]s.
///
/// tokio, plain threads, and a simulator implement it; all of them drive the same core through
/// the same [`turn`].
pub trait Scheduler {
    /// Both clocks.
    fn now(&self) -> Now;
    /// Give [`Input::Tick`] at this time, or never. One timer: the last call counts.
    fn arm(&mut self, at: Option<Mono>);
    /// Make durable; answer with [`Input::Committed`] or [`Input::CommitFailed`], in the order of
    /// the batches.
    fn commit(&mut self, batch: Batch);
    /// Read; answer with [`Input::Loaded`]. Whatever was committed before this call is seen.
    fn load(&mut self, load: Load);
    /// Send, give up at `deadline`; answer with [`Input::AttemptDone`].
    fn send(&mut self, request: Request, deadline: Mono);
    /// Stop sending. An answer may still come; it is ignored.
    fn cancel(&mut self, attempt: AttemptId);
    /// To the publisher or the administrator.
    fn answer(&mut self, call: CallId, answer: Answer);
    /// For traces, metrics, a live tail.
    fn observe(&mut self, fact: Fact) {
        let _ = fact;
    }
}

/// One turn: gives the core an input and hands everything it wants to the scheduler.
///
/// Returns why it has nothing more to do.
pub fn turn<S: Scheduler + ?Sized>(core: &mut Core, scheduler: &mut S, input: Input) -> Reason {
    core.handle(scheduler.now(), input);
    loop {
        match core.poll() {
            Output::Commit(batch) => scheduler.commit(batch),
            Output::Load(load) => scheduler.load(load),
            Output::Send(request, deadline) => scheduler.send(request, deadline),
            Output::Cancel(attempt) => scheduler.cancel(attempt),
            Output::Answer(call, answer) => scheduler.answer(call, answer),
            Output::Observe(fact) => scheduler.observe(fact),
            Output::Timeout(at, reason) => {
                scheduler.arm(at);
                return reason;
            }
        }
    }
}
