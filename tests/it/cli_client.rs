//! The commands that ask a server, run as a user would, against a server that runs.

mod audit;
mod backfill;
mod catalogue;
mod dead_letters;
mod descriptors;
mod endpoints;
mod events;
mod failures;
mod idle;
mod lost_files;
mod machine;
mod operators;
mod overview;
mod settings;
mod stream;
mod try_outs;
mod waiting;

use crate::programs::program;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No step takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// The program, without what is set around the tests, in this directory.
fn postrider(directory: &Path) -> Command {
    unset(Command::new(program("postrider")), directory)
}

fn unset(mut command: Command, directory: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POSTRIDER_") {
            command.env_remove(name);
        }
    }
    command.current_dir(directory).stdin(Stdio::null());
    command
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A server of the shipped program, on a port of its own.
struct Server {
    process: Child,
    url: String,
    key: String,
}

impl Server {
    /// A new server, whose data is in the directory that is given back.
    fn start() -> (Self, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let server = Self::on(directory.path(), 0, None);
        (server, directory)
    }

    /// On the data in the directory. The key is that of an earlier start, or a new one.
    fn on(directory: &Path, port: u16, key: Option<&str>) -> Self {
        Self::of(postrider(directory), port, key)
    }

    /// Started by this command, which takes the arguments of the program.
    fn of(mut command: Command, port: u16, key: Option<&str>) -> Self {
        command.args(["serve", "--data=data", "--log=error"]);
        command.arg(format!("--listen=127.0.0.1:{port}"));
        command.arg("--allow-networks=127.0.0.0/8");
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut value = |start: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(start).unwrap().to_owned()
        };
        let url = value("listening on ");
        let key = key.map_or_else(|| value("API key: "), str::to_owned);
        // What it says at its end finds somebody who reads it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url, key }
    }

    fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// The program, told where the server is.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = postrider(&std::env::temp_dir());
        command.env("POSTRIDER_URL", &self.url);
        command.env("POSTRIDER_API_KEY", &self.key).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        said(&mut self.command(args))
    }

    /// What it says for people, with exit status 0.
    fn text(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
        said.out
    }

    /// The JSON that it says, with exit status 0.
    fn json(&self, args: &[&str]) -> Value {
        let out = self.text(&[args, &["--json"]].concat());
        assert_eq!(out.lines().count(), 1, "{args:?}: {out}");
        serde_json::from_str(&out).unwrap()
    }

    /// What it says of its failure, with this exit status and nothing on the standard output.
    fn refused(&self, code: i32, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!((said.code, &*said.out), (Some(code), ""), "{said:?}");
        said.err
    }

    /// An endpoint at this URL, with these arguments: its id.
    fn endpoint(&self, url: &str, more: &[&str]) -> String {
        let made = self.json(&[&["endpoints", "create", url], more].concat());
        text(&made["id"])
    }

    /// Ends as when it is asked to, and waits for that.
    fn stop(mut self) {
        terminate(&self.process);
        assert!(self.process.wait().unwrap().success());
    }
}

/// Asks a process to end.
fn terminate(process: &Child) {
    let id = i32::try_from(process.id()).unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that goes on until it is dropped, and what it has said so far.
struct Following {
    process: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Following {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (said, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let lines = out.lines().map_while(Result::ok);
            lines.for_each(|line| drop(said.send(line)));
        });
        Self { process, lines }
    }

    /// The next line.
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.expect("it says something")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until it holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

/// Whether some line of the text has all of these words, in this order.
fn has_line(text: &str, words: &[&str]) -> bool {
    text.lines().any(|line| {
        let mut rest = line.split_whitespace();
        words.iter().all(|word| rest.any(|found| found == *word))
    })
}
