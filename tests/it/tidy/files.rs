//! Rules for files, whatever is in them.

use super::tree::Tree;
use super::{Fault, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "no file is a grab bag",
        remedy: "name the file after what is in it",
        check: grab_bags,
        bad: &[
            &[("engine/src/util.rs", "")],
            &[("server/src/helpers/mod.rs", "")],
        ],
        good: &[&[("engine/src/utility_bill.rs", "")]],
    },
    Rule {
        name: "what is left to do is not left in a file",
        remedy: "do it, or write down why it is not done",
        check: left_to_do,
        bad: &[
            &[("engine/src/lane.rs", concat!("// TO", "DO: more"))],
            &[("docs/limits.md", concat!("a FIX", "ME"))],
            &[(".ci/run", concat!("# XX", "X"))],
        ],
        good: &[&[("engine/src/lane.rs", "const MAX_XXXL: u8 = 1; // to do so")]],
    },
];

fn grab_bags(tree: &Tree) -> Vec<Fault> {
    const BAGS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];
    let is_bag = |part: &str| BAGS.contains(&part.trim_end_matches(".rs"));
    let bags = tree
        .with_ending(".rs")
        .filter(|file| file.path.split('/').any(is_bag));
    bags.map(|file| Fault::new(&file.path, "says nothing"))
        .collect()
}

fn left_to_do(tree: &Tree) -> Vec<Fault> {
    const MARKS: &[&str] = &[
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let mut faults = Vec::new();
    for file in tree.all() {
        for (line, text) in (1..).zip(file.text.lines()) {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
            let mark = words.find(|word| MARKS.contains(word));
            faults.extend(mark.map(|mark| Fault::at(&file.path, line, mark)));
        }
    }
    faults
}
