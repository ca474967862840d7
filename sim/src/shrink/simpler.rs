//! Says the same in simpler words: plain answers, no retries, small payloads.

use super::Search;
use super::removal::endpoint_of;
use crate::checker::Violation;
use crate::plan::{
    Act, Answer, Bounds, Delays, EndpointPlan, Fault, FaultKind, Plan, Publish, Receiver, Step, To,
    Weighted,
};
use std::collections::BTreeMap;
use std::ops::Range;

/// A simpler word for something.
#[derive(Clone, Copy)]
enum Edit {
    Plan(fn(&mut Plan)),
    Receiver(usize, fn(&mut Receiver)),
    /// One answer alone.
    Answer(usize, usize),
    Endpoint(usize, fn(&mut EndpointPlan)),
    Step(usize, fn(&mut Step)),
    /// The step goes to this endpoint.
    Aim(usize, usize),
    /// The step changes nothing of the endpoint but what this leaves.
    Unchange(usize, fn(&mut EndpointPlan, &EndpointPlan)),
    Fault(usize, fn(&mut Fault)),
}

const OF_PLAN: &[fn(&mut Plan)] = &[
    |plan| plan.bounds = Bounds::default(),
    |plan| {
        plan.disk.write_max_ms = 0;
        plan.disk.sync_max_ms = 0;
    },
    |plan| plan.mono_permille = 1_000,
    |plan| plan.alarm_late_max_ms = 0,
    |plan| plan.client = None,
    |plan| {
        if let Some(client) = &mut plan.client {
            client.keeps_connections = false;
        }
    },
    one_tenant,
    few_contents,
    few_keys,
];

const OF_BOUNDS: &[fn(&mut Plan)] = &[
    |plan| plan.bounds.attempts_max = Bounds::default().attempts_max,
    |plan| plan.bounds.attempts_failing_max = Bounds::default().attempts_failing_max,
    |plan| plan.bounds.window_deliveries_max = Bounds::default().window_deliveries_max,
    |plan| plan.bounds.window_bytes_max = Bounds::default().window_bytes_max,
    |plan| plan.bounds.window_bytes_endpoint_max = Bounds::default().window_bytes_endpoint_max,
    |plan| plan.bounds.pending_deliveries_max = Bounds::default().pending_deliveries_max,
    |plan| plan.bounds.commits_in_flight_max = Bounds::default().commits_in_flight_max,
    |plan| plan.bounds.pending_bytes_max = Bounds::default().pending_bytes_max,
    |plan| plan.bounds.commit_bytes_max = Bounds::default().commit_bytes_max,
    |plan| plan.bounds.endpoints_max = Bounds::default().endpoints_max,
    |plan| plan.bounds.store.deliveries_max = Bounds::default().store.deliveries_max,
    |plan| plan.bounds.store.payload_bytes_max = Bounds::default().store.payload_bytes_max,
    |plan| plan.bounds.store.ended_max = Bounds::default().store.ended_max,
];

const OF_RECEIVER: &[fn(&mut Receiver)] = &[
    |receiver| {
        receiver.latency_min_ms = 0;
        receiver.latency_max_ms = 0;
    },
    |receiver| receiver.latency_max_ms = receiver.latency_min_ms,
    |receiver| {
        receiver.answers = vec![Weighted {
            answer: Answer::Status(200),
            weight: 1,
        }];
    },
];

const OF_ENDPOINT: &[fn(&mut EndpointPlan)] = &[
    |endpoint| endpoint.path = 0,
    |endpoint| endpoint.kinds.clear(),
    |endpoint| endpoint.fifo = true,
    |endpoint| endpoint.stop_on_failed = false,
    |endpoint| endpoint.batch = None,
    |endpoint| endpoint.rate = None,
    |endpoint| endpoint.breaker = None,
    |endpoint| endpoint.disable_after_ms = None,
    |endpoint| endpoint.headers.clear(),
    |endpoint| endpoint.retry.jitter_percent = 0,
    |endpoint| endpoint.retry.also_retry.clear(),
    |endpoint| endpoint.retry.delays = Delays::Listed(Vec::new()),
    |endpoint| retries_at_most(endpoint, 1),
    |endpoint| retries_at_most(endpoint, 2),
    |endpoint| retries_at_most(endpoint, 4),
    |endpoint| {
        if let Delays::Exponential { factor, .. } = &mut endpoint.retry.delays {
            *factor = 1.0;
        }
    },
];

const OF_STEP: &[fn(&mut Step)] = &[
    |step| of_publish(step, |publish| publish.bytes = 24),
    |step| of_publish(step, |publish| publish.api = false),
    |step| of_publish(step, |publish| publish.once = None),
    |step| of_publish(step, |publish| publish.key = None),
    |step| of_publish(step, |publish| publish.kind = 0),
];

