//! Rules for crates: what each may know.

use super::tree::Tree;
use super::{Fault, Rule};
use toml::{Table, Value};

/// Each crate and the crates of ours that it may depend on. `*` is all of them.
const ARROWS: &[(&str, &[&str])] = &[
    ("postrider-signature", &[]),
    ("postrider-engine", &["postrider-signature"]),
    ("postrider", &["postrider-engine"]),
    ("postrider-server", &["postrider"]),
    (
        "postrider-sim",
        &["postrider", "postrider-engine", "postrider-server"],
    ),
    ("postrider-verifier-wasm", &["postrider-signature"]),
    ("postrider-tests", &["*"]),
    ("xtask", &["*"]),
];

/// The directories that must stay pure, and all that they may depend on.
const BUDGETS: &[(&str, &[&str])] = &[
    (
        "signature",
        &[
            "base64ct",
            "ed25519-dalek",
            "hex",
            "hmac",
            "p256",
            "sha1",
            "sha2",
            "subtle",
            "thiserror",
            "zeroize",
        ],
    ),
    (
        "engine",
        &[
            "bytes",
            "postrider-signature",
            "rand_chacha",
            "serde_json",
            "thiserror",
        ],
    ),
];

/// What clippy must keep out of them.
const BANS: &[&str] = &[
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::env::var",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::thread::sleep",
    "std::thread::spawn",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "crates depend on each other only along the arrows",
        remedy: "turn the dependency round, or move the code; a new arrow is a decision: \
                 draw it in ARCHITECTURE.md and in ARROWS",
        check: arrows,
        bad: &[
            &[(
                "a/Cargo.toml",
                "package.name = 'postrider-engine'\ndependencies.postrider = {}",
            )],
            &[(
                "a/Cargo.toml",
                "package.name = 'postrider-server'\n[target.x.build-dependencies]\npostrider-engine = {}",
            )],
            &[(
                "a/Cargo.toml",
                "package.name = 'postrider-signature'\ndev-dependencies.p = { package = 'postrider' }",
            )],
            &[("a/Cargo.toml", "package.name = 'postrider-new'")],
        ],
        good: &[
            &[(
                "a/Cargo.toml",
                "package.name = 'postrider'\ndependencies.postrider-engine = {}\ndependencies.url = '2'",
            )],
            &[(
                "a/Cargo.toml",
                "package.name = 'xtask'\ndependencies.postrider = {}",
            )],
        ],
    },
    Rule {
        name: "signature and engine stay within their dependency budgets",
        remedy: "do without it, or do it in the runtime: these two compile to anything and run \
                 anywhere",
        check: budgets,
        bad: &[
            &[("engine/Cargo.toml", "dependencies.tokio = '1'")],
            &[(
                "signature/Cargo.toml",
                "[target.x.dependencies]\nlibc = '1'",
            )],
            &[(
                "engine/Cargo.toml",
                "dependencies.bytes = { package = 'tokio' }",
            )],
        ],
        good: &[&[(
            "engine/Cargo.toml",
            "dependencies.bytes = '1'\ndev-dependencies.proptest = '1'",
        )]],
    },
    Rule {
        name: "signature and engine ban what would make them impure",
        remedy: "ban it in the crate's clippy.toml, with the reason",
        check: bans,
        bad: &[
            &[("engine/Cargo.toml", "")],
            &[
                ("engine/Cargo.toml", ""),
                (
                    "engine/clippy.toml",
                    "disallowed-types = ['std::collections::HashMap']",
                ),
            ],
        ],
        good: &[&[("server/Cargo.toml", "")]],
    },
    Rule {
        name: "every crate takes the lints of the workspace",
        remedy: "write `[lints]` and `workspace = true` into its manifest",
        check: lints,
        bad: &[&[("a/Cargo.toml", "[lints.rust]\nunsafe_code = 'allow'")]],
        good: &[&[("a/Cargo.toml", "[lints]\nworkspace = true")]],
    },
    Rule {
        name: "nothing is built with libclang",
        remedy: "take a crate that brings its bindings: a fresh machine has a C compiler and no more",
        check: built_with_libclang,
        bad: &[
            &[("Cargo.lock", "[[package]]\nname = 'bindgen'")],
            &[("Cargo.lock", "[[package]]\nname = 'clang-sys'")],
        ],
        good: &[&[("Cargo.lock", "[[package]]\nname = 'wasm-bindgen'")]],
    },
];

