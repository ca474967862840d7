//! What a server costs that is asked for nothing.

use super::Server;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// For so long it is watched; a second in which it starts goes before.
const WATCHED: Duration = Duration::from_secs(5);

/// How often its threads have been woken so far.
fn wake_ups(server: &Server) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.process.id())).unwrap();
    let of_task = |task: std::io::Result<fs::DirEntry>| {
        let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let line = status
            .lines()
            .find(|it| it.starts_with("voluntary_ctxt_switches"))?;
        line.rsplit('\t').next()?.trim().parse::<u64>().ok()
    };
    tasks.filter_map(of_task).sum()
}

/// The bytes of the log and of the database.
fn written(directory: &std::path::Path) -> Vec<u64> {
    let size = |name: &str| {
        fs::metadata(directory.join("data").join(name))
            .unwrap()
            .len()
    };
    vec![size("postrider.db"), size("postrider.db-wal")]
}

#[test]
fn an_idle_server_is_woken_for_nothing_but_a_look_at_its_files() {
    let (server, _directory) = Server::start();
    std::thread::sleep(Duration::from_secs(2));
    let before = wake_ups(&server);
    std::thread::sleep(WATCHED);
    let woken = wake_ups(&server) - before;
    // Once a second for the files; 20 times a second it was for the outbox.
    assert!(woken < 40, "woken {woken} times in {WATCHED:?}");
    server.stop();
}

#[test]
fn asking_whether_it_is_ready_does_not_write_each_time() {
    let (server, directory) = Server::start();
    let ready = |times: usize| {
        for _ in 0..times {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            let asked = "GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            stream.write_all(asked.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    };
    ready(1);
    let before = written(directory.path());
    ready(20);
    let grown: u64 = written(directory.path())
        .iter()
        .zip(&before)
        .map(|(now, before)| now - before)
        .sum();
    // A probe writes two pages or so; 20 of them would be some 160 KiB.
    assert!(grown < 64 << 10, "{grown} bytes for 20 questions");
    server.stop();
}
