//! Plans from seeds, by swarm testing: each seed switches kinds of faults and of workload on or
//! off and draws its own weights, so that no two runs try the same mixture (Groce, Zhang, Eide,
//! Chen and Regehr, "Swarm Testing", 2012).

use super::{
    Act, Answer, Bounds, Breaker, Delays, Disk, End, EndpointPlan, Fault, FaultKind, Plan, Publish,
    Rate, Receiver, Retry, Step, Tier, To, VERSION, Weighted, When,
};
use crate::chance::{Chance, Rolls};

/// What one seed draws from.
struct Swarm {
    rolls: Rolls,
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
        let mut swarm = Swarm::new(Chance::new(seed).of(purpose, 0, 0), tier);
        let receivers: Vec<Receiver> = (0..swarm.receivers).map(|_| swarm.receiver()).collect();
        let endpoints: Vec<EndpointPlan> = (0..swarm.endpoints)
            .map(|number| swarm.endpoint(number))
            .collect();
        let workload = swarm.workload(&endpoints);
        let faults = swarm.faults();
        let bounds = swarm.bounds();
        let disk = swarm.disk();
        let end = swarm.end(&endpoints, &workload);
        Self {
            version: VERSION,
            seed,
            tier,
            story: String::new(),
            bounds,
            receivers,
            endpoints,
            workload,
            faults,
            disk,
            mono_permille: swarm.mono_permille(),
            end,
        }
    }
}

