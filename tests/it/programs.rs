//! The programs of this workspace, for the tests that run them as a user would.
//!
//! Cargo tells a test where a binary is only if both are in one package. So they are built here,
//! once, into the directory that this test runs from: what is tested is never older than its
//! source. `cargo xtask test` has built them before, and then this takes no time.

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A program by its path within the build directory: `postrider`, `examples/std_thread`.
pub(crate) fn program(path: &str) -> PathBuf {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(build);
    BUILT.join(format!("{path}{EXE_SUFFIX}"))
}

fn build() -> PathBuf {
    // target/debug/deps/it-0123456789abcdef
    let test = std::env::current_exe().unwrap();
    let [_, _, built, target] = test.ancestors().collect::<Vec<&Path>>()[..4] else {
        unreachable!("four of four")
    };
    let profile = match built.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        profile => profile.unwrap(),
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bins", "--examples"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .status();
    assert!(status.unwrap().success(), "the programs do not build");
    built.to_owned()
}
