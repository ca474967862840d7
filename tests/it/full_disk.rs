//! A disk that is really full: a small file system of its own, mounted for this test alone.

use crate::programs::program;
use std::path::Path;
use std::process::{Command, Output};

/// The ways to a mount that ends with its process: as root, or as root of a namespace of one's own.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// The file system: room for the reserve, the filler of `examples/full_disk.rs`, and some thousand
/// events.
const MOUNT: &str = "mount -t tmpfs -o size=96m tmpfs \"$1\"";

/// Runs a script of the shell, whose `$1` is the directory, among mounts of its own.
fn unshared(way: &[&str], script: &str, arguments: &[&Path]) -> Option<Output> {
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-e", "-c", script, "sh"]);
    command.args(arguments).output().ok()
}

/// The first way that works here.
fn way(directory: &Path) -> &'static [&'static str] {
    let mut told = String::new();
    for way in WAYS {
        match unshared(way, MOUNT, &[directory]) {
            Some(output) if output.status.success() => return way,
            Some(output) => told += &String::from_utf8_lossy(&output.stderr),
            None => told += "there is no `unshare`\n",
        }
    }
    panic!(
        "this test mounts a small file system and fills it. It needs Linux with `unshare` and \
         `mount` (util-linux), and either root or user namespaces (on Ubuntu: `sudo sysctl \
         kernel.apparmor_restrict_unprivileged_userns=0`). Here it was told:\n{told}"
    );
}

/// `tests/examples/full_disk.rs` says what is asked of it at each point. In short: publishing is
/// refused as full, by name; all that was acknowledged can be read, and is delivered while the disk
/// is full, by a process that fills it and is killed, and by the next one, which starts on the full
/// disk; and publishing goes on when there is room, with no restart. Twice somebody else takes the
/// very last byte, and a start succeeds all the same.
#[test]
fn on_a_full_disk_publishing_is_refused_and_everything_else_goes_on() {
    let disk = tempfile::tempdir().unwrap();
    let notes = tempfile::tempdir().unwrap();
    let way = way(disk.path());
    let script = format!(
        "{MOUNT}\n\
         if \"$3\" fill \"$1\" \"$2\"; then exit 9; else test $? -eq 137; fi\n\
         \"$3\" go-on \"$1\" \"$2\"\n"
    );
    let program = program("examples/full_disk");
    let arguments = [disk.path(), notes.path(), &program];
    let output = unshared(way, &script, &arguments).unwrap();
    let [out, error] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    assert!(output.status.success(), "{}\n{out}{error}", output.status);
    for line in [
        "refused at first: ",
        "delivered while full: ",
        "started where nothing is left: ",
        "delivered after a restart on a full disk: ",
        "ms until publishing went on: ",
        "events in all, each of them received: ",
        "started where only the reserve was left: ",
    ] {
        assert!(out.contains(line), "{line}\n{out}{error}");
    }
}
