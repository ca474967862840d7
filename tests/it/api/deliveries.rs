//! Deliveries, dead letters and replays.

use super::{Server, header};
use crate::receiver::{Receiver, closed, until};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().unwrap();
    data.iter()
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_found_by_what_became_of_them() {
    let server = Server::start().await;
    let (good, bad) = (
        Receiver::answering(200).await,
        Receiver::answering(404).await,
    );
    let good = server.endpoint(&good.url()).await;
    let bad = server.endpoint(&bad.url()).await;
    let nobody = json!({ "url": closed().await, "retry": { "retries": 0 } });
    server.post("/v1/endpoints", nobody).await.expect(201);
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "failed").await;
    let found = |query: String| {
        let server = &server;
        async move {
            ids(&server
                .get(&format!("/v1/deliveries?{query}"))
                .await
                .expect(200))
            .len()
        }
    };
    assert_eq!(found(String::new()).await, 3);
    assert_eq!(found(format!("event_id={event}")).await, 3);
    assert_eq!(found(format!("endpoint_id={good}")).await, 1);
    assert_eq!(found("state=failed".to_owned()).await, 2);
    assert_eq!(found("state=failed,delivered".to_owned()).await, 3);
    assert_eq!(found("status_class=4".to_owned()).await, 1);
    assert_eq!(found("status_class=2".to_owned()).await, 1);
    assert_eq!(found("failure=connect".to_owned()).await, 1);
    assert_eq!(found("event_type=a.*".to_owned()).await, 3);
    assert_eq!(found("event_type=b.*".to_owned()).await, 0);
    assert_eq!(found("until=2020-01-01T00:00:00Z".to_owned()).await, 0);
    let own = server
        .get(&format!("/v1/endpoints/{bad}/deliveries?state=failed"))
        .await
        .expect(200);
    assert_eq!(own["data"][0]["reason"], "rejected");
    let path = format!("/v1/deliveries/{}", ids(&own)[0]);
    let one = server.get(&path).await.expect(200);
    let attempt = &one["attempts"][0];
    assert_eq!(attempt["status"], 404);
    assert_eq!(header(&attempt["request_headers"], "x-event-type"), ["a.b"]);
    assert_eq!(attempt["error"], "HTTP 404");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_is_sent_again_by_hand_once() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(400).await;
    server.endpoint(&receiver.url()).await;
    let event = server.publish("a.b", json!({ "n": 1 })).await;
    let failed = server.event_in(&event, "failed").await;
    let delivery = failed["deliveries"][0]["id"].as_str().unwrap().to_owned();
    status.store(200, Ordering::Relaxed);
    let retry = format!("/v1/deliveries/{delivery}/retry");
    let resent = server.post(&retry, json!({})).await.expect(202);
    assert_eq!(resent["resend_of"], delivery.as_str());
    server.event_in(&event, "delivered").await;
    assert_eq!(receiver.bodies(), [r#"{"n":1}"#, r#"{"n":1}"#]);
    let first = server
        .get(&format!("/v1/deliveries/{delivery}"))
        .await
        .expect(200);
    assert_eq!(first["resent_as"], resent["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_delivery_can_be_discarded_and_not_resent() {
    let server = Server::start().await;
    let receiver = Receiver::answering(503).await;
    server.endpoint(&receiver.url()).await;
    let event = server.publish("a.b", json!({})).await;
    let pending = server.event_in(&event, "retrying").await;
    let delivery = pending["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let act = |what: &str| {
        let path = format!("/v1/deliveries/{delivery}/{what}");
        let server = &server;
        async move { server.post(&path, json!({})).await }
    };
    act("retry").await.problem(409, "still_pending");
    act("discard").await.expect(204);
    server.event_in(&event, "discarded").await;
    act("discard").await.problem(409, "already_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_counted_listed_resent_and_discarded() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(400).await;
    let endpoint = server.endpoint(&receiver.url()).await;
    for n in 0..4 {
        let event = server.publish("a.b", json!(n)).await;
        server.event_in(&event, "failed").await;
    }
    let groups = server.get("/v1/dead-letters/groups").await.expect(200);
    let group = &groups["groups"][0];
    assert_eq!(
        (&group["reason"], &group["count"]),
        (&json!("rejected"), &json!(4))
    );
    assert_eq!(group["endpoint_id"], endpoint.as_str());
    let dead = ids(&server.get("/v1/dead-letters").await.expect(200));
    assert_eq!(dead.len(), 4);
    status.store(200, Ordering::Relaxed);
    let chosen = json!({ "ids": [dead[1], dead[0], "dlv_x"] });
    let results = server
        .post("/v1/dead-letters/resend", chosen)
        .await
        .expect(200);
    let results = results["results"].as_array().unwrap();
    assert_eq!(results[0]["resent"]["resend_of"], dead[1].as_str());
    assert_eq!(results[2]["problem"]["code"], "not_found");
    until("both arrive", || async { receiver.count() == 6 }).await;
    assert_eq!(receiver.bodies()[4..], ["1", "0"], "in the order asked for");
    let chosen = json!({ "ids": [dead[2]] });
    server
        .post("/v1/dead-letters/discard", chosen)
        .await
        .expect(200);
    let left = ids(&server.get("/v1/dead-letters").await.expect(200));
    assert_eq!(left, [dead[3].clone()]);
    let none = server
        .post("/v1/dead-letters/resend", json!({ "ids": [] }))
        .await;
    none.problem(400, "invalid_body");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_counted_before_and_followed_to_its_end() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(400).await;
    server.endpoint(&receiver.url()).await;
    for n in 0..5 {
        let event = server.publish("a.b", json!(n)).await;
        server.event_in(&event, "failed").await;
    }
    let dry = json!({ "dry_run": true, "event_types": ["a.*"] });
    let dry = server.post("/v1/replays", dry).await.expect(200);
    assert_eq!((&dry["matched"], &dry["acted_on"]), (&json!(5), &json!(5)));
    assert_eq!(dry["by"][0]["event_type"], "a.b");
    assert_eq!(receiver.count(), 5);
    status.store(200, Ordering::Relaxed);
    let replay = server
        .post("/v1/replays", json!({ "per_second": 1_000 }))
        .await
        .expect(202);
    let path = format!("/v1/replays/{}", replay["id"].as_str().unwrap());
    until("the replay ends", || async {
        server.get(&path).await.expect(200)["state"] == "done"
    })
    .await;
    let done = server.get(&path).await.expect(200);
    assert_eq!((&done["resent"], &done["total"]), (&json!(5), &json!(5)));
    assert_eq!(
        (&done["act"], &done["tenant"]),
        (&json!("resend"), &json!("default"))
    );
    assert_eq!(
        (&done["per_second"], &done["done"]),
        (&json!(1_000), &json!(5))
    );
    assert_eq!(done["filter"]["states"], json!(["failed"]));
    until("all arrive", || async { receiver.count() == 10 }).await;
    assert_eq!(receiver.bodies()[5..], ["0", "1", "2", "3", "4"]);
    let other = server.post("/v1/replays", json!({})).await.expect(202);
    let first = server.get("/v1/replays?limit=1").await.expect(200);
    assert_eq!(ids(&first), [other["id"].as_str().unwrap()]);
    let next = first["next"].as_str().unwrap();
    let path_of_next = format!("/v1/replays?limit=1&cursor={next}");
    let last = server.get(&path_of_next).await.expect(200);
    assert_eq!(ids(&last), [replay["id"].as_str().unwrap()]);
    assert_eq!(last["next"], Value::Null);
    let oldest = server.get("/v1/replays?order=oldest").await.expect(200);
    let in_order = [&replay, &other].map(|it| it["id"].as_str().unwrap());
    assert_eq!(ids(&oldest), in_order);
    let ended = server
        .post(&format!("{path}/cancel"), json!({}))
        .await
        .expect(200);
    assert_eq!(ended["state"], "done");
    let wrong = json!({ "states": [] });
    server
        .post("/v1/replays", wrong)
        .await
        .problem(400, "invalid_body");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_one_tenant_touches_no_other() {
    let server = Server::start().await;
    let receiver = Receiver::answering(400).await;
    server.endpoint(&receiver.url()).await;
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "failed").await;
    let acme = server.key_of("acme", &["manage"]).await;
    let headers = [("authorization", acme.as_str())];
    let body = Some(json!({ "dry_run": true }).to_string());
    let post = reqwest::Method::POST;
    let dry = server
        .send(post, "/v1/replays", body, &headers)
        .await
        .expect(200);
    assert_eq!(dry["matched"], 0);
}
