//! The simulation's failure report in a real browser: offline, by mouse and by keys, in both
//! colour schemes, on a desk and on a phone. What is looked at is in `tests/browser/report.mjs`.

use crate::node::node;
use postrider_sim as sim;
use std::path::{Path, PathBuf};

#[path = "../../sim/src/report/tests/sample.rs"]
mod sample;

/// What an attempt's receiver could say at its worst.
const SAID: &str =
    "d2 was sent before d1 had ended </script><img src=x onerror=\"document.title='owned'\">";

/// The browser's script, on the report of this run.
fn look_at(name: &str, (plan, run): &(sim::Plan, sim::Run)) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&directory).unwrap();
    let report = directory.join(format!("{name}.html"));
    std::fs::write(&report, sim::report::html(plan, run)).unwrap();
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    assert!(
        browser.join("node_modules").is_dir(),
        "the browser's driver is not installed: `cargo xtask test` does it, or `npm ci` in tests/browser"
    );
    let looked = node()
        .arg(browser.join("report.mjs"))
        .arg(&report)
        .output()
        .expect("node runs: `cargo xtask test` installs it");
    assert!(
        looked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&looked.stdout),
        String::from_utf8_lossy(&looked.stderr)
    );
}

#[test]
fn a_shrunk_failure_is_seen_in_a_browser() {
    look_at("small", &sample::small(SAID));
}

#[test]
fn a_failure_after_days_is_seen_in_a_browser() {
    look_at("large", &sample::large(Some(SAID)));
}

#[test]
fn a_run_that_held_is_seen_in_a_browser() {
    look_at("held", &sample::large(None));
}
