//! What publishers and administrators will do, in order of time; at the same time in the order in
//! which it was put down.

use crate::plan::Plan;
use std::collections::BTreeMap;

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Register the endpoint at this place of the plan.
    Register(usize),
    /// Make a step of the workload, for the how manyth time.
    Step { index: usize, tries: u32 },
}

/// What will be done.
#[derive(Debug)]
pub(super) struct Agenda {
    tasks: BTreeMap<(u64, u64), Task>,
    last: u64,
}

impl Agenda {
    /// All that the plan says.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut agenda = Self {
            tasks: BTreeMap::new(),
            last: 0,
        };
        for (number, endpoint) in plan.endpoints.iter().enumerate() {
            agenda.put(endpoint.at_ms, Task::Register(number));
        }
        for (index, step) in plan.workload.iter().enumerate() {
            agenda.put(step.at_ms, Task::Step { index, tries: 0 });
        }
        agenda
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
