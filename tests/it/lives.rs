//! One directory, several processes: what a program finds that goes on after another one, and
//! beside another one.

use crate::programs::program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// More than a process gets done before it is ended here.
const MANY: &str = "20000";

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that ends with its handle.
struct Life(Option<Child>);

impl Life {
    /// Starts the demo in this directory.
    fn start(data: &Path, events: &str) -> Self {
        let mut command = Command::new(program("postrider"));
        command.args(["demo", "--json", "--events", events, "--endpoints", "12"]);
        command.arg("--data").arg(data);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(command.spawn().unwrap()))
    }

    fn signal(&self, signal: Signal) {
        let child = self.0.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.as_mut().unwrap().try_wait().unwrap()
    }

    /// How it ends by itself, and what it says. It says little: no pipe runs full meanwhile.
    fn end(mut self) -> Output {
        let start = Instant::now();
        while self.ended().is_none() {
            assert!(start.elapsed() < PATIENCE, "it does not end");
            sleep(Duration::from_millis(5));
        }
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How many lines of the journal begin with this word.
fn lines(data: &Path, word: &str) -> usize {
    let journal = fs::read_to_string(data.join("journal.txt")).unwrap_or_default();
    let lines = journal.lines().filter(|line| line.starts_with(word));
    lines.count()
}

/// Waits until receivers have seen so many requests.
fn until_arrived(data: &Path, requests: usize) {
    let start = Instant::now();
    while lines(data, "arrived ") < requests {
        assert!(start.elapsed() < PATIENCE, "nothing arrives");
        sleep(Duration::from_millis(5));
    }
}

/// The JSON object that it ended with: its last line.
fn object(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("{output:?}"));
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{output:?}"))
}

/// It ended well: everything is delivered or a dead letter, in order, none lost, none repeated.
fn assert_kept(output: &Output, events: u64) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let counts = object(output);
    assert_eq!(counts["accepted"], events);
    for none in ["pending", "lost", "order_violations", "invalid_signatures"] {
        assert_eq!(counts[none], 0, "{none}: {counts}");
    }
}

/// `SIGTERM` in flight, twice, once `SIGINT`; then a process that is left alone. Its own check
/// allows for one repeat of an event for each process that was killed; there is none here, so that
/// a single request that came again, or is on no record, makes it fail.
#[test]
fn a_process_that_is_asked_to_end_drains_and_the_next_one_goes_on_without_a_repeat() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let events = "6000";
    for (life, signal) in [Signal::TERM, Signal::INT, Signal::TERM].iter().enumerate() {
        let before = lines(data, "arrived ");
        let process = Life::start(data, events);
        until_arrived(data, before + 300);
        process.signal(*signal);
        let output = process.end();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let stopped = object(&output);
        assert_eq!(stopped["stopped"], true, "it had ended before: {stopped}");
        assert_eq!(stopped["cancelled"], 0, "{stopped}");
        assert_eq!(lines(data, "stopped"), life + 1);
        // Every request that came has been answered, or was left unanswered on purpose.
        let ended = lines(data, "answered ") + lines(data, "silent ");
        assert_eq!(lines(data, "arrived "), ended);
    }
    assert_kept(&Life::start(data, events).end(), 6_000);
}

#[test]
fn a_second_signal_ends_at_once() {
    let directory = tempfile::tempdir().unwrap();
    // Both signals wait for a process that stands still: it cannot have drained in between.
    let process = Life::start(directory.path(), MANY);
    until_arrived(directory.path(), 100);
    process.signal(Signal::STOP);
    process.signal(Signal::TERM);
    process.signal(Signal::INT);
    process.signal(Signal::CONT);
    let output = process.end();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_second_process_is_refused_and_leaves_the_first_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let mut first = Life::start(data, MANY);
    until_arrived(data, 50);
    let second = Life::start(data, MANY).end();
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(
        told.contains("postrider.db is in use by another process: stop that one first"),
        "{told}"
    );
    assert!(second.stdout.is_empty());
    // The first has not noticed.
    assert_eq!(first.ended(), None);
    assert_eq!(lines(data, "started"), 1);
    until_arrived(data, lines(data, "arrived ") + 200);
    first.signal(Signal::KILL);
    let output = first.end();
    assert_eq!(output.status.signal(), Some(Signal::KILL.as_raw()));
    // Nothing of a process that was killed keeps the next one out.
    let third = Life::start(data, MANY);
    until_arrived(data, lines(data, "arrived ") + 200);
    assert_eq!(lines(data, "started"), 2);
    third.signal(Signal::TERM);
    assert_eq!(third.end().status.code(), Some(0));
}