fn built_with_libclang(tree: &Tree) -> Vec<Fault> {
    let lock = tree.table("Cargo.lock");
    let packages = lock.get("package").and_then(Value::as_array);
    let names = packages.into_iter().flatten();
    let names = names.filter_map(|package| package.get("name")?.as_str());
    let found = names.filter(|name| ["bindgen", "clang-sys"].contains(name));
    found.map(|name| Fault::new("Cargo.lock", name)).collect()
}

fn arrows(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (directory, manifest) in tree.crates() {
        let name = package_name(&manifest);
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            faults.push(Fault::new(directory, format!("{name} has no arrows")));
            continue;
        };
        let ours = dependencies(&manifest, DEPENDENCIES_ALL)
            .into_iter()
            .filter(|to| ARROWS.iter().any(|(ours, _)| ours == to) && !allowed.contains(&"*"));
        let wrong = ours.filter(|to| !allowed.contains(&&**to));
        faults.extend(wrong.map(|to| Fault::new(directory, format!("{name} → {to}"))));
    }
    faults
}

fn budgets(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (directory, budget) in BUDGETS {
        let manifest = tree.table(&format!("{directory}/Cargo.toml"));
        let used = dependencies(&manifest, DEPENDENCIES_SHIPPED).into_iter();
        let over = used.filter(|name| !budget.contains(&&**name));
        faults.extend(over.map(|name| Fault::new(*directory, name)));
    }
    faults
}

fn bans(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (directory, _) in BUDGETS {
        if tree.get(&format!("{directory}/Cargo.toml")).is_none() {
            continue;
        }
        let path = format!("{directory}/clippy.toml");
        let clippy = tree.table(&path);
        let lists = ["disallowed-types", "disallowed-methods"];
        let entries = lists
            .iter()
            .filter_map(|list| clippy.get(*list)?.as_array())
            .flatten();
        let banned: Vec<&str> = entries
            .filter(|entry| entry.get("reason").is_some())
            .filter_map(|entry| entry.get("path")?.as_str())
            .collect();
        let open = BANS.iter().filter(|ban| !banned.contains(ban));
        faults.extend(open.map(|ban| Fault::new(&path, format!("{ban} is not banned"))));
    }
    faults
}

fn lints(tree: &Tree) -> Vec<Fault> {
    let own = tree.crates().filter(|(_, manifest)| {
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        lints != Some(&Value::Boolean(true))
    });
    own.map(|(directory, _)| Fault::new(directory, "has lints of its own"))
        .collect()
}

const DEPENDENCIES_SHIPPED: &[&str] = &["dependencies", "build-dependencies"];
const DEPENDENCIES_ALL: &[&str] = &["dependencies", "build-dependencies", "dev-dependencies"];

/// The packages in these tables of a manifest, on every target.
fn dependencies(manifest: &Table, tables: &[&str]) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(|targets| targets.values().filter_map(Value::as_table));
    let tables = targets.chain([manifest]).flat_map(|place| {
        tables
            .iter()
            .filter_map(|table| place.get(*table)?.as_table())
            .flatten()
    });
    let package = |(name, value): (&String, &Value)| {
        let renamed = value.get("package").and_then(Value::as_str);
        renamed.unwrap_or(name).to_owned()
    };
    tables.map(package).collect()
}

pub(super) fn package_name(manifest: &Table) -> String {
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name")?.as_str());
    name.unwrap_or_default().to_owned()
}
