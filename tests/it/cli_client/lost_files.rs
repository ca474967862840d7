//! A server whose files are lost, while it runs and before it starts.

use super::{PATIENCE, Said, Server, postrider, said, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What is done to the data, what the error must name, and how it is done.
type Tamper = (&'static str, &'static str, fn(&Path));

/// An endpoint that gets nothing for now, and some events for it.
fn fill(server: &Server) {
    let endpoint = server.endpoint("https://merchant.example/", &[]);
    server.text(&["endpoints", "pause", &endpoint]);
    for number in 0..5 {
        let data = format!("--data={number}");
        server.text(&["events", "publish", "a.b", &data]);
    }
}

/// A start of the server that is refused.
fn refused(directory: &Path) -> Said {
    let mut command = postrider(directory);
    command.args([
        "serve",
        "--data=data",
        "--log=error",
        "--listen=127.0.0.1:0",
    ]);
    let mut process = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            process.kill().unwrap();
            panic!("it has started");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = process.wait_with_output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Ends it as the system does when memory is short.
fn kill(mut server: Server) {
    let id = i32::try_from(server.process.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
    server.process.wait().unwrap();
}

#[test]
fn a_server_whose_database_is_removed_is_not_ready_and_ends_with_exit_status_1() {
    let (mut server, directory) = Server::start();
    fill(&server);
    let database = directory.path().join("data/postrider.db");
    fs::remove_file(&database).unwrap();
    let removed = Instant::now();
    let ready = server.run(&["doctor", "--only=server"]);
    assert_eq!(ready.code, Some(1), "{ready:?}");
    until("it ends", || server.process.try_wait().unwrap().is_some());
    assert_eq!(server.process.wait().unwrap().code(), Some(1));
    println!("ended after {:?}", removed.elapsed());
    let again = refused(directory.path());
    assert!(
        again.code != Some(0) && again.err.contains("postrider.db "),
        "{again:?}"
    );
}

#[test]
fn after_a_kill_a_start_without_the_log_or_with_an_older_database_is_refused() {
    let tampers: [Tamper; 4] = [
        ("the log is removed", "postrider.db-wal", |data| {
            fs::remove_file(data.join("postrider.db-wal")).unwrap();
        }),
        (
            "the log and its index are removed",
            "postrider.db-wal",
            |data| {
                fs::remove_file(data.join("postrider.db-wal")).unwrap();
                fs::remove_file(data.join("postrider.db-shm")).unwrap();
            },
        ),
        ("the log is emptied", "postrider.db-wal", |data| {
            fs::write(data.join("postrider.db-wal"), "").unwrap();
        }),
        (
            "the database is put back beside a later log",
            "postrider.db ",
            |data| {
                fs::rename(data.join("../copy.db"), data.join("postrider.db")).unwrap();
            },
        ),
    ];
    for (what, named, tamper) in tampers {
        let (server, directory) = Server::start();
        let backup = ["backup", "copy.db", "--data=data"];
        let made = said(postrider(directory.path()).args(backup));
        assert_eq!(made.code, Some(0), "{made:?}");
        fill(&server);
        let key = server.key.clone();
        kill(server);
        let data = directory.path().join("data");
        tamper(&data);
        let refused = refused(directory.path());
        assert!(refused.code != Some(0), "{what}: {refused:?}");
        assert!(refused.err.contains(named), "{what}: {refused:?}");
        assert!(
            refused.err.contains("postrider.db-lock"),
            "{what}: {refused:?}"
        );
        // What it says to do if it is meant.
        for name in ["lock", "wal", "shm"] {
            let _ = fs::remove_file(data.join(format!("postrider.db-{name}")));
        }
        let key = Some(&*key).filter(|_| what.starts_with("the database"));
        if key.is_some() {
            Server::on(directory.path(), 0, key).stop();
        }
    }
}

#[test]
fn after_a_kill_everything_is_there_as_long_as_the_files_are() {
    let (server, directory) = Server::start();
    fill(&server);
    let key = server.key.clone();
    kill(server);
    let server = Server::on(directory.path(), 0, Some(&key));
    let events = server.json(&["events", "list"]);
    assert_eq!(events["data"].as_array().unwrap().len(), 5);
    server.stop();
}

#[test]
fn a_second_server_does_not_get_in_by_removing_the_lock_file() {
    let (server, directory) = Server::start();
    let lock = directory.path().join("data/postrider.db-lock");
    fs::remove_file(lock).unwrap();
    let second = refused(directory.path());
    assert!(
        second.err.contains("in use by another process"),
        "{second:?}"
    );
    server.stop();
}

#[test]
fn a_new_database_beside_a_key_is_made_when_it_is_asked_for() {
    let (server, directory) = Server::start();
    server.stop();
    let database = directory.path().join("data/postrider.db");
    fs::remove_file(&database).unwrap();
    for log in ["wal", "shm"] {
        // A clean end leaves none.
        let _ = fs::remove_file(database.with_file_name(format!("postrider.db-{log}")));
    }
    let missing = refused(directory.path());
    assert!(missing.err.contains("--new"), "{missing:?}");
    let mut anew = Command::new("sh");
    anew.args(["-c", "exec \"$0\" \"$@\" --new"]);
    anew.arg(crate::programs::program("postrider"));
    Server::of(super::unset(anew, directory.path()), 0, None).stop();
    assert!(fs::metadata(&database).unwrap().len() > 0);
}

#[test]
fn the_files_are_for_their_owner_alone_whatever_the_umask() {
    for umask in ["000", "077", "277"] {
        let directory = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script]);
        shell.arg(crate::programs::program("postrider"));
        let server = Server::of(super::unset(shell, directory.path()), 0, None);
        let data = directory.path().join("data");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data), 0o700, "umask {umask}");
        let files: Vec<_> = fs::read_dir(&data).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 6, "{files:?}");
        for file in files {
            assert_eq!(mode(&file.path()), 0o600, "umask {umask}: {file:?}");
        }
        let backup = format!("umask {umask}; exec \"$0\" backup copy.db --data=data");
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &backup])
            .arg(crate::programs::program("postrider"));
        let made = said(&mut super::unset(shell, directory.path()));
        assert_eq!(made.code, Some(0), "{made:?}");
        assert_eq!(
            mode(&directory.path().join("copy.db")),
            0o600,
            "umask {umask}"
        );
        server.stop();
    }
}

#[test]
fn looser_permissions_are_told_with_what_to_do() {
    let (server, directory) = Server::start();
    let key = server.key.clone();
    server.stop();
    let data = directory.path().join("data");
    let file = data.join("postrider.db-key");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let doctor = said(postrider(directory.path()).args(["doctor", "--only=disk", "--data=data"]));
    let told = "chmod 700 data && chmod 600 data/postrider.db-key";
    assert!(doctor.out.contains(told), "{doctor:?}");
    let mut command = postrider(directory.path());
    command.stderr(Stdio::piped());
    command.env("RUST_LOG", "warn");
    let mut server = Server::of(command, 0, Some(&key));
    let mut log = server.process.stderr.take().unwrap();
    server.stop();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut log, &mut text).unwrap();
    assert!(
        text.contains("chmod 700") && text.contains("chmod 600"),
        "{text}"
    );
}
