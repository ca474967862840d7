//! Style is a test: what this repository promises its readers, checked over every file of it.
//!
//! A rule is one entry of a list: a sentence, what to do when it is broken, the check, and
//! examples. It must find each bad example and pass each good one, so that a rule that cannot
//! fail is found out. To add one, write it into the file it fits.

mod crates;
mod documents;
mod files;
mod rust;
mod tokens;
mod tree;

use std::collections::BTreeSet;
use tree::Tree;

/// A rule of the house.
struct Rule {
    /// What holds.
    name: &'static str,
    /// What to do where it does not.
    remedy: &'static str,
    /// Finds where it does not.
    check: fn(&Tree) -> Vec<Fault>,
    /// Repositories that break it, each as paths and texts.
    bad: &'static [Example],
    /// Repositories that come close, and do not.
    good: &'static [Example],
}

/// Files: path and text.
type Example = &'static [(&'static str, &'static str)];

/// Where a rule is broken, and by what.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    /// A path, with `:` and the line if it is known.
    place: String,
    what: String,
}

impl Fault {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        let (place, what) = (place.into(), what.into());
        Self { place, what }
    }

    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), what)
    }
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    [crates::RULES, files::RULES, rust::RULES, documents::RULES]
        .into_iter()
        .flatten()
}

#[test]
fn every_rule_of_the_house_holds() {
    let tree = Tree::of_this_repository();
    let mut report = String::new();
    for rule in rules() {
        let faults: BTreeSet<Fault> = (rule.check)(&tree).into_iter().collect();
        if !faults.is_empty() {
            report += &format!("\n{}\n  what to do: {}\n", rule.name, rule.remedy);
        }
        for fault in faults {
            report += &format!("  {}: {}\n", fault.place, fault.what);
        }
    }
    assert!(report.is_empty(), "not tidy:\n{report}");
}

#[test]
fn every_rule_finds_what_breaks_it() {
    for rule in rules() {
        assert!(!rule.bad.is_empty(), "{}: give it a bad example", rule.name);
        for (number, example) in rule.bad.iter().enumerate() {
            let faults = (rule.check)(&Tree::of_example(example));
            assert!(
                !faults.is_empty(),
                "{}: passes its bad example {number}",
                rule.name
            );
        }
    }
}

#[test]
fn no_rule_finds_what_is_not_there() {
    for rule in rules() {
        for (number, example) in rule.good.iter().enumerate() {
            let faults = (rule.check)(&Tree::of_example(example));
            let what = faults.first().map_or("", |fault| &fault.what);
            assert!(
                what.is_empty(),
                "{}, good example {number}: {what}",
                rule.name
            );
        }
    }
}
