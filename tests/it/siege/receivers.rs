//! Receivers that take a request and hold on to it.

use super::program::Program;
use crate::hostile::{Behaviour, OK, Receiver};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

/// Those whose receiver is the attacker's.
const ENDPOINTS: usize = 12;

/// For each of them.
const EVENTS: usize = 3;

/// At each event.
const ATTEMPTS: usize = 2;

/// Time enough for anything that should happen, on a busy machine too.
const PATIENT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_do_not_read_hold_up_no_other_and_keep_nothing() {
    let socket = TcpSocket::new_v4().unwrap();
    // Little fits into it, so that writes are blocked.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1024).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    besiege(&url).await;
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_drip_their_answers_hold_up_no_other_and_keep_nothing() {
    let head = "HTTP/1.1 200 OK\r\nx-slow: ".into();
    let drip = Behaviour::Drip(head, Duration::from_secs(1));
    let receiver = Receiver::start(drip).await;
    besiege(&receiver.http()).await;
}

/// Sends large events to many endpoints at this URL, and small ones to a healthy one meanwhile.
async fn besiege(url: &str) {
    let program = Program::start(&[]);
    let healthy = Receiver::start(Behaviour::Answer(OK.into())).await;
    register(&program, &healthy.http(), ("small.*", 30_000)).await;
    // What a server opens once is open after that.
    publish(&program, "small.first", 1).await;
    until("it is delivered", async || healthy.requests().len() == 1).await;
    let before = program.descriptors();

    for number in 0..ENDPOINTS {
        register(&program, &format!("{url}{number}"), ("large.*", 1_000)).await;
    }
    for _ in 0..EVENTS {
        publish(&program, "large.one", 250_000).await;
    }
    for _ in 0..20 {
        publish(&program, "small.one", 1).await;
    }
    let got_all = async || healthy.requests().len() >= 21;
    until("a healthy endpoint gets its events", got_all).await;
    let failed = async || dead_letters(&program).await == ENDPOINTS * EVENTS;
    until("the others' attempts end", failed).await;
    program.assert_bounded();
    // Some may be open for other reasons, but not one for each attempt.
    let slack = ENDPOINTS * EVENTS * ATTEMPTS / 3;
    let back = async || program.descriptors() <= before + slack;
    until("the descriptors are given back", back).await;
    let (status, _) = program.ask(2, "GET /livez", b"").await;
    assert_eq!(status, 200);
}

async fn until(what: &str, happened: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENT;
    while !happened().await {
        assert!(Instant::now() < deadline, "it is not so that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn register(program: &Program, url: &str, (types, timeout_ms): (&str, u64)) {
    let endpoint = json!({
        "url": url,
        "event_types": [types],
        "timeout_ms": timeout_ms,
        "retry": { "delays_ms": vec![10; ATTEMPTS - 1] },
        "breaker": null,
    });
    let endpoint = endpoint.to_string();
    let (status, made) = program
        .ask(1, "POST /v1/endpoints", endpoint.as_bytes())
        .await;
    assert_eq!(status, 201, "{made}");
}

async fn publish(program: &Program, event_type: &str, bytes: usize) {
    let event = json!({ "type": event_type, "payload": "x".repeat(bytes) }).to_string();
    let (status, answer) = program.ask(1, "POST /v1/events", event.as_bytes()).await;
    assert_eq!(status, 202, "{answer}");
}

async fn dead_letters(program: &Program) -> usize {
    let (_, found) = program.ask(1, "GET /v1/dead-letters/groups", b"").await;
    let groups = found["groups"].as_array().unwrap();
    let counts = groups.iter().map(|group| group["count"].as_u64().unwrap());
    usize::try_from(counts.sum::<u64>()).unwrap()
}
