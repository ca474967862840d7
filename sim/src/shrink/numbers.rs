//! Makes the numbers of a plan smaller, times of day excepted.

use super::Search;
use crate::checker::Violation;
use crate::plan::{Act, Answer, Delays, EndpointPlan, Fault, FaultKind, Plan, Receiver, Way, When};
use std::ops::Range;

/// A number in a plan, and the least that it may be.
struct Number<'a> {
    place: Place<'a>,
    least: u64,
}

enum Place<'a> {
    U64(&'a mut u64),
    U32(&'a mut u32),
    Usize(&'a mut usize),
    /// Its sign stays.
    I64(&'a mut i64),
}

impl Number<'_> {
    fn get(&self) -> u64 {
        match &self.place {
            Place::U64(number) => **number,
            Place::U32(number) => u64::from(**number),
            Place::Usize(number) => **number as u64,
            Place::I64(number) => number.unsigned_abs(),
        }
    }

    /// Makes it so small, or as small as it may be, if that is smaller than it is.
    fn lower(&mut self, to: u64) {
        let to = to.max(self.least);
        if to >= self.get() {
            return;
        }
        // What is smaller than a number of a type is of that type.
        match &mut self.place {
            Place::U64(number) => **number = to,
            Place::U32(number) => **number = u32::try_from(to).unwrap_or(**number),
            Place::Usize(number) => **number = usize::try_from(to).unwrap_or(**number),
            Place::I64(number) => {
                **number = i64::try_from(to).unwrap_or(**number) * number.signum();
            }
        }
    }
}

impl<F: FnMut(&Plan) -> Option<Violation>> Search<F> {
    /// Every number to 0; those that cannot, to 1, 10, 100, …; then to its first digit.
    pub(super) fn lower_numbers(&mut self) {
        let levels = (0..12).map(|power| 10_u64.pow(power));
        for level in [0].into_iter().chain(levels) {
            self.lower_to(&|_| level);
        }
        self.lower_to(&first_digit);
    }

    fn lower_to(&mut self, level: &dyn Fn(u64) -> u64) {
        let mut plan = self.best.clone();
        let all = numbers(&mut plan).into_iter().enumerate();
        let higher: Vec<usize> = all
            .filter(|(_, number)| number.get() > level(number.get()).max(number.least))
            .map(|(place, _)| place)
            .collect();
        let lower = |plan: &mut Plan, range: Range<usize>| {
            let mut numbers = numbers(plan);
            for place in &higher[range] {
                if let Some(number) = numbers.get_mut(*place) {
                    number.lower(level(number.get()));
                }
            }
        };
        self.halve(0..higher.len(), &lower, Self::offer);
    }
}

/// 30,000 for 34,567.
pub(super) fn first_digit(number: u64) -> u64 {
    let power = 10_u64.pow(number.checked_ilog10().unwrap_or(0));
    number / power * power
}

/// All numbers of a plan, always in the same order.
fn numbers(plan: &mut Plan) -> Vec<Number<'_>> {
    let mut all = Numbers(Vec::new());
    for receiver in &mut plan.receivers {
        all.of_receiver(receiver);
    }
    for endpoint in &mut plan.endpoints {
        all.of_endpoint(endpoint);
    }
    for step in &mut plan.workload {
        all.of_act(&mut step.act);
    }
    for fault in &mut plan.faults {
        all.of_fault(fault);
    }
    if let Some(client) = &mut plan.client {
        all.ms(&mut client.latency_min_ms);
        all.ms(&mut client.latency_max_ms);
    }
    all.ms(&mut plan.disk.write_max_ms);
    all.ms(&mut plan.disk.sync_max_ms);
    all.0
}

struct Numbers<'a>(Vec<Number<'a>>);

impl<'a> Numbers<'a> {
    fn add(&mut self, place: Place<'a>, least: u64) {
        self.0.push(Number { place, least });
    }

    fn ms(&mut self, number: &'a mut u64) {
        self.add(Place::U64(number), 0);
    }

    fn of_receiver(&mut self, receiver: &'a mut Receiver) {
        self.ms(&mut receiver.latency_min_ms);
        self.ms(&mut receiver.latency_max_ms);
        for weighted in &mut receiver.answers {
            self.add(Place::U32(&mut weighted.weight), 1);
            self.of_answer(&mut weighted.answer);
        }
    }

