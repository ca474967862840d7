//! The server: publishing over its API beside the store's own rate, what a delivery costs from the
//! request to the receiver, and what the process takes when it does nothing.

use crate::http::PAYLOAD_BYTES;
use crate::process::start;
use crate::store::{PUBLISHERS, paused, publish_for};
use crate::{median, percentile};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ROUNDS: usize = 5;
pub(crate) const ROUND: Duration = Duration::from_secs(3);
const EVENTS: usize = 20_000;
const ENDPOINTS: usize = 100;
const KEY: &str = "the-operators-key-of-the-benchmark";

pub(crate) fn figures() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        publishing().await;
        end_to_end().await;
    });
    idle();
}

/// The release binary, in a data directory of its own.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    _directory: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "error"])
            .args(["--allow-networks", "127.0.0.0/8", "--data"])
            .arg(directory.path())
            .env("POSTRIDER_API_KEY", KEY)
            .env("POSTRIDER_CONFIG", "")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        Self {
            address: address.to_owned(),
            process,
            _directory: directory,
        }
    }

    /// CPU seconds of the process so far.
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        // Linux counts in hundredths of a second (USER_HZ).
        ticks / 100.0
    }

    fn resident_kib(&self) -> f64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.unwrap().split_whitespace().nth(1).unwrap();
        number.parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn binary() -> PathBuf {
    // target/release/deps/figures-0123456789abcdef
    let bench = std::env::current_exe().unwrap();
    bench.ancestors().nth(2).unwrap().join("postrider")
}

/// A connection that is kept.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::with_capacity(4096),
        }
    }

    /// Sends a request and gives the status and the body of the answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> (u16, String) {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the server has closed the connection");
            let text = String::from_utf8_lossy(&self.buffer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return (head[9..12].parse().unwrap(), body.to_owned());
            }
        }
    }
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: postrider\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn event(event_type: &str) -> Vec<u8> {
    let payload = "x".repeat(PAYLOAD_BYTES);
    let body = format!(r#"{{"type":"{event_type}","payload":"{payload}"}}"#);
    request("POST", "/v1/events", &body)
}

/// How many events are accepted in this time, and how long each took, in milliseconds.
pub(crate) async fn publish_over_http(address: &str) -> (usize, Vec<f64>) {
    let end = Instant::now() + ROUND;
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|_| {
            let (address, request) = (address.to_owned(), event("payment.succeeded"));
            tokio::spawn(async move {
                let mut client = Client::to(&address).await;
                let mut took = Vec::new();
                while Instant::now() < end {
                    let begin = Instant::now();
                    let (status, body) = client.send(&request).await;
                    assert_eq!(status, 202, "{body}");
                    took.push(begin.elapsed().as_secs_f64() * 1e3);
                }
                took
            })
        })
        .collect();
    let mut all = Vec::new();
    for publisher in publishers {
        all.extend(publisher.await.unwrap());
    }
    (all.len(), all)
}

async fn publishing() {
    println!("POST /v1/events, durable: 1 KiB, {PUBLISHERS} keep-alive clients");
    let directory = tempfile::tempdir().unwrap();
    let store = paused(&directory.path().join("events.db")).await;
    let server = Server::start();
    let mut client = Client::to(&server.address).await;
    let endpoint = request(
        "POST",
        "/v1/endpoints",
        r#"{"url":"https://receiver.example/"}"#,
    );
    let (status, body) = client.send(&endpoint).await;
    assert_eq!(status, 201, "{body}");
    let id = body.split('"').nth(3).unwrap();
    let pause = request("POST", &format!("/v1/endpoints/{id}/pause"), "");
    assert_eq!(client.send(&pause).await.0, 200);
    let (mut ours, mut stores, mut ratios, mut late) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (count, took) = publish_over_http(&server.address).await;
        let published = count as f64 / ROUND.as_secs_f64();
        let own = publish_for(&store, ROUND).await as f64 / ROUND.as_secs_f64();
        ours.push(published);
        stores.push(own);
        ratios.push(published / own);
        late.push(percentile(took, 0.99));
    }
    println!(
        "  over the API {:8.0} events/s (aim: 10,000, or 0.5 of the store)",
        median(ours)
    );
    println!("  store        {:8.0} events/s", median(stores));
    println!(
        "  ratio {:.2} (median of {ROUNDS} pairs; aim: at least 0.5)",
        median(ratios)
    );
    println!("  p99 {:.1} ms (median; aim: under 20)\n", median(late));
}

async fn end_to_end() {
    println!("end to end: {EVENTS} events over {ENDPOINTS} endpoints, API, SQLite, delivery");
    let (_receiver, receiver) = start(&["receiver"]);
    let server = Server::start();
    let mut client = Client::to(&server.address).await;
    let mut ids = Vec::new();
    for number in 0..ENDPOINTS {
        let body = format!(r#"{{"url":"http://{receiver}/","event_types":["type.n{number}"]}}"#);
        let (status, body) = client.send(&request("POST", "/v1/endpoints", &body)).await;
        assert_eq!(status, 201, "{body}");
        ids.push(body.split('"').nth(3).unwrap().to_owned());
    }
    let (begin, before) = (Instant::now(), server.cpu_seconds());
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let address = server.address.clone();
            tokio::spawn(async move {
                let mut client = Client::to(&address).await;
                for number in (publisher..EVENTS).step_by(PUBLISHERS) {
                    let request = event(&format!("type.n{}", number % ENDPOINTS));
                    assert_eq!(client.send(&request).await.0, 202);
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let last = begin + Duration::from_secs(120);
    for id in &ids {
        let stats = request("GET", &format!("/v1/endpoints/{id}/stats"), "");
        loop {
            let (_, body) = client.send(&stats).await;
            if body.contains(r#""pending":0"#) {
                break;
            }
            assert!(Instant::now() < last, "{body}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cost = (server.cpu_seconds() - before) / EVENTS as f64 * 1e3;
    println!("  {:.0} deliveries/s", EVENTS as f64 / seconds);
    println!("  {cost:.3} CPU seconds of the server per 1,000 deliveries (aim: at most 0.08)\n");
}

fn idle() {
    let server = Server::start();
    std::thread::sleep(Duration::from_secs(2));
    let resident = server.resident_kib() / 1024.0;
    println!("idle: {resident:.1} MiB resident (aim: under 40)");
    let stripped = tempfile::NamedTempFile::new().unwrap();
    let strip = Command::new("strip")
        .arg("-o")
        .arg(stripped.path())
        .arg(binary())
        .status();
    match strip {
        Ok(status) if status.success() => {
            let size = std::fs::metadata(stripped.path()).unwrap().len();
            let mib = size as f64 / f64::from(1 << 20);
            println!("binary: {mib:.1} MiB stripped (aim: under 30)\n");
        }
        _ => println!("binary: not measured, there is no `strip` here\n"),
    }
}
