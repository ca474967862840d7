//! Plans from seeds, by swarm testing: each seed switches kinds of faults and of workload on or
//! off and draws its own weights, so that no two runs try the same mixture (Groce, Zhang, Eide,
//! Chen and Regehr, "Swarm Testing", 2012).

mod bounds;
mod faults;
mod workload;

use super::{
    Act, Answer, Breaker, Delays, Disk, End, EndpointPlan, Plan, Rate, Receiver, Retry, Step, Tier,
    VERSION, Weighted,
};
use crate::chance::{Chance, Rolls};

/// What one seed draws from.
struct Swarm {
    rolls: Rolls,
    /// For draws that came later: the others stay as they were.
    chance: Chance,
    tier: Tier,
    /// From the first event to healing.
    span_ms: u64,
    tenants: u8,
    receivers: usize,
    endpoints: usize,
    events: u64,
    /// Ordering keys in use; 0: none.
    keys: u8,
    /// Event types in use.
    kinds: u8,
    /// So many of a hundred publishes have an idempotency key.
    once_percent: u64,
    /// Requests take long and administrators are busy: much changes while they are under way.
    is_busy: bool,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Plan {
    /// The plan of this seed.
    #[must_use]
    pub fn generate(seed: u64, tier: Tier) -> Self {
        let purpose = match tier {
            Tier::World => "plan",
            Tier::Turmoil => "turmoil plan",
        };
        let mut swarm = Swarm::new(Chance::new(seed), purpose, tier);
        let receivers: Vec<Receiver> = (0..swarm.receivers).map(|_| swarm.receiver()).collect();
        let endpoints: Vec<EndpointPlan> = (0..swarm.endpoints)
            .map(|number| swarm.endpoint(number))
            .collect();
        let workload = swarm.workload(&endpoints);
        let faults = swarm.faults();
        let bounds = swarm.bounds();
        let disk = swarm.disk();
        let end = swarm.end(&endpoints, &workload);
        let mut plan = Self {
            version: VERSION,
            seed,
            tier,
            story: String::new(),
            bounds,
            receivers,
            endpoints,
            client: None,
            workload,
            faults,
            disk,
            mono_permille: swarm.mono_permille(),
            alarm_late_max_ms: swarm.alarm_late_max_ms(),
            end,
        };
        plan.draw_batches(swarm.chance);
        plan.end.within_ms += plan.batch_waits_ms();
        plan.draw_one_every(swarm.chance);
        plan.end.within_ms += plan.hold_waits_ms();
        plan.draw_client(swarm.chance);
        plan
    }
}

impl Swarm {
    fn new(chance: Chance, purpose: &str, tier: Tier) -> Self {
        let mut rolls = chance.of(purpose, 0, 0);
        let spans = match tier {
            Tier::World => &[
                20 * SECOND,
                2 * MINUTE,
                15 * MINUTE,
                2 * HOUR,
                12 * HOUR,
                DAY,
                3 * DAY,
            ][..],
            Tier::Turmoil => &[4 * SECOND, 8 * SECOND, 16 * SECOND][..],
        };
        let span_ms = rolls.pick(spans).copied().unwrap_or(MINUTE);
        let world = tier == Tier::World;
        let receivers = rolls.between(1, if world { 7 } else { 3 });
        let endpoints = receivers + rolls.up_to(if world { 4 } else { 2 });
        let events = if world {
            rolls.between(110, 450)
        } else {
            rolls.between(10, 50)
        };
        Self {
            span_ms,
            tenants: small(rolls.between(1, 2)),
            receivers: index(receivers),
            endpoints: index(endpoints),
            events,
            keys: if rolls.percent(50) {
                small(rolls.between(1, 6))
            } else {
                0
            },
            kinds: small(rolls.between(1, 3)),
            once_percent: if rolls.percent(60) {
                rolls.between(5, 60)
            } else {
                0
            },
            is_busy: world && rolls.percent(12),
            rolls,
            chance,
            tier,
        }
    }

    fn is_world(&self) -> bool {
        self.tier == Tier::World
    }

    fn receiver(&mut self) -> Receiver {
        let latency_min_ms = self.rolls.up_to(if self.is_busy { 2 * SECOND } else { 20 });
        let latency_max_ms =
            latency_min_ms + self.rolls.up_to(if self.is_world() { 400 } else { 60 });
        let mut answers = vec![Weighted {
            answer: Answer::Status(200),
            weight: small_weight(self.rolls.between(20, 100)),
        }];
        if self.rolls.percent(50) {
            for _ in 0..self.rolls.between(1, 4) {
                let weight = small_weight(self.rolls.between(1, 25));
                let answer = self.answer(10 * SECOND);
                answers.push(Weighted { answer, weight });
            }
        }
        Receiver {
            latency_min_ms,
            latency_max_ms,
            answers,
        }
    }

