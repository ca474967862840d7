//! Other processes, and what this one has cost.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A process that ends with its handle.
pub(crate) struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts this program with other words, and reads the first line it prints.
pub(crate) fn start(words: &[&str]) -> (Helper, String) {
    let mut child = command(words).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (Helper(child), line.trim().to_owned())
}

/// Runs this program with other words to its end, and reads the numbers it prints last.
pub(crate) fn measure(words: &[&str]) -> Vec<f64> {
    let output = command(words).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{words:?} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().last().unwrap_or_default();
    last.split(' ')
        .map(|number| number.parse().unwrap())
        .collect()
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words);
    command
}

/// CPU seconds that the threads of this process have used (`/proc/*/schedstat`, nanoseconds).
pub(crate) fn cpu_seconds() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let lines = threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok());
    let nanoseconds: f64 = lines
        .filter_map(|line| line.split(' ').next()?.parse::<f64>().ok())
        .sum();
    nanoseconds / 1e9
}
