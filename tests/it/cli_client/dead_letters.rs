//! `postrider dead-letters` and `replay`.

use super::{Server, has_line, text, until};
use crate::receiver::{Receiver, Reply};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// A receiver that answers as the number says at the time.
async fn receiver(status: &Arc<AtomicU16>) -> Receiver {
    let status = Arc::clone(status);
    Receiver::start(move |_, _| Reply::Status(status.load(Ordering::SeqCst))).await
}

/// So many dead letters of one endpoint, in the order in which they were accepted.
fn fail(server: &Server, count: usize) -> Vec<String> {
    for number in 0..count {
        let data = format!("--data={number}");
        server.text(&["events", "publish", "a.b", &data]);
    }
    let list = ["dead-letters", "list", "--type=a.*"];
    let found = || server.json(&list)["data"].as_array().unwrap().clone();
    until("they fail", || found().len() == count);
    found().iter().map(|letter| text(&letter["id"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_counted_sent_again_and_given_up() {
    let (server, _data) = Server::start();
    let status = Arc::new(AtomicU16::new(400));
    let receiver = receiver(&status).await;
    let endpoint = server.endpoint(&receiver.url(), &[]);
    let letters = fail(&server, 3);
    let groups = server.text(&["dead-letters", "groups"]);
    assert!(has_line(&groups, &[&endpoint, "rejected", "3"]), "{groups}");
    assert_eq!(
        server.json(&["dead-letters", "groups"])["groups"][0]["count"],
        3
    );
    let list = server.text(&["dead-letters", "list", "--endpoint", &endpoint]);
    assert!(
        has_line(&list, &[&letters[0], "failed", "1", "400"]),
        "{list}"
    );

    status.store(200, Ordering::SeqCst);
    let resent = server.text(&["dead-letters", "resend", &letters[1], &letters[0]]);
    assert!(has_line(&resent, &[&letters[1], "-", "-"]), "{resent}");
    until("they are delivered", || receiver.count() == 5);
    assert_eq!(
        receiver.bodies()[3..],
        ["1", "0"],
        "in the order that was asked for"
    );
    let again = server.run(&[
        "dead-letters",
        "discard",
        &letters[2],
        &letters[2],
        "--json",
    ]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let results: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(results["results"][0]["problem"], Value::Null);
    assert_eq!(results["results"][1]["problem"]["code"], "already_ended");
    assert_eq!(server.text(&["dead-letters", "list"]), "there are none\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_counted_first_and_waited_for() {
    let (server, _data) = Server::start();
    let status = Arc::new(AtomicU16::new(400));
    let receiver = receiver(&status).await;
    let endpoint = server.endpoint(&receiver.url(), &[]);
    fail(&server, 3);
    status.store(200, Ordering::SeqCst);
    let dry = server.text(&["replay", "--since=1h", "--dry-run"]);
    let (first, lines) = dry.split_once('\n').unwrap();
    assert_eq!(first, "it would make 3 deliveries anew");
    assert!(has_line(lines, &[&endpoint, "a.b", "3"]), "{dry}");
    let none = server.json(&["replay", "--since=1h", "--type=x", "--dry-run"]);
    assert_eq!(
        (&none["matched"], &none["acted_on"]),
        (&0.into(), &0.into())
    );
    let done = server.text(&[
        "replay",
        "--since=1h",
        "--state=failed",
        "--rate=1000",
        "--wait",
    ]);
    assert!(
        done.ends_with(" is done: 3 made anew, 0 passed over\n"),
        "{done}"
    );
    until("they are delivered", || receiver.count() == 6);
    assert_eq!(receiver.bodies()[3..], ["0", "1", "2"]);
    let started = server.json(&[
        "replay",
        "--since=2026-01-01T00:00:00Z",
        "--state=delivered",
    ]);
    assert!(text(&started["id"]).starts_with("rpl_"), "{started}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_that_match_are_sent_again_or_given_up() {
    let (server, _data) = Server::start();
    let status = Arc::new(AtomicU16::new(400));
    let receiver = receiver(&status).await;
    let endpoint = server.endpoint(&receiver.url(), &[]);
    fail(&server, 3);
    let groups = server.text(&["dead-letters", "groups", "--by=type", "--reason=rejected"]);
    assert!(has_line(&groups, &[&endpoint, "a.b", "3"]), "{groups}");
    let none = server.text(&["dead-letters", "list", "--status=500", "--since=1h"]);
    assert_eq!(none, "there are none\n");

    let unclear = server.refused(2, &["dead-letters", "discard"]);
    assert!(unclear.contains("--all"), "{unclear}");
    let both = ["dead-letters", "retry", "dlv_x", "--all"];
    server.refused(2, &both);
    let lost = server.run(&["dead-letters", "discard", "dlv_x", "--rate=1"]);
    assert_eq!(lost.code, Some(2), "{lost:?}");

    let dry = server.text(&["dead-letters", "retry", "--status=400", "--dry-run"]);
    assert!(
        dry.starts_with("it would make 3 deliveries anew\n"),
        "{dry}"
    );
    let done = server.text(&["dead-letters", "retry", "--type=a.*", "--wait"]);
    assert!(
        done.ends_with(" is done: 3 made anew, 0 passed over\n"),
        "{done}"
    );
    let list = ["dead-letters", "list"];
    until("they fail again", || {
        server.json(&list)["data"].as_array().unwrap().len() == 3
    });
    let dry = server.json(&["dead-letters", "discard", "--all", "--dry-run"]);
    assert_eq!(dry["acted_on"], 3);
    let done = server.text(&["dead-letters", "discard", "--all", "--wait"]);
    assert!(
        done.ends_with(" is done: 3 given up, 0 passed over\n"),
        "{done}"
    );
    assert_eq!(server.text(&list), "there are none\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_listed_looked_at_and_cancelled() {
    let (server, _data) = Server::start();
    let receiver = receiver(&Arc::new(AtomicU16::new(400))).await;
    server.endpoint(&receiver.url(), &[]);
    fail(&server, 3);
    // One in a second: it is not done when it is cancelled.
    let started = server.json(&["replay", "--since=1h", "--rate=1"]);
    let id = text(&started["id"]);
    let list = server.text(&["replays", "list"]);
    assert!(has_line(&list, &[&id, "running"]), "{list}");
    let cancelled = server.text(&["replays", "cancel", &id]);
    assert!(
        cancelled.starts_with(&format!("{id} is cancelled: ")),
        "{cancelled}"
    );
    let got = server.json(&["replays", "get", &id]);
    assert_eq!(got["state"], "cancelled");
    let refused = server.refused(1, &["replays", "get", "rpl_00000000000000000000000000"]);
    assert!(refused.starts_with("postrider: not_found: "), "{refused}");
}
