//! A worker process, from both sides.

use super::{Job, Tally};
use postrider_sim::{Bug, Keep, Plan, Violation, runner};
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A worker process, as its employer sees it.
pub(crate) struct Worker {
    child: Child,
    /// `None` once it shall end.
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    last_words: Option<JoinHandle<String>>,
}

/// How a worker ended that should not have.
#[derive(Debug)]
pub(crate) enum Death {
    /// It was still busy after this time, and was killed.
    Hang(Duration),
    /// It ended, in these words.
    Crash(String),
}

impl Death {
    pub(super) fn violation(self) -> Violation {
        let (promise, said) = match self {
            Self::Hang(limit) => {
                let seconds = limit.as_secs_f64();
                ("hang", format!("the run was not over after {seconds} s"))
            }
            Self::Crash(said) => ("crash", said),
        };
        Violation {
            promise: promise.to_owned(),
            at_ms: 0,
            line: 0,
            said,
        }
    }
}

impl Worker {
    /// Starts this program once more.
    pub(crate) fn start(bug: Option<Bug>) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("worker");
        if let Some(bug) = bug {
            command.args(["--bug", bug.name()]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (output, complaints) = (child.stdout.take(), child.stderr.take());
        let (say, answers) = mpsc::channel();
        // It ends with the worker.
        thread::spawn(move || listen(output, &say));
        Ok(Self {
            input: child.stdin.take(),
            answers,
            last_words: Some(thread::spawn(move || last_words(complaints))),
            child,
        })
    }

    /// Lets it run these, and hears what they came to.
    pub(crate) fn ask(&mut self, jobs: &[&Job], limit: Duration) -> Result<Tally, Death> {
        let asked = match (&mut self.input, serde_json::to_string(jobs)) {
            (Some(input), Ok(text)) => writeln!(input, "{text}").and_then(|()| input.flush()),
            _ => Ok(()),
        };
        // Whoever does not listen has ended, and does not answer.
        let answer = asked
            .map_err(|_| RecvTimeoutError::Disconnected)
            .and_then(|()| self.answers.recv_timeout(limit));
        match answer {
            Ok(line) => serde_json::from_str(&line)
                .map_err(|error| Death::Crash(format!("it answered `{line}`: {error}"))),
            Err(RecvTimeoutError::Timeout) => Err(Death::Hang(limit)),
            Err(RecvTimeoutError::Disconnected) => Err(self.crash()),
        }
    }

    /// How one plan fails, if it does.
    pub(crate) fn try_plan(&mut self, plan: &Plan, limit: Duration) -> Option<Violation> {
        let job = Job::Plan(Box::new(plan.clone()));
        match self.ask(&[&job], limit) {
            Ok(tally) => tally.broken.into_iter().next().map(|it| it.violation),
            Err(death) => Some(death.violation()),
        }
    }

    fn crash(&mut self) -> Death {
        let status = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let words = self.last_words.take().and_then(|words| words.join().ok());
        let words = words.unwrap_or_default();
        let last = words.lines().rfind(|line| !line.trim().is_empty());
        Death::Crash(match last {
            Some(last) => format!("the process ended: {status}: {}", last.trim()),
            None => format!("the process ended: {status}"),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.input = None;
        // It may be in the middle of a run, or have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(output: Option<ChildStdout>, say: &mpsc::Sender<String>) {
    let lines = output.into_iter().flat_map(|it| BufReader::new(it).lines());
    for line in lines.map_while(Result::ok) {
        if say.send(line).is_err() {
            return;
        }
    }
}

/// The end of what it complains of.
fn last_words(complaints: Option<ChildStderr>) -> String {
    const BYTES_MAX: usize = 4_096;
    let (mut words, mut buffer) = (Vec::new(), [0; 1_024]);
    let Some(mut complaints) = complaints else {
        return String::new();
    };
    while let Ok(count @ 1..) = complaints.read(&mut buffer) {
        words.extend_from_slice(&buffer[..count]);
        let more = words.len().saturating_sub(BYTES_MAX);
        words.drain(..more);
    }
    String::from_utf8_lossy(&words).into_owned()
}

/// What a worker process does: a line of jobs, a line of answers, until nobody asks any more.
pub(crate) fn serve(bug: Option<Bug>) -> Result<(), Box<dyn std::error::Error>> {
    let (input, mut output) = (io::stdin().lock(), io::stdout().lock());
    for line in input.lines() {
        let jobs: Vec<Job> = serde_json::from_str(&line?)?;
        let before = cpu();
        let mut tally = Tally::default();
        for (number, job) in (0..).zip(&jobs) {
            let plan = Arc::new(job.plan()?.into_owned());
            tally.add_run(number, runner::run(&plan, Keep::Nothing, bug));
        }
        tally.cpu = cpu().saturating_sub(before);
        writeln!(output, "{}", serde_json::to_string(&tally)?)?;
        output.flush()?;
    }
    Ok(())
}

/// What this process has used of its processors.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
