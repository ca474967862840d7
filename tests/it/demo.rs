//! `postrider demo`, run as a user would: the shipped program, real sockets, every promise.

use crate::programs::program;
use serde_json::{Map, Value};
use std::process::{Command, Output};

/// The keys of the JSON object, in alphabetical order.
const KEYS: [&str; 10] = [
    "accepted",
    "attempts",
    "delivered",
    "elapsed_ms",
    "failed_exhausted",
    "failed_rejected",
    "invalid_signatures",
    "lost",
    "order_violations",
    "pending",
];

fn demo(args: &[&str]) -> Output {
    let mut command = Command::new(program("postrider"));
    command.arg("demo").args(args).output().unwrap()
}

/// The counts of a small run with every behaviour twice, which must have kept all promises.
fn counts(seed: &str) -> Map<String, Value> {
    let output = demo(&[
        "--json",
        "--events",
        "240",
        "--endpoints",
        "12",
        "--seed",
        seed,
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn a_run_keeps_every_promise_and_says_so_in_json() {
    let counts = counts("1");
    assert_eq!(counts.keys().collect::<Vec<_>>(), KEYS);
    let count = |name: &str| counts[name].as_u64().unwrap();
    for broken in ["pending", "order_violations", "invalid_signatures", "lost"] {
        assert_eq!(count(broken), 0, "{broken}");
    }
    let failed = count("failed_rejected") + count("failed_exhausted");
    assert_eq!(count("accepted"), 240);
    assert_eq!(count("delivered") + failed, 240);
    assert!(
        count("failed_rejected") > 0 && count("failed_exhausted") > 0,
        "{counts:?}"
    );
    // Whatever was exhausted took six attempts, whatever was rejected one.
    assert!(
        count("attempts") >= 240 + 5 * count("failed_exhausted"),
        "{counts:?}"
    );
}

#[test]
fn the_seed_decides_what_goes_wrong() {
    let rejected = |seed| counts(seed)["failed_rejected"].as_u64();
    let troubles = |seed| {
        let counts = counts(seed);
        [
            &counts["failed_rejected"],
            &counts["failed_exhausted"],
            &counts["attempts"],
        ]
        .map(Value::as_u64)
    };
    assert_eq!(rejected("2"), rejected("2"));
    assert_ne!(troubles("2"), troubles("3"));
}

#[test]
fn the_report_for_people_checks_every_promise() {
    let output = demo(&["--events", "120", "--endpoints", "6", "--seed", "4"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    for promise in [
        "✓ nothing lost: 120 accepted = ",
        "✓ in order: ",
        "✓ signed: ",
        "✓ no repeat without a reason: ",
        "✓ one event for one idempotency key: ",
        "✓ shut down with 0 pending",
    ] {
        assert!(stdout.contains(promise), "{promise}\n{stdout}");
    }
    for behaviour in ["behave", "storm", "refuse", "reject", "hang", "exhaust"] {
        let row = |line: &str| line.starts_with(&format!("{behaviour} "));
        assert!(stdout.lines().any(row), "{behaviour}\n{stdout}");
    }
    assert!(!stdout.contains('✗') && stdout.lines().all(|line| line.chars().count() <= 100));
    assert!(stdout.contains(&format!(
        "Again:    {} demo --events 120 --endpoints 6 --seed 4",
        program("postrider").display()
    )));
}

#[test]
fn more_endpoints_than_events_and_a_single_event_are_no_special_cases() {
    for (events, endpoints) in [("1", "1"), ("5", "12")] {
        let output = demo(&["--json", "--events", events, "--endpoints", endpoints]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(counts["accepted"].to_string(), events);
    }
}
