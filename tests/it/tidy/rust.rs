//! Rules for Rust.

use super::tokens::{self, Token};
use super::tree::{File, Tree};
use super::{Fault, Rule};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const TEST_WORDS_MIN: usize = 3;
/// The exports of the npm package's WebAssembly, and the one call that gives SQLite a file system.
const UNSAFE: &[&str] = &["verifier-wasm/src/lib.rs", "sim/src/disk/vfs/services.rs"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "no Rust file has more than 600 lines",
        remedy: "give a part of it a file of its own",
        check: long_files,
        bad: &[&[("a.rs", "<601 lines>")]],
        good: &[&[("a.rs", "<600 lines>"), ("a.md", "<601 lines>")]],
    },
    Rule {
        name: "no function has more than 70 lines between its braces",
        remedy: "give a part of it a name",
        check: long_functions,
        bad: &[
            &[("a.rs", "fn f() {\n<71 lines>}")],
            &[(
                "tests/it/a.rs",
                "impl A { fn f(a: [u8; 2]) -> Vec<C> {\n<71 lines>} }",
            )],
        ],
        good: &[&[(
            "a.rs",
            "fn f() {\n<70 lines>} trait A { fn g(); fn h(); }\n<71 lines>struct B {}",
        )]],
    },
    Rule {
        name: "the product does not give up",
        remedy: "return an error; where it cannot happen, say why in assert! or unreachable!",
        check: ways_to_give_up,
        bad: &[
            &[("a.rs", "fn f() { Some(1).unwrap(); }")],
            &[("a.rs", "fn f() { assert_eq!(1, Some(1).expect(\"one\")); }")],
            &[("a.rs", "#[cfg(not(test))] fn f() { panic!() }")],
            &[("a.rs", "#[cfg(test)] mod tests {} fn f() { todo!() }")],
            &[("a.rs", "#[cfg(test)] use a::b; fn f() { unimplemented!() }")],
            &[("a.rs", "fn f() { dbg!(1); }")],
        ],
        good: &[
            &[(
                "a.rs",
                "#[cfg(test)] mod tests { fn f() { Some(1).unwrap(); } }",
            )],
            &[("a.rs", "#[test] fn f() { panic!() }")],
            &[("tests/it/a.rs", "fn f() { panic!() }")],
            &[("a/src/store/conformance.rs", "fn f() { panic!() }")],
            &[("a/src/store/conformance/log.rs", "fn f() { panic!() }")],
            &[
                ("a/src/lib.rs", "#[cfg(test)] mod b;"),
                ("a/src/b.rs", "fn f() { panic!() }"),
            ],
            &[
                ("a/b.rs", "#[cfg(test)] mod c;"),
                ("a/b/c/d.rs", "fn f() { panic!() }"),
            ],
            &[(
                "a.rs",
                "/// Does not `panic!()`, and has no `.unwrap()`.\nfn f() { unreachable!() }",
            )],
            &[(
                "a.rs",
                "fn f() { Some(1).unwrap_or(2); std::panic::catch_unwind(g); }",
            )],
        ],
    },
    Rule {
        name: "no Rust is unsafe but the glue to JavaScript and to SQLite's file systems",
        remedy: "do without it: every promise here is made in safe Rust",
        check: unsafe_code,
        bad: &[
            &[("a.rs", "fn f() { unsafe { g() } }")],
            &[("a.rs", "#![allow(unsafe_code)]")],
            &[(
                "verifier-wasm/src/state.rs",
                "#[unsafe(no_mangle)] fn f() {}",
            )],
            &[("sim/src/disk/vfs.rs", "fn f() { unsafe { g() } }")],
        ],
        good: &[
            &[("a.rs", "#![forbid(unsafe_code)] // nothing unsafe")],
            &[("verifier-wasm/src/lib.rs", "#[unsafe(no_mangle)] fn f() {}")],
            &[("sim/src/disk/vfs/services.rs", "fn f() { unsafe { g() } }")],
        ],
    },
    Rule {
        name: "every select! is biased",
        remedy: "begin it with `biased;`: tokio's own choice is random, and no seed repeats it",
        check: random_selects,
        bad: &[
            &[(
                "runtime/src/a.rs",
                "fn f() { tokio::select! { _ = g() => {} } }",
            )],
            &[(
                "server/src/a.rs",
                "fn f() { select! { _ = biased() => {} } }",
            )],
        ],
        good: &[&[(
            "runtime/src/a.rs",
            "fn f() { select! { biased; _ = g() => {} } }",
        )]],
    },
    Rule {
        name: "a test is named after what it proves",
        remedy: "name the behaviour in at least three words: the_second_waits_for_the_first",
        check: terse_tests,
        bad: &[
            &[("a.rs", "#[test] fn it_works() {}")],
            &[(
                "a.rs",
                "mod tests { #[tokio::test(start_paused = true)] async fn retry() {} }",
            )],
            &[("a.rs", "proptest! { #[test] fn round_trip(a: u8) {} }")],
        ],
        good: &[&[(
            "a.rs",
            "#[test] #[ignore] fn it_works_at_night() {} fn works() {}",
        )]],
    },
];