impl Swarm {
    fn new(mut rolls: Rolls, tier: Tier) -> Self {
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
            rolls.between(100, 420)
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
            rolls,
            tier,
        }
    }

    fn is_world(&self) -> bool {
        self.tier == Tier::World
    }

    fn receiver(&mut self) -> Receiver {
        let latency_min_ms = self.rolls.up_to(20);
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
        let rolls = &mut self.rolls;
        match rolls.up_to(24) {
            0..=3 => Answer::Status(500),
            4 => Answer::Status(503),
            5 => Answer::Status(*rolls.pick(&[400, 401, 404, 409, 422]).unwrap_or(&400)),
            6 => Answer::Status(429),
            7 => Answer::Status(*rolls.pick(&[301, 302, 307]).unwrap_or(&302)),
            8 if rolls.percent(60) => Answer::Status(410),
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
                vec![408, 425, 429]
            } else {
                Vec::new()
            },
        }
    }

    fn workload(&mut self, endpoints: &[EndpointPlan]) -> Vec<Step> {
        let mut steps: Vec<Step> = (0..self.events)
            .map(|content| self.publish(content))
            .collect();
        if self.once_percent > 0 {
            self.repeat(&mut steps);
        }
        self.administrate(&mut steps, endpoints);
        // Stable: what is at the same time keeps its order.
        steps.sort_by_key(|step| step.at_ms);
        steps
    }

    /// What administrators do; much of it while the requests of an event are under way.
    fn administrate(&mut self, steps: &mut Vec<Step>, endpoints: &[EndpointPlan]) {
        let published = steps.clone();
        let changes = match self.rolls.up_to(9) {
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
        for _ in 0..with_key.len().min(12) {
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
                let path = 100 + number_of(endpoints.len()) + self.rolls.up_to(99) as u32;
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

    fn down_max_ms(&self) -> u64 {
        (self.span_ms / 30).clamp(200, HOUR)
    }

    fn faults(&mut self) -> Vec<Fault> {
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
            let Some(kind) = self.rolls.pick(&on).copied() else {
                break;
            };
            // What hits a single request comes in numbers.
            let times = if SINGLE.contains(&kind) {
                self.rolls.between(1, 12)
            } else {
                1
            };
            drawn.extend((0..times).map(|_| self.fault(kind)));
        }
        drawn
    }

    fn fault(&mut self, kind: u64) -> Fault {
        let down_ms = self.rolls.up_to(self.down_max_ms());
        let for_ms = self.rolls.between(1, (self.span_ms / 6).max(2));
        let receiver = index(self.rolls.up_to(self.receivers as u64 - 1));
        let at = When::At(self.rolls.up_to(self.span_ms));
        let counted = self.rolls.percent(50);
        let commit = When::Commit(self.rolls.between(1, 3 * self.events));
        let request = When::Request(self.rolls.between(1, 2 * self.events));
        let response = When::Response(self.rolls.between(1, 2 * self.events));
        let or_at = |when| if counted { when } else { at };
        let fault = |when, kind| Fault { when, kind };
        match kind {
            0 => fault(or_at(commit), FaultKind::Kill { down_ms }),
            1 => fault(or_at(commit), FaultKind::PowerLoss { down_ms }),
            2 => {
                let wholly = self.rolls.percent(30);
                fault(
                    or_at(commit),
                    FaultKind::DiskFull {
                        for_ms: for_ms / 2,
                        wholly,
                    },
                )
            }
            3 => fault(or_at(commit), FaultKind::WriteError { down_ms }),
            4 => {
                let load = When::Load(self.rolls.between(1, self.events));
                fault(or_at(load), FaultKind::ReadError { down_ms })
            }
            5 => {
                let add_ms = self.rolls.up_to(2 * SECOND);
                fault(at, FaultKind::SlowDisk { for_ms, add_ms })
            }
            6 => {
                let by = self
                    .rolls
                    .pick(&[SECOND, HOUR, HOUR, DAY])
                    .copied()
                    .unwrap_or(HOUR);
                let by_ms = i64::try_from(self.rolls.up_to(by)).unwrap_or(0);
                let by_ms = if self.rolls.percent(50) {
                    by_ms
                } else {
                    -by_ms
                };
                fault(or_at(commit), FaultKind::WallJump { by_ms })
            }
            7 => {
                let add_ms = self.rolls.up_to(if self.is_world() {
                    40 * SECOND
                } else {
                    2 * SECOND
                });
                fault(
                    at,
                    FaultKind::Latency {
                        receiver,
                        for_ms,
                        add_ms,
                    },
                )
            }
            8 => fault(
                or_at(request),
                FaultKind::ReceiverCrash {
                    receiver,
                    down_ms: for_ms,
                },
            ),
            9 => fault(or_at(response), FaultKind::LoseResponse),
            10 => {
                let by_ms = self.rolls.up_to(if self.is_world() {
                    60 * SECOND
                } else {
                    3 * SECOND
                });
                fault(or_at(response), FaultKind::DelayResponse { by_ms })
            }
            11 => fault(or_at(response), FaultKind::ResetResponse),
            12 => fault(or_at(request), FaultKind::Panic),
            13 => fault(or_at(request), FaultKind::Forget),
            14 => fault(or_at(request), FaultKind::RepeatOutcome),
            _ => {
                let timeout_ms = (self.span_ms / 8).clamp(100, 30 * SECOND);
                let answer = self.answer(timeout_ms);
                let percent = small(*self.rolls.pick(&[100, 100, 80, 40]).unwrap_or(&100));
                fault(
                    or_at(request),
                    FaultKind::Storm {
                        receiver,
                        for_ms,
                        percent,
                        answer,
                    },
                )
            }
        }
    }

    fn bounds(&mut self) -> Bounds {
        let rolls = &mut self.rolls;
        if rolls.percent(35) {
            return Bounds::default();
        }
        let attempts_max = index(rolls.between(16, 200));
        let window_bytes_endpoint_max = index(rolls.between(300, 8_000));
        Bounds {
            attempts_max,
            attempts_failing_max: index(rolls.between(2, attempts_max as u64 / 2)),
            window_deliveries_max: index(rolls.between(1, 16)),
            window_bytes_endpoint_max,
            window_bytes_max: window_bytes_endpoint_max * index(rolls.between(1, 6)),
            pending_deliveries_max: if rolls.percent(30) {
                rolls.between(20, 200)
            } else {
                1_000_000
            },
            commits_in_flight_max: index(rolls.between(20, 2_000)),
        }
    }

    fn disk(&mut self) -> Disk {
        let rolls = &mut self.rolls;
        match rolls.up_to(3) {
            0 => Disk {
                write_max_ms: 0,
                sync_max_ms: 0,
            },
            1 => Disk {
                write_max_ms: 1,
                sync_max_ms: 3,
            },
            _ => Disk {
                write_max_ms: rolls.up_to(20),
                sync_max_ms: rolls.up_to(if self.tier == Tier::World { 200 } else { 40 }),
            },
        }
    }

    fn mono_permille(&mut self) -> u64 {
        if !self.is_world() || self.rolls.percent(70) {
            1_000
        } else {
            self.rolls.between(990, 1_010)
        }
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

/// How many kinds of faults [`Swarm::fault`] knows; storms have half of the places.
const KINDS: u64 = 26;

/// Those that hit a single request.
const SINGLE: std::ops::RangeInclusive<u64> = 9..=14;

fn retry_after(rolls: &mut Rolls) -> String {
    match rolls.up_to(9) {
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

fn number_of(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn small(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn small_weight(value: u64) -> u32 {
    number(value)
}
