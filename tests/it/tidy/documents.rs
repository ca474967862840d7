//! Rules for documents: what they say is so.

use super::crates::package_name;
use super::tokens;
use super::tree::{File, Tree};
use super::{Fault, Rule};
use toml::Value;

/// By where a README of this project must work.
const README_LINES: usize = 50;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "the README works before line 50",
        remedy: "within its first 50 lines: one sentence that promises order, two commands to \
                 type, and a whole Rust snippet to embed",
        check: readme,
        bad: &[
            &[],
            &[(
                "README.md",
                "# Postrider\n```sh\ncargo a\ncargo b\n```\n```rust\n1\n```\n",
            )],
            &[(
                "README.md",
                "webhooks in order\n```sh\ncargo a\n```\n```rust\n1\n```\n",
            )],
            &[(
                "README.md",
                "webhooks in order\n```sh\ncargo a\ncargo b\n```\n",
            )],
            &[(
                "README.md",
                "webhooks in order\n```sh\ncargo a\ncargo b\n```\n<44 lines>```rust\n1\n```",
            )],
        ],
        good: &[&[(
            "README.md",
            "# Postrider\ndelivers webhooks, in order\n```sh\n$ cargo a\ncargo b\n```\n```rust\nlet a = 1;\n```\n",
        )]],
    },
    Rule {
        name: "the commands in the documents exist",
        remedy: "correct the name, or add what it promises",
        check: commands,
        bad: &[
            &[("README.md", "```sh\ncargo xtask fly\n```"), XTASK],
            &[("docs/a.md", "try `cargo run -p postrider-gone` now")],
            &[("docs/a.md", "try `$ cargo run --bin=gone`"), SERVER],
            &[("README.md", "    cargo add postrider-gone"), SERVER],
            &[
                (
                    "README.md",
                    "```\ncargo run -p postrider-server --example gone\n```",
                ),
                SERVER,
            ],
        ],
        good: &[
            &[
                (
                    "README.md",
                    "```sh\ncargo xtask test --only fmt # soon\n```",
                ),
                XTASK,
            ],
            &[
                (
                    "README.md",
                    "cargo carries `cargo run --bin postrider -- -p fast`",
                ),
                SERVER,
            ],
            &[
                (
                    "README.md",
                    "`cargo add tokio postrider-server --no-default-features`",
                ),
                SERVER,
            ],
        ],
    },
    Rule {
        name: "the changelog knows what is being made",
        remedy: "give CHANGELOG.md a section `## Unreleased`, or one for the version in Cargo.toml",
        check: changelog,
        bad: &[
            &[],
            &[
                ("CHANGELOG.md", "## 0.1.0"),
                ("Cargo.toml", "workspace.package.version = '0.2.0'"),
            ],
        ],
        good: &[
            &[("CHANGELOG.md", "## [Unreleased]")],
            &[
                ("CHANGELOG.md", "## 0.2.0 - today"),
                ("Cargo.toml", "workspace.package.version = '0.2.0'"),
            ],
        ],
    },
    Rule {
        name: "what the documents have one type finds the server wherever it is",
        remedy: "write \"$POSTRIDER_URL/…\", which `postrider dev` prints: its port may be another one",
        check: fixed_addresses,
        bad: &[&[(
            "docs/a.md",
            "```sh\ncurl -s http://127.0.0.1:8080/v1/events\n```",
        )]],
        good: &[&[(
            "docs/a.md",
            "at `http://127.0.0.1:8080`\n```sh\ncurl -s \"$POSTRIDER_URL/v1/events\"\n```",
        )]],
    },
    Rule {
        name: "no document holds a path of one machine",
        remedy: "write the path as it is on the reader's machine, from the root of the repository",
        check: machine_paths,
        bad: &[
            &[("docs/a.md", concat!("see /ho", "me/jo/x"))],
            &[("README.md", "`/tmp/x`")],
        ],
        good: &[&[("docs/a.md", "see docs/tmp/a.md and https://a.org/work/b")]],
    },
];

const XTASK: (&str, &str) = (
    "xtask/src/main.rs",
    "#[derive(Subcommand)] enum Word { /// Tests.\n Test(Args), Bench { a: u8 } }",
);

const SERVER: (&str, &str) = (
    "server/Cargo.toml",
    "package.name = 'postrider-server'\nbin = [{ name = 'postrider' }]",
);

fn readme(tree: &Tree) -> Vec<Fault> {
    let Some(readme) = tree.get("README.md") else {
        return vec![Fault::new("README.md", "is not there")];
    };
    let (mut promise, mut commands, mut snippets) = (false, 0, 0);
    let mut block = None;
    for line in readme.text.lines().take(README_LINES) {
        promise |= line.contains("webhooks") && line.contains("in order");
        if let Some(language) = line.strip_prefix("```") {
            let closed = block.take();
            snippets += usize::from(closed.is_some_and(|opened: &str| opened.starts_with("rust")));
            block = closed.is_none().then_some(language);
        } else if block.is_some() && line.trim_start_matches("$ ").starts_with("cargo ") {
            commands += 1;
        }
    }
    let wants = [
        (promise, "no sentence with `webhooks` and `in order`"),
        (
            commands >= 2,
            "fewer than two `cargo …` commands in fenced blocks",
        ),
        (snippets >= 1, "no whole block fenced as `rust`"),
    ];
    let missing = wants.iter().filter(|(is_there, _)| !is_there);
    missing
        .map(|(_, what)| Fault::new("README.md", *what))
        .collect()
}

