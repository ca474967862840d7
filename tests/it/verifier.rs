//! The npm package for receivers, as it is packed: in every runtime, from every bundler, within
//! every framework. What is looked at is in `tests/verifier/*.mjs`.

mod plain;
mod rotation;

use crate::node::node;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("verifier")
}

/// Installs the packed package, once for all that is run here at the same time.
static INSTALLED: LazyLock<()> = LazyLock::new(|| {
    assert!(
        scripts().join("node_modules").is_dir(),
        "what the package is tested with is not installed: `cargo xtask test` does it, or `npm ci` \
         in tests/verifier"
    );
    let packed = scripts().join("../../verifier-wasm/pkg");
    let is_tarball = |path: PathBuf| path.extension().is_some_and(|end| end == "tgz");
    let packed = std::fs::read_dir(packed)
        .map(|mut packed| packed.any(|file| is_tarball(file.unwrap().path())));
    assert!(
        packed.is_ok_and(|packed| packed),
        "there is no verifier-wasm/pkg/*.tgz: `cargo xtask test` does it, or `cargo xtask wasm`"
    );
    succeeds(run(&["install.mjs"]));
});

fn run(arguments: &[&str]) -> Output {
    node()
        .args(arguments)
        .current_dir(scripts())
        .output()
        .expect("node runs: `cargo xtask test` installs it")
}

fn succeeds(output: Output) {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn holds(script: &str) {
    LazyLock::force(&INSTALLED);
    succeeds(run(&["--test", script]));
}

#[test]
fn every_example_takes_what_is_signed_and_refuses_the_rest() {
    holds("adapters.mjs");
}

#[test]
fn what_a_handler_failed_at_is_handled_again() {
    holds("handlers.mjs");
}

#[test]
fn every_runtime_and_bundler_gives_the_same_verdicts() {
    holds("runtimes.mjs");
}

#[test]
fn gaps_and_repeats_are_told_in_one_line() {
    holds("sequences.mjs");
}

#[test]
fn the_tarball_is_sound_and_its_types_are_right() {
    holds("package.mjs");
}