    fn of_answer(&mut self, answer: &'a mut Answer) {
        if let Answer::Late(_, ms) | Answer::Drip(_, ms) = answer {
            self.ms(ms);
        }
    }

    fn of_endpoint(&mut self, endpoint: &'a mut EndpointPlan) {
        // A shorter time-out is not simpler: it only changes what is late.
        self.add(Place::U64(&mut endpoint.timeout_ms), 1_000);
        self.add(Place::U32(&mut endpoint.concurrency), 1);
        self.add(Place::U64(&mut endpoint.retry.retry_after_max_ms), 1_000);
        match &mut endpoint.retry.delays {
            Delays::Listed(delays) => delays.iter_mut().for_each(|delay| self.ms(delay)),
            Delays::Exponential {
                first_ms,
                cap_ms,
                retries,
                ..
            } => {
                self.add(Place::U64(first_ms), 1);
                self.add(Place::U64(cap_ms), 1);
                self.add(Place::U32(retries), 0);
            }
        }
        if let Some(batch) = &mut endpoint.batch {
            self.add(Place::U32(&mut batch.events_max), 2);
            self.add(Place::U64(&mut batch.wait_ms), 0);
        }
        if let Some(rate) = &mut endpoint.rate {
            self.add(Place::U32(&mut rate.requests), 1);
            self.add(Place::U64(&mut rate.per_ms), 1);
            self.add(Place::U32(&mut rate.burst), 1);
        }
        if let Some(breaker) = &mut endpoint.breaker {
            self.add(Place::U32(&mut breaker.failures), 1);
            self.add(Place::U64(&mut breaker.cooldown_ms), 1);
            self.add(Place::U64(&mut breaker.cooldown_max_ms), 1);
        }
        if let Some(ms) = &mut endpoint.disable_after_ms {
            self.add(Place::U64(ms), 1);
        }
    }

    fn of_act(&mut self, act: &'a mut Act) {
        match act {
            Act::Publish(publish) => self.add(Place::Usize(&mut publish.bytes), 24),
            Act::Change(_, endpoint) => self.of_endpoint(endpoint),
            Act::Rotate { overlap_ms, .. } => self.ms(overlap_ms),
            Act::Resend(number) | Act::Discard(number) | Act::RetryNow(number) => self.ms(number),
            Act::Restart { within_ms, down_ms } => {
                self.ms(within_ms);
                self.ms(down_ms);
            }
            Act::Pause(_)
            | Act::Resume(_)
            | Act::Disable(_)
            | Act::Enable(_)
            | Act::Delete(_)
            | Act::ResendDead(_) => (),
        }
    }

    fn of_fault(&mut self, fault: &'a mut Fault) {
        if let When::Commit(index)
        | When::Load(index)
        | When::Request(index)
        | When::Response(index) = &mut fault.when
        {
            self.add(Place::U64(index), 1);
        }
        match &mut fault.kind {
            FaultKind::Kill { down_ms }
            | FaultKind::PowerLoss { down_ms }
            | FaultKind::WriteError { down_ms }
            | FaultKind::ReadError { down_ms }
            | FaultKind::ReceiverCrash { down_ms, .. } => self.ms(down_ms),
            FaultKind::DiskFull { for_ms, .. } => self.ms(for_ms),
            FaultKind::SlowDisk { for_ms, add_ms } | FaultKind::Latency { for_ms, add_ms, .. } => {
                self.ms(for_ms);
                self.ms(add_ms);
            }
            FaultKind::WallJump { by_ms } => self.add(Place::I64(by_ms), 0),
            FaultKind::Storm { for_ms, answer, .. } => {
                self.ms(for_ms);
                self.of_answer(answer);
            }
            FaultKind::DelayResponse { by_ms } => self.ms(by_ms),
            FaultKind::ClientWay { for_ms, way } => {
                self.ms(for_ms);
                if let Way::Slow(add_ms) = way {
                    self.ms(add_ms);
                }
            }
            FaultKind::LoseResponse
            | FaultKind::ResetResponse
            | FaultKind::Panic
            | FaultKind::Forget
            | FaultKind::RepeatOutcome => (),
        }
    }
}
