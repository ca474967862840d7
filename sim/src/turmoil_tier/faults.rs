//! How faults strike.

use super::stage::{Order, Stage, State, Who};
use crate::plan::{FaultKind, Plan, When};
use crate::trace::{Stop, What};

impl Stage {
    /// Puts the counted faults down. Returns the timed ones, in order of time.
    pub(super) fn put_down_faults(&self) -> Vec<(u64, usize)> {
        let mut timed = Vec::new();
        let mut state = self.state();
        for (index, fault) in self.plan.faults.iter().enumerate() {
            match fault.when {
                When::At(at_ms) => timed.push((at_ms, index)),
                when => state.counted.entry(when).or_default().push(index),
            }
        }
        timed.sort_unstable();
        timed
    }

    /// A fault strikes.
    pub(super) fn strike(&self, index: usize) {
        let Some(kind) = State::kind(&self.plan, index) else {
            return;
        };
        let mut state = self.state();
        if state.healed {
            return;
        }
        match &kind {
            FaultKind::LoseResponse
            | FaultKind::DelayResponse { .. }
            | FaultKind::ResetResponse => return state.next_response.push(index),
            FaultKind::Panic | FaultKind::Forget => return state.next_request.push(index),
            // A task that sends has one outcome to give: only the model world can repeat it.
            FaultKind::RepeatOutcome => return,
            _ => (),
        }
        state.begin(self, index, &kind);
        match kind.lasts_ms() {
            Some(for_ms) => {
                let until = state.now_ms() + for_ms;
                state.lasting.insert(index, until);
            }
            None => state.note(What::FaultOver { index }),
        }
    }

    /// Faults that lasted until now are over.
    pub(super) fn pass_over(&self, now_ms: u64) {
        let mut state = self.state();
        let over = |(index, until): (&usize, &u64)| (*until <= now_ms).then_some(*index);
        let over: Vec<usize> = state.lasting.iter().filter_map(over).collect();
        for index in over {
            state.pass(&self.plan, index);
        }
    }

    /// All is well from now on, but for the dead.
    pub(super) fn heal(&self) {
        let mut state = self.state();
        for index in state.lasting.keys().copied().collect::<Vec<_>>() {
            state.pass(&self.plan, index);
        }
        state.counted.clear();
        state.next_request.clear();
        state.next_response.clear();
        state.disk.write_error = false;
        state.disk.read_error = false;
        state.weather.heal();
        state.healed = true;
        state.orders.push(Order::Links);
        for receiver in &self.plan.end.dead {
            let who = Who::Receiver(*receiver);
            state.stand_still(who, true);
            state.orders.push(Order::Crash {
                who,
                power: false,
                down_ms: u64::MAX,
            });
        }
        state.note(What::Healed);
    }

    /// What goes wrong with the request that is sent now. Others that wait for it strike at once.
    pub(super) fn request_fault(&self) -> Option<FaultKind> {
        let when = {
            let mut state = self.state();
            state.counts.requests += 1;
            When::Request(state.counts.requests)
        };
        let of_one = |kind: &FaultKind| matches!(kind, FaultKind::Panic | FaultKind::Forget);
        self.one_fault(when, |state| &mut state.next_request, of_one)
    }

    /// What goes wrong with the response that a receiver gives now.
    pub(super) fn response_fault(&self) -> Option<FaultKind> {
        let when = {
            let mut state = self.state();
            state.counts.responses += 1;
            When::Response(state.counts.responses)
        };
        let of_one = |kind: &FaultKind| {
            matches!(
                kind,
                FaultKind::LoseResponse
                    | FaultKind::DelayResponse { .. }
                    | FaultKind::ResetResponse
            )
        };
        self.one_fault(when, |state| &mut state.next_response, of_one)
    }

    fn one_fault(
        &self,
        when: When,
        queue: fn(&mut State) -> &mut Vec<usize>,
        of_one: fn(&FaultKind) -> bool,
    ) -> Option<FaultKind> {
        let waiting = self.state().counted.remove(&when).unwrap_or_default();
        let is_mine = |index: &usize| State::kind(&self.plan, *index).is_some_and(|k| of_one(&k));
        let (mut mine, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_mine);
        for index in others {
            self.strike(index);
        }
        let mut state = self.state();
        queue(&mut state).append(&mut mine);
        if queue(&mut state).is_empty() {
            return None;
        }
        let index = queue(&mut state).remove(0);
        let kind = State::kind(&self.plan, index)?;
        state.note(What::Fault {
            index,
            kind: kind.clone(),
        });
        state.note(What::FaultOver { index });
        Some(kind)
    }
}

impl State {
    fn begin(&mut self, stage: &Stage, index: usize, kind: &FaultKind) {
        self.note(What::Fault {
            index,
            kind: kind.clone(),
        });
        match kind {
            FaultKind::Kill { down_ms } => self.stop(stage, Stop::Killed, *down_ms),
            FaultKind::PowerLoss { down_ms } => self.stop(stage, Stop::PowerLost, *down_ms),
            FaultKind::DiskFull { wholly, .. } => self.disk.full = Some(*wholly),
            FaultKind::WriteError { down_ms } => {
                self.disk.write_error = true;
                self.down_ms = *down_ms;
            }
            FaultKind::ReadError { down_ms } => {
                self.disk.read_error = true;
                self.down_ms = *down_ms;
            }
            FaultKind::SlowDisk { add_ms, .. } => self.disk.slow_ms = *add_ms,
            FaultKind::WallJump { by_ms } => {
                self.jumped = Some((self.now_ms(), self.skew_ms));
                self.skew_ms = self.skew_ms.saturating_add(*by_ms);
            }
            FaultKind::ReceiverCrash { receiver, down_ms } => {
                self.crash_receiver(*receiver, false, *down_ms);
            }
            kind => {
                self.weather.change(index, kind, true);
                self.orders.push(Order::Links);
            }
        }
    }

    /// A receiver's process ends.
    pub(super) fn crash_receiver(&mut self, receiver: usize, power: bool, down_ms: u64) {
        let who = Who::Receiver(receiver);
        if !self.stands(who) {
            self.stand_still(who, true);
            if !power {
                self.refusing.insert(receiver);
            }
            self.orders.push(Order::Crash {
                who,
                power,
                down_ms: down_ms.max(1),
            });
        }
    }

    /// A fault that lasted is over.
    fn pass(&mut self, plan: &Plan, index: usize) {
        if self.lasting.remove(&index).is_none() {
            return;
        }
        match Self::kind(plan, index) {
            Some(FaultKind::DiskFull { .. }) => self.disk.full = None,
            Some(FaultKind::SlowDisk { .. }) => self.disk.slow_ms = 0,
            Some(kind) => {
                self.weather.change(index, &kind, false);
                self.orders.push(Order::Links);
            }
            None => (),
        }
        self.note(What::FaultOver { index });
    }
}
