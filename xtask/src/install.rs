//! Installs what a step needs and this machine does not have.

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

/// What the browser tests run, by the names under which it may be there, and its Debian package.
const PROGRAMS: &[(&[&str], &str)] = &[
    (
        // As in `tests/browser/report.mjs`.
        &[
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
            "chrome",
        ],
        "chromium",
    ),
    (&["node"], "nodejs"),
    (&["npm"], "npm"),
];

/// Installs a browser and what drives it, where they are missing.
pub(crate) fn browser() -> Result<(), String> {
    programs(PROGRAMS)?;
    npm(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser"))
}

/// Installs what the tests of the npm package run it in, and its peers.
pub(crate) fn verifier() -> Result<(), String> {
    npm(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifier"))
}

/// Installs what a client of the API is generated and checked with.
pub(crate) fn client() -> Result<(), String> {
    // The lines of the README are typed as they are printed.
    programs(&[(&["curl"], "curl")])?;
    npm(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/client"))
}

/// Installs schemathesis in an environment of its own, where that has not been done.
pub(crate) fn schemathesis() -> Result<(), String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/schemathesis");
    let changed = |file: &str| std::fs::metadata(directory.join(file))?.modified();
    let installed = changed("venv/installed").ok();
    if installed.is_some_and(|then| changed("requirements.txt").is_ok_and(|now| now <= then)) {
        return Ok(());
    }
    let failed = || {
        "schemathesis could not be installed: it needs Python 3.10 or newer with venv, and the \
         Python registry once"
            .to_owned()
    };
    if !succeeds(&["python3", "-c", "import ensurepip, venv"]) {
        packages(&["python3-venv"], &failed())?;
    }
    println!("── install: pip install, in {}", directory.display());
    let pip = "venv/bin/python";
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--requirement",
        "requirements.txt",
    ];
    for command in [
        &["python3", "-m", "venv", "venv"][..],
        &[&[pip], &install[..]].concat(),
    ] {
        let mut program = Command::new(directory.join(command[0]));
        if command[0] == "python3" {
            program = Command::new("python3");
        }
        let done = program.args(&command[1..]).current_dir(&directory).status();
        if !done.is_ok_and(|status| status.success()) {
            return Err(failed());
        }
    }
    std::fs::write(directory.join("venv/installed"), "").map_err(|_| failed())
}

/// Installs Node.js and npm, where they are missing.
fn node() -> Result<(), String> {
    programs(&PROGRAMS[1..])
}

fn programs(wanted: &[(&[&str], &str)]) -> Result<(), String> {
    let is_there = |names: &[&str]| names.iter().any(|name| succeeds(&[name, "--version"]));
    let missing = wanted.iter().filter(|(names, _)| !is_there(names));
    let missing: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "the tests in JavaScript need {}: install Chromium, Node.js 20 or newer and npm so that \
         they are in the PATH",
        missing.join(", ")
    );
    packages(&missing, &why)
}

/// Directories in which systems that are no Debian have it.
const LIBRARIES: &[&str] = &["/usr/lib64", "/usr/lib", "/usr/local/lib"];

/// Installs libclang, where it is missing: the simulated disk is built with it.
pub(crate) fn libclang() -> Result<(), String> {
    let is_there = |directory: &&str| Path::new(directory).join("libclang.so").exists();
    // Debian has the library and its headers in packages of their own, which this one brings.
    let is_installed = if succeeds(&["dpkg", "--version"]) {
        succeeds(&["dpkg", "--status", "libclang-dev"])
    } else {
        succeeds(&["xcode-select", "--print-path"]) || LIBRARIES.iter().any(is_there)
    };
    if is_installed || std::env::var_os("LIBCLANG_PATH").is_some() {
        return Ok(());
    }
    packages(
        &["libclang-dev"],
        "the simulated disk is built with libclang: install it with its headers, and name its \
         directory in LIBCLANG_PATH",
    )
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
    let changed = |file: &str| std::fs::metadata(directory.join(file))?.modified();
    let installed = changed("node_modules/.package-lock.json").ok();
    if installed.is_some_and(|then| changed("package-lock.json").is_ok_and(|now| now <= then)) {
        return Ok(());
    }
    node()?;
    println!("── install: npm ci, in {}", directory.display());
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let done = Command::new("npm")
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
