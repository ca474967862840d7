use super::program::Program;
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_from_one_address_keep_no_other_out_and_are_told_of() {
    let program = Program::start(&[("POSTRIDER_CONNECTIONS_MAX", "100")]);
    let mut held = Vec::new();
    for _ in 0..250 {
        held.push(program.connect_from(1).await);
    }
    for from in [2, 3, 4] {
        let (status, _) = program.ask(from, "GET /livez", b"").await;
        assert_eq!(status, 200, "127.0.0.{from} is served");
    }
    let refused = r#"postrider_connections_closed_total{why="share"}"#;
    assert_eq!(program.metric(refused).await, 200);
    let mut last = held.pop().unwrap();
    let end = last.read(&mut [0; 1]).await;
    assert!(matches!(end, Ok(0) | Err(_)), "it was closed at once");
    let log = program.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("connection_refused"));
    let lines = lines.count();
    assert!((1..=30).contains(&lines), "{lines} lines for 200 refusals");
    assert!(log.contains("127.0.0.1") && log.contains("share"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_answers_that_nobody_reads_are_counted_and_keep_no_other_out() {
    const CONNECTIONS: u32 = 45;
    const STREAMS: u32 = 100;
    // Half of all requests that may be under way.
    const SHARE: u32 = 4_096;
    let program = Program::start(&[]);
    let (mut held, mut senders) = (Vec::new(), Vec::new());
    let mut refused = 0;
    for number in 0..CONNECTIONS {
        let socket = program.connect_from(1).await;
        // No byte of an answer is taken, or one: then the rest waits behind the end of the body.
        let (mut sender, connection) = h2::client::Builder::new()
            .initial_window_size(number % 2)
            .handshake::<_, Bytes>(socket)
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..STREAMS {
            sender = sender.ready().await.unwrap();
            let request = Request::get("http://x/livez").body(()).unwrap();
            let (answer, _) = sender.send_request(request, true).unwrap();
            answers.push(answer);
        }
        for answer in answers {
            match answer.await {
                Ok(answer) => held.push(answer),
                Err(error) => {
                    assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM), "{error}");
                    refused += 1;
                }
            }
        }
        senders.push(sender);
    }
    assert!(refused >= CONNECTIONS * STREAMS - SHARE, "{refused}");
    let (status, _) = program.ask(2, "GET /livez", b"").await;
    assert_eq!(status, 200, "another address is served");
    let told = r#"postrider_connections_closed_total{why="requests"}"#;
    assert!(program.metric(told).await >= u64::from(refused));
    program.assert_bounded();
    drop((held, senders));
    let served = async {
        while program.ask(1, "GET /livez", b"").await.0 != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(120), served).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_are_refused_fill_no_log() {
    let program = Program::start(&[]);
    let form = json!({ "name": "hub", "provider": "github", "secrets": ["secret-of-the-siege-0123456789"] });
    let (status, made) = program
        .ask(1, "POST /v1/sources", form.to_string().as_bytes())
        .await;
    assert_eq!(status, 201, "{made}");
    let path = format!("POST /in/{}", made["id"].as_str().unwrap());
    let start = Instant::now();
    for _ in 0..300 {
        let (status, _) = program.ask(1, &path, b"{}").await;
        assert_eq!(status, 401);
    }
    let seconds = start.elapsed().as_secs() + 1;
    let log = program.log();
    let lines = log.lines().filter(|line| line.contains("inbound.refused"));
    let lines = lines.count() as u64;
    assert!(
        (1..=2 * seconds).contains(&lines),
        "{lines} lines in {seconds} s"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_the_cause_of_a_refusal() {
    let program = Program::start(&[]);
    let vectors = include_str!("../../../signature/vectors/providers.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let mut vectors = vectors["vectors"].as_array().unwrap().iter();
    // Its signature is in the body, and its time is that of long ago.
    let vector = vectors.find(|it| it["provider"] == "mailgun").unwrap();
    let form = json!({ "name": "mail", "provider": "mailgun", "secrets": [vector["secret"]] });
    let (status, made) = program
        .ask(1, "POST /v1/sources", form.to_string().as_bytes())
        .await;
    assert_eq!(status, 201, "{made}");
    let path = format!("POST /in/{}", made["id"].as_str().unwrap());
    let body = vector["body"].as_str().unwrap();
    let (status, _) = program.ask(1, &path, body.as_bytes()).await;
    assert_eq!(status, 401);
    let log = program.log();
    let line = log.lines().find(|line| line.contains("inbound.refused"));
    let line = line.unwrap();
    for part in [
        "TIMESTAMP_TOO_OLD",
        "OUTSIDE_TOLERANCE",
        "the signature is right",
    ] {
        assert!(line.contains(part), "{line}");
    }
}
