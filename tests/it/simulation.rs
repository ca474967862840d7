//! `postrider-sim`, run as a user would: the same seed is the same run, a broken promise is made
//! small and replays, and what is wrong is said.

use crate::programs::program;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The keys of the JSON object of `run` and `replay`, in alphabetical order.
const KEYS_OF_RUN: [&str; 11] = [
    "attempts",
    "delivered",
    "events",
    "failed",
    "ok",
    "seed",
    "simulated_ms",
    "tier",
    "trace_hash",
    "violation",
    "wall_ms",
];

/// Those of `sweep`.
const KEYS_OF_SWEEP: [&str; 8] = [
    "attempts",
    "coverage",
    "failures",
    "seeds",
    "seeds_per_minute",
    "simulated_hours_per_cpu_second",
    "simulated_ms",
    "wall_ms",
];

/// Seeds that are tried until one of them finds a planted bug.
const SEEDS: &str = "0..12";

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs it in this directory.
fn sim_in(directory: &Path, args: &[&str]) -> Said {
    let mut command = Command::new(program("postrider-sim"));
    let output = command.args(args).current_dir(directory).output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn sim(args: &[&str]) -> Said {
    sim_in(Path::new(env!("CARGO_TARGET_TMPDIR")), args)
}

/// A directory of its own, and empty.
fn empty(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("simulation")
        .join(name);
    // It is there if the tests have run before.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

impl Said {
    /// The JSON object on the last line.
    fn object(&self) -> Map<String, Value> {
        let last = self.out.lines().last();
        let last = last.unwrap_or_else(|| panic!("{self:?}"));
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[test]
fn a_seed_is_a_run_and_another_seed_is_another() {
    let hash = |seed| {
        let said = sim(&["run", "--seed", seed, "--json"]);
        assert_eq!((said.code, &*said.err), (Some(0), ""), "{said:?}");
        said.object()["trace_hash"].clone()
    };
    assert_eq!(hash("5"), hash("5"));
    assert_ne!(hash("5"), hash("6"));
}

#[test]
fn a_run_tells_programs_what_is_promised_and_no_more() {
    let said = sim(&["run", "--json", "--seed", "5"]);
    let object = said.object();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(object.keys().collect::<Vec<_>>(), KEYS_OF_RUN);
    assert_eq!((&object["seed"], &object["ok"]), (&5.into(), &true.into()));
    assert_eq!(object["violation"], Value::Null);
    assert!(object["events"].as_u64() > Some(0), "{object:?}");
    assert_eq!(object["trace_hash"].as_str().map(str::len), Some(64));
}

#[test]
fn a_sweep_is_the_sum_of_its_runs() {
    let said = sim(&["sweep", "--seeds", "3..6", "--jobs", "2", "--json"]);
    let object = said.object();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(object.keys().collect::<Vec<_>>(), KEYS_OF_SWEEP);
    assert_eq!(object["seeds"], 3);
    assert_eq!(object["failures"], Value::Array(Vec::new()));
    for name in ["attempts", "simulated_ms"] {
        let sum: u64 = ["3", "4", "5"]
            .iter()
            .filter_map(|seed| sim(&["run", "--seed", seed, "--json"]).object()[name].as_u64())
            .sum();
        assert_eq!(object[name], sum, "{name}");
    }
}

#[test]
fn a_trace_that_is_asked_for_is_written_and_does_not_change_the_run() {
    let directory = empty("trace");
    let plain = sim_in(&directory, &["run", "--seed", "5", "--json"]).object();
    let traced = [
        "run", "--seed", "5", "--json", "--trace", "t.txt", "--html", "t.html",
    ];
    let traced = sim_in(&directory, &traced).object();
    assert_eq!(plain["trace_hash"], traced["trace_hash"]);
    let trace = fs::read_to_string(directory.join("t.txt")).unwrap();
    assert!(trace.lines().count() > 10, "{trace}");
    let page = fs::read_to_string(directory.join("t.html")).unwrap();
    assert!(page.contains("<html"), "no page");
}

#[test]
fn fresh_processes_write_the_same_trace() {
    let said = sim(&["meta", "--seed", "5", "--tier", "world", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.object()["ok"], true);
}

#[test]
fn a_planted_bug_is_found_made_small_and_replays() {
    let directory = empty("bug");
    let bug = ["--bug", "ignore-order", "--json"];
    let swept = sim_in(
        &directory,
        &[&["sweep", "--seeds", SEEDS][..], &bug].concat(),
    );
    assert_eq!(swept.code, Some(1), "{swept:?}");
    let object = swept.object();
    let failure = &object["failures"][0];
    let promise = &failure["violation"]["promise"];

    let shrunk = format!("failures/{}/shrunk.json", failure["seed"]);
    let replay = format!("replay {shrunk} --bug ignore-order");
    let told = failure["replay"].as_str().unwrap();
    assert_eq!(
        told,
        format!("cargo run --release -p postrider-sim -- {replay}")
    );
    for name in ["plan.json", "trace.txt", "report.html"] {
        let path = shrunk.replace("shrunk.json", name);
        assert!(directory.join(&path).exists(), "{path}");
    }
    let plan = fs::read_to_string(directory.join(&shrunk)).unwrap();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert!(plan["workload"].as_array().unwrap().len() <= 3, "{plan}");
    assert!(plan["faults"].as_array().unwrap().len() <= 1, "{plan}");

    let broken = sim_in(&directory, &[&["replay", &shrunk][..], &bug].concat());
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert_eq!(&broken.object()["violation"]["promise"], promise);
    // It was the bug, and nothing else.
    let sound = sim_in(&directory, &["replay", &shrunk, "--json"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
}

#[test]
fn the_real_store_keeps_its_word_on_failing_disks() {
    let said = sim(&["crash-points", "--points", "64", "--json"]);
    let object = said.object();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(object["points"].as_u64() >= Some(64), "{object:?}");
    assert_eq!(object["broken"], Value::Array(Vec::new()));
}

#[test]
fn every_cheat_with_the_real_store_is_found_out() {
    for cheat in ["sync-less", "acknowledge-first", "lying-disk"] {
        let said = sim(&["teeth", "--only", cheat, "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let object = said.object();
        let bite = &object["bites"][0];
        assert_eq!(object["caught"], 1, "{object:?}");
        assert_eq!(bite["caught"]["promise"], "store", "{object:?}");
    }
}

#[test]
fn a_crash_point_that_fails_fails_again_alone() {
    let cheat = ["--cheat", "lying-disk", "--json"];
    let swept = sim(&[&["crash-points", "--points", "200"][..], &cheat].concat());
    assert_eq!(swept.code, Some(1), "{swept:?}");
    let broken = swept.object()["broken"][0].clone();
    let (seed, point) = (broken["seed"].to_string(), broken["point"].to_string());
    let alone = ["crash-points", "--seed", &seed, "--point", &point];
    let again = sim(&[&alone[..], &cheat].concat());
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(again.object()["broken"][0], broken);
}

#[test]
fn a_file_that_is_no_plan_is_refused_for_what_is_wrong_with_it() {
    let directory = empty("plans");
    fs::write(directory.join("text.json"), "not a plan").unwrap();
    fs::write(directory.join("other.json"), r#"{"version": 1, "seed": 1}"#).unwrap();
    let cases = [
        ("text.json", "text.json is not a plan: expected"),
        ("other.json", "other.json is not a plan: missing field"),
        ("gone.json", "gone.json: No such file"),
    ];
    for (file, expected) in cases {
        for command in ["replay", "shrink"] {
            let said = sim_in(&directory, &[command, file]);
            assert_eq!((said.code, &*said.out), (Some(2), ""), "{said:?}");
            let expected = format!("postrider-sim: {expected}");
            assert!(said.err.starts_with(&expected), "{said:?}");
        }
    }
}

#[test]
fn bad_usage_is_said_and_is_no_verdict() {
    let cases: [(&[&str], &str); 5] = [
        (&["sweep", "--seeds", "7..3"], "no seed is in it"),
        (&["sweep", "--seeds", "7"], "two dots between them"),
        (&["run", "--seed", "x"], "invalid value 'x'"),
        (
            &["run", "--seed", "1", "--bug", "none"],
            "no bug has this name",
        ),
        (&["ci", "--commit", "HEAD"], "`HEAD` is no commit"),
    ];
    for (args, expected) in cases {
        let said = sim(args);
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{said:?}");
        assert!(said.err.contains(expected), "{said:?}");
    }
}