    /// Something that a receiver may do.
    fn answer(&mut self, timeout_ms: u64) -> Answer {
        let gone_percent = if self.is_busy { 100 } else { 60 };
        let rolls = &mut self.rolls;
        match rolls.up_to(24) {
            0..=3 => Answer::Status(500),
            4 => Answer::Status(503),
            5 => Answer::Status(*rolls.pick(&[400, 401, 404, 409, 422]).unwrap_or(&400)),
            6 => Answer::Status(429),
            7 => Answer::Status(*rolls.pick(&[301, 302, 307]).unwrap_or(&302)),
            8 if rolls.percent(gone_percent) => Answer::Status(410),
            8..=10 => {
                let status = *rolls.pick(&[429, 503, 500]).unwrap_or(&503);
                Answer::RetryAfter(status, retry_after(rolls))
            }
            11..=12 => {
                let status = *rolls.pick(&[200, 204, 500, 404]).unwrap_or(&200);
                Answer::Late(status, rolls.up_to(2 * timeout_ms))
            }
            13 => Answer::Hang,
            14 => Answer::Drip(
                *rolls.pick(&[200, 503]).unwrap_or(&200),
                rolls.up_to(timeout_ms),
            ),
            15 => Answer::Reset,
            16 => Answer::ResetInBody(*rolls.pick(&[200, 500]).unwrap_or(&200)),
            17 => Answer::Malformed,
            18 => Answer::EndlessHead,
            19 => Answer::EndlessBody(*rolls.pick(&[200, 503]).unwrap_or(&200)),
            20 => Answer::Refused,
            21 => Answer::Unreachable,
            22 => Answer::NoName,
            23 => Answer::PrivateAddress,
            _ => Answer::BadTls,
        }
    }

    fn endpoint(&mut self, number: usize) -> EndpointPlan {
        let last_receiver = self.receivers as u64 - 1;
        let receiver = if number < self.receivers {
            number
        } else {
            index(self.rolls.up_to(last_receiver))
        };
        let at_ms = if self.rolls.percent(85) {
            0
        } else {
            self.rolls.up_to(self.span_ms / 2)
        };
        let tenant = small(self.rolls.up_to(u64::from(self.tenants) - 1));
        let path = u32::try_from(number).unwrap_or(0);
        EndpointPlan {
            tenant,
            at_ms,
            ..self.spec(receiver, path)
        }
    }

    /// What an owner may decide.
    fn spec(&mut self, receiver: usize, path: u32) -> EndpointPlan {
        let fifo = self.rolls.percent(85);
        let timeout_ms = self.timeout_ms();
        let retry = self.retry();
        let rolls = &mut self.rolls;
        let kinds = if rolls.percent(30) {
            vec![small(rolls.up_to(u64::from(self.kinds) - 1))]
        } else {
            Vec::new()
        };
        let rate = rolls.percent(20).then(|| Rate {
            requests: number(rolls.between(1, 20)),
            per_ms: rolls.between(100, 10 * SECOND),
            burst: number(rolls.between(1, 10)),
        });
        let breaker = rolls.percent(60).then(|| {
            let cooldown_ms = rolls.up_to(self.span_ms / 20).max(1);
            Breaker {
                failures: number(rolls.between(1, 8)),
                cooldown_ms,
                cooldown_max_ms: cooldown_ms * rolls.between(1, 6),
            }
        });
        EndpointPlan {
            kinds,
            fifo,
            stop_on_failed: fifo && rolls.percent(15),
            timeout_ms,
            retry,
            concurrency: number(rolls.between(1, 16)),
            rate,
            breaker,
            headers: Vec::new(),
            disable_after_ms: rolls
                .percent(15)
                .then(|| rolls.between(self.span_ms / 4, self.span_ms)),
            path,
            ..EndpointPlan::of(receiver)
        }
    }

    fn timeout_ms(&mut self) -> u64 {
        let longest = (self.span_ms / 8).clamp(100, 30 * SECOND);
        match self.rolls.up_to(2) {
            0 => longest,
            1 => self.rolls.between(longest / 10 + 1, longest),
            _ if self.is_world() => self.rolls.between(50, longest),
            _ => self.rolls.between(400, 1_200),
        }
    }

