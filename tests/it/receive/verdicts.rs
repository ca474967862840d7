//! What is let through, and what is refused with which answer.

use super::{Answer, At, Headers, ID, NOW, Service, Way, receiver, send, serve, signed, signed_at};
use crate::faults::Log;
use crate::receiver::SECRET;
use axum::Router;
use axum::body::Body;
use axum::routing::post;
use postrider::receive::Webhook;
use postrider::signature::Scheme;

const BODY: &[u8] = br#"{"amount": 4200}"#;

/// What a receiver with this secret, under `standard`, makes of one request.
async fn verdict(way: Way, headers: &Headers, body: &'static [u8]) -> Answer {
    let service = Service::start(way, receiver(Scheme::Standard, &[SECRET])).await;
    let answer = send(service.address, headers, body).await;
    let handled = usize::from(answer == Answer::handled());
    assert_eq!(service.handled().len(), handled, "{way:?}: {answer:?}");
    answer
}

#[tokio::test]
async fn what_is_signed_under_each_scheme_is_handled_with_what_the_scheme_covers() {
    for (way, scheme) in Way::BOTH
        .into_iter()
        .flat_map(|way| Scheme::ALL.map(|scheme| (way, scheme)))
    {
        let service = Service::start(way, receiver(scheme, &[SECRET])).await;
        let headers = signed(scheme, &[SECRET], BODY);
        let answer = send(service.address, &headers, BODY).await;
        assert_eq!(answer, Answer::handled(), "{way:?}, {scheme}");
        let has_id = [Scheme::Standard, Scheme::Svix, Scheme::Postrider].contains(&scheme);
        let webhook = Webhook {
            key_index: 0,
            id: has_id.then(|| ID.to_owned()),
            timestamp: scheme.covers_timestamp().then_some(NOW),
            body: BODY.into(),
        };
        assert_eq!(service.handled(), [webhook], "{way:?}, {scheme}");
    }
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    for (way, scheme) in Way::BOTH
        .into_iter()
        .flat_map(|way| Scheme::ALL.map(|scheme| (way, scheme)))
    {
        let service = Service::start(way, receiver(scheme, &[SECRET])).await;
        let headers = signed(scheme, &["another secret"], BODY);
        let answer = send(service.address, &headers, BODY).await;
        assert_eq!(
            answer,
            Answer::refused(400, "NO_MATCH"),
            "{way:?}, {scheme}"
        );
        assert_eq!(service.handled(), [], "{way:?}, {scheme}");
    }
}

#[tokio::test]
async fn a_body_with_one_byte_changed_is_refused() {
    for way in Way::BOTH {
        let headers = signed(Scheme::Standard, &[SECRET], BODY);
        for body in [
            br#"{"amount": 4201}"#.as_slice(),
            br#"{"amount":4200}"#,
            b"",
        ] {
            let answer = verdict(way, &headers, body).await;
            assert_eq!(answer, Answer::refused(400, "NO_MATCH"), "{way:?}");
        }
    }
}

#[tokio::test]
async fn the_age_is_judged_by_the_clock_of_the_receiver() {
    for way in Way::BOTH {
        for (timestamp, expected) in [
            (NOW - 301, Answer::refused(400, "TIMESTAMP_TOO_OLD")),
            (NOW - 300, Answer::handled()),
            (NOW + 300, Answer::handled()),
            (NOW + 301, Answer::refused(400, "TIMESTAMP_TOO_NEW")),
        ] {
            let headers = signed_at(timestamp, Scheme::Standard, &[SECRET], BODY);
            assert_eq!(verdict(way, &headers, BODY).await, expected, "{way:?}");
        }
        let late = receiver(Scheme::Standard, &[SECRET]).clock(At(NOW + 301));
        let service = Service::start(way, late).await;
        let headers = signed(Scheme::Standard, &[SECRET], BODY);
        let answer = send(service.address, &headers, BODY).await;
        assert_eq!(answer, Answer::refused(400, "TIMESTAMP_TOO_OLD"), "{way:?}");
    }
}

