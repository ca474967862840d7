//! `postrider tail` and `listen`.

use super::{Following, Server, text, until};
use crate::receiver::{Receiver, Reply, SECRET};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

fn publish(server: &Server, event_type: &str, number: u32) {
    let data = format!(r#"--data={{"n":{number}}}"#);
    server.text(&["events", "publish", event_type, &data]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_a_line_each() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(200).await;
    let endpoint = server.endpoint(&receiver.url(), &[]);
    let lines = Following::start(server.command(&["tail", "--type=a.*", "--json"]));
    let people = Following::start(server.command(&["tail", "--only=event"]));
    // Both are connected when they show something; until then events may be missed.
    let connected = |following: &Following| {
        until("it is connected", || {
            publish(&server, "a.first", 0);
            following
                .lines
                .recv_timeout(Duration::from_millis(300))
                .is_ok()
        });
    };
    connected(&lines);
    connected(&people);
    publish(&server, "other", 1);
    let last = server.json(&["events", "publish", "a.last", "--data=2"]);
    let mut kinds = Vec::new();
    while kinds.len() < 3 {
        let line: Value = serde_json::from_str(&lines.line()).unwrap();
        let data = &line["data"];
        assert_ne!(data["type"], "other", "{line}");
        if data["id"] == last["id"] || data["event_id"] == last["id"] {
            let to = data["endpoint_id"].as_str().unwrap_or(&endpoint);
            assert_eq!(to, endpoint, "{line}");
            assert_eq!(line["id"].is_string(), line["event"] == "event", "{line}");
            kinds.push(text(&line["event"]));
        }
    }
    // Events come from the log, the others as they happen: side by side.
    kinds.sort_unstable();
    assert_eq!(kinds, ["attempt", "delivery", "event"]);
    let last = std::iter::repeat_with(|| people.line()).find(|line| line.contains("a.last"));
    assert!(last.unwrap().contains("  event     evt_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_and_a_delivery_are_shown_with_their_type_and_their_endpoint() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url(), &[]);
    let attempts = Following::start(server.command(&["tail", "--only=attempt"]));
    let all = Following::start(server.command(&["tail"]));
    let shown = format!("  order.placed to {}", receiver.url());
    for (following, kind) in [(&attempts, "  attempt   dlv_"), (&all, "  delivery  dlv_")] {
        until("it is shown", || {
            publish(&server, "order.placed", 0);
            let patience = Duration::from_millis(300);
            let lines = std::iter::from_fn(|| following.lines.recv_timeout(patience).ok());
            let mut lines = lines.take(3);
            lines.any(|line| line.contains(kind) && line.ends_with(&shown))
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_to_a_local_port_in_order_over_a_restart_of_the_server() {
    let (server, directory) = Server::start();
    let (port, key) = (server.port(), server.key.clone());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = free.local_addr().unwrap();
    let receiver = Receiver::on(free, |number, _| match number {
        1 => Reply::Status(500),
        _ => Reply::Status(200),
    });
    let secret = format!("--secret={SECRET}");
    let to = local.port().to_string();
    let listen = server.command(&["listen", &to, "--type=a.*", &secret]);
    let listen = Following::start(listen);
    assert_eq!(
        listen.line(),
        format!(
            "forwarding events of {} to http://localhost:{to}/",
            server.url
        )
    );
    publish(&server, "a.one", 1);
    publish(&server, "b.other", 0);
    assert!(listen.line().contains("  a.one  200  "));
    server.stop();
    let server = Server::on(directory.path(), port, Some(&key));
    publish(&server, "a.two", 2);
    publish(&server, "a.three", 3);
    assert!(
        listen.line().contains("  a.two  500  "),
        "it is shown and not repeated"
    );
    assert!(listen.line().contains("  a.three  200  "));
    assert_eq!(
        receiver.bodies(),
        [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]
    );
    for received in receiver.received() {
        assert!(received.is_signed_with(SECRET));
        assert!(received.header("x-event-id").starts_with("evt_"));
        assert_eq!(received.header("content-type"), "application/json");
    }
    assert_eq!(receiver.received()[2].header("x-event-type"), "a.three");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_to_a_port_that_has_the_loopback_of_ipv6_alone() {
    let (free, _held) = loop {
        // Where there is no such loopback, nobody can listen on it either.
        let Ok(free) = TcpListener::bind("[::1]:0").await else {
            return;
        };
        // Held and not listened on: nobody else gets this port of the other loopback.
        let held = TcpSocket::new_v4().unwrap();
        let port = free.local_addr().unwrap().port();
        if held.bind(([127, 0, 0, 1], port).into()).is_ok() {
            break (free, held);
        }
    };
    let (server, _directory) = Server::start();
    let to = free.local_addr().unwrap().port().to_string();
    let receiver = Receiver::on(free, |_, _| Reply::Status(200));
    let listen = Following::start(server.command(&["listen", &to, "--type=a.*"]));
    assert!(listen.line().starts_with("signing secret: "));
    assert!(
        listen
            .line()
            .ends_with(&format!(" to http://localhost:{to}/"))
    );
    publish(&server, "a.one", 1);
    assert!(listen.line().contains("  a.one  200  "));
    assert_eq!(receiver.bodies(), [r#"{"n":1}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_that_was_accepted_while_a_stream_was_away_that_had_shown_none() {
    let (server, directory) = Server::start();
    let (port, key) = (server.port(), server.key.clone());
    let receiver = Receiver::answering(200).await;
    let listen = Following::start(server.command(&["listen", &receiver.url()]));
    for _ in 0..2 {
        listen.line();
    }
    server.stop();
    let server = Server::on(directory.path(), port, Some(&key));
    publish(&server, "a.one", 1);
    assert!(listen.line().contains("  a.one  200  "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_waits_for_somebody_to_listen_on_the_port() {
    let (server, _data) = Server::start();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = free.local_addr().unwrap();
    drop(free);
    let url = format!("http://{local}/hooks");
    let listen = Following::start(server.command(&["listen", &url, "--json"]));
    let begin: Value = serde_json::from_str(&listen.line()).unwrap();
    let secret = begin["forwarding"]["secret"].as_str().unwrap().to_owned();
    publish(&server, "a.one", 1);
    publish(&server, "a.two", 2);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let socket = TcpListener::bind(local).await.unwrap();
    let receiver = Receiver::on(socket, |_, _| Reply::Status(200));
    for expected in ["a.one", "a.two"] {
        let line: Value = serde_json::from_str(&listen.line()).unwrap();
        assert_eq!(
            (&line["type"], &line["status"]),
            (&json!(expected), &json!(200))
        );
    }
    assert_eq!(receiver.bodies(), [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert!(receiver.received()[0].is_signed_with(&secret));
}
