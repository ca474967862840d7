//! `/v1/sources/{id}/receipts`: what has come to a source of late.

use super::{Hook, SECRET, send, source, source_with};
use crate::api::Server;
use reqwest::Method;
use serde_json::{Value, json};

fn receipts_of(path: &str) -> String {
    path.replace("/in/", "/v1/sources/") + "/receipts"
}

/// All receipts of the source with this path, newest first.
async fn receipts(server: &Server, path: &str) -> Vec<Value> {
    let page = server.get(&receipts_of(path)).await.expect(200);
    assert_eq!(page["next"], Value::Null);
    page["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_comes_to_a_source_is_shown_with_what_has_become_of_it() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    assert!(receipts(&server, &path).await.is_empty());
    let hook = Hook::stripe("evt_1", "a.b");
    let (event, _) = hook.taken(&server, &path).await;
    hook.taken(&server, &path).await;
    let mut forged = Hook::stripe("evt_2", "a.b");
    forged.secret = "whsec_another";
    let answer = forged.send(&server, &path).await;
    let told = answer.problem(401, "signature_refused")["detail"].clone();
    let seen = receipts(&server, &path).await;
    let [refused, repeat, first] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert!(first["at"].as_str().unwrap().ends_with('Z'));
    let at = &first["at"];
    let bytes = hook.body.len();
    let expected = json!({
        "at": at, "result": "accepted", "code": null, "detail": null, "event_id": event,
        "provider_id": "evt_1", "peer": "127.0.0.1", "bytes": bytes,
    });
    assert_eq!(*first, expected);
    assert_eq!(repeat["result"], "duplicate");
    assert_eq!(repeat["event_id"], *event);
    assert_eq!(refused["result"], "refused");
    assert_eq!(refused["code"], "signature_refused");
    assert_eq!(refused["provider_id"], Value::Null, "nobody vouches for it");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.starts_with(told.as_str().unwrap()), "{detail}");
    assert!(detail.len() > told.as_str().unwrap().len(), "{detail}");
    let text = Value::from(seen.clone()).to_string();
    let signed = forged.signed();
    for secret in [SECRET, "whsec_another", "amount", signed[0].1.as_str()] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_before_its_body_is_read_has_no_size() {
    let server = Server::start().await;
    let networks = json!({ "allowed_networks": ["198.51.100.0/24"] });
    let path = source_with(&server, "stripe", networks).await;
    let hook = Hook::stripe("evt_1", "a.b");
    let answer = hook.send(&server, &path).await;
    answer.problem(403, "source_network_refused");
    let seen = receipts(&server, &path).await;
    assert_eq!(seen[0]["code"], "source_network_refused");
    assert_eq!(seen[0]["bytes"], Value::Null);
    assert_eq!(seen[0]["peer"], "127.0.0.1");
}

#[tokio::test]
async fn a_failing_handler_is_a_refusal_that_names_the_durable_event() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    server
        .api
        .on("stripe", "*", |_| async { Err("not today".into()) });
    let answer = Hook::stripe("evt_1", "a.b").send(&server, &path).await;
    answer.problem(500, "handler_failed");
    let seen = receipts(&server, &path).await;
    assert_eq!(seen[0]["result"], "refused");
    assert_eq!(seen[0]["code"], "handler_failed");
    let event = format!("/v1/events/{}", seen[0]["event_id"].as_str().unwrap());
    server.get(&event).await.expect(200);
}

#[tokio::test]
async fn receipts_survive_a_restart_and_are_read_page_by_page() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    for number in 0..5 {
        let hook = Hook::stripe(&format!("evt_{number}"), "a.b");
        hook.taken(&server, &path).await;
    }
    server.api.keep_receipts().await;
    let server = server.restart().await;
    Hook::stripe("evt_5", "a.b").taken(&server, &path).await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = format!("{}?limit=2{cursor}", receipts_of(&path));
        let page = server.get(&page).await.expect(200);
        let data = page["data"].as_array().unwrap().iter();
        seen.extend(data.map(|it| it["provider_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
        assert!(seen.len() < 6, "{seen:?}");
    }
    let expected = ["evt_5", "evt_4", "evt_3", "evt_2", "evt_1", "evt_0"];
    assert_eq!(seen, expected);
    let odd = format!("{}?cursor=newest", receipts_of(&path));
    server.get(&odd).await.problem(422, "invalid_cursor");
}

#[tokio::test]
async fn receipts_are_written_soon_and_go_with_their_source() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    Hook::stripe("evt_1", "a.b").taken(&server, &path).await;
    let kept = async || {
        let records = server.postrider.records().unwrap();
        let list = records.list("source_receipts", None, None, 9);
        list.await.unwrap().len()
    };
    crate::receiver::until("it is on record", || async { kept().await == 1 }).await;
    let route = path.replace("/in/", "/v1/sources/");
    server.delete(&route).await.expect(204);
    assert_eq!(kept().await, 0);
    server
        .get(&receipts_of(&path))
        .await
        .problem(404, "not_found");
    let late = Hook::stripe("evt_2", "a.b").send(&server, &path).await;
    late.problem(404, "not_found");
    server.api.keep_receipts().await;
    assert_eq!(kept().await, 0, "an unknown source leaves nothing");
}

#[tokio::test]
async fn receipts_are_their_tenant_s() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    send(&server, &path, &[], "{}")
        .await
        .problem(401, "signature_refused");
    let stranger = server.key_of("acme", &["manage", "read"]).await;
    let headers = [("authorization", stranger.as_str())];
    let answer = server
        .send(Method::GET, &receipts_of(&path), None, &headers)
        .await;
    answer.problem(404, "not_found");
    assert_eq!(receipts(&server, &path).await.len(), 1);
}
