//! How a program gets the crates and the npm package while they are not published: the lines of the
//! documents, as they are printed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the documents say that the repository is.
const PRINTED: &str = "https://github.com/postrider/postrider";

const DOCUMENTS: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "docs/api.md",
    "docs/cli.md",
    "docs/inbound.md",
    "docs/operating.md",
    "docs/receiving.md",
    "docs/simulation.md",
    "verifier-wasm/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// What the documents have somebody type that begins so: lines of blocks, and spans in backticks.
fn typed(start: &str) -> Vec<String> {
    let mut found = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        for line in text.lines() {
            let parts = std::iter::once(line).chain(line.split('`').skip(1).step_by(2));
            let parts = parts.filter(|part| part.starts_with(start));
            found.extend(parts.map(|part| part.split("  #").next().unwrap().trim().to_owned()));
        }
    }
    found
}

#[test]
fn the_cargo_add_lines_of_the_documents_add_the_crate_from_the_repository() {
    let lines = typed("cargo add ");
    assert!(lines.len() >= 2, "{lines:?}");
    for line in lines {
        assert!(
            line.contains(&format!("--git {PRINTED}")),
            "it is not published: {line}"
        );
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("program");
        let cargo = |words: &[&str], place: &Path| {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(words).current_dir(place);
            // What it fetches is nobody else's business.
            cargo.env("CARGO_HOME", directory.path().join("home"));
            cargo.env("CARGO_NET_GIT_FETCH_WITH_CLI", "true");
            let said = cargo.output().unwrap();
            assert!(said.status.success(), "{words:?} of {line}: {said:?}");
        };
        cargo(
            &["new", "--quiet", "--vcs=none", "program"],
            directory.path(),
        );
        let here = format!("file://{}", root().display());
        let line = line.replace(PRINTED, &here);
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        cargo(&words, &place);
        let manifest = std::fs::read_to_string(place.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let added = &manifest["dependencies"]["postrider"];
        assert_eq!(added["git"].as_str(), Some(here.as_str()));
    }
}

#[test]
fn the_npm_install_lines_of_the_documents_install_the_tarball_that_is_packed() {
    let lines = typed("npm install ").into_iter();
    let lines: Vec<String> = lines.filter(|line| line.contains("postrider")).collect();
    assert!(!lines.is_empty());
    let package = root().join("verifier-wasm");
    let manifest = std::fs::read_to_string(package.join("package.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let name = manifest["name"]
        .as_str()
        .unwrap()
        .trim_start_matches('@')
        .replace('/', "-");
    let version = manifest["version"].as_str().unwrap();
    // As npm names what it packs; `tests/verifier/package.mjs` installs it.
    let tarball = format!("verifier-wasm/pkg/{name}-{version}.tgz");
    for line in lines {
        assert!(line.ends_with(&tarball), "{line}: {tarball}");
    }
}
