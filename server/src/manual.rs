//! `docs/cli.md` says what the program can do: all of it, and nothing else.

use crate::CommandLine;
use clap::{Command, CommandFactory};

/// A line for each command: how it is called, with what it cannot do without, and what it does.
fn lines(command: &mut Command, path: &str, lines: &mut Vec<String>) {
    let mut has_words = false;
    // Every group has a `help` of its own.
    let words = command.get_subcommands_mut();
    for word in words.filter(|word| word.get_name() != "help") {
        let path = format!("{path} {}", word.get_name());
        self::lines(word, &path, lines);
        has_words = true;
    }
    if has_words {
        return;
    }
    let usage = command.render_usage().to_string();
    let asked = usage.split_once(path).map_or("", |(_, asked)| asked);
    let asked = asked.replace(" [OPTIONS]", "").replace(['<', '>'], "");
    let about = command.get_about().map(ToString::to_string);
    let about = about.unwrap_or_default();
    let call = format!("{path}{asked}").replace('|', " or ");
    lines.push(format!("| `{call}` | {about} |"));
}

#[test]
fn the_manual_has_a_line_for_each_command_and_for_nothing_else() {
    let mut expected = Vec::new();
    let mut command = CommandLine::command();
    command.build();
    lines(&mut command, "postrider", &mut expected);
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