/// What a change of an endpoint may leave as it is.
const OF_CHANGE: &[fn(&mut EndpointPlan, &EndpointPlan)] = &[
    |to, from| to.receiver = from.receiver,
    |to, from| to.path = from.path,
    |to, from| to.kinds.clone_from(&from.kinds),
    |to, from| to.fifo = from.fifo,
    |to, from| to.stop_on_failed = from.stop_on_failed,
    |to, from| to.timeout_ms = from.timeout_ms,
    |to, from| to.retry.clone_from(&from.retry),
    |to, from| to.concurrency = from.concurrency,
    |to, from| to.batch = from.batch,
    |to, from| to.rate = from.rate,
    |to, from| to.breaker = from.breaker,
    |to, from| to.disable_after_ms = from.disable_after_ms,
    |to, from| to.headers.clone_from(&from.headers),
    |to, from| {
        // What does not count in a change.
        to.tenant = from.tenant;
        to.at_ms = from.at_ms;
    },
];

const OF_FAULT: &[fn(&mut Fault)] = &[
    |fault| {
        if let FaultKind::Storm { percent, .. } = &mut fault.kind {
            *percent = 100;
        }
    },
    |fault| {
        if let FaultKind::Storm { answer, .. } = &mut fault.kind {
            *answer = Answer::Status(500);
        }
    },
    |fault| {
        if let FaultKind::PowerLoss { down_ms } = fault.kind {
            fault.kind = FaultKind::Kill { down_ms };
        }
    },
    |fault| {
        if let FaultKind::DiskFull { wholly, .. } = &mut fault.kind {
            *wholly = false;
        }
    },
];

impl Edit {
    fn apply(self, plan: &mut Plan) {
        match self {
            Self::Plan(edit) => edit(plan),
            Self::Receiver(place, edit) => edit(&mut plan.receivers[place]),
            Self::Answer(place, answer) => {
                let answers = &mut plan.receivers[place].answers;
                if answer < answers.len() {
                    *answers = vec![answers.swap_remove(answer)];
                    answers[0].weight = 1;
                }
            }
            Self::Endpoint(place, edit) => edit(&mut plan.endpoints[place]),
            Self::Step(place, edit) => edit(&mut plan.workload[place]),
            Self::Aim(place, endpoint) => match &mut plan.workload[place].act {
                Act::Publish(publish) => publish.to = To::Endpoint(endpoint),
                act => {
                    if let Some(number) = endpoint_of(act) {
                        *number = endpoint;
                    }
                }
            },
            Self::Unchange(place, edit) => {
                if let Act::Change(number, to) = &mut plan.workload[place].act
                    && let Some(from) = plan.endpoints.get(*number)
                {
                    edit(to, from);
                }
            }
            Self::Fault(place, edit) => edit(&mut plan.faults[place]),
        }
    }

    /// Whether it makes another plan of this one. `scratch` is equal to `plan` before and after.
    fn changes(self, plan: &Plan, scratch: &mut Plan) -> bool {
        self.apply(scratch);
        match self {
            Self::Receiver(place, _) | Self::Answer(place, _) => {
                let changed = scratch.receivers[place] != plan.receivers[place];
                scratch.receivers[place].clone_from(&plan.receivers[place]);
                changed
            }
            Self::Endpoint(place, _) => {
                let changed = scratch.endpoints[place] != plan.endpoints[place];
                scratch.endpoints[place].clone_from(&plan.endpoints[place]);
                changed
            }
            Self::Step(place, _) | Self::Aim(place, _) | Self::Unchange(place, _) => {
                let changed = scratch.workload[place] != plan.workload[place];
                scratch.workload[place].clone_from(&plan.workload[place]);
                changed
            }
            Self::Fault(place, _) => {
                let changed = scratch.faults[place] != plan.faults[place];
                scratch.faults[place].clone_from(&plan.faults[place]);
                changed
            }
            Self::Plan(_) => {
                let changed = scratch != plan;
                scratch.clone_from(plan);
                changed
            }
        }
    }
}

impl<F: FnMut(&Plan) -> Option<Violation>> Search<F> {
    /// All that can be said in simpler words: together, or in halves, or one by one.
    pub(super) fn simplify(&mut self) {
        self.edit(of_all);
        self.edit(|_| OF_BOUNDS.iter().copied().map(Edit::Plan).collect());
        self.edit(changes_of_endpoints);
        self.answer_alone();
        self.aim();
    }

    fn edit(&mut self, edits: fn(&Plan) -> Vec<Edit>) {
        self.try_all(edits(&self.best));
    }

    fn try_all(&mut self, mut edits: Vec<Edit>) {
        let mut scratch = self.best.clone();
        edits.retain(|edit| edit.changes(&self.best, &mut scratch));
        let apply = |plan: &mut Plan, range: Range<usize>| {
            edits[range].iter().for_each(|edit| edit.apply(plan));
        };
        self.halve(0..edits.len(), &apply, Self::offer);
    }

    /// Receivers that answer in several ways: in one of them.
    fn answer_alone(&mut self) {
        for place in 0..self.best.receivers.len() {
            let count = self.best.receivers[place].answers.len();
            for answer in (0..count).filter(|_| count > 1) {
                let mut candidate = self.best.clone();
                Edit::Answer(place, answer).apply(&mut candidate);
                if self.offer(candidate) {
                    break;
                }
            }
        }
    }

