//! Bodies that strict parsers refuse, and bodies that nobody can read.

use super::{Hook, source, source_with};
use crate::api::Server;
use postrider::signature::Scheme;
use serde_json::json;

/// Values that make a whole document unreadable for many a parser.
fn odd_values() -> Vec<String> {
    let deep = format!("{}1{}", "[".repeat(130), "]".repeat(130));
    let odd = [
        r#""caf\ud83d""#,
        "1e400",
        "NaN",
        "\"a\u{1}\n\"",
        "12345678901234567890123",
        &deep,
    ];
    odd.map(str::to_owned).into()
}

#[tokio::test]
async fn what_a_strict_parser_refuses_keeps_its_type_and_its_id() {
    let server = Server::start().await;
    let custom = json!({ "custom": {
        "scheme": "timestamped-sha256", "type_pointer": "/event/kind", "id_pointer": "/nr",
    }});
    let paths = [
        source(&server, "stripe").await,
        source(&server, "slack").await,
        source_with(&server, "custom", custom).await,
    ];
    let mut number = 0_u64;
    for odd in odd_values() {
        for mark in ["", "\u{feff}"] {
            for ((scheme, provider), path) in [
                (Scheme::Stripe, "stripe"),
                (Scheme::Slack, "slack"),
                (Scheme::TimestampedSha256, "custom"),
            ]
            .into_iter()
            .zip(&paths)
            {
                number += 1;
                let nr = 12_345_678_901_234_567_890_u128 * 1_000 + u128::from(number);
                let body = format!(
                    r#"{mark}{{"odd": {odd}, "id": "evt_{number}", "event_id": "Ev{number}", "nr": {nr}, "type": "a.b", "event": {{"kind": "a.b"}}, "last": {odd}}}"#
                );
                let mut hook = Hook::new(scheme, &[], &body);
                let (id, duplicate) = hook.taken(&server, path).await;
                assert!(!duplicate, "{body}");
                let event = server.postrider.event(&id.parse().unwrap()).await.unwrap();
                assert_eq!(&event.event.payload[..], body.as_bytes());
                let made = format!("{provider}.a.b");
                assert_eq!(event.event.event_type.as_str(), made, "{body}");
                // Sent again a while later: signed anew, with another timestamp.
                hook.at -= 7;
                assert_eq!(hook.taken(&server, path).await, (id, true), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_published_once_and_said() {
    let server = Server::start().await;
    let stripe = source(&server, "stripe").await;
    let slack = source(&server, "slack").await;
    let bodies = [
        r#"{"id": "evt_1", "type": "a.b""#,
        "{\u{0}\"\u{0}i\u{0}",
        "a=b",
    ];
    for body in bodies {
        for (scheme, path) in [(Scheme::Stripe, &stripe), (Scheme::Slack, &slack)] {
            let mut hook = Hook::new(scheme, &[], body);
            let (id, duplicate) = hook.taken(&server, path).await;
            assert!(!duplicate, "{body}");
            hook.at -= 7;
            assert_eq!(
                hook.taken(&server, path).await,
                (id.clone(), true),
                "{body}"
            );
            let event = server.get(&format!("/v1/events/{id}")).await.expect(200);
            let event_type = event["type"].as_str().unwrap();
            assert!(event_type.ends_with(".unknown"), "{event_type}");
            let why = event["payload_unreadable"].as_str().unwrap();
            assert!(why.starts_with("byte "), "{why}");
            assert_eq!(event["payload_text"], body);
        }
    }
    let metrics = server.get("/metrics").await;
    let count = bodies.len() * 4;
    let line = format!("postrider_inbound_unreadable_total {count}\n");
    assert!(metrics.text.contains(&line), "{}", metrics.text);
}

#[tokio::test]
async fn what_never_had_an_id_is_told_apart_by_when_it_was_sent() {
    let server = Server::start().await;
    let custom = json!({ "custom": { "scheme": "timestamped-sha256" } });
    let path = source_with(&server, "custom", custom).await;
    let mut beat = Hook::new(Scheme::TimestampedSha256, &[], "still here");
    let (one, _) = beat.taken(&server, &path).await;
    assert_eq!(beat.taken(&server, &path).await, (one.clone(), true));
    beat.at -= 7;
    let (other, duplicate) = beat.taken(&server, &path).await;
    assert!(other != one && !duplicate);
}

#[tokio::test]
async fn what_breaks_off_where_an_id_is_looked_for_by_default_is_published_once() {
    let server = Server::start().await;
    let custom = json!({ "custom": { "scheme": "timestamped-sha256" } });
    let path = source_with(&server, "custom", custom).await;
    for body in [
        r#"{"id": "evt_1", "type": "a.b""#,
        "\u{feff} \n{\"id\": \"evt_2\", \"type",
    ] {
        let mut hook = Hook::new(Scheme::TimestampedSha256, &[], body);
        let (id, duplicate) = hook.taken(&server, &path).await;
        assert!(!duplicate, "{body}");
        hook.at -= 7;
        assert_eq!(hook.taken(&server, &path).await, (id, true), "{body}");
    }
}
