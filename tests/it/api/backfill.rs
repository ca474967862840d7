//! `POST /v1/endpoints/{id}/backfill`.

use super::Server;
use crate::receiver::{Receiver, until};
use reqwest::Method;
use serde_json::{Value, json};

async fn done(server: &Server, begun: &Value) -> Value {
    let path = format!("/v1/replays/{}", begun["id"].as_str().unwrap());
    until("it is done", || async {
        server.get(&path).await.expect(200)["state"] == "done"
    })
    .await;
    server.get(&path).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_does_what_its_dry_run_says_and_nothing_when_it_is_started_again() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    for (event_type, amount) in [("a.b", 1), ("a.b", 20), ("a.c", 30), ("b.c", 40)] {
        server
            .publish(event_type, json!({ "amount": amount }))
            .await;
    }
    let endpoint = server.endpoint(&receiver.url()).await;
    let path = format!("/v1/endpoints/{endpoint}/backfill");
    let chosen = |dry_run: bool| {
        json!({
            "event_types": ["a.*"], "filter": { "amount": { "$gt": 10 } },
            "from": "2020-01-01T00:00:00Z", "dry_run": dry_run,
        })
    };
    let report = server.post(&path, chosen(true)).await.expect(200);
    let by = json!([
        { "endpoint_id": endpoint, "event_type": "a.b", "count": 1 },
        { "endpoint_id": endpoint, "event_type": "a.c", "count": 1 },
    ]);
    assert_eq!((&report["matched"], &report["by"]), (&json!(3), &by));
    let skipped = json!([{ "why": "filtered_out", "count": 1 }]);
    assert_eq!(
        (&report["acted_on"], &report["skipped"]),
        (&json!(2), &skipped)
    );
    assert_eq!(receiver.count(), 0, "it was a dry run");

    let begun = server.post(&path, chosen(false)).await.expect(202);
    let first = done(&server, &begun).await;
    assert_eq!(
        (&first["act"], &first["made"]),
        (&json!("backfill"), &json!(2))
    );
    assert_eq!(first["skipped_by"], skipped);
    assert_eq!(first["filter"]["endpoint_id"], *endpoint);
    let begun = server.post(&path, json!({})).await.expect(202);
    let all = done(&server, &begun).await;
    assert_eq!((&all["made"], &all["total"]), (&json!(2), &json!(4)));
    let reached = json!([{ "why": "already_reached", "count": 2 }]);
    assert_eq!(all["skipped_by"], reached);
    let begun = server.post(&path, json!({})).await.expect(202);
    assert_eq!(done(&server, &begun).await["made"], 0);
    until("they have come", || async { receiver.count() >= 4 }).await;
    let amounts = receiver.bodies().into_iter().map(|body| {
        let body: Value = serde_json::from_str(&body).unwrap();
        body["amount"].as_u64().unwrap()
    });
    assert_eq!(amounts.collect::<Vec<_>>(), [20, 30, 1, 40]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_cannot_be_meant_is_refused() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let endpoint = server.endpoint(&receiver.url()).await;
    let path = format!("/v1/endpoints/{endpoint}/backfill");
    for (form, code, at) in [
        (
            json!({ "event_types": ["a b"] }),
            "invalid_value",
            "/event_types/0",
        ),
        (
            json!({ "filter": { "a": { "$above": 1 } } }),
            "invalid_value",
            "/filter",
        ),
        (
            json!({ "ordering_key": "a\nb" }),
            "invalid_value",
            "/ordering_key",
        ),
        (
            json!({ "per_second": 2_000_000 }),
            "invalid_value",
            "/per_second",
        ),
    ] {
        let problem = server.post(&path, form).await.problem(422, code);
        assert_eq!(problem["errors"][0]["pointer"], at, "{problem}");
    }
    let key = server.key_of("acme", &["manage"]).await;
    let headers = [("authorization", key.as_str())];
    let body = Some("{}".to_owned());
    let foreign = server.send(Method::POST, &path, body, &headers).await;
    foreign.problem(404, "not_found");
}
