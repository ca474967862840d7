//! A server that may have few descriptors: endpoints that never answer, and clients that say nothing,
//! take none that the store or a healthy endpoint needs.

use super::{PATIENCE, Server, terminate, unset, until};
use crate::programs::program;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Endpoints that never answer, and events for them and for one that does.
const SILENT: usize = 40;
const EVENTS: usize = 300;

/// Connections that never say anything.
const CONNECTIONS: usize = 1_100;

/// A connection that is not taken by then waits for one that ends.
const QUEUE_FULL: Duration = Duration::from_millis(500);

/// Storms come one after another: each takes what this process has.
static STORM: Mutex<()> = Mutex::new(());

/// A server that may have so many descriptors, and no more.
fn bounded(descriptors: u64, directory: &std::path::Path) -> Server {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\" --shutdown-timeout-s=2");
    shell.args(["-c", &script]).arg(program("postrider"));
    Server::of(unset(shell, directory), 0, None)
}

/// A connection to the API that is kept.
struct Client {
    stream: BufReader<TcpStream>,
    key: String,
}

impl Client {
    fn of(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
            key: server.key.clone(),
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> (u16, String) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes()).unwrap();
        read_message(&mut self.stream).expect("it answers")
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", path, &body.to_string());
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }
}

/// A message with its length: the number in its first line, if there is one, and its body.
fn read_message(stream: &mut impl BufRead) -> Option<(u16, String)> {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some(_) => (),
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
    Some((status.unwrap_or(0), String::from_utf8(body).unwrap()))
}

/// Takes connections and never answers.
fn silent_receiver() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address
}

/// What a receiver was sent, in that order.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<String>>>);

impl Received {
    fn push(&self, body: String) {
        self.0.lock().unwrap().push(body);
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Answers everything with 200, and keeps it.
fn healthy_receiver() -> (SocketAddr, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let received = Received::default();
    let keeps = received.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let keeps = keeps.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                while let Some((_, body)) = read_message(&mut stream) {
                    keeps.push(body);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    if stream.get_mut().write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, received)
}

/// No attempt has failed of what this machine lacks.
fn none_failed(metrics: &str, what: &str) {
    for outcome in ["dns", "connect", "internal", "local", "reset"] {
        let line = format!("postrider_attempts_total{{outcome=\"{outcome}\"}} 0");
        assert!(metrics.contains(&line), "{what}: {line} not in\n{metrics}");
    }
}

fn register(client: &mut Client, to: SocketAddr) -> String {
    let endpoint = json!({ "url": format!("http://{to}/"), "timeout_ms": 60_000 });
    let made = client.post("/v1/endpoints", &endpoint);
    super::text(&made["id"])
}

/// What a server with so many descriptors does in the storm.
fn storm(descriptors: u64) {
    let _turn = STORM.lock().unwrap_or_else(PoisonError::into_inner);
    // This process holds the other ends.
    let allowed = postrider::descriptors::raise().unwrap();
    assert!(
        allowed >= 4_096,
        "this test needs some thousand descriptors, and has {allowed}"
    );
    let directory = tempfile::tempdir().unwrap();
    let mut server = bounded(descriptors, directory.path());
    let mut client = Client::of(&server);
    let (healthy, received) = healthy_receiver();
    let silent = silent_receiver();
    for _ in 0..SILENT {
        register(&mut client, silent);
    }
    register(&mut client, healthy);
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    // Those that are not taken wait in the queue of the listener, or are refused.
    let quiet: Vec<_> = (0..CONNECTIONS)
        .map_while(|_| TcpStream::connect_timeout(&address, QUEUE_FULL).ok())
        .collect();
    for number in 0..EVENTS {
        client.post(
            "/v1/events",
            &json!({ "type": "a.b", "payload": { "n": number } }),
        );
    }
    until("the healthy endpoint has all", || {
        received.count() >= EVENTS
    });
    let (status, _) = client.ask("GET", "/readyz", "");
    assert_eq!(status, 200, "{descriptors}");
    let (_, metrics) = client.ask("GET", "/metrics", "");
    none_failed(&metrics, &descriptors.to_string());
    assert_eq!(received.count(), EVENTS, "nothing came twice");
    assert!(server.process.try_wait().unwrap().is_none(), "it goes on");
    drop(quiet);
    terminate(&server.process);
    assert!(server.process.wait().unwrap().success(), "{descriptors}");
}

#[test]
fn with_256_descriptors_nothing_is_lost_and_healthy_endpoints_go_on() {
    storm(256);
}

#[test]
fn with_1024_descriptors_nothing_is_lost_and_healthy_endpoints_go_on() {
    storm(1_024);
}

#[test]
fn with_many_descriptors_nothing_is_lost_and_healthy_endpoints_go_on() {
    storm(postrider::descriptors::raise().unwrap().min(65_536));
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_leave_for_want_of_descriptors_leaves_once_there_are_some() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let (mut server, _directory) = Server::start();
    let mut client = Client::of(&server);
    let (healthy, received) = healthy_receiver();
    register(&mut client, healthy);
    let process = Some(Pid::from_child(&server.process));
    let few = Rlimit {
        // Those that every program has: it gets no other, whatever it closes.
        current: Some(3),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    let before = prlimit(process, Resource::Nofile, few).unwrap();
    let mut bodies = Vec::new();
    until("a request is put back", || {
        let payload = json!({ "n": bodies.len() });
        bodies.push(payload.to_string());
        let event = json!({ "type": "a.b", "payload": payload, "ordering_key": "k" });
        client.post("/v1/events", &event);
        let (_, metrics) = client.ask("GET", "/metrics", "");
        let put_back = "postrider_attempts_put_back_total ";
        let put_back = metrics.lines().find_map(|it| it.strip_prefix(put_back));
        put_back.is_some_and(|it| it != "0")
    });
    prlimit(process, Resource::Nofile, before).unwrap();
    until("all have come", || received.count() >= bodies.len());
    let ended = format!(
        "postrider_attempts_total{{outcome=\"2xx\"}} {}\n",
        bodies.len()
    );
    let mut metrics = String::new();
    until("each attempt is on record", || {
        metrics = client.ask("GET", "/metrics", "").1;
        metrics.contains(&ended)
    });
    none_failed(&metrics, "few descriptors");
    assert_eq!(received.all(), bodies, "in order, and each once");
    assert!(server.process.try_wait().unwrap().is_none(), "it goes on");
    server.stop();
}

#[test]
fn a_server_raises_its_soft_limit_and_tells_what_it_makes_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    let script = "ulimit -Sn 64 && ulimit -Hn 4096 && exec \"$0\" doctor --only=descriptors";
    shell.args(["-c", script]).arg(program("postrider"));
    let said = super::said(&mut unset(shell, directory.path()));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("4096 for 1512 requests under way"),
        "{said:?}"
    );
}
