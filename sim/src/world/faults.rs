//! How faults strike.

use super::Happening;
use super::disk::{Fullness, Loss};
use super::host::Host;
use crate::plan::{FaultKind, When};
use crate::trace::What;

impl Host {
    /// Faults that wait for this very commit, load, request or response.
    pub(super) fn strike_counted(&mut self, when: When) {
        for index in self.counted.remove(&when).unwrap_or_default() {
            // Somewhere within what it begins: the write, the sync, the way to the receiver.
            let most = self.plan.disk.write_max_ms + self.plan.disk.sync_max_ms;
            let in_ms = self.chance.of("strike", index as u64, 0).up_to(most);
            self.agenda.put(self.at_ms + in_ms, Happening::Fault(index));
        }
    }

    /// A fault strikes.
    pub(super) fn strike(&mut self, index: usize) {
        let Some(fault) = self.plan.faults.get(index) else {
            return;
        };
        let kind = fault.kind.clone();
        if self.watch.book().healed {
            return;
        }
        match &kind {
            FaultKind::LoseResponse
            | FaultKind::DelayResponse { .. }
            | FaultKind::ResetResponse => return self.next_response.push(index),
            FaultKind::Panic | FaultKind::Forget | FaultKind::RepeatOutcome => {
                return self.next_request.push(index);
            }
            _ => (),
        }
        self.note(What::Fault {
            index,
            kind: kind.clone(),
        });
        match &kind {
            FaultKind::Kill { down_ms } => self.struck = Some((Loss::Process, *down_ms)),
            FaultKind::PowerLoss { down_ms } => self.struck = Some((Loss::Power, *down_ms)),
            FaultKind::DiskFull { wholly, .. } => {
                let fullness = if *wholly {
                    Fullness::Wholly
                } else {
                    Fullness::Events
                };
                self.disk.full = Some(fullness);
            }
            FaultKind::WriteError { down_ms } => {
                self.disk.write_error = true;
                self.down_ms = *down_ms;
            }
            FaultKind::ReadError { down_ms } => {
                self.disk.read_error = true;
                self.down_ms = *down_ms;
            }
            FaultKind::SlowDisk { add_ms, .. } => self.disk.slow_ms = *add_ms,
            FaultKind::WallJump { by_ms } => self.clocks.jump(*by_ms),
            kind => self.network.weather(index, kind, true),
        }
        match kind.lasts_ms() {
            Some(for_ms) => {
                let over = Happening::FaultOver(index);
                self.agenda.put(self.at_ms + for_ms, over);
            }
            None => self.note(What::FaultOver { index }),
        }
    }

    /// A fault that lasted is over.
    pub(super) fn pass(&mut self, index: usize) {
        if !self.watch.book().faults.contains(&index) {
            return;
        }
        let Some(fault) = self.plan.faults.get(index) else {
            return;
        };
        match fault.kind.clone() {
            FaultKind::DiskFull { .. } => self.disk.full = None,
            FaultKind::SlowDisk { .. } => self.disk.slow_ms = 0,
            kind => self.network.weather(index, &kind, false),
        }
        self.note(What::FaultOver { index });
    }

    /// All is well from now on, but for the dead.
    pub(super) fn heal(&mut self) {
        let lasting: Vec<usize> = self.watch.book().faults.iter().copied().collect();
        for index in lasting {
            self.pass(index);
        }
        self.counted.clear();
        self.next_request.clear();
        self.next_response.clear();
        self.disk.write_error = false;
        self.disk.read_error = false;
        self.network.heal(&self.plan.end.dead);
        self.note(What::Healed);
    }

    /// What goes wrong with the request that is sent now.
    pub(super) fn request_fault(&mut self) -> Option<FaultKind> {
        self.counts.requests += 1;
        let when = When::Request(self.counts.requests);
        self.one_fault(
            when,
            |host| &mut host.next_request,
            |kind| {
                matches!(
                    kind,
                    FaultKind::Panic | FaultKind::Forget | FaultKind::RepeatOutcome
                )
            },
        )
    }

    /// What goes wrong with the response that is given now.
    pub(super) fn response_fault(&mut self) -> Option<FaultKind> {
        self.counts.responses += 1;
        let when = When::Response(self.counts.responses);
        self.one_fault(
            when,
            |host| &mut host.next_response,
            |kind| {
                matches!(
                    kind,
                    FaultKind::LoseResponse
                        | FaultKind::DelayResponse { .. }
                        | FaultKind::ResetResponse
                )
            },
        )
    }

    fn one_fault(
        &mut self,
        when: When,
        queue: fn(&mut Self) -> &mut Vec<usize>,
        strikes_one: fn(&FaultKind) -> bool,
    ) -> Option<FaultKind> {
        let mut waiting = self.counted.remove(&when).unwrap_or_default();
        let of_one = |index: &usize| {
            let fault = self.plan.faults.get(*index);
            fault.is_some_and(|fault| strikes_one(&fault.kind))
        };
        let mine = waiting.iter().position(of_one).map(|at| waiting.remove(at));
        for index in waiting {
            self.agenda.put(self.at_ms, Happening::Fault(index));
        }
        let index = mine.or_else(|| {
            let queue = queue(self);
            (!queue.is_empty()).then(|| queue.remove(0))
        })?;
        let kind = self.plan.faults.get(index)?.kind.clone();
        self.note(What::Fault {
            index,
            kind: kind.clone(),
        });
        self.note(What::FaultOver { index });
        Some(kind)
    }
}

impl FaultKind {
    /// How long it lasts, if it lasts.
    #[must_use]
    pub fn lasts_ms(&self) -> Option<u64> {
        match self {
            Self::DiskFull { for_ms, .. }
            | Self::SlowDisk { for_ms, .. }
            | Self::Storm { for_ms, .. }
            | Self::Latency { for_ms, .. }
            | Self::ClientWay { for_ms, .. } => Some(*for_ms),
            Self::ReceiverCrash { down_ms, .. } => Some(*down_ms),
            _ => None,
        }
    }
}
