//! `/v1/sources`.

use super::{Hook, SECRET, send, source, source_with, types};
use crate::api::Server;
use postrider::Secret;
use postrider::signature::{Message, Scheme, Signer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const OLD: &str = SECRET;
const NEW: &str = "whsec_the_new_one";

/// Not a secret at all: a public key.
const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

#[tokio::test]
async fn a_source_is_made_shown_changed_and_deleted_and_shows_no_secret() {
    let server = Server::start().await;
    let form = json!({ "name": "shop", "provider": "shopify", "secrets": [OLD, NEW] });
    let made = server.post("/v1/sources", form).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let route = format!("/v1/sources/{id}");
    let mut shown = vec![made.clone()];
    assert_eq!(made["path"], format!("/in/{id}"));
    assert_eq!(made["tolerance_s"], 300);
    assert_eq!(made["event_prefix"], "shopify");
    assert_eq!(made["allowed_networks"], json!([]));
    shown.push(server.get(&route).await.expect(200));
    assert_eq!(shown[1], made);
    let page = server.get("/v1/sources").await.expect(200);
    assert_eq!(page, json!({ "data": [made], "next": null }));
    shown.push(page);
    let change = json!({ "name": "store", "event_prefix": "eu.shop", "add_secrets": ["third"] });
    let changed = server.patch(&route, change).await.expect(200);
    assert_eq!(changed["name"], "store");
    assert_eq!(changed["event_prefix"], "eu.shop");
    let ids: Vec<&Value> = changed["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    shown.push(changed.clone());
    let server = server.restart().await;
    assert_eq!(
        server.get(&route).await.expect(200),
        changed,
        "kept as it was"
    );
    for text in shown.iter().map(Value::to_string) {
        assert!(
            !text.contains(OLD) && !text.contains(NEW) && !text.contains("third"),
            "{text}"
        );
    }
    server.delete(&route).await.expect(204);
    server.get(&route).await.problem(404, "not_found");
    let hook = Hook::stripe("evt_1", "a.b");
    hook.send(&server, &format!("/in/{id}"))
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_request_that_both_secrets_of_a_provider_have_signed_is_taken_with_either() {
    let server = Server::start().await;
    let secrets = [NEW, OLD].map(|text| Secret::parse(text).unwrap());
    for scheme in [Scheme::BodyHex, Scheme::TimestampedV1, Scheme::Github] {
        for (name, secret) in [("new", NEW), ("old", OLD)] {
            let name = format!("{name}-{scheme}");
            let custom = json!({ "scheme": scheme.name() });
            let fields = json!({ "name": name, "secrets": [secret], "custom": custom });
            let path = source_with(&server, "custom", fields).await;
            let signer = Signer::new(scheme, &secrets).unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let message = Message {
                id: "",
                timestamp: now.as_secs(),
                body: b"{}",
            };
            let headers = signer.sign(&message).unwrap().into_iter();
            let headers: Vec<_> = headers.map(|it| (it.name.to_owned(), it.value)).collect();
            send(&server, &path, &headers, "{}").await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_gap() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let route = path.replace("/in/", "/v1/sources/");
    let old = Hook::stripe("evt_1", "a.b");
    let mut new = Hook::stripe("evt_2", "a.b");
    new.secret = NEW;
    new.send(&server, &path)
        .await
        .problem(401, "signature_refused");
    let both = server
        .patch(&route, json!({ "add_secrets": [NEW] }))
        .await
        .expect(200);
    assert_eq!(both["secrets"].as_array().unwrap().len(), 2);
    old.taken(&server, &path).await;
    new.taken(&server, &path).await;
    server
        .patch(&route, json!({ "remove_secrets": [1] }))
        .await
        .expect(200);
    old.send(&server, &path)
        .await
        .problem(401, "signature_refused");
    new.taken(&server, &path).await;
    let last = server.patch(&route, json!({ "remove_secrets": [2] })).await;
    last.problem(422, "invalid_value");
    let swapped = json!({ "remove_secrets": [2], "add_secrets": [OLD] });
    let swapped = server.patch(&route, swapped).await.expect(200);
    assert_eq!(swapped["secrets"][0]["id"], 3, "an id is never given again");
    old.taken(&server, &path).await;
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let server = Server::start().await;
    source(&server, "stripe").await;
    let custom = |custom: Value| json!({ "provider": "custom", "custom": custom });
    for (fields, pointer, status) in [
        (json!({ "name": "a b" }), "/name", 400),
        (json!({ "name": "x".repeat(65) }), "/name", 400),
        (json!({ "name": "postrider.x" }), "/name", 422),
        (json!({ "secrets": [] }), "/secrets", 422),
        (
            json!({ "secrets": ["1", "2", "3", "4", "5"] }),
            "/secrets",
            400,
        ),
        (json!({ "secrets": ["1", ""] }), "/secrets/1", 422),
        (json!({ "secrets": [PUBLIC] }), "/secrets", 422),
        (json!({ "tolerance_s": 0 }), "/tolerance_s", 400),
        (json!({ "tolerance_s": 3601 }), "/tolerance_s", 400),
        (
            json!({ "allowed_networks": ["10.0.0.0/8", "10.0.0.1/8"] }),
            "/allowed_networks/1",
            422,
        ),
        (json!({ "event_prefix": "postrider" }), "/event_prefix", 422),
        (json!({ "provider": "paypal" }), "/provider", 400),
        (json!({ "provider": "custom" }), "/custom", 422),
        (json!({ "custom": { "scheme": "stripe" } }), "/custom", 422),
        (custom(json!({ "scheme": "md5" })), "/custom/scheme", 422),
        (
            custom(json!({ "scheme": "body-hex", "type_pointer": "type" })),
            "/custom/type_pointer",
            422,
        ),
        (
            custom(json!({ "scheme": "body-hex", "id_header": "a b" })),
            "/custom/id_header",
            422,
        ),
        (
            custom(json!({ "scheme": "body-hex", "id_header": "a", "id_pointer": "/a" })),
            "/custom/id_header",
            422,
        ),
        (
            custom(json!({ "scheme": "body-hex", "timestamp_header": "a" })),
            "/custom",
            422,
        ),
    ] {
        let mut form = json!({ "name": "new", "provider": "stripe", "secrets": ["s"] });
        form.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let code = if status == 400 {
            "invalid_body"
        } else {
            "invalid_value"
        };
        let problem = server.post("/v1/sources", form).await.problem(status, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let taken = json!({ "name": "stripe", "provider": "github", "secrets": ["s"] });
    server
        .post("/v1/sources", taken)
        .await
        .problem(409, "already_exists");
}

#[tokio::test]
async fn a_source_and_what_it_brings_are_its_tenant_s() {
    let server = Server::start().await;
    source(&server, "stripe").await;
    let key = server.key_of("acme", &["manage", "read"]).await;
    let own: [(&str, &str); 1] = [("authorization", &key)];
    let form = json!({ "name": "stripe", "provider": "stripe", "secrets": [SECRET] }).to_string();
    let made = server
        .send(Method::POST, "/v1/sources", Some(form), &own)
        .await
        .expect(201);
    assert_eq!(made["tenant"], "acme");
    let path = made["path"].as_str().unwrap();
    let route = path.replace("/in/", "/v1/sources/");
    server.get(&route).await.problem(404, "not_found");
    server.delete(&route).await.problem(404, "not_found");
    server
        .patch(&route, json!({ "name": "mine" }))
        .await
        .problem(404, "not_found");
    Hook::stripe("evt_1", "a.b").taken(&server, path).await;
    assert_eq!(types(&server).await, [""; 0], "none of the tenant default");
    let events = server
        .send(Method::GET, "/v1/events", None, &own)
        .await
        .expect(200);
    assert_eq!(events["data"][0]["type"], "stripe.a.b");
    server.delete("/v1/tenants/acme").await.expect(204);
    let late = Hook::stripe("evt_2", "a.b").send(&server, path).await;
    late.problem(404, "not_found");
}