    /// Steps go to one endpoint: to the one that the subscription means, and to the first.
    fn aim(&mut self) {
        for endpoint in 0..self.best.endpoints.len() {
            let tenant = self.best.endpoints[endpoint].tenant;
            let steps = self.best.workload.iter().enumerate();
            let aims = steps.filter(|(_, step)| match &step.act {
                Act::Publish(publish) => match publish.to {
                    To::Endpoint(other) => other > endpoint,
                    To::Subscribers(subscribed) => subscribed == tenant,
                },
                act => endpoint_of(&mut act.clone()).is_some_and(|other| *other > endpoint),
            });
            let aims = aims.map(|(place, _)| Edit::Aim(place, endpoint)).collect();
            self.try_all(aims);
        }
        if let Some(first) = self.best.endpoints.first().map(|first| first.receiver) {
            let mut candidate = self.best.clone();
            for endpoint in &mut candidate.endpoints {
                endpoint.receiver = first;
            }
            self.offer(candidate);
        }
    }
}

fn of_all(plan: &Plan) -> Vec<Edit> {
    let mut edits: Vec<Edit> = OF_PLAN.iter().copied().map(Edit::Plan).collect();
    let pairs = |count: usize, edits: usize| {
        // The strongest edit comes last: of those that are tried together, it is what stays.
        (0..count).flat_map(move |place| (0..edits).rev().map(move |edit| (place, edit)))
    };
    let receivers = pairs(plan.receivers.len(), OF_RECEIVER.len());
    edits.extend(receivers.map(|(place, edit)| Edit::Receiver(place, OF_RECEIVER[edit])));
    let endpoints = pairs(plan.endpoints.len(), OF_ENDPOINT.len());
    edits.extend(endpoints.map(|(place, edit)| Edit::Endpoint(place, OF_ENDPOINT[edit])));
    let steps = pairs(plan.workload.len(), OF_STEP.len());
    edits.extend(steps.map(|(place, edit)| Edit::Step(place, OF_STEP[edit])));
    let faults = pairs(plan.faults.len(), OF_FAULT.len());
    edits.extend(faults.map(|(place, edit)| Edit::Fault(place, OF_FAULT[edit])));
    edits
}

fn changes_of_endpoints(plan: &Plan) -> Vec<Edit> {
    let steps = plan.workload.iter().enumerate();
    let changes = steps.filter(|(_, step)| matches!(step.act, Act::Change(..)));
    let edits = changes.flat_map(|(place, _)| {
        let edits = OF_CHANGE.iter();
        edits.map(move |edit| Edit::Unchange(place, *edit))
    });
    edits.collect()
}

fn of_publish(step: &mut Step, edit: impl FnOnce(&mut Publish)) {
    if let Act::Publish(publish) = &mut step.act {
        edit(publish);
    }
}

/// Fewer retries, told one by one.
fn retries_at_most(endpoint: &mut EndpointPlan, most: usize) {
    let delays = &mut endpoint.retry.delays;
    match delays {
        Delays::Listed(delays) => delays.truncate(most),
        Delays::Exponential {
            first_ms,
            factor,
            cap_ms,
            retries,
        } if *retries as usize > most => {
            let mut next = *first_ms as f64;
            let mut listed = Vec::new();
            for _ in 0..most {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "delays are whole milliseconds, and no longer than the cap"
                )]
                listed.push((next as u64).min(*cap_ms));
                next *= *factor;
            }
            *delays = Delays::Listed(listed);
        }
        Delays::Exponential { .. } => (),
    }
}

/// Everything belongs to the first tenant.
fn one_tenant(plan: &mut Plan) {
    for endpoint in &mut plan.endpoints {
        endpoint.tenant = 0;
    }
    for step in &mut plan.workload {
        of_publish(step, |publish| {
            if let To::Subscribers(tenant) = &mut publish.to {
                *tenant = 0;
            }
        });
    }
}

/// Contents are numbered 0, 1, 2, … as they first appear; what is equal stays equal.
fn few_contents(plan: &mut Plan) {
    let mut known = BTreeMap::new();
    for step in &mut plan.workload {
        of_publish(step, |publish| {
            let next = known.len() as u64;
            publish.content = *known.entry(publish.content).or_insert(next);
        });
    }
}

/// Ordering keys and idempotency keys are numbered in the same way.
fn few_keys(plan: &mut Plan) {
    let (mut keys, mut onces) = (BTreeMap::new(), BTreeMap::new());
    for step in &mut plan.workload {
        of_publish(step, |publish| {
            if let Some(key) = &mut publish.key {
                let next = u8::try_from(keys.len()).unwrap_or(*key);
                *key = *keys.entry(*key).or_insert(next);
            }
            if let Some(once) = &mut publish.once {
                let next = u32::try_from(onces.len()).unwrap_or(*once);
                *once = *onces.entry(*once).or_insert(next);
            }
        });
    }
}
