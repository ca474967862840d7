//! What publishers and administrators do.

use super::{SECOND, Swarm, index, number, small};
use crate::chance::Chance;
use crate::plan::{Act, EndpointPlan, Publish, Step, To};

impl Swarm {
    pub(super) fn workload(&mut self, endpoints: &[EndpointPlan]) -> Vec<Step> {
        let mut steps: Vec<Step> = (0..self.events)
            .map(|content| self.publish(content))
            .collect();
        if self.once_percent > 0 {
            self.repeat(&mut steps);
        }
        self.administrate(&mut steps, endpoints);
        self.ask_for_retries(&mut steps);
        // Stable: what is at the same time keeps its order.
        steps.sort_by_key(|step| step.at_ms);
        steps
    }

    /// What administrators do; much of it while the requests of an event are under way.
    fn administrate(&mut self, steps: &mut Vec<Step>, endpoints: &[EndpointPlan]) {
        let published = steps.clone();
        let changes = match self.rolls.up_to(9) {
            _ if self.is_busy => self.events / 2,
            0..=2 => 0,
            3..=7 => self.rolls.up_to(self.endpoints as u64 * 3),
            _ => self.rolls.up_to(self.events / 3),
        };
        for _ in 0..changes {
            let (at_ms, number) = self.moment(&published);
            self.change(steps, at_ms, number, endpoints);
        }
        if self.rolls.percent(40) {
            for _ in 0..self.rolls.between(1, 4) {
                let (at_ms, _) = self.moment(&published);
                let within_ms = self.rolls.up_to((40 * SECOND).min(self.span_ms / 20));
                let down_ms = self.rolls.up_to(self.down_max_ms());
                let act = Act::Restart { within_ms, down_ms };
                steps.push(Step { at_ms, act });
            }
        }
    }

    /// Retries by hand, at times when much is under way or waits. Drawn apart from all the rest: the
    /// other steps know nothing of them.
    fn ask_for_retries(&self, steps: &mut Vec<Step>) {
        let mut rolls = self.chance.of("retries by hand", 0, 0);
        if !rolls.percent(60) {
            return;
        }
        let times: Vec<u64> = steps.iter().map(|step| step.at_ms).collect();
        for _ in 0..rolls.between(2, 10) {
            let soon_ms = rolls.up_to(self.span_ms / 50);
            let at_ms = rolls.pick(&times).map_or(soon_ms, |at_ms| at_ms + soon_ms);
            let act = Act::RetryNow(rolls.bits() >> 20);
            steps.push(Step { at_ms, act });
        }
    }

    /// A time, and an endpoint: often those of an event that was just published.
    fn moment(&mut self, published: &[Step]) -> (u64, usize) {
        let number = index(self.rolls.up_to(self.endpoints as u64 - 1));
        match self.rolls.pick(published) {
            Some(step) if self.rolls.percent(75) => {
                let number = match &step.act {
                    Act::Publish(Publish {
                        to: To::Endpoint(number),
                        ..
                    }) => *number,
                    _ => number,
                };
                let soon = *self.rolls.pick(&[0, 10, 100, SECOND]).unwrap_or(&0);
                let soon = if self.is_busy { 2 * SECOND } else { soon };
                (step.at_ms + self.rolls.up_to(soon), number)
            }
            _ => (self.rolls.up_to(self.span_ms), number),
        }
    }

    fn publish(&mut self, content: u64) -> Step {
        // Some come one by one, some in bursts.
        let at_ms = if content.is_multiple_of(3) {
            self.rolls.up_to(self.span_ms * 9 / 10)
        } else {
            let burst = self.rolls.up_to(5);
            let start = Chance::new(burst)
                .of("burst", self.events, self.span_ms)
                .up_to(self.span_ms * 8 / 10);
            start + self.rolls.up_to(self.span_ms / 100)
        };
        let rolls = &mut self.rolls;
        let to = if rolls.percent(25) {
            To::Subscribers(small(rolls.up_to(u64::from(self.tenants) - 1)))
        } else {
            To::Endpoint(index(rolls.up_to(self.endpoints as u64 - 1)))
        };
        let key = (self.keys > 0 && rolls.percent(60))
            .then(|| small(rolls.up_to(u64::from(self.keys) - 1)));
        let publish = Publish {
            to,
            kind: small(rolls.up_to(u64::from(self.kinds) - 1)),
            key,
            content,
            bytes: index(if rolls.percent(90) {
                rolls.between(24, 200)
            } else {
                rolls.up_to(4_000)
            }),
            once: rolls.percent(self.once_percent).then(|| number(content)),
            api: false,
        };
        let act = Act::Publish(publish);
        Step {
            at_ms: at_ms.max(1),
            act,
        }
    }

