//! The files of a repository, read once.

use super::tokens::{self, Token};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use toml::Table;

/// The text files of a repository by their paths, with `/` between the parts.
pub(super) struct Tree {
    files: BTreeMap<String, File>,
}

/// A text file. A Rust file has its tokens, too.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
}

impl Tree {
    /// What git tracks, and what it would if it were asked to; without git, all but what is
    /// built. Files that are not text are left out.
    pub(super) fn of_this_repository() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output();
        let paths: Vec<String> = match listed {
            Ok(output) if output.status.success() => {
                let paths = String::from_utf8(output.stdout).unwrap();
                paths.split_terminator('\0').map(str::to_owned).collect()
            }
            _ => walk(root),
        };
        // A file that was deleted is listed until the deletion is staged.
        let read = |path: String| Some((fs::read_to_string(root.join(&path)).ok()?, path));
        Self::new(paths.into_iter().filter_map(read))
    }

    /// `<3 lines>` in a text stands for so many empty ones.
    pub(super) fn of_example(files: super::Example) -> Self {
        Self::new(
            files
                .iter()
                .map(|(path, text)| (lengthened(text), (*path).to_owned())),
        )
    }

    fn new(files: impl Iterator<Item = (String, String)>) -> Self {
        let files = files.map(|(text, path)| {
            let rust = path.ends_with(".rs");
            let tokens = if rust {
                tokens::of(&path, &text)
            } else {
                Vec::new()
            };
            (path.clone(), File { path, text, tokens })
        });
        Self {
            files: files.collect(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// The text of a file; empty if it is not there.
    pub(super) fn text(&self, path: &str) -> &str {
        self.get(path).map_or("", |file| &file.text)
    }

    /// Files whose names end with this.
    pub(super) fn with_ending(&self, ending: &str) -> impl Iterator<Item = &File> {
        self.all().filter(move |file| file.path.ends_with(ending))
    }

    /// The directory and the manifest of each crate.
    pub(super) fn crates(&self) -> impl Iterator<Item = (&str, Table)> {
        let manifests = self
            .all()
            .filter_map(|file| Some((file.path.strip_suffix("/Cargo.toml")?, file)));
        manifests.map(|(directory, file)| (directory, self.table(&file.path)))
    }

    /// A TOML file; empty if it is not there.
    pub(super) fn table(&self, path: &str) -> Table {
        let text = self.text(path);
        text.parse()
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Rust files of the product. Tests are known by their place, by `#[cfg(test)]` where they
    /// are declared, or as conformance suites, which are public for whoever implements the trait.
    pub(super) fn product(&self) -> impl Iterator<Item = &File> {
        let of_tests: Vec<String> = self.all().flat_map(File::test_modules).collect();
        self.with_ending(".rs").filter(move |file| {
            let stem = file.path.trim_end_matches(".rs");
            let within = |module: &String| {
                stem.strip_prefix(module.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let suite =
                file.path.starts_with("tests/") || format!("{stem}/").contains("/conformance/");
            !suite && !of_tests.iter().any(within)
        })
    }
}

impl File {
    /// The paths, without `.rs`, of modules that are declared here for tests only.
    fn test_modules(&self) -> impl Iterator<Item = String> {
        let stem = self.path.trim_end_matches(".rs");
        let root = ["/lib", "/main", "/mod"]
            .iter()
            .find_map(|root| stem.strip_suffix(root));
        let directory = root.unwrap_or(stem).to_owned();
        self.tokens.windows(3).filter_map(move |three| match three {
            [keyword, name, end] if keyword.in_test && keyword.text == "mod" && end.text == ";" => {
                Some(format!("{directory}/{}", name.text))
            }
            _ => None,
        })
    }
}

fn lengthened(text: &str) -> String {
    let long = |(before, after): (&str, &str)| {
        let (before, count) = before.rsplit_once('<')?;
        Some(format!(
            "{before}{}{after}",
            "\n".repeat(count.parse().ok()?)
        ))
    };
    let once = text.split_once(" lines>").and_then(long);
    once.map_or_else(|| text.to_owned(), |text| lengthened(&text))
}

fn walk(root: &Path) -> Vec<String> {
    let (mut paths, mut open) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            let name = entry.file_name();
            if entry.file_type().unwrap().is_file() {
                paths.push(path.to_str().unwrap().replace('\\', "/"));
            } else if !["target", ".git", "node_modules"]
                .iter()
                .any(|built| name == *built)
            {
                open.push(path);
            }
        }
    }
    paths
}
