//! What publishers and administrators will do, in order of time; at the same time in the order in
//! which it was put down.

use super::stage::{Stage, State};
use crate::plan::Plan;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Notify;

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Register the endpoint at this place of the plan.
    Register(usize),
    /// Make a step of the workload, for the how manyth time.
    Step { index: usize, tries: u32 },
}

/// What will be done.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    tasks: BTreeMap<(u64, u64), Task>,
    last: u64,
}

impl Agenda {
    /// What the callers in the sender's process do.
    pub(super) fn of_callers(plan: &Plan) -> Self {
        let mut agenda = Self::default();
        for (number, endpoint) in plan.endpoints.iter().enumerate() {
            agenda.put(endpoint.at_ms, Task::Register(number));
        }
        agenda.put_steps(plan, false);
        agenda
    }

    /// What the client does.
    pub(super) fn of_client(plan: &Plan) -> Self {
        let mut agenda = Self::default();
        agenda.put_steps(plan, true);
        agenda
    }

    fn put_steps(&mut self, plan: &Plan, by_api: bool) {
        for (index, step) in plan.workload.iter().enumerate() {
            if plan.goes_by_api(&step.act) == by_api {
                self.put(step.at_ms, Task::Step { index, tries: 0 });
            }
        }
    }

    pub(super) fn put(&mut self, at_ms: u64, task: Task) {
        self.last += 1;
        self.tasks.insert((at_ms, self.last), task);
    }

    /// When the next one is.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.tasks.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// The next one, if its time has come.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Task> {
        if self.next_at()? > now_ms {
            return None;
        }
        self.tasks.pop_first().map(|(_, task)| task)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// The next task of an agenda, when its time has come; `put` is told of new ones.
pub(super) async fn next(
    stage: &Stage,
    put: &Notify,
    agenda: fn(&mut State) -> &mut Agenda,
) -> Task {
    loop {
        let (due, next_at, now_ms) = {
            let mut state = stage.state();
            let now_ms = state.now_ms();
            let agenda = agenda(&mut state);
            (agenda.take_due(now_ms), agenda.next_at(), now_ms)
        };
        if let Some(task) = due {
            return task;
        }
        let until = next_at.map_or(u64::MAX / 2, |at_ms| at_ms - now_ms);
        tokio::select! {
            biased;
            () = put.notified() => (),
            () = tokio::time::sleep(Duration::from_millis(until)) => (),
        }
    }
}