fn long_files(tree: &Tree) -> Vec<Fault> {
    let lines = tree
        .with_ending(".rs")
        .map(|file| (file, file.text.lines().count()));
    let long = lines.filter(|(_, lines)| *lines > FILE_LINES_MAX);
    long.map(|(file, lines)| Fault::new(&file.path, format!("{lines} lines")))
        .collect()
}

fn long_functions(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_ending(".rs") {
        let functions = tokens::functions(&file.tokens).into_iter();
        faults.extend(
            functions
                .filter(|function| function.lines > FUNCTION_LINES_MAX)
                .map(|function| {
                    let what = format!("{} has {} lines", function.name, function.lines);
                    Fault::at(&file.path, function.line, what)
                }),
        );
    }
    faults
}

fn ways_to_give_up(tree: &Tree) -> Vec<Fault> {
    const WAYS: &[&[&str]] = &[
        &[".", "unwrap", "("],
        &[".", "expect", "("],
        &["panic", "!"],
        &["todo", "!"],
        &["unimplemented", "!"],
        &["dbg", "!"],
    ];
    let mut faults = Vec::new();
    for file in tree.product() {
        for way in WAYS {
            let found = places(file, way).filter(|rest| !rest[0].in_test && is_meant(rest));
            faults.extend(found.map(|rest| Fault::at(&file.path, rest[0].line, way.concat())));
        }
    }
    faults
}

/// A method of one's own may be called `expect`; the one that panics is given a text.
fn is_meant(rest: &[Token]) -> bool {
    rest[1].text != "expect" || rest.get(3).is_some_and(|first| first.text.starts_with('"'))
}

const WAYS_TO_UNSAFE: &[&[&str]] = &[
    &["unsafe"],
    &["allow", "(", "unsafe_code"],
    &["expect", "(", "unsafe_code"],
    &["warn", "(", "unsafe_code"],
];

fn unsafe_code(tree: &Tree) -> Vec<Fault> {
    let files = tree.with_ending(".rs");
    let found = files
        .filter(|file| !UNSAFE.contains(&&*file.path))
        .flat_map(|file| {
            WAYS_TO_UNSAFE.iter().flat_map(|way| {
                places(file, way).map(|rest| Fault::at(&file.path, rest[0].line, "unsafe"))
            })
        });
    found.collect()
}

fn random_selects(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_ending(".rs") {
        let selects = places(file, &["select", "!"]);
        let random = selects.filter(|rest| {
            !tokens::starts_with(rest.get(3..).unwrap_or_default(), &["biased", ";"])
        });
        faults.extend(random.map(|rest| Fault::at(&file.path, rest[0].line, "select!")));
    }
    faults
}

fn terse_tests(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_ending(".rs") {
        let tests = tokens::test_functions(&file.tokens).into_iter();
        // In a `macro_rules!`, `$` stands for a name that is given elsewhere.
        let named = tests.filter(|test| test.name != "$");
        let terse = named.filter(|test| test.name.split('_').count() < TEST_WORDS_MIN);
        faults.extend(terse.map(|test| Fault::at(&file.path, test.line, test.name)));
    }
    faults
}

/// The rest of the file from each place where these tokens stand.
fn places<'f>(file: &'f File, texts: &'f [&str]) -> impl Iterator<Item = &'f [Token]> {
    let rests = (0..file.tokens.len()).map(|at| &file.tokens[at..]);
    rests.filter(|rest| tokens::starts_with(rest, texts))
}
