//! What stands beside endpoints, tenants and keys: counts, secrets that sign, and the last use; and what
//! the server says of itself.

use super::Server;
use super::server::KEY;
use crate::receiver::{Receiver, until};
use postrider_server::{ApiOptions, Metrics, Setting};
use reqwest::Method;
use serde_json::{Value, json};

/// The URLs of a list of endpoints, as far as they are paths.
async fn paths(server: &Server, query: &str) -> Vec<String> {
    let found = server.get(&format!("/v1/endpoints?{query}")).await;
    let found = found.expect(200);
    let rows = found["data"].as_array().unwrap().iter();
    let path = |row: &Value| {
        row["url"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    };
    rows.map(path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_found_by_how_they_stand_and_what_they_are() {
    let server = Server::start().await;
    let refusing = Receiver::answering(400).await;
    let make = async |url: String, more: Value| {
        let mut form = json!({ "url": url });
        for (name, value) in more.as_object().unwrap() {
            form[name] = value.clone();
        }
        let made = server.post("/v1/endpoints", form).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    };
    let base = "https://merchant.example";
    make(format!("{base}/a"), json!({ "event_types": ["order.*"] })).await;
    let paused = make(
        format!("{base}/b"),
        json!({ "description": "The Ledger", "event_types": ["order.paid"] }),
    )
    .await;
    let pause = format!("/v1/endpoints/{paused}/pause");
    server.post(&pause, json!({})).await.expect(200);
    let failing = refusing.url().trim_end_matches('/').to_owned() + "/c";
    make(failing, json!({ "event_types": ["refund"] })).await;
    server.publish("refund", json!(1)).await;
    until("the attempt has failed", || async {
        paths(&server, "failing=true").await == ["c"]
    })
    .await;
    for (query, expected) in [
        ("", &["a", "b", "c"][..]),
        ("state=paused,disabled", &["b"][..]),
        ("state=active", &["a", "c"][..]),
        ("url=MERCHANT", &["a", "b"][..]),
        ("url=ledger", &["b"][..]),
        ("event_type=order.paid", &["a", "b"][..]),
        ("event_type=order.paid&state=active", &["a"][..]),
        ("event_type=other", &[][..]),
        ("failing=false", &["a", "b", "c"][..]),
    ] {
        assert_eq!(paths(&server, query).await, expected, "{query}");
    }
    for wrong in ["state=pending", "event_type=a..b"] {
        let refused = server.get(&format!("/v1/endpoints?{wrong}")).await;
        refused.problem(422, "invalid_parameter");
    }
    let refused = server.get("/v1/endpoints?failing=perhaps").await;
    refused.problem(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_shown_with_its_counts_alone_and_in_lists() {
    let server = Server::start().await;
    let (taking, refusing) = (
        Receiver::answering(200).await,
        Receiver::answering(400).await,
    );
    server.endpoint(&taking.url()).await;
    let refused = server.endpoint(&refusing.url()).await;
    for number in 0..3 {
        server.publish("a.b", json!(number)).await;
    }
    let list = async || server.get("/v1/endpoints").await.expect(200)["data"].clone();
    until("all have ended", || async {
        let data = list().await;
        data[0]["counts"]["delivered"] == 3 && data[1]["counts"]["dead_letters"] == 3
    })
    .await;
    let data = list().await;
    let of = |place: usize, names: [&str; 4]| names.map(|name| data[place]["counts"][name].clone());
    let names = ["pending", "delivered", "failed", "discarded"];
    assert_eq!(of(0, names), [0, 3, 0, 0]);
    assert_eq!(of(1, names), [0, 0, 3, 0]);
    let day = &data[1]["counts"]["last_day"];
    let attempts = [&day["accepted"], &day["attempts"], &day["attempts_failed"]];
    assert_eq!(attempts, [3, 3, 3]);
    assert!(day["latency_p95_ms"].is_u64(), "{day}");
    let alone = server.get(&format!("/v1/endpoints/{refused}")).await;
    assert_eq!(alone.expect(200)["counts"], data[1]["counts"]);
    assert!(!data.to_string().contains("whsec_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_rotation_is_seen_without_the_secrets() {
    let server = Server::start().await;
    let id = server.endpoint("https://merchant.example/").await;
    let path = format!("/v1/endpoints/{id}");
    let secrets = async || server.get(&path).await.expect(200)["secrets"].clone();
    let newest = json!({ "kind": "hmac", "signs_until": null });
    assert_eq!(secrets().await, json!([newest]));
    let rotate = format!("{path}/rotate-secret");
    let rotated = server.post(&rotate, json!({})).await.expect(200);
    let until = rotated["previous_expire_at"].clone();
    assert!(until.is_string(), "{rotated}");
    let older = json!({ "kind": "hmac", "signs_until": until });
    assert_eq!(secrets().await, json!([older, newest]));
    let end = format!("{path}/end-overlap");
    server.post(&end, json!({})).await.expect(200);
    assert_eq!(secrets().await, json!([newest]));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_key_learns_what_it_may_do_and_for_whom() {
    let server = Server::start().await;
    let key = server.key_of("acme", &["publish"]).await;
    let own = [("authorization", key.as_str())];
    let own = server.send(Method::GET, "/v1/whoami", None, &own).await;
    let own = own.expect(200);
    assert_eq!(own["scopes"], json!(["publish"]));
    assert_eq!(
        (&own["tenant"], &own["acting_for"]),
        (&json!("acme"), &json!("acme"))
    );
    assert!(key.contains(own["key_id"].as_str().unwrap()), "{own}");
    assert_eq!(own["portal"], Value::Null);
    let acme = [("postrider-tenant", "acme")];
    let all = server.send(Method::GET, "/v1/whoami", None, &acme).await;
    let all = all.expect(200);
    assert_eq!(
        (&all["tenant"], &all["acting_for"]),
        (&Value::Null, &json!("acme"))
    );
    assert!(!all.to_string().contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_shown_and_outlives_a_restart() {
    let server = Server::start().await;
    let key = server.key_of("default", &["read"]).await;
    let used = async |server: &Server| {
        let listed = server.get("/v1/keys").await.expect(200);
        listed["data"][0]["last_used_at"].clone()
    };
    assert_eq!(used(&server).await, Value::Null);
    let headers = [("authorization", key.as_str())];
    let read = server.send(Method::GET, "/v1/events", None, &headers).await;
    read.expect(200);
    let at = used(&server).await;
    assert!(at.is_string(), "{at}");
    server.api.keep_key_uses().await;
    let server = server.restart().await;
    assert_eq!(used(&server).await, at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_shown_with_what_it_has() {
    let server = Server::start().await;
    let key = server.key_of("acme", &["manage", "publish"]).await;
    server.key_of("other", &["read"]).await;
    let headers = [("authorization", key.as_str())];
    let receiver = Receiver::answering(400).await;
    for (path, body) in [
        ("/v1/endpoints", json!({ "url": receiver.url() })),
        ("/v1/event-types", json!({ "name": "a.b" })),
        ("/v1/templates", json!({ "name": "t", "template": {} })),
        ("/v1/events", json!({ "type": "a.b", "payload": 1 })),
    ] {
        let made = server.send(Method::POST, path, Some(body.to_string()), &headers);
        let made = made.await;
        assert!((200..300).contains(&made.status), "{path}: {made:?}");
    }
    let counts = async || server.get("/v1/tenants/acme").await.expect(200)["counts"].clone();
    until("it is a dead letter", || async {
        counts().await["dead_letters"] == 1
    })
    .await;
    let expected = json!({
        "endpoints": 1, "pending": 0, "dead_letters": 1, "keys": 1, "sources": 0,
        "event_types": 1, "templates": 1,
    });
    assert_eq!(counts().await, expected);
    let listed = server.get("/v1/tenants").await.expect(200);
    assert_eq!(listed["data"][0]["counts"], expected);
    assert_eq!(listed["data"][1]["counts"]["keys"], 1);
    assert_eq!(listed["data"][1]["counts"]["endpoints"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_tells_of_its_store_and_its_settings_to_keys_for_all_tenants() {
    let setting = Setting {
        name: "listen".to_owned(),
        value: Some("127.0.0.1:8080".to_owned()),
        origin: "default".to_owned(),
    };
    let metrics = Metrics::new();
    postrider::Observer::committed(&metrics, 1, std::time::Duration::from_millis(3));
    let server = Server::with(ApiOptions {
        settings: vec![setting],
        secrets_left_out: vec!["api_key".to_owned()],
        metrics,
        ..ApiOptions::default()
    })
    .await;
    let system = server.get("/v1/system").await.expect(200);
    assert_eq!(system["version"], env!("CARGO_PKG_VERSION"));
    let store = &system["store"];
    assert_eq!(store["kind"], "sqlite");
    assert!(store["path"].as_str().unwrap().ends_with("postrider.db"));
    assert!(store["size_bytes"].as_u64().unwrap() > 0, "{store}");
    if cfg!(unix) {
        assert!(store["free_disk_bytes"].is_u64(), "{store}");
    }
    let half = system["commits"]["p50_ms"].as_f64().unwrap();
    assert!((3.0..4.0).contains(&half), "{half}");
    assert_eq!(system["limits"]["page_max"], 250);
    assert_eq!(
        system["settings"],
        json!([{ "name": "listen", "value": "127.0.0.1:8080", "origin": "default" }])
    );
    assert_eq!(system["secrets_left_out"], json!(["api_key"]));
    let key = server.key_of("acme", &["read"]).await;
    let own = [("authorization", key.as_str())];
    let refused = server.send(Method::GET, "/v1/system", None, &own).await;
    refused.problem(403, "forbidden");
}