    fn retry(&mut self) -> Retry {
        let span_ms = self.span_ms;
        let rolls = &mut self.rolls;
        let delays = if rolls.percent(50) {
            let first_ms = rolls.between(1, (span_ms / 200).max(2));
            Delays::Exponential {
                first_ms,
                factor: *rolls.pick(&[1.0, 1.5, 2.0, 3.0, 10.0]).unwrap_or(&2.0),
                cap_ms: first_ms * rolls.between(1, 40),
                retries: number(rolls.up_to(7)),
            }
        } else {
            let most = rolls.up_to(6);
            Delays::Listed((0..most).map(|_| rolls.up_to(span_ms / 30)).collect())
        };
        Retry {
            delays,
            jitter_percent: *rolls.pick(&[0, 20, 20, 50, 100]).unwrap_or(&20),
            retry_after_max_ms: rolls.up_to(span_ms / 10),
            also_retry: if rolls.percent(30) {
                Vec::new()
            } else {
                vec![408, 425, 429]
            },
        }
    }

    fn disk(&mut self) -> Disk {
        let real = self.has_real_store();
        let rolls = &mut self.rolls;
        let (write_max_ms, sync_max_ms) = match rolls.up_to(3) {
            0 => (0, 0),
            1 => (1, 3),
            _ => (
                rolls.up_to(20),
                rolls.up_to(if self.tier == Tier::World { 200 } else { 40 }),
            ),
        };
        Disk {
            write_max_ms,
            sync_max_ms,
            real,
        }
    }

    /// Drawn apart from all the rest: the other runs know nothing of it.
    fn has_real_store(&self) -> bool {
        let mut rolls = self.chance.of("real store", 0, 0);
        rolls.percent(if self.is_world() { 5 } else { 40 })
    }

    fn mono_permille(&mut self) -> u64 {
        if !self.is_world() || self.rolls.percent(70) {
            1_000
        } else {
            self.rolls.between(990, 1_010)
        }
    }

    fn alarm_late_max_ms(&self) -> u64 {
        let mut rolls = self.chance.of("late alarms", 0, 0);
        let late_ms = rolls.between(1, 2);
        u64::from(self.is_world() && rolls.percent(25)) * late_ms
    }

    fn end(&mut self, endpoints: &[EndpointPlan], workload: &[Step]) -> End {
        let dead = (0..self.receivers)
            .filter(|_| self.rolls.percent(15))
            .collect();
        let changed = workload.iter().filter_map(|step| match &step.act {
            Act::Change(_, spec) => Some(&**spec),
            _ => None,
        });
        End {
            healed_at_ms: self.span_ms,
            dead,
            within_ms: End::bound_ms(endpoints.iter().chain(changed), workload.len()),
        }
    }
}

impl End {
    /// A bound on the time in which a healed world comes to rest: the longest wait that is under
    /// way, and then everything one after the other, each as slow as it may be.
    #[must_use]
    pub fn bound_ms<'a>(endpoints: impl Iterator<Item = &'a EndpointPlan>, steps: usize) -> u64 {
        let mut waits_ms = 0;
        let mut each_ms = 2_000;
        let mut count = 1;
        for endpoint in endpoints {
            let policy = endpoint.retry.policy();
            let delay_ms = u64::try_from(policy.delay_max().as_millis()).unwrap_or(u64::MAX);
            let cooldown_ms = endpoint
                .breaker
                .map_or(0, |it| it.cooldown_ms.max(it.cooldown_max_ms));
            waits_ms = (delay_ms + cooldown_ms).max(waits_ms);
            let rate_ms = endpoint.rate.map_or(0, |rate| rate.per_ms);
            each_ms = (endpoint.timeout_ms + rate_ms).max(each_ms);
            count += 1;
        }
        2 * waits_ms + each_ms * (steps as u64 + 8) * count
    }
}

fn retry_after(rolls: &mut Rolls) -> String {
    match rolls.up_to(11) {
        10 => "Sunday, 06-Nov-94 08:49:37 GMT".to_owned(),
        11 => "Thu Jan  2 00:00:00 2025".to_owned(),
        0 => "inf".to_owned(),
        1 => "-5".to_owned(),
        2 => "NaN".to_owned(),
        3 => "Fri, 31 Dec 9999 23:59:59 GMT".to_owned(),
        4 => "Wed, 21 Oct 2015 07:28:00 GMT".to_owned(),
        5 => "99999999999999999999999".to_owned(),
        6 => "1.5".to_owned(),
        _ => rolls.up_to(7_200).to_string(),
    }
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn number(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn small(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn small_weight(value: u64) -> u32 {
    number(value)
}
