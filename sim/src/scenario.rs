//! Storms that read as stories: plans with a name, and what must come of them besides the
//! promises.

mod answers;
mod edges;
mod endpoints;
mod not_now;
mod outages;
mod sender;
#[cfg(feature = "turmoil")]
mod untidy;

use crate::book::Book;
use crate::checker::Checker;
use crate::plan::{
    Act, Answer, Bounds, Disk, End, EndpointPlan, Fault, FaultKind, Plan, Publish, Receiver, Step,
    Tier, To, VERSION, Weighted, When,
};
use crate::trace::Line;
use postrider_engine::{DeliveryState, FailReason};

/// A story.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// It, in one sentence.
    pub story: &'static str,
    /// Where it plays.
    pub tier: Tier,
    /// Its plan for a seed.
    pub plan: fn(u64) -> Plan,
    /// What must hold at its end besides the promises.
    pub end: fn(&Book) -> Result<(), String>,
}

/// Every story.
#[must_use]
pub fn all() -> &'static [Scenario] {
    &[
        outages::THREE_DAYS,
        outages::SERVER_ERRORS,
        outages::FLAPPING_DNS,
        outages::DEAD_NEIGHBOURS,
        answers::TIMEOUT_EDGE,
        answers::REJECTIONS,
        answers::SLOW_DRIP,
        answers::HUNDRED_LANES,
        answers::ANSWERED_THEN_DARK,
        answers::GONE,
        answers::RETRY_AFTER,
        not_now::ONE_A_SECOND,
        not_now::NOT_NOW_STORM,
        #[cfg(feature = "turmoil")]
        untidy::HEADS,
        sender::POWER_LOSS,
        sender::SHUTDOWN,
        sender::WEEK_AT_THE_BOUND,
        sender::CLOCK_JUMPS,
        sender::DISK_FULL,
        sender::ROTATION,
        endpoints::PROBE,
        endpoints::JITTER,
        endpoints::SECRETS,
        endpoints::SHARE,
        sender::PATIENCE,
        sender::SAME_AGAIN,
        edges::SPECS,
        edges::RETRY_AFTER_FORMS,
    ]
}

/// The story of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Scenario> {
    all().iter().find(|scenario| scenario.name == name)
}

/// What must hold at the end of the story that a plan tells, if it tells one.
#[must_use]
pub fn expectation(plan: &Plan) -> Option<Box<dyn Checker>> {
    let scenario = named(&plan.story)?;
    Some(Box::new(Expectation(scenario)))
}

struct Expectation(&'static Scenario);

impl Checker for Expectation {
    fn promise(&self) -> &'static str {
        self.0.name
    }

    fn see(&mut self, _: &Line, _: &Book) -> Result<(), String> {
        Ok(())
    }

    fn end(&mut self, book: &Book) -> Result<(), String> {
        (self.0.end)(book)
    }
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A plan in which nothing goes wrong: so many receivers that answer 200, with an endpoint each
/// that has the engine's defaults.
fn calm(story: &str, seed: u64, receivers: usize) -> Plan {
    Plan {
        version: VERSION,
        seed,
        tier: Tier::World,
        story: story.to_owned(),
        bounds: Bounds::default(),
        receivers: vec![answering(Answer::Status(200)); receivers],
        endpoints: (0..receivers).map(EndpointPlan::of).collect(),
        client: None,
        workload: Vec::new(),
        faults: Vec::new(),
        disk: Disk {
            write_max_ms: 1,
            sync_max_ms: 4,
            real: false,
        },
        mono_permille: 1_000,
        alarm_late_max_ms: 0,
        end: End {
            healed_at_ms: HOUR,
            dead: Vec::new(),
            within_ms: 30 * DAY,
        },
    }
}

/// A receiver that always answers like this.
fn answering(answer: Answer) -> Receiver {
    Receiver {
        latency_min_ms: 5,
        latency_max_ms: 120,
        answers: vec![Weighted { answer, weight: 1 }],
    }
}

/// So many events to each endpoint, one every so many milliseconds, from the second second on.
fn publish_to_each(plan: &mut Plan, events: u64, every_ms: u64) {
    for number in 0..events {
        for endpoint in 0..plan.endpoints.len() {
            let at_ms = 2 * SECOND + number * every_ms + endpoint as u64 % every_ms.max(1);
            publish(plan, at_ms, To::Endpoint(endpoint), None);
        }
    }
    plan.workload.sort_by_key(|step| step.at_ms);
}

fn publish(plan: &mut Plan, at_ms: u64, to: To, key: Option<u8>) {
    let content = plan.workload.len() as u64;
    let event = Publish {
        to,
        kind: 0,
        key,
        content,
        bytes: 200,
        once: None,
        api: false,
    };
    let act = Act::Publish(event);
    plan.workload.push(Step { at_ms, act });
}

fn at(at_ms: u64, kind: FaultKind) -> Fault {
    let when = When::At(at_ms);
    Fault { when, kind }
}

/// For so long a receiver always answers like this.
fn storm(at_ms: u64, receiver: usize, for_ms: u64, answer: Answer) -> Fault {
    at(
        at_ms,
        FaultKind::Storm {
            receiver,
            for_ms,
            percent: 100,
            answer,
        },
    )
}

/// The receiver that a delivery goes to, as its endpoint was registered.
fn receiver_of(book: &Book, delivery: &crate::book::DeliveryPage) -> Option<usize> {
    let page = book.endpoints.get(&delivery.lane.endpoint)?;
    Book::receiver_of(&page.told.spec.url)
}

fn is_failed(state: DeliveryState, reason: FailReason) -> bool {
    state == DeliveryState::Failed(reason)
}

fn ensure(holds: bool, said: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(said()) }
}

/// Every delivery was delivered.
fn all_delivered(book: &Book) -> Result<(), String> {
    ensure(!book.deliveries.is_empty(), || {
        "nothing was published".to_owned()
    })?;
    for (id, delivery) in &book.deliveries {
        ensure(delivery.state == DeliveryState::Delivered, || {
            format!("{id} is {:?}", delivery.state)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn stories_have_names_of_their_own_and_their_plans_bear_them() {
        let names: BTreeSet<_> = all().iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all().len());
        for scenario in all() {
            assert_eq!((scenario.plan)(1).story, scenario.name);
            assert!(expectation(&(scenario.plan)(1)).is_some());
        }
    }

    #[test]
    fn plans_of_stories_read_back_as_they_were_written() {
        for scenario in all() {
            let plan = (scenario.plan)(7);
            let read: Plan = serde_json::from_str(&plan.to_json()).unwrap();
            assert_eq!(read, plan, "{}", scenario.name);
        }
    }
}
