//! `docs/cli.md` says what the program can do: all of it, and nothing else.

use crate::CommandLine;
use clap::{Command, CommandFactory};

/// A line for each command: how it is called, and what it does.
fn lines(command: &Command, path: &str, lines: &mut Vec<String>) {
    let words: Vec<&Command> = command.get_subcommands().collect();
    for word in &words {
        self::lines(word, &format!("{path} {}", word.get_name()), lines);
    }
    if !words.is_empty() {
        return;
    }
    let mut call = path.to_owned();
    for argument in command.get_positionals() {
        let names = argument.get_value_names().unwrap_or_default();
        call += &format!(" {}", names.join(" "));
    }
    let about = command.get_about().map(ToString::to_string);
    let about = about.unwrap_or_default();
    lines.push(format!("| `{}` | {about} |", call.replace('|', " or ")));
}

#[test]
fn the_manual_has_a_line_for_each_command_and_for_nothing_else() {
    let mut expected = Vec::new();
    lines(&CommandLine::command(), "postrider", &mut expected);
    let manual = include_str!("../../docs/cli.md");
    let found = manual
        .lines()
        .filter(|line| line.starts_with("| `postrider"));
    let found: Vec<&str> = found.collect();
    let table = expected.join("\n");
    assert_eq!(
        found, expected,
        "put these lines into docs/cli.md:\n{table}\n"
    );
}