#[tokio::test]
async fn a_missing_header_is_refused() {
    for way in Way::BOTH {
        for missing in 0..3 {
            let mut headers = signed(Scheme::Standard, &[SECRET], BODY);
            headers.remove(missing);
            let answer = verdict(way, &headers, BODY).await;
            let code = ["MISSING_HEADER", "MALFORMED_TIMESTAMP"]
                .map(|code| Answer::refused(400, code))
                .contains(&answer);
            assert!(code, "{way:?}, header {missing}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn every_line_of_a_repeated_header_is_looked_at() {
    for way in Way::BOTH {
        let headers = signed(Scheme::Standard, &[SECRET], BODY);
        let forged = signed(Scheme::Standard, &["another secret"], BODY);
        let [id, signature] = [&headers[0], &headers[2]];
        assert_eq!((&*id.0, &*signature.0), ("webhook-id", "webhook-signature"));

        let mut two_signatures = headers.clone();
        two_signatures.insert(0, forged[2].clone());
        let answer = verdict(way, &two_signatures, BODY).await;
        assert_eq!(answer, Answer::handled(), "{way:?}");

        // Which of two ids was signed is not for the receiver to guess.
        for repeated in [id.clone(), ("webhook-id".to_owned(), b"msg_2".to_vec())] {
            let mut two_ids = headers.clone();
            two_ids.push(repeated);
            let answer = verdict(way, &two_ids, BODY).await;
            assert_eq!(answer, Answer::refused(400, "MALFORMED_HEADER"), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_header_that_is_not_text_harms_only_if_it_is_needed() {
    for way in Way::BOTH {
        let mut headers = signed(Scheme::Standard, &[SECRET], BODY);
        headers.push(("x-name".to_owned(), b"\xff\xfe".to_vec()));
        assert_eq!(verdict(way, &headers, BODY).await, Answer::handled());
        headers[2].1.push(0xff);
        let answer = verdict(way, &headers, BODY).await;
        assert_eq!(answer, Answer::refused(400, "MALFORMED_HEADER"), "{way:?}");
    }
}

#[tokio::test]
async fn a_body_is_bytes_of_any_kind_and_may_be_empty() {
    for way in Way::BOTH {
        for body in [&b"\xff\x00\xfe\r\n\r\n"[..], b""] {
            let service = Service::start(way, receiver(Scheme::Standard, &[SECRET])).await;
            let headers = signed(Scheme::Standard, &[SECRET], body);
            let answer = send(service.address, &headers, body).await;
            assert_eq!(answer, Answer::handled(), "{way:?}");
            assert_eq!(service.handled()[0].body, body, "{way:?}");
        }
    }
}

#[tokio::test]
async fn in_a_rotation_either_secret_is_right_and_the_handler_knows_which() {
    for way in Way::BOTH {
        let service = Service::start(way, receiver(Scheme::Stripe, &["new", "old"])).await;
        for signing in [&["old"][..], &["new", "old"], &["old", "new"], &["new"]] {
            let headers = signed(Scheme::Stripe, signing, BODY);
            let answer = send(service.address, &headers, BODY).await;
            assert_eq!(answer, Answer::handled(), "{way:?}, {signing:?}");
        }
        let handled = service.handled().into_iter();
        let keys: Vec<usize> = handled.map(|webhook| webhook.key_index).collect();
        assert_eq!(keys, [1, 0, 0, 0], "{way:?}");
    }
}

#[tokio::test]
async fn routers_with_different_states_verify_under_different_secrets() {
    let kind = |scheme, secret| {
        let handler = async |webhook: Webhook| webhook.json::<u32>().unwrap().to_string();
        Router::new()
            .route("/in", post(handler))
            .with_state(receiver(scheme, &[secret]))
    };
    let routes = Router::new()
        .nest("/a", kind(Scheme::Stripe, "a"))
        .nest("/b", kind(Scheme::Stripe, "b"))
        .nest("/c", kind(Scheme::Github, "a"));
    let address = serve(routes).await;
    let headers = signed(Scheme::Stripe, &["a"], b"7");
    for (path, status, body) in [
        ("/a/in", 200, "7"),
        ("/b/in", 400, r#"{"code":"NO_MATCH"}"#),
        ("/c/in", 400, r#"{"code":"MISSING_HEADER"}"#),
    ] {
        let answer = super::send_to(path, address, &headers, Body::from("7")).await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{path}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_the_body_is_passed_over() {
    let handler = async |webhook: Webhook| webhook.json::<u32>().unwrap().to_string();
    let state = receiver(Scheme::Stripe, &["a"]);
    let address = serve(Router::new().route("/in", post(handler)).with_state(state)).await;
    let body = "\u{feff}7";
    let headers = signed(Scheme::Stripe, &["a"], body.as_bytes());
    let answer = super::send_to("/in", address, &headers, Body::from(body)).await;
    assert_eq!((answer.status, &*answer.body), (200, "7"));
}

/// The runtime of the test has one thread, which the log is set for.
#[tokio::test]
async fn the_log_tells_why_and_nothing_of_the_secret_the_signature_or_the_body() {
    for way in Way::BOTH {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .finish();
        let headers = signed(Scheme::Standard, &["hunter2"], b"card of Ada");
        // A place in the code that logs for the first time, in whatever test, and at the moment in
        // which a log is set, may never learn of that log: so it has logged before.
        verdict(way, &headers, b"card of Ada").await;
        let guard = tracing::subscriber::set_default(subscriber);
        verdict(way, &headers, b"card of Ada").await;
        drop(guard);
        let logged = log.text();
        let mut lines = logged.lines().filter(|line| line.contains("postrider"));
        let line = lines.next().unwrap();
        for part in [
            " WARN ",
            "postrider.webhook.refused",
            "code=\"NO_MATCH\"",
            "verify the exact bytes of the body",
        ] {
            assert!(line.contains(part), "{way:?}: {part} in {line}");
        }
        assert_eq!(lines.next(), None, "{way:?}");
        let signature = String::from_utf8(headers[2].1.clone()).unwrap();
        for secret in ["hunter2", SECRET, "Ada", &signature] {
            assert!(!logged.contains(secret), "{way:?}: {secret} in {logged}");
        }
    }
}

#[test]
fn neither_a_receiver_nor_a_webhook_prints_what_no_log_should_hold() {
    let receiver = receiver(Scheme::Standard, &["hunter2"]);
    let webhook = Webhook {
        key_index: 0,
        id: None,
        timestamp: None,
        body: "card of Ada".into(),
    };
    let printed = format!("{receiver:?} {webhook:?}");
    assert!(printed.contains("body_bytes: 11"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(!printed.contains("Ada"), "{printed}");
}
