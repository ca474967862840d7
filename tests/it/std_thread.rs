//! The engine is bound to no runtime: `engine/examples/std_thread.rs` runs it on plain threads.

use crate::programs::program;
use std::process::Command;

#[test]
fn the_engine_runs_on_plain_threads() {
    let output = Command::new(program("examples/std_thread"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaint}");
    // What follows `label` in each line about such a fact.
    let told = |fact: &str, label: &str| -> Vec<String> {
        let facts = said
            .lines()
            .filter(|line| line.contains(&format!(" {fact} {{")));
        let values = facts.filter_map(|line| line.split_once(label));
        values
            .filter_map(|(_, rest)| Some(rest.split([',', ' ']).next()?.to_owned()))
            .collect()
    };
    let accepted = told("Accepted", "event: ");
    assert_eq!(accepted.len(), 3, "{said}");
    assert_eq!(told("Delivered", "event: "), accepted, "{said}");
    let results = ["Status(500)", "Status(200)", "Status(200)", "Status(200)"];
    assert_eq!(told("AttemptEnded", "result: "), results, "{said}");
    assert!(
        said.ends_with("3 events in order, signatures verified\n"),
        "{said}"
    );
}

#[test]
fn the_engine_brings_no_async_runtime_along() {
    const RUNTIMES: &[&str] = &[
        "async-executor",
        "async-io",
        "async-std",
        "futures",
        "hyper",
        "mio",
        "smol",
        "tokio",
    ];
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "postrider-engine", "--prefix", "none"])
        .args(["--edges", "normal,build,dev"])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let packages = || tree.lines().filter_map(|line| line.split(' ').next());
    assert!(
        packages().any(|package| package == "postrider-signature"),
        "{tree}"
    );
    let is_runtime = |package: &&str| {
        RUNTIMES
            .iter()
            .any(|runtime| package == runtime || package.starts_with(&format!("{runtime}-")))
    };
    assert_eq!(packages().find(is_runtime), None, "{tree}");
}
