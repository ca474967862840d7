//! Node.js: the system's, or the one that `cargo xtask test` has installed where that is too old.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Node.js.
pub(crate) fn node() -> Command {
    with_node("node")
}

/// A program that finds Node.js in its path, as those that npm installs do.
pub(crate) fn with_node(program: impl AsRef<OsStr>) -> Command {
    // As in `xtask/src/node.rs`.
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/bin");
    let mut command = Command::new(program);
    if own.join("node").exists() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(own).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(all).unwrap());
    }
    command
}
