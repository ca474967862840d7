//! What one endpoint or one tenant can use up, and what the others still have.

use super::Server;
use crate::receiver::{Receiver, loopback, until};
use postrider::{Limits, Postrider};
use reqwest::Method;
use serde_json::{Value, json};

/// Of fifty deliveries a tenant may have twenty-five pending, an endpoint thirteen.
async fn small() -> Server {
    let limits = Limits {
        pending_deliveries_max: 50,
        ..Limits::default()
    };
    let builder = Postrider::builder().egress(loopback()).limits(limits);
    Server::on(builder.start().await.unwrap()).await
}

async fn post(server: &Server, key: &str, path: &str, body: Value) -> super::Answer {
    let headers = [("authorization", key)];
    server
        .send(Method::POST, path, Some(body.to_string()), &headers)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_full_stops_neither_its_tenant_nor_the_others() {
    let server = small().await;
    let scopes = ["publish", "manage", "read"];
    let (acme, other) = (
        server.key_of("acme", &scopes).await,
        server.key_of("other", &scopes).await,
    );
    let (refusing, taking) = (
        Receiver::answering(503).await,
        Receiver::answering(200).await,
    );
    let waits = json!({ "delays_ms": [3_600_000] });
    let form = json!({ "url": refusing.url(), "retry": waits });
    let full = post(&server, &acme, "/v1/endpoints", form)
        .await
        .expect(201);
    let full = full["id"].as_str().unwrap();
    let form = json!({ "url": taking.url() });
    post(&server, &acme, "/v1/endpoints", form)
        .await
        .expect(201);
    let mut passed_over = Vec::new();
    for number in 0..40 {
        let event = json!({ "type": "a.b", "payload": number });
        let accepted = post(&server, &acme, "/v1/events", event).await.expect(202);
        let deliveries = accepted["deliveries"].as_array().unwrap();
        assert_eq!(deliveries.len(), 2);
        let is_full = |it: &&Value| it["queue_full"] == true;
        for delivery in deliveries.iter().filter(is_full) {
            assert_eq!(delivery["endpoint_id"], full);
            passed_over.push(delivery["id"].as_str().unwrap().to_owned());
        }
        until("the other has it", || async {
            taking.bodies().len() == number + 1
        })
        .await;
    }
    assert_eq!(passed_over.len(), 40 - 13);
    let path = format!("/v1/deliveries/{}", passed_over[0]);
    let headers = [("authorization", acme.as_str())];
    let dead = server.send(Method::GET, &path, None, &headers).await;
    let dead = dead.expect(200);
    assert_eq!(
        (&dead["state"], &dead["reason"]),
        (&json!("failed"), &json!("queue_full"))
    );
    let event = json!({ "type": "a.b", "payload": 1, "endpoint_id": full });
    let refused = post(&server, &acme, "/v1/events", event).await;
    let refused = refused.problem(503, "endpoint_full");
    assert!(
        refused["detail"].as_str().unwrap().contains(full),
        "{refused}"
    );

    let theirs = json!({ "url": taking.url() });
    post(&server, &other, "/v1/endpoints", theirs)
        .await
        .expect(201);
    let event = json!({ "type": "a.b", "payload": "theirs" });
    post(&server, &other, "/v1/events", event).await.expect(202);
    until("theirs comes", || async {
        taking.bodies().contains(&"\"theirs\"".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_full_is_told_so_and_stops_nobody_else() {
    let server = small().await;
    let scopes = ["publish", "manage", "read"];
    let (acme, other) = (
        server.key_of("acme", &scopes).await,
        server.key_of("other", &scopes).await,
    );
    let refusing = Receiver::answering(503).await;
    let form = json!({ "url": refusing.url(), "retry": { "delays_ms": [3_600_000] } });
    for key in [&acme, &acme, &acme, &other] {
        post(&server, key, "/v1/endpoints", form.clone())
            .await
            .expect(201);
    }
    let event = json!({ "type": "a.b", "payload": 1 });
    for _ in 0..8 {
        post(&server, &acme, "/v1/events", event.clone())
            .await
            .expect(202);
    }
    let refused = post(&server, &acme, "/v1/events", event.clone()).await;
    let refused = refused.problem(503, "tenant_full");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("25 deliveries of this tenant"), "{detail}");
    for _ in 0..13 {
        post(&server, &other, "/v1/events", event.clone())
            .await
            .expect(202);
    }
}
