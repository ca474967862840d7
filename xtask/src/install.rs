//! Installs what a step needs and this machine does not have.

use std::process::{Command, Stdio};

/// Parts of the Rust toolchain that a minimal installation leaves out: the name under which
/// rustup knows it, and the word that cargo gains by it.
const COMPONENTS: &[(&str, &str)] = &[("rustfmt", "fmt"), ("clippy", "clippy")];

/// Installs the missing components, if any.
pub(crate) fn missing() -> Result<(), String> {
    for (component, word) in COMPONENTS {
        if succeeds(&["cargo", word, "--version"]) {
            continue;
        }
        println!("── install: rustup component add {component}");
        let added = Command::new("rustup")
            .args(["component", "add", component])
            .status();
        if !added.is_ok_and(|status| status.success()) {
            return Err(format!(
                "`cargo {word}` is missing: install rustup (https://rustup.rs), \
                 then run `rustup component add {component}`"
            ));
        }
    }
    Ok(())
}

/// Whether the command is there and content; what it says is not shown.
fn succeeds(command: &[&str]) -> bool {
    Command::new(command[0])
        .args(&command[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
