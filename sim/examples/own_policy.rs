//! A team that embeds Postrider tries its own retry policy, its own workload and a promise of its
//! own: `cargo run -p postrider-sim --example own_policy`. In a project of one's own the body of
//! `main` is a test.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program says what it found"
)]

use postrider_sim::book::Book;
use postrider_sim::plan::{Act, Answer, Delays, EndpointPlan, FaultKind, Publish, Step, To, When};
use postrider_sim::trace::{Line, What};
use postrider_sim::{Checker, Keep, Plan, Tier, World, checker};
use std::process::ExitCode;
use std::sync::Arc;

/// Our own promise: a merchant that is down for an hour has everything within two.
struct WithinTwoHours;

impl Checker for WithinTwoHours {
    fn promise(&self) -> &'static str {
        "within-two-hours"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        let What::Arrived { wire, .. } = &line.what else {
            return Ok(());
        };
        let since = book.deliveries.get(&wire.delivery).map(|it| it.since_ms);
        let waited_ms = line.at_ms - since.unwrap_or(line.at_ms);
        if waited_ms <= 2 * 3_600_000 {
            Ok(())
        } else {
            Err(format!("{} came after {waited_ms} ms", wire.delivery))
        }
    }
}

/// The plan of a seed, with our policy at every endpoint and our workload.
fn plan(seed: u64) -> Plan {
    let mut plan = Plan::generate(seed, Tier::World);
    plan.receivers.truncate(1);
    plan.receivers[0].answers.truncate(1);
    let mut endpoint = EndpointPlan::of(0);
    endpoint.breaker = None;
    // Every ten minutes, for as long as two hours.
    endpoint.retry.delays = Delays::Listed(vec![600_000; 12]);
    plan.endpoints = vec![endpoint];
    plan.workload = (0..50)
        .map(|content| Step {
            at_ms: 1_000 + content * 30_000,
            act: Act::Publish(Publish {
                to: To::Endpoint(0),
                kind: 0,
                key: None,
                content,
                bytes: 300,
                once: None,
                api: false,
            }),
        })
        .collect();
    plan.faults = vec![postrider_sim::plan::Fault {
        when: When::At(60_000),
        kind: FaultKind::Storm {
            receiver: 0,
            for_ms: 3_600_000,
            percent: 100,
            answer: Answer::Status(503),
        },
    }];
    plan.end.healed_at_ms = 4 * 3_600_000;
    plan.end.dead.clear();
    plan
}

fn main() -> ExitCode {
    for seed in 0..100 {
        let plan = Arc::new(plan(seed));
        let mut checkers = checker::all();
        checkers.push(Box::new(WithinTwoHours));
        let run = World::run(&plan, checkers, Keep::Nothing);
        if let Some(violation) = run.violation {
            eprintln!(
                "seed {seed}: {} broke: {}",
                violation.promise, violation.said
            );
            return ExitCode::FAILURE;
        }
    }
    println!("100 seeds: every promise held, ours too");
    ExitCode::SUCCESS
}
