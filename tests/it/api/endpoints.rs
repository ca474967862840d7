//! Endpoints: everything that their owner does with them.

use super::{Server, header};
use crate::receiver::{Receiver, Reply, SECRET, closed, until};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_needs_only_a_url_and_shows_its_secret_once() {
    let server = Server::start().await;
    let body = json!({ "url": "http://127.0.0.1:1024/hooks" });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    assert_eq!(made["event_types"], json!(["*"]));
    assert_eq!(made["status"], "active");
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let shown = server.get(&path).await.expect(200);
    assert_eq!(shown.get("secret"), None);
    let listed = server.get("/v1/endpoints").await.expect(200);
    assert!(
        !listed
            .to_string()
            .contains(made["secret"].as_str().unwrap())
    );
    let secret = server.get(&format!("{path}/secret")).await.expect(200);
    assert_eq!(secret["secret"], made["secret"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_with_a_name_is_made_once_and_then_as_the_body_says() {
    let server = Server::start().await;
    let put = async |body: Value| {
        let path = "/v1/endpoints/by-name/ledger";
        let body = Some(body.to_string());
        server.send(Method::PUT, path, body, &[]).await
    };
    let body = json!({ "url": "https://merchant.example/a", "event_types": ["payment.*"] });
    let made = put(body.clone()).await.expect(201);
    assert_eq!(made["name"], "ledger");
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let again = put(body).await.expect(200);
    assert_eq!(
        (&again["id"], &again["revision"], again.get("secret")),
        (&made["id"], &made["revision"], None)
    );
    let body = json!({ "url": "https://merchant.example/b", "secret": SECRET });
    let changed = put(body).await.expect(200);
    assert_eq!(changed["id"], made["id"]);
    assert_eq!(changed["url"], "https://merchant.example/b");
    assert_eq!(
        changed["event_types"],
        json!(["*"]),
        "left out: the default"
    );
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let secret = server.get(&format!("{path}/secret")).await.expect(200);
    assert_eq!(secret["secret"], SECRET);
    let patched = json!({ "description": "the ledger's" });
    let patched = server.patch(&path, patched).await.expect(200);
    assert_eq!(patched["name"], "ledger", "a name stays");
    let listed = server.get("/v1/endpoints").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let path = "/v1/endpoints/by-name/no%20name";
    let refused = json!({ "url": "https://merchant.example/a" });
    let refused = server
        .send(Method::PUT, path, Some(refused.to_string()), &[])
        .await;
    refused.problem(422, "invalid_endpoint");
    let other = server.key_of("acme", &["manage"]).await;
    let body = json!({ "url": "https://merchant.example/a" }).to_string();
    let path = "/v1/endpoints/by-name/ledger";
    let other = [("authorization", other.as_str())];
    let theirs = server.send(Method::PUT, path, Some(body), &other).await;
    let theirs = theirs.expect(201);
    assert_ne!(theirs["id"], made["id"], "a name is a tenant's own");
    assert_eq!(theirs["tenant"], "acme");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_an_owner_decides_is_kept_and_shown_as_it_was_given() {
    let server = Server::start().await;
    let template = json!({ "name": "short", "template": { "total": "{{data.amount}}" } });
    server.post("/v1/templates", template).await.expect(201);
    let given = json!({
        "url": "https://merchant.example/hooks?a=b",
        "description": "the shop's",
        "metadata": { "team": ["payments", 7] },
        "event_types": ["payment.*", "refund.created"],
        "filter": { "amount": { "$gt": 100 } },
        "ordering": "none",
        "on_failed": "continue",
        "retry": { "delays_ms": [60_000, 300_000, 900_000], "jitter_percent": 0,
                   "retry_after_max_ms": 1_000, "also_retry": [429] },
        "headers": { "x-team": "payments" },
        "signatures": [
            { "scheme": "standard" },
            { "scheme": "timestamped-sha256", "signature_header": "X-Shop-Signature" }
        ],
        "payload_form": "template",
        "template": { "name": "short", "version": 1 },
        "content_type": "text/xml; charset=utf-8",
        "user_agent": "Acme/2",
        "send_again": false,
        "timeout_ms": 5_000,
        "concurrency": 3,
        "rate_limit": { "requests": 5, "per_ms": 1_000, "burst": 7 },
        "breaker": null,
        "disable_after_ms": null
    });
    let made = server
        .post("/v1/endpoints", given.clone())
        .await
        .expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let server = server.restart().await;
    let shown = server.get(&path).await.expect(200);
    for (name, value) in given.as_object().unwrap() {
        match &**name {
            "headers" => assert_eq!(shown[name], json!({ "x-team": "[secret]" })),
            _ => assert_eq!(&shown[name], value, "{name}"),
        }
    }
}

/// What cannot be kept: what is wrong beside the URL, its status and code, and its place.
#[rustfmt::skip] // one line for each case
fn refused() -> Vec<(Value, u16, &'static str, &'static str)> {
    let (form, meaning) = ("invalid_body", "invalid_endpoint");
    vec![
        (json!({ "url": 5 }), 400, form, "/url"),
        (json!({ "url": "ftp://x/" }), 422, meaning, "/url"),
        (json!({ "url": "http://10.0.0.1/" }), 422, meaning, "/url"),
        (json!({ "event_types": ["a", "b..c"] }), 422, meaning, "/event_types/1"),
        (json!({ "event_types": [] }), 422, meaning, "/event_types"),
        (json!({ "filter": { "a": { "$near": 1 } } }), 422, meaning, "/filter"),
        (json!({ "retry": { "delays_ms": [1], "retries": 1 } }), 422, meaning, "/retry"),
        (json!({ "retry": { "delays_ms": ["1"] } }), 400, form, "/retry/delays_ms/0"),
        (json!({ "headers": { "host": "x" } }), 422, meaning, "/headers"),
        (json!({ "signatures": [{ "scheme": "rot13" }] }), 422, meaning, "/signatures/0/scheme"),
        (json!({ "payload_form": "template" }), 422, meaning, "/template"),
        (json!({ "template": { "name": "x", "version": 1 } }), 422, meaning, "/template"),
        (json!({ "batch": { "events_max": 1, "wait_ms": 5 } }), 422, meaning, "/batch"),
        (json!({ "timeout_ms": 0 }), 422, meaning, "/timeout_ms"),
        (json!({ "secret": "whsec_%" }), 422, meaning, "/secret"),
        (json!({ "secret": "fifteen bytes.." }), 422, meaning, "/secret"),
        (json!({ "secret": "whsec_AAECAwQFBgcICQoLDA0O" }), 422, meaning, "/secret"),
        (json!({ "headers": { "x-signature-next": "x" } }), 422, meaning, "/headers"),
        (json!({ "metadata": [] }), 400, form, "/metadata"),
        (json!({ "evnt_types": ["*"] }), 400, form, "/evnt_types"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_refused_with_its_place() {
    let server = Server::start().await;
    for (wrong, status, code, pointer) in refused() {
        let mut body = json!({ "url": "https://merchant.example/" });
        body.as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        let problem = server.post("/v1/endpoints", body.clone()).await;
        let problem = problem.problem(status, code);
        assert_eq!(
            problem["errors"][0]["pointer"], pointer,
            "{body}: {problem}"
        );
    }
    server
        .post("/v1/endpoints", json!({}))
        .await
        .problem(400, "invalid_body");
    let listed = server.get("/v1/endpoints").await.expect(200);
    assert_eq!(listed["data"], json!([]), "nothing half-done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let server = Server::start().await;
    let body = json!({
        "url": "https://merchant.example/", "description": "one", "headers": { "a": "1", "b": "2" },
        "rate_limit": { "requests": 5 }, "metadata": { "x": { "y": 1, "z": 2 } },
        "retry": { "retries": 2 }
    });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let patch = json!({
        "headers": { "a": null }, "rate_limit": null, "metadata": { "x": { "y": 3 } },
        "retry": { "delays_ms": [5] }, "breaker": null, "timeout_ms": null
    });
    let changed = server.patch(&path, patch).await.expect(200);
    assert_eq!(changed["description"], "one");
    assert_eq!(changed["headers"], json!({ "b": "[secret]" }));
    assert_eq!(changed["rate_limit"], Value::Null);
    assert_eq!(changed["breaker"], Value::Null);
    assert_eq!(changed["metadata"], json!({ "x": { "y": 3, "z": 2 } }));
    assert_eq!(changed["retry"]["delays_ms"], json!([5]));
    assert_eq!(changed["timeout_ms"], 30_000);
    assert_eq!(changed["revision"], made["revision"].as_u64().unwrap() + 1);
    let wrong = server.patch(&path, json!({ "secret": "x" })).await;
    wrong.problem(400, "invalid_body");
}

/// Headers of an endpoint, all of which hold "hunter2".
fn with_credentials() -> Value {
    json!({
        "Authorization": "Bearer hunter2", "X-API-Key": "hunter2", "x-team": "hunter2",
        "COOKIE": "sid=hunter2", "Ocp-Apim-Subscription": "hunter2"
    })
}

async fn kept(server: &Server, id: &Value) -> Vec<(String, String)> {
    let id = id.as_str().unwrap().parse().unwrap();
    let endpoint = server.postrider.endpoint(&id).await.unwrap();
    endpoint.spec.headers.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_values_of_headers_are_never_shown_whatever_their_names_and_their_case() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let body = json!({ "url": receiver.url(), "headers": with_credentials() });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "delivered").await;
    let test = format!("{path}/test");
    let test = server.send(reqwest::Method::POST, &test, None, &[]).await;
    let deliveries = format!("/v1/deliveries?event_id={event}");
    let delivery = server.get(&deliveries).await.expect(200)["data"][0]["id"].clone();
    let delivery = format!("/v1/deliveries/{}", delivery.as_str().unwrap());
    for shown in [
        made,
        server.get(&path).await.expect(200),
        server.get("/v1/endpoints").await.expect(200),
        server
            .patch(&path, json!({ "description": "x" }))
            .await
            .expect(200),
        server.get(&delivery).await.expect(200),
        test.expect(200),
    ] {
        let shown = shown.to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        for name in with_credentials().as_object().unwrap().keys() {
            // A member of an object, or a pair in a list.
            let hidden =
                [":", ","].map(|it| format!("\"{}\"{it}\"[secret]\"", name.to_lowercase()));
            let shown = shown.to_lowercase();
            let is_hidden = hidden.iter().any(|hidden| shown.contains(hidden));
            assert!(is_hidden, "{name}: {shown}");
        }
    }
    for received in receiver.received() {
        assert_eq!(received.header("authorization"), "Bearer hunter2");
        assert_eq!(received.header("x-api-key"), "hunter2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_with_what_was_shown_keeps_what_is_hidden() {
    let server = Server::start().await;
    let body = json!({ "url": "https://merchant.example/", "headers": with_credentials() });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let before = kept(&server, &made["id"]).await;
    let shown = server.get(&path).await.expect(200);
    let patched = server
        .patch(&path, json!({ "headers": shown["headers"] }))
        .await;
    assert_eq!(patched.expect(200)["headers"], shown["headers"]);
    assert_eq!(kept(&server, &made["id"]).await, before);

    // Names are the same in any case: one value is kept, one is new, one goes.
    let patch = json!({ "AUTHORIZATION": "[secret]", "x-api-key": "new", "cookie": null });
    server
        .patch(&path, json!({ "headers": patch }))
        .await
        .expect(200);
    let after = kept(&server, &made["id"]).await;
    let value = |name: &str| {
        let found = after.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(value("authorization"), ["Bearer hunter2"]);
    assert_eq!(value("x-api-key"), ["new"]);
    assert_eq!(value("cookie"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_named_keeps_the_values_that_its_view_hides() {
    let server = Server::start().await;
    let put = async |value: &str| {
        let body = json!({ "url": "https://merchant.example/", "headers": { "x-a": value } });
        let path = "/v1/endpoints/by-name/ledger";
        let body = Some(body.to_string());
        server.send(Method::PUT, path, body, &[]).await
    };
    put("[secret]").await.problem(422, "invalid_endpoint");
    let made = put("hunter2").await.expect(201);
    let again = put("[secret]").await.expect(200);
    assert_eq!(again["revision"], made["revision"]);
    let headers = [("x-a".to_owned(), "hunter2".to_owned())];
    assert_eq!(kept(&server, &made["id"]).await, headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_value_that_stands_for_nothing_is_refused() {
    let server = Server::start().await;
    let body = json!({ "url": "https://merchant.example/", "headers": { "x-a": "[secret]" } });
    let refused = server.post("/v1/endpoints", body).await;
    let problem = refused.problem(422, "invalid_endpoint");
    assert_eq!(problem["errors"][0]["pointer"], "/headers/x-a");
    let body = json!({ "url": "https://merchant.example/" });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let patch = json!({ "headers": { "x-a": "[secret]" } });
    let refused = server.patch(&path, patch).await;
    refused.problem(422, "invalid_endpoint");
    assert!(kept(&server, &made["id"]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_queues_and_disabling_refuses_until_it_is_undone() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let id = server.endpoint(&receiver.url()).await;
    let act = |what: &str| {
        let path = format!("/v1/endpoints/{id}/{what}");
        let server = &server;
        async move {
            server
                .send(reqwest::Method::POST, &path, None, &[])
                .await
                .expect(200)
        }
    };
    assert_eq!(act("pause").await["status"], "paused");
    let queued = server.publish("a.b", json!(1)).await;
    assert_eq!(receiver.count(), 0);
    assert_eq!(act("resume").await["status"], "active");
    server.event_in(&queued, "delivered").await;
    assert_eq!(act("disable").await["disabled_reason"], "manual");
    let event = json!({ "type": "a.b", "payload": 2, "endpoint_id": id });
    server
        .post("/v1/events", event.clone())
        .await
        .problem(409, "endpoint_disabled");
    assert_eq!(act("enable").await["status"], "active");
    server.post("/v1/events", event).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_signs_beside_the_old_one() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let body = json!({ "url": receiver.url(), "secret": SECRET });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    assert_eq!(made["secret"], SECRET);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let rotate = format!("{path}/rotate-secret");
    let rotated = server
        .post(&rotate, json!({ "overlap_seconds": 600 }))
        .await
        .expect(200);
    let new = rotated["secret"].as_str().unwrap();
    assert!(rotated["previous_expire_at"].is_string());
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "delivered").await;
    let received = &receiver.received()[0];
    let signatures = received.header("webhook-signature").split(' ').count();
    assert_eq!(signatures, 2);
    assert!(received.is_signed_with(SECRET) && received.is_signed_with(new));
    // Without a body: a new secret, and a day to change over.
    let again = server
        .send(reqwest::Method::POST, &rotate, None, &[])
        .await
        .expect(200);
    assert_ne!(again["secret"].as_str().unwrap(), new);
    let long = server
        .post(&rotate, json!({ "overlap_seconds": 2_678_401 }))
        .await;
    long.problem(422, "invalid_endpoint");
    let short = server
        .post(&rotate, json!({ "secret": "fifteen bytes.." }))
        .await;
    short.problem(422, "invalid_endpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlap_is_ended_by_hand_and_makes_room_for_the_fourth_rotation() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let body = json!({ "url": receiver.url(), "secret": SECRET });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let post = |what: &str| {
        let (server, path) = (&server, format!("{path}/{what}"));
        async move { server.send(reqwest::Method::POST, &path, None, &[]).await }
    };
    for _ in 0..3 {
        post("rotate-secret").await.expect(200);
    }
    let fourth = post("rotate-secret").await;
    let detail = fourth.problem(409, "in_use")["detail"].clone();
    assert!(
        detail.as_str().unwrap().contains("end the overlap"),
        "{detail}"
    );
    let secret = server.get(&format!("{path}/secret")).await.expect(200);
    assert!(secret["previous_expire_at"].is_string());

    let ended = post("end-overlap").await.expect(200);
    assert_eq!(ended["secret"], secret["secret"]);
    assert_eq!(ended["previous_expire_at"], Value::Null);
    assert_eq!(
        post("end-overlap").await.expect(200),
        ended,
        "nothing to end"
    );
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "delivered").await;
    let received = &receiver.received()[0];
    assert!(received.is_signed_with(secret["secret"].as_str().unwrap()));
    assert!(!received.is_signed_with(SECRET));
    post("rotate-secret").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_is_sent_at_once_and_answers_with_everything() {
    let server = Server::start().await;
    let receiver = Receiver::answering(418).await;
    let id = server.endpoint(&receiver.url()).await;
    let path = format!("/v1/endpoints/{id}/test");
    let result = server
        .send(reqwest::Method::POST, &path, None, &[])
        .await
        .expect(200);
    assert_eq!(result["status"], 418);
    assert_eq!(
        header(&result["request_headers"], "x-event-type"),
        ["postrider.ping"]
    );
    assert_eq!(result["url"], receiver.url());
    assert_eq!(result["request_body"]["is_payload"], true);
    let own = json!({ "type": "order.paid", "payload": { "a": 1 } });
    server.post(&path, own).await.expect(200);
    assert_eq!(receiver.bodies()[1], r#"{"a":1}"#);
    let nobody = server.endpoint(&closed().await).await;
    let path = format!("/v1/endpoints/{nobody}/test");
    let result = server.post(&path, json!({})).await.expect(200);
    assert_eq!(
        (&result["status"], &result["failure"]),
        (&Value::Null, &json!("connect"))
    );
    let deliveries = server.get("/v1/deliveries").await.expect(200);
    assert_eq!(deliveries["data"], json!([]), "nothing of it is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_to_be_verified_is_registered_only_if_it_answers() {
    let server = Server::start().await;
    let receiver = Receiver::start(|n, _| Reply::Status(if n == 0 { 500 } else { 200 })).await;
    let body = json!({ "url": receiver.url(), "verify": true });
    let refused = server.post("/v1/endpoints", body.clone()).await;
    refused.problem(422, "ping_failed");
    let listed = server.get("/v1/endpoints").await.expect(200);
    assert_eq!(listed["data"], json!([]));
    let made = server.post("/v1/endpoints", body).await.expect(201);
    assert_eq!(made["event_types"], json!(["*"]));
    assert_eq!(
        receiver.received()[1].header("x-event-type"),
        "postrider.ping"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_registered_while_it_is_being_verified() {
    let server = Server::start().await;
    let wait = Duration::from_millis(500);
    let receiver = Receiver::start(move |_, _| Reply::Late(wait, 200)).await;
    let body = json!({ "url": receiver.url(), "verify": true });
    let ping_arrives = async {
        until("it is pinged", || async { receiver.count() == 1 }).await;
        let listed = server.get("/v1/endpoints").await.expect(200);
        assert_eq!(listed["data"], json!([]), "a crash now leaves nothing");
        server.publish("a.b", json!({})).await;
    };
    let (made, ()) = tokio::join!(server.post("/v1/endpoints", body), ping_arrives);
    let made = made.expect(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(receiver.received()[0].is_signed_with(secret));
    let invalid = json!({ "url": receiver.url(), "verify": true, "timeout_ms": 0 });
    let refused = server.post("/v1/endpoints", invalid).await;
    refused.problem(422, "invalid_endpoint");
    assert_eq!(
        receiver.count(),
        1,
        "what could not be registered is not pinged"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tenant_can_test_and_verify_its_endpoints() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let key = server.key_of("acme", &["manage"]).await;
    let post = |path: String, body: Value| {
        let (server, key) = (&server, key.clone());
        async move {
            let (method, body) = (reqwest::Method::POST, Some(body.to_string()));
            let headers = [("authorization", key.as_str())];
            server.send(method, &path, body, &headers).await
        }
    };
    let body = json!({ "url": receiver.url(), "verify": true });
    let made = post("/v1/endpoints".to_owned(), body).await.expect(201);
    let path = format!("/v1/endpoints/{}/test", made["id"].as_str().unwrap());
    let result = post(path, json!({})).await.expect(200);
    assert_eq!((&result["status"], receiver.count()), (&json!(200), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_endpoint_is_gone_and_its_history_stays() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let id = server.endpoint(&receiver.url()).await;
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "delivered").await;
    let path = format!("/v1/endpoints/{id}");
    server.delete(&path).await.expect(204);
    server.get(&path).await.problem(404, "not_found");
    server.delete(&path).await.problem(404, "not_found");
    let kept = server
        .get(&format!("/v1/deliveries?endpoint_id={id}"))
        .await
        .expect(200);
    assert_eq!(kept["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_listed_page_by_page() {
    let server = Server::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(server.endpoint("https://merchant.example/").await);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/endpoints?limit=2".to_owned();
    loop {
        let page = server.get(&path).await.expect(200);
        let data = page["data"].as_array().unwrap();
        seen.extend(data.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/endpoints?limit=2&cursor={next}");
    }
    assert_eq!(seen, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_and_the_lanes_of_an_endpoint_say_where_it_stands() {
    let server = Server::start().await;
    let receiver = Receiver::answering(503).await;
    let id = server.endpoint(&receiver.url()).await;
    for key in ["b", "a"] {
        let event = json!({ "type": "a.b", "payload": {}, "ordering_key": key });
        server.post("/v1/events", event).await.expect(202);
    }
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "retrying").await;
    let stats = server
        .get(&format!("/v1/endpoints/{id}/stats?hours=2"))
        .await
        .expect(200);
    assert_eq!((&stats["total"], &stats["pending"]), (&json!(3), &json!(3)));
    assert_eq!(stats["success_rate"], 0.0);
    assert_eq!(
        stats["hours"].as_array().unwrap().last().unwrap()["accepted"],
        3
    );
    let path = format!("/v1/endpoints/{id}/lanes?limit=2");
    let lanes = server.get(&path).await.expect(200);
    assert_eq!(lanes["data"][0]["ordering_key"], Value::Null);
    assert_eq!(lanes["data"][0]["depth"], 1);
    assert_eq!(lanes["data"][0]["error"], "HTTP 503");
    assert_eq!(lanes["data"][1]["ordering_key"], "a");
    let next = lanes["next"].as_str().unwrap().to_owned();
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let rest = server
        .get(&format!("{path}&cursor={next}"))
        .await
        .expect(200);
    assert_eq!(rest["data"][0]["ordering_key"], "b");
    assert_eq!(rest["next"], Value::Null);
}
