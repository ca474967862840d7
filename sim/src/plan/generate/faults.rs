//! What goes wrong.

use super::{DAY, HOUR, SECOND, Swarm, index, small};
use crate::plan::{Fault, FaultKind, When};

/// How many kinds of faults there are; storms have half of the places.
const KINDS: u64 = 26;

/// Those that hit a single request.
const SINGLE: std::ops::RangeInclusive<u64> = 9..=14;

impl Swarm {
    /// The longest that the sender is down.
    pub(super) fn down_max_ms(&self) -> u64 {
        (self.span_ms / 30).clamp(200, HOUR)
    }

    pub(super) fn faults(&mut self) -> Vec<Fault> {
        // Which kinds are on in this run; then each fault is one of those.
        let on: Vec<u64> = (0..KINDS).filter(|_| self.rolls.percent(35)).collect();
        let most = if self.is_world() { 14 } else { 5 };
        let faults = if on.is_empty() {
            0
        } else {
            self.rolls.up_to(most)
        };
        let mut drawn = Vec::new();
        for _ in 0..faults {
            let Some(number) = self.rolls.pick(&on).copied() else {
                break;
            };
            // What hits a single request comes in numbers.
            let times = if SINGLE.contains(&number) {
                self.rolls.between(1, 12)
            } else {
                1
            };
            for _ in 0..times {
                let kind = self.fault(number);
                let when = self.when(&kind);
                drawn.push(Fault { when, kind });
            }
        }
        drawn
    }

    /// When it strikes: at a time, or at an event of its own kind.
    fn when(&mut self, kind: &FaultKind) -> When {
        let events = self.events;
        let rolls = &mut self.rolls;
        if rolls.percent(50) {
            return When::At(rolls.up_to(self.span_ms));
        }
        match kind {
            FaultKind::Kill { .. }
            | FaultKind::PowerLoss { .. }
            | FaultKind::DiskFull { .. }
            | FaultKind::WriteError { .. }
            | FaultKind::SlowDisk { .. }
            | FaultKind::WallJump { .. }
            | FaultKind::ClientWay { .. } => When::Commit(rolls.between(1, 3 * events)),
            FaultKind::ReadError { .. } => When::Load(rolls.between(1, events)),
            FaultKind::Storm { .. }
            | FaultKind::Latency { .. }
            | FaultKind::ReceiverCrash { .. }
            | FaultKind::Panic
            | FaultKind::Forget
            | FaultKind::RepeatOutcome => When::Request(rolls.between(1, 2 * events)),
            FaultKind::LoseResponse
            | FaultKind::DelayResponse { .. }
            | FaultKind::ResetResponse => When::Response(rolls.between(1, 2 * events)),
        }
    }

    fn fault(&mut self, number: u64) -> FaultKind {
        match number {
            0..=6 => self.sender_fault(number),
            _ => self.network_fault(number),
        }
    }

    fn sender_fault(&mut self, number: u64) -> FaultKind {
        let down_ms = self.rolls.up_to(self.down_max_ms());
        let for_ms = self.lasting_ms();
        let rolls = &mut self.rolls;
        match number {
            0 => FaultKind::Kill { down_ms },
            1 => FaultKind::PowerLoss { down_ms },
            2 => FaultKind::DiskFull {
                for_ms: for_ms / 2,
                wholly: rolls.percent(30),
            },
            3 => FaultKind::WriteError { down_ms },
            4 => FaultKind::ReadError { down_ms },
            5 => FaultKind::SlowDisk {
                for_ms,
                add_ms: rolls.up_to(2 * SECOND),
            },
            _ => {
                let most = *rolls.pick(&[SECOND, HOUR, HOUR, DAY]).unwrap_or(&HOUR);
                let by_ms = i64::try_from(rolls.up_to(most)).unwrap_or(0);
                let by_ms = if rolls.percent(50) { by_ms } else { -by_ms };
                FaultKind::WallJump { by_ms }
            }
        }
    }

    fn network_fault(&mut self, number: u64) -> FaultKind {
        let world = self.is_world();
        let for_ms = self.lasting_ms();
        let timeout_ms = (self.span_ms / 8).clamp(100, 30 * SECOND);
        let receiver = index(self.rolls.up_to(self.receivers as u64 - 1));
        let rolls = &mut self.rolls;
        match number {
            7 => FaultKind::Latency {
                receiver,
                for_ms,
                add_ms: rolls.up_to(if world { 40 * SECOND } else { 2 * SECOND }),
            },
            8 => FaultKind::ReceiverCrash {
                receiver,
                down_ms: for_ms,
            },
            9 => FaultKind::LoseResponse,
            10 => FaultKind::DelayResponse {
                by_ms: rolls.up_to(if world { 60 * SECOND } else { 3 * SECOND }),
            },
            11 => FaultKind::ResetResponse,
            12 => FaultKind::Panic,
            13 => FaultKind::Forget,
            14 => FaultKind::RepeatOutcome,
            _ => FaultKind::Storm {
                receiver,
                for_ms,
                percent: small(*rolls.pick(&[100, 100, 80, 40]).unwrap_or(&100)),
                answer: self.answer(timeout_ms),
            },
        }
    }

    fn lasting_ms(&mut self) -> u64 {
        self.rolls.between(1, (self.span_ms / 6).max(2))
    }
}
