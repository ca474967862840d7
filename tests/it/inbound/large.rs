//! Bodies that are larger than most.

use super::{Hook, send, source_with, types};
use crate::api::Server;
use crate::receiver::loopback;
use postrider::signature::Scheme;
use postrider::{Limits, MemoryStore, Postrider};
use serde_json::json;

const MIB: usize = 1 << 20;

/// A server that takes what GitHub sends.
async fn server() -> Server {
    let limits = Limits {
        payload_bytes_max: 25 * MIB,
        ..Limits::default()
    };
    let postrider = Postrider::builder()
        .store(MemoryStore::default())
        .egress(loopback())
        .limits(limits)
        .start()
        .await
        .unwrap();
    Server::on(postrider).await
}

fn hook(bytes: usize) -> Hook {
    let body = format!("{{\"id\": \"{bytes}\", \"text\": \"");
    let rest = bytes - body.len() - 2;
    Hook::new(Scheme::BodyHex, &[], &(body + &"x".repeat(rest) + "\"}"))
}

#[tokio::test]
async fn a_source_takes_a_mebibyte_unless_it_says_more() {
    let server = server().await;
    let custom = json!({ "scheme": "body-hex" });
    let usual = source_with(&server, "custom", json!({ "custom": custom })).await;
    hook(MIB).taken(&server, &usual).await;
    let refused = hook(MIB + 1).send(&server, &usual).await;
    refused.problem(413, "body_too_large");
    let large = json!({ "name": "large", "custom": custom, "body_bytes_max": 25 * MIB });
    let large = source_with(&server, "custom", large).await;
    let (event, _) = hook(25 * MIB).taken(&server, &large).await;
    let kept = server.postrider.event(&event.parse().unwrap()).await;
    assert_eq!(kept.unwrap().event.payload.len(), 25 * MIB);
    let refused = hook(25 * MIB + 1).send(&server, &large).await;
    refused.problem(413, "body_too_large");
    assert_eq!(types(&server).await.len(), 2);
}

#[tokio::test]
async fn one_byte_that_is_wrong_in_a_large_body_is_seen() {
    let server = server().await;
    let fields = json!({ "custom": { "scheme": "body-hex" }, "body_bytes_max": 4 * MIB });
    let path = source_with(&server, "custom", fields).await;
    let hook = hook(3 * MIB);
    let altered = hook.body.replace("xx\"}", "xy\"}");
    let answer = send(&server, &path, &hook.signed(), &altered).await;
    let problem = answer.problem(401, "signature_refused");
    assert_eq!(problem["detail"], "NO_MATCH");
    // Unsigned, as much is not even kept until its end.
    let answer = send(&server, &path, &[], &hook.body).await;
    let problem = answer.problem(401, "signature_refused");
    assert_eq!(problem["detail"], "MISSING_HEADER");
}

#[tokio::test]
async fn a_bound_that_server_or_tenant_do_not_allow_is_refused() {
    let small = Server::start().await;
    let form = |bytes: usize| {
        let mut form = json!({ "name": "s", "provider": "github", "secrets": ["a secret"] });
        form["body_bytes_max"] = json!(bytes);
        form
    };
    for bytes in [0, 26_214_401, 300 << 10] {
        let refused = small.post("/v1/sources", form(bytes)).await;
        let refused = refused.problem(422, "invalid_value");
        assert_eq!(refused["errors"][0]["pointer"], "/body_bytes_max");
    }
    let server = server().await;
    let tenant = json!({ "name": "acme", "source_body_bytes_max": 2 * MIB });
    let made = server.post("/v1/tenants", tenant).await.expect(201);
    assert_eq!(made["source_body_bytes_max"], 2 * MIB);
    let key = server.key_of("acme", &["manage"]).await;
    let headers = [("authorization", key.as_str())];
    let make = async |bytes: usize| {
        let body = Some(form(bytes).to_string());
        let method = reqwest::Method::POST;
        server.send(method, "/v1/sources", body, &headers).await
    };
    make(3 * MIB).await.problem(422, "invalid_value");
    let made = make(2 * MIB).await.expect(201);
    assert_eq!(made["body_bytes_max"], 2 * MIB);
    let less = json!({ "source_body_bytes_max": MIB });
    server.patch("/v1/tenants/acme", less).await.expect(200);
    let route = format!("/v1/sources/{}", made["id"].as_str().unwrap());
    let shown = server
        .send(reqwest::Method::GET, &route, None, &headers)
        .await;
    assert_eq!(shown.expect(200)["body_bytes_max"], MIB);
}
