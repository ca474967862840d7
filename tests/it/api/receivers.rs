//! `POST /v1/receivers/{endpoint}/resend`: what receivers ask for themselves.

use super::{Answer, Server};
use crate::receiver::{Receiver, SECRET, until};
use postrider::Secret;
use postrider::signature::{Message, Scheme, Sequence, Signer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// A request of a receiver with this secret, without a key.
async fn ask(server: &Server, endpoint: &str, secret: &str, (id, body): (&str, &str)) -> Answer {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let secret = Secret::parse(secret).unwrap();
    let signer = Signer::new(Scheme::Standard, &[secret]).unwrap();
    let message = Message {
        id,
        timestamp: now.as_secs(),
        body: body.as_bytes(),
    };
    let signed = signer.sign(&message).unwrap();
    let mut headers: Vec<_> = signed
        .iter()
        .map(|it| (it.name, it.value.as_str()))
        .collect();
    headers.push(("authorization", ""));
    let path = format!("/v1/receivers/{endpoint}/resend");
    let body = Some(body.to_owned());
    server.send(Method::POST, &path, body, &headers).await
}

/// An endpoint with this secret, and what it got of two lanes.
async fn filled(server: &Server, receiver: &Receiver) -> String {
    let form = json!({ "url": receiver.url(), "secret": SECRET });
    let made = server.post("/v1/endpoints", form).await.expect(201);
    for number in 1..=6 {
        for key in ["a", "b"] {
            let event = json!({
                "type": "order.paid", "ordering_key": key, "payload": { "key": key, "number": number },
            });
            server.post("/v1/events", event).await.expect(202);
        }
    }
    until("all have come", || async { receiver.count() == 12 }).await;
    made["id"].as_str().unwrap().to_owned()
}

/// The ids of the lane with this key, in the order in which they came.
fn ids(receiver: &Receiver, key: &str) -> Vec<String> {
    let received = receiver.received();
    let of_key = received.iter().filter(|it| {
        let body: Value = serde_json::from_slice(&it.body).unwrap();
        body["key"] == key
    });
    of_key
        .map(|it| it.header("webhook-id").to_owned())
        .collect()
}

fn asked(after: &str) -> String {
    let (_, place) = Sequence::split(after);
    let place = place.unwrap();
    let (last, _) = place.runs()[0];
    json!({ "lane": place.lane(), "epoch": place.epoch(), "after": last }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_has_restored_a_backup_gets_all_that_is_behind_it_in_order() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let endpoint = filled(&server, &receiver).await;
    let before = ids(&receiver, "a");
    let body = asked(&before[2]);
    let answer = ask(&server, &endpoint, SECRET, ("req_1", &body)).await;
    let begun = answer.expect(202);
    assert_eq!(begun["after"], 3);
    until("they have come again", || async { receiver.count() >= 15 }).await;
    assert_eq!(
        ids(&receiver, "a")[6..],
        before[3..],
        "the same ids, in order"
    );
    assert_eq!(ids(&receiver, "b").len(), 6, "and nothing of another lane");
    // The same request does nothing new; another one has to wait.
    let again = ask(&server, &endpoint, SECRET, ("req_1", &body)).await;
    assert_eq!(again.expect(202), begun);
    let soon = ask(&server, &endpoint, SECRET, ("req_2", &body)).await;
    let wait = soon.headers["retry-after"].to_str().unwrap().to_owned();
    soon.problem(429, "rate_limited");
    assert!((1..=60).contains(&wait.parse::<u64>().unwrap()), "{wait}");
    let path = format!("/v1/replays/{}", begun["replay_id"].as_str().unwrap());
    until("it is done", || async {
        server.get(&path).await.expect(200)["state"] == "done"
    })
    .await;
    assert_eq!(server.get(&path).await.expect(200)["resent"], 3);
    assert_eq!(receiver.count(), 15);
    let log = server.get("/v1/audit?act=endpoint.receiver_resend").await;
    let log = log.expect(200);
    assert_eq!(log["data"][0]["target"]["id"], *endpoint, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_again_for_one_who_is_not_the_receiver() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let endpoint = filled(&server, &receiver).await;
    let body = asked(&ids(&receiver, "a")[0]);
    let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    let forged = ask(&server, &endpoint, other, ("req_1", &body)).await;
    let forged = forged.problem(401, "signature_refused");
    assert_eq!(forged["detail"], "NO_MATCH");
    // Of an endpoint that is not there nothing else is said.
    let nobody = ask(
        &server,
        "ep_01jd9x2m5tewh8q0v6n3r4y7za",
        SECRET,
        ("req_1", &body),
    );
    let nobody = nobody.await.problem(401, "signature_refused");
    assert_eq!(nobody["detail"], "NO_MATCH");
    // What was sent to the receiver is not its request, however well it is signed.
    let sent = receiver.received().swap_remove(0);
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let mut headers: Vec<_> = names.map(|name| (name, sent.header(name))).into();
    headers.push(("authorization", ""));
    let path = format!("/v1/receivers/{endpoint}/resend");
    let text = String::from_utf8(sent.body.to_vec()).unwrap();
    let turned = server.send(Method::POST, &path, Some(text), &headers).await;
    let turned = turned.problem(401, "signature_refused");
    assert_eq!(turned["detail"], "WRONG_ID");
    let long = format!("{{\"lane\": \"{}\"}}", "x".repeat(5_000));
    let long = ask(&server, &endpoint, SECRET, ("req_1", &long)).await;
    long.problem(413, "body_too_large");
    for (body, status, code) in [
        ("{}", 400, "invalid_body"),
        (
            r#"{"lane": "abc", "epoch": 0, "after": 0}"#,
            404,
            "not_found",
        ),
    ] {
        let wrong = ask(&server, &endpoint, SECRET, ("req_1", body)).await;
        wrong.problem(status, code);
    }
    assert_eq!(receiver.count(), 12);
    // What was refused takes nobody's turn.
    let right = ask(&server, &endpoint, SECRET, ("req_1", &body)).await;
    right.expect(202);
}