    /// Publishes some events again, a few of them with other content.
    fn repeat(&mut self, steps: &mut Vec<Step>) {
        let with_key: Vec<Step> = steps
            .iter()
            .filter(|step| matches!(&step.act, Act::Publish(publish) if publish.once.is_some()))
            .cloned()
            .collect();
        for repeat in 0..with_key.len().min(12) {
            let Some(mut step) = self.rolls.pick(&with_key).cloned() else {
                return;
            };
            if self.rolls.percent(60) {
                step.at_ms += self.rolls.up_to(self.span_ms / 10);
            }
            if let Act::Publish(publish) = &mut step.act
                && self.rolls.percent(20)
            {
                publish.content += 1_000_000;
            }
            if let Act::Publish(publish) = &mut step.act
                && self.chance.of("other key", repeat as u64, 0).percent(15)
            {
                // All the same but the ordering key.
                publish.key = publish.key.map_or(Some(0), |_| None);
            }
            steps.push(step);
        }
    }

    fn change(
        &mut self,
        steps: &mut Vec<Step>,
        at_ms: u64,
        number: usize,
        endpoints: &[EndpointPlan],
    ) {
        let mut add = |at_ms, act| steps.push(Step { at_ms, act });
        let soon = at_ms + self.rolls.up_to(self.span_ms / 10);
        match self.rolls.up_to(15) {
            _ if self.is_busy && self.rolls.percent(6) => add(at_ms, Act::Delete(number)),
            0..=2 => {
                add(at_ms, Act::Pause(number));
                add(soon, Act::Resume(number));
            }
            3 => {
                add(at_ms, Act::Disable(number));
                add(soon, Act::Enable(number));
            }
            4 => add(at_ms, Act::Enable(number)),
            5..=6 => {
                let receiver = index(self.rolls.up_to(self.receivers as u64 - 1));
                let path = super::number(100 + endpoints.len() as u64 + self.rolls.up_to(99));
                let spec = self.spec(receiver, path);
                add(at_ms, Act::Change(number, Box::new(spec)));
            }
            7..=8 => {
                let overlap_ms = self.rolls.up_to(self.span_ms / 4);
                let endpoint = number;
                add(
                    at_ms,
                    Act::Rotate {
                        endpoint,
                        overlap_ms,
                    },
                );
            }
            9 if self.rolls.percent(60) => add(at_ms, Act::Delete(number)),
            9..=11 => add(at_ms, Act::Resend(self.rolls.bits() >> 20)),
            12..=13 => add(at_ms, Act::Discard(self.rolls.bits() >> 20)),
            _ => add(at_ms, Act::ResendDead(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Plan, Tier};

    #[test]
    fn retries_by_hand_take_the_place_of_nothing_else() {
        let plans = (0..300).map(|seed| Plan::generate(seed, Tier::World));
        let steps: Vec<Step> = plans.flat_map(|plan| plan.workload).collect();
        let count = |wanted: fn(&Act) -> bool| {
            let acts = steps.iter().map(|step| &step.act);
            acts.filter(|act| wanted(act)).count()
        };
        let resends = count(|act| matches!(act, Act::Resend(_)));
        let discards = count(|act| matches!(act, Act::Discard(_)));
        // Of sixteen changes two are discards, and between two and three are resends.
        assert!(3 * discards > 2 * resends, "{discards} to {resends}");
        assert!(count(|act| matches!(act, Act::RetryNow(_))) > 300);
    }
}
