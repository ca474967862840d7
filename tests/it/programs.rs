//! The programs of this workspace, for the tests that run them as a user would.
//!
//! Cargo tells a test where a binary is only if both are in one package. So they are built here,
//! once, into the directory that this test runs from: what is tested is never older than its
//! source. `cargo xtask test` has built them before, and then this takes no time.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
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
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--workspace", "--bins", "--examples"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target);
    // Build scripts that ask for such a variable (ring's does) would find that the one of this
    // package has come up, and all that depends on them would be built anew.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
        cargo.env_remove(name);
    }
    assert!(
        cargo.status().unwrap().success(),
        "the programs do not build"
    );
    built.to_owned()
}

/// Whether cargo sets this variable to tell a package about itself.
fn is_of_a_package(variable: &OsStr) -> bool {
    ["CARGO_MANIFEST_", "CARGO_PKG_"]
        .iter()
        .any(|start| variable.as_encoded_bytes().starts_with(start.as_bytes()))
}
