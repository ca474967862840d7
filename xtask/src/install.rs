//! Installs what a step needs and this machine does not have.

use crate::node;
use std::path::Path;
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

/// Installs `cargo mutants`, if it is missing.
pub(crate) fn mutants() -> Result<(), String> {
    if succeeds(&["cargo", "mutants", "--version"]) {
        return Ok(());
    }
    println!("── install: cargo install --locked cargo-mutants");
    let installed = Command::new("cargo")
        .args(["install", "--locked", "cargo-mutants"])
        .status();
    if installed.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err("`cargo install --locked cargo-mutants` failed".to_owned())
}

/// The names under which a browser may be there: as in `tests/browser/report.mjs`.
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

/// Installs a browser and what drives it, where they are missing.
pub(crate) fn browser() -> Result<(), String> {
    program(BROWSERS, "chromium", "the tests look at pages in Chromium")?;
    npm(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser"))
}

/// Installs what the dashboard is built and tested with, and the browser that looks at it.
pub(crate) fn dashboard() -> Result<(), String> {
    program(
        BROWSERS,
        "chromium",
        "the tests look at the dashboard in Chromium",
    )?;
    npm(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/dashboard"))
}

/// Installs what the tests of the npm package run it in, and its peers.
pub(crate) fn verifier() -> Result<(), String> {
    npm(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifier"))
}

/// Installs what a client of the API is generated and checked with.
pub(crate) fn client() -> Result<(), String> {
    // The lines of the README are typed as they are printed.
    program(
        &["curl"],
        "curl",
        "the tests type the README's lines, with curl",
    )?;
    npm(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/client"))
}

/// Installs schemathesis, where that has not been done.
pub(crate) fn schemathesis() -> Result<(), String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/schemathesis");
    python_packages(&directory, "the API is tested with schemathesis")
}

/// Installs what a directory's `requirements.txt` says from the Python registry, in an environment
/// of its own, where that has not been done.
pub(crate) fn python_packages(directory: &Path, why: &str) -> Result<(), String> {
    let changed = |file: &str| std::fs::metadata(directory.join(file))?.modified();
    let installed = changed("venv/installed").ok();
    if installed.is_some_and(|then| changed("requirements.txt").is_ok_and(|now| now <= then)) {
        return Ok(());
    }
    let failed = || {
        let directory = directory.display();
        format!(
            "{why}: to install it in {directory} needs Python 3.10 or newer with venv, and the \
             Python registry once"
        )
    };
    if !succeeds(&["python3", "-c", "import ensurepip, venv"]) {
        packages(&["python3-venv"], &failed())?;
    }
    println!("── install: pip install, in {}", directory.display());
    let pip = "-m pip install --quiet --disable-pip-version-check --requirement requirements.txt";
    let python = directory.join("venv/bin/python");
    for (program, arguments) in [(Path::new("python3"), "-m venv venv"), (&python, pip)] {
        let mut command = Command::new(program);
        command.args(arguments.split(' ')).current_dir(directory);
        if !command.status().is_ok_and(|status| status.success()) {
            return Err(failed());
        }
    }
    std::fs::write(directory.join("venv/installed"), "").map_err(|_| failed())
}

/// Installs a program from its Debian package, where it is under none of its names.
fn program(names: &[&str], package: &str, why: &str) -> Result<(), String> {
    if names.iter().any(|name| succeeds(&[name, "--version"])) {
        return Ok(());
    }
    packages(&[package], &format!("{why}: put {package} into the PATH"))
}

/// Installs Debian packages.
fn packages(names: &[&str], why: &str) -> Result<(), String> {
    let by_hand = format!("{why} (on Debian: `apt-get install {}`)", names.join(" "));
    if !succeeds(&["apt-get", "--version"]) {
        return Err(by_hand);
    }
    let sudo: &[&str] = if is_root() { &[] } else { &["sudo"] };
    for rest in [
        vec!["update"],
        [&["install", "--yes", "--no-install-recommends"], names].concat(),
    ] {
        let command = [sudo, &["apt-get"], &rest].concat();
        println!("── install: {}", command.join(" "));
        let done = Command::new(command[0]).args(&command[1..]).status();
        if !done.is_ok_and(|status| status.success()) {
            return Err(by_hand);
        }
    }
    Ok(())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// Installs what a directory's lockfile says, where that has not been done.
pub(crate) fn npm(directory: &Path) -> Result<(), String> {
    node::install()?;
    let changed = |file: &str| std::fs::metadata(directory.join(file))?.modified();
    let installed = changed("node_modules/.package-lock.json").ok();
    if installed.is_some_and(|then| changed("package-lock.json").is_ok_and(|now| now <= then)) {
        return Ok(());
    }
    println!("── install: npm ci, in {}", directory.display());
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let done = node::command("npm")
        .args(npm)
        .current_dir(directory)
        .status();
    if done.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let directory = directory.display();
    Err(format!(
        "`npm ci` in {directory} failed: it needs the npm registry once"
    ))
}

/// Installs Debian's Rust compiler and the source of its library, where they are missing.
pub(crate) fn debian_wasm() -> Result<(), String> {
    let wanted = ["rustc-web", "rust-web-src"];
    if wanted
        .iter()
        .all(|package| succeeds(&["dpkg", "--status", package]))
    {
        return Ok(());
    }
    packages(
        &wanted,
        "the npm package is compiled to WebAssembly: `rustup target add wasm32-unknown-unknown`",
    )
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