fn commands(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_ending(".md") {
        for (line, command) in cargo_commands(file) {
            let wrong = missing_names(tree, &command);
            faults.extend(
                wrong.map(|name| Fault::at(&file.path, line, format!("{name} in `{command}`"))),
            );
        }
    }
    faults
}

fn fixed_addresses(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_ending(".md") {
        let lines = (1..).zip(file.text.lines());
        let fixed = lines.filter(|(_, text)| text.contains("curl ") && text.contains("127.0.0.1"));
        faults.extend(fixed.map(|(line, text)| Fault::at(&file.path, line, text.trim())));
    }
    faults
}

/// What stands in `` `cargo …` `` or on a line of its own that begins with `cargo`.
fn cargo_commands(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (line, text) in (1..).zip(file.text.lines()) {
        fenced ^= text.trim_start().starts_with("```");
        let block = fenced || text.starts_with("    ");
        let spans: Vec<&str> = if block {
            vec![text]
        } else {
            text.split('`').skip(1).step_by(2).collect()
        };
        for span in spans {
            let command = span.trim().trim_start_matches("$ ");
            let command = command.split(" #").next().unwrap_or_default();
            if command.starts_with("cargo ") {
                found.push((line, command.to_owned()));
            }
        }
    }
    found
}

/// The names in a command that nothing answers to.
fn missing_names(tree: &Tree, command: &str) -> impl Iterator<Item = String> {
    let command = command
        .split(" -- ")
        .next()
        .unwrap_or_default()
        .replace('=', " ");
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut missing = Vec::new();
    for pair in words.windows(2) {
        let exists = match (pair[0], pair[1]) {
            ("xtask", word) => {
                word.starts_with('-') || xtask_words(tree).any(|known| known == word)
            }
            ("-p" | "--package", name) => tree
                .crates()
                .any(|(_, crate_)| package_name(&crate_) == name),
            ("--bin", name) => named(tree, "bin", name),
            ("--example", name) => named(tree, "example", name),
            ("--test", name) => named(tree, "test", name),
            _ => true,
        };
        if !exists {
            missing.push(pair[1].to_owned());
        }
    }
    if matches!(words[1], "add" | "install") {
        let ours = words[2..]
            .iter()
            .filter(|word| word.starts_with("postrider"));
        let gone = ours.filter(|name| {
            !tree
                .crates()
                .any(|(_, crate_)| package_name(&crate_) == **name)
        });
        missing.extend(gone.map(|name| (*name).to_owned()));
    }
    missing.into_iter()
}

/// Whether some crate has such a target of this name, by its manifest or by where its file is.
fn named(tree: &Tree, kind: &str, name: &str) -> bool {
    let in_manifest = |(directory, manifest): (&str, toml::Table)| {
        let targets = manifest.get(kind).and_then(Value::as_array);
        let listed = targets.into_iter().flatten();
        let place = if kind == "bin" {
            "src/bin".to_owned()
        } else {
            format!("{kind}s")
        };
        listed
            .filter_map(|target| target.get("name")?.as_str())
            .any(|listed| listed == name)
            || tree
                .get(&format!("{directory}/{place}/{name}.rs"))
                .is_some()
            || tree
                .get(&format!("{directory}/{place}/{name}/main.rs"))
                .is_some()
    };
    tree.crates().any(in_manifest)
}

/// The words of xtask: the variants of its `enum Word`.
fn xtask_words(tree: &Tree) -> impl Iterator<Item = String> {
    let tokens = tree
        .get("xtask/src/main.rs")
        .map_or(&[][..], |file| &file.tokens);
    let start =
        (0..tokens.len()).find(|at| tokens::starts_with(&tokens[*at..], &["enum", "Word", "{"]));
    let inside = start.map_or(&[][..], |start| &tokens[start + 3..]);
    let depth = inside.first().map_or(0, |token| token.depth);
    let inside = inside.iter().take_while(move |token| token.depth >= depth);
    let variants = inside.filter(move |token| {
        token.depth == depth && token.text.starts_with(|c: char| c.is_uppercase())
    });
    variants.map(|token| token.text.to_lowercase())
}

fn changelog(tree: &Tree) -> Vec<Fault> {
    let manifest = tree.table("Cargo.toml");
    let version = manifest
        .get("workspace")
        .and_then(|it| it.get("package")?.get("version")?.as_str());
    let now = ["Unreleased", version.unwrap_or("Unreleased")];
    let headings = tree
        .text("CHANGELOG.md")
        .lines()
        .filter_map(|line| line.strip_prefix("## "));
    let mut names = headings.filter_map(|heading| heading.split_whitespace().next());
    if names.any(|name| now.contains(&name.trim_matches(['[', ']']))) {
        return Vec::new();
    }
    vec![Fault::new(
        "CHANGELOG.md",
        "is not there, or has no section for it",
    )]
}

fn machine_paths(tree: &Tree) -> Vec<Fault> {
    const ROOTS: &[&str] = &["/work/", "/tmp/", "/home/", "/root/", "/Users/", "C:\\"];
    let mut faults = Vec::new();
    for file in tree.with_ending(".md") {
        for (line, text) in (1..).zip(file.text.lines()) {
            let words = text.split(|c: char| c.is_whitespace() || "`\"'()<>=".contains(c));
            let local = words.filter(|word| ROOTS.iter().any(|root| word.starts_with(root)));
            faults.extend(local.map(|word| Fault::at(&file.path, line, word)));
        }
    }
    faults
}
