//! Dead letters by what they have in common: listed, counted, and acted upon all at once.

use super::Server;
use crate::receiver::{Receiver, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn ids(page: &Value) -> Vec<&str> {
    let data = page["data"].as_array().unwrap();
    data.iter().map(|it| it["id"].as_str().unwrap()).collect()
}

/// So many dead letters of this type.
async fn fail(server: &Server, event_type: &str, count: usize) {
    for _ in 0..count {
        let event = server.publish(event_type, json!({})).await;
        server.event_in(&event, "failed").await;
    }
}

async fn dry(server: &Server, act: &str, filter: &Value) -> Value {
    let form = json!({ "act": act, "filter": filter, "dry_run": true });
    server.post("/v1/dead-letters/bulk", form).await.expect(200)
}

/// Does it, to its end.
async fn done(server: &Server, act: &str, filter: &Value) -> Value {
    let form = json!({ "act": act, "filter": filter });
    let begun = server.post("/v1/dead-letters/bulk", form).await;
    let begun = begun.expect(202);
    let path = format!("/v1/replays/{}", begun["id"].as_str().unwrap());
    until("it is done", || async {
        server.get(&path).await.expect(200)["state"] == "done"
    })
    .await;
    server.get(&path).await.expect(200)
}

/// It did what the dry run said, and passed over what that said.
fn agree(dry: &Value, done: &Value) {
    let acted_on = done["resent"].as_u64().unwrap() + done["discarded"].as_u64().unwrap();
    assert_eq!(dry["acted_on"], acted_on, "{dry} {done}");
    assert_eq!(dry["skipped"], done["skipped_by"], "{dry} {done}");
    assert_eq!(dry["matched"], done["total"], "{dry} {done}");
    assert_eq!(dry["matched"], done["done"], "{dry} {done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_act_does_what_its_dry_run_says() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(400).await;
    let [gone, disabled, good] = [
        server.endpoint(&receiver.url()).await,
        server.endpoint(&receiver.url()).await,
        server.endpoint(&receiver.url()).await,
    ];
    fail(&server, "a.b", 2).await;
    fail(&server, "a.c", 1).await;
    let path = format!("/v1/endpoints/{disabled}/disable");
    server.post(&path, json!({})).await.expect(200);
    server
        .delete(&format!("/v1/endpoints/{gone}"))
        .await
        .expect(204);
    status.store(200, Ordering::Relaxed);
    let all = json!({});
    let before = dry(&server, "retry", &all).await;
    let skipped = json!([
        { "why": "endpoint_gone", "count": 3 },
        { "why": "endpoint_disabled", "count": 3 },
    ]);
    assert_eq!(
        (&before["matched"], &before["skipped"]),
        (&json!(9), &skipped)
    );
    let by = json!([
        { "endpoint_id": good, "event_type": "a.b", "count": 2 },
        { "endpoint_id": good, "event_type": "a.c", "count": 1 },
    ]);
    assert_eq!((&before["by"], &before["by_left_out"]), (&by, &json!(0)));
    let after = done(&server, "retry", &all).await;
    agree(&before, &after);
    assert_eq!(after["act"], "resend");
    until("they have come", || async { receiver.count() == 12 }).await;

    let of_type = json!({ "event_types": ["a.c"], "reasons": ["rejected"], "status": 400 });
    let before = dry(&server, "discard", &of_type).await;
    assert_eq!(before["acted_on"], 2);
    let after = done(&server, "discard", &of_type).await;
    agree(&before, &after);
    let filter = &after["filter"];
    assert_eq!(filter["event_types"], json!(["a.c"]));
    assert_eq!(filter["reasons"], json!(["rejected"]));
    assert_eq!(
        (&filter["status"], &filter["dead_letters"]),
        (&json!(400), &json!(true))
    );
    let left = server.get("/v1/dead-letters").await.expect(200);
    assert_eq!(ids(&left).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_found_and_counted_by_what_they_have_in_common() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(400).await;
    let endpoint = server.endpoint(&receiver.url()).await;
    fail(&server, "a.b", 2).await;
    status.store(404, Ordering::Relaxed);
    fail(&server, "a.c", 1).await;
    status.store(302, Ordering::Relaxed);
    fail(&server, "a.b", 1).await;
    for (query, count) in [
        ("reason=rejected", 3),
        ("reason=redirected", 1),
        ("reason=redirected,rejected", 4),
        ("status=404", 1),
        ("status=500", 0),
        ("reason=rejected&event_type=a.b", 2),
        ("from=2020-01-01T00:00:00Z", 4),
        ("until=2020-01-01T00:00:00Z", 0),
    ] {
        let list = server.get(&format!("/v1/dead-letters?{query}")).await;
        assert_eq!(ids(&list.expect(200)).len(), count, "{query}");
        let groups = server
            .get(&format!("/v1/dead-letters/groups?{query}"))
            .await;
        let groups = groups.expect(200);
        let counts = groups["groups"].as_array().unwrap().iter();
        let counts = counts.map(|group| group["count"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), count as u64, "{query}");
        let counted = json!({"letters": count, "is_complete": true});
        assert_eq!(groups["counted"], counted, "{query}");
    }
    let groups = server
        .get("/v1/dead-letters/groups?by=endpoint,type")
        .await
        .expect(200);
    let expected = [("a.b", 3), ("a.c", 1)];
    for (group, (event_type, count)) in groups["groups"].as_array().unwrap().iter().zip(expected) {
        assert_eq!(group["endpoint_id"], endpoint.as_str());
        assert_eq!(
            (&group["event_type"], &group["count"]),
            (&json!(event_type), &json!(count))
        );
        assert_eq!(group["reason"], Value::Null);
    }
    assert_eq!(groups["groups"].as_array().unwrap().len(), 2);
    for (query, code) in [
        ("reason=tired", (422, "invalid_parameter")),
        ("status=99", (400, "invalid_query")),
    ] {
        for path in ["/v1/dead-letters", "/v1/dead-letters/groups"] {
            let refused = server.get(&format!("{path}?{query}")).await;
            refused.problem(code.0, code.1);
        }
    }
    let refused = server.get("/v1/dead-letters/groups?by=day").await;
    refused.problem(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_act_is_refused_that_does_not_say_what_it_means() {
    let server = Server::start().await;
    for (form, status, code) in [
        (json!({ "act": "retry" }), 400, "invalid_body"),
        (json!({ "filter": {} }), 400, "invalid_body"),
        (json!({ "act": "burn", "filter": {} }), 400, "invalid_body"),
        (
            json!({ "act": "retry", "filter": { "reasons": ["tired"] } }),
            400,
            "invalid_body",
        ),
        (
            json!({ "act": "discard", "filter": { "reason": "gone" } }),
            400,
            "invalid_body",
        ),
        (
            json!({ "act": "retry", "filter": { "status": 99 } }),
            422,
            "invalid_value",
        ),
        (
            json!({ "act": "retry", "filter": { "event_types": ["a..b"] } }),
            422,
            "invalid_value",
        ),
        (
            json!({ "act": "retry", "filter": {}, "per_second": 1_000_001 }),
            422,
            "invalid_value",
        ),
    ] {
        let refused = server.post("/v1/dead-letters/bulk", form).await;
        refused.problem(status, code);
    }
    for (path, form, pointer) in [
        (
            "/v1/dead-letters/bulk",
            json!({ "act": "retry", "filter": { "endpoint_id": "x" } }),
            "/filter/endpoint_id",
        ),
        ("/v1/replays", json!({ "endpoint_id": "x" }), "/endpoint_id"),
    ] {
        let refused = server.post(path, form).await;
        assert_eq!(refused.body["errors"][0]["pointer"], pointer);
        refused.problem(422, "invalid_value");
    }
    let none = server.get("/v1/replays").await.expect(200);
    assert_eq!(ids(&none), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_act_of_one_tenant_touches_no_other() {
    let server = Server::start().await;
    let receiver = Receiver::answering(400).await;
    let endpoint = server.endpoint(&receiver.url()).await;
    fail(&server, "a.b", 1).await;
    let acme = server.key_of("acme", &["manage", "read"]).await;
    let headers = [("authorization", acme.as_str())];
    for filter in [json!({}), json!({ "endpoint_id": endpoint })] {
        let form = json!({ "act": "discard", "filter": filter, "dry_run": true });
        let body = Some(form.to_string());
        let path = "/v1/dead-letters/bulk";
        let dry = server.send(Method::POST, path, body, &headers).await;
        assert_eq!(dry.expect(200)["matched"], 0);
        let form = json!({ "act": "discard", "filter": filter });
        let body = Some(form.to_string());
        let begun = server.send(Method::POST, path, body, &headers).await;
        let path = format!("/v1/replays/{}", begun.expect(202)["id"].as_str().unwrap());
        until("it is done", || async {
            let replay = server.send(Method::GET, &path, None, &headers).await;
            let replay = replay.expect(200);
            assert_eq!(replay["tenant"], "acme");
            replay["state"] == "done"
        })
        .await;
        server.get(&path).await.problem(404, "not_found");
    }
    let left = server.get("/v1/dead-letters").await.expect(200);
    assert_eq!(ids(&left).len(), 1);
}
