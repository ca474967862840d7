use super::program::Program;
use serde_json::json;
use std::time::Instant;
use tokio::io::AsyncReadExt;

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
