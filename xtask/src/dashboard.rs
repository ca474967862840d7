//! `cargo xtask dashboard`: whether the built files of the dashboard are those of its source, and its
//! own tests.

use crate::{install, node};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files by their paths below a directory.
type Files = BTreeMap<String, Vec<u8>>;

/// What makes the committed files anew.
const RENEW: &str = "run `npm ci && npm run build` in server/dashboard, and commit dist/";

/// Where the dashboard is.
fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/dashboard")
}

/// Builds the page beside the committed one, compares the two, and runs what tests the page by itself.
pub(crate) fn run() -> Result<(), String> {
    install::dashboard()?;
    npm(&["run", "--silent", "verifier", "--", "--check"])?;
    is_as_built()?;
    for test in ["size", "unit", "browser"] {
        npm(&["run", "--silent", test])?;
    }
    Ok(())
}

/// In a directory of its own: what a build is stopped at is not what the server then has.
fn is_as_built() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let scratch = root.join("target/dashboard");
    std::fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    // Vite runs elsewhere.
    let scratch = scratch
        .canonicalize()
        .map_err(|error| format!("{}: {error}", scratch.display()))?;
    let into = scratch.display().to_string();
    let build = ["run", "--silent", "build", "--"];
    npm(&[&build[..], &["--outDir", &into, "--emptyOutDir"]].concat())?;
    let found = differences(&files(&source().join("dist"))?, &files(&scratch)?);
    if found.is_empty() {
        return Ok(());
    }
    let found = found.join("\n  ");
    Err(format!(
        "server/dashboard/dist is not what its source makes: {RENEW}\n  {found}"
    ))
}

fn npm(arguments: &[&str]) -> Result<(), String> {
    println!("── npm {}, in server/dashboard", arguments.join(" "));
    let status = node::command("npm")
        .args(arguments)
        .current_dir(source())
        .status()
        .map_err(|error| format!("npm did not start: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`npm {}` failed: see above", arguments.join(" "))),
    }
}

/// All files below a directory.
fn files(root: &Path) -> Result<Files, String> {
    let failed =
        |path: &Path, error: std::io::Error| format!("{}: {error}; {RENEW}", path.display());
    let mut found = Files::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = std::fs::read_dir(&directory).map_err(|error| failed(&directory, error))?;
        for entry in entries {
            let path = entry.map_err(|error| failed(&directory, error))?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.to_string_lossy().replace('\\', "/");
            let bytes = std::fs::read(&path).map_err(|error| failed(&path, error))?;
            found.insert(name, bytes);
        }
    }
    Ok(found)
}

/// What is not the same in both.
fn differences(committed: &Files, built: &Files) -> Vec<String> {
    let gone = committed.keys().filter(|name| !built.contains_key(*name));
    let mut found: Vec<String> = gone
        .map(|name| format!("{name} is not built any more"))
        .collect();
    found.extend(
        built
            .iter()
            .filter_map(|(name, bytes)| match committed.get(name) {
                Some(same) if same == bytes => None,
                Some(_) => Some(format!("{name} is built with other bytes")),
                None => Some(format!("{name} is not committed")),
            }),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::{Files, differences};

    fn files(all: &[(&str, &str)]) -> Files {
        let all = all.iter();
        all.map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_build_that_differs_in_a_byte_or_a_name_is_told_from_the_committed_one() {
        let committed = files(&[("a.js", "1"), ("assets/b.css", "2")]);
        assert!(differences(&committed, &committed).is_empty());
        let changed = files(&[("a.js", "1 "), ("assets/b.css", "2")]);
        let found = differences(&committed, &changed);
        assert_eq!(found, ["a.js is built with other bytes"]);
        let renamed = files(&[("a.js", "1"), ("assets/c.css", "2")]);
        let found = differences(&committed, &renamed);
        let wanted = [
            "assets/b.css is not built any more",
            "assets/c.css is not committed",
        ];
        assert_eq!(found, wanted);
    }
}
