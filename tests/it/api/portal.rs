//! The portal: a link signs in once, and its session does what the link allows and nothing else.

use super::errors::{Existing, Route, needed_query};
use super::{Answer, Server};
use crate::receiver::Receiver;
use postrider::{MemoryStore, Postrider, Record, TenantId};
use postrider_server::ApiOptions;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const ACTS: [&str; 3] = ["retry", "manage_endpoints", "test"];

/// A link for the tenant, which is made if it is not there.
async fn link(server: &Server, tenant: &str, form: Value) -> Value {
    let key = server.key_of(tenant, &["manage"]).await;
    let headers = [("authorization", key.as_str())];
    let body = Some(form.to_string());
    let answer = server.send(Method::POST, "/v1/portal-links", body, &headers);
    answer.await.expect(201)
}

async fn sign_in(server: &Server, token: &Value) -> Answer {
    let body = Some(json!({ "token": token }).to_string());
    let nobody = [("authorization", "")];
    let answer = server.send(Method::POST, "/v1/portal-sessions", body, &nobody);
    answer.await
}

/// A session for the tenant in which these acts are allowed: its `Authorization`.
async fn session(server: &Server, tenant: &str, acts: &[&str]) -> String {
    let link = link(server, tenant, json!({ "acts": acts })).await;
    let session = sign_in(server, &link["token"]).await.expect(201);
    format!("Bearer {}", session["key"].as_str().unwrap())
}

/// Asks until the session is not too fast.
async fn asked(
    server: &Server,
    route: &Route,
    path: &str,
    body: Option<String>,
    key: &str,
) -> Answer {
    let headers = [("authorization", key)];
    loop {
        let answer = server.send(route.method.clone(), path, body.clone(), &headers);
        let answer = answer.await;
        if answer.status != 429 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a session may use a route, since it does no more than read. The log of who did what names the
/// keys of the operator, and the playground is theirs.
fn reads(route: &Route) -> bool {
    route.is_for("read") && !["/v1/audit", "/v1/playground"].contains(&route.path.as_str())
}

/// Whether an act lets a session use a route that needs more than reading.
fn allows(act: &str, route: &Route) -> bool {
    let path = route.path.as_str();
    let changes = route.method != Method::GET;
    match act {
        "retry" => {
            changes && ["/v1/deliveries/{id}/retry", "/v1/dead-letters/resend"].contains(&path)
        }
        "test" => path == "/v1/endpoints/{id}/test",
        "manage_endpoints" => match path {
            "/v1/endpoints/{id}/secret" => true,
            // What has gone by is given again by the operator alone.
            "/v1/endpoints/{id}/backfill" | "/v1/endpoints/{id}/test" => false,
            _ => changes && (path == "/v1/endpoints" || path.starts_with("/v1/endpoints/")),
        },
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_do_what_its_acts_allow_and_nothing_else() {
    let server = Server::start().await;
    let all: [&[&str]; 5] = [&[], &ACTS[..1], &ACTS[1..2], &ACTS[2..], &ACTS];
    for acts in all {
        let key = session(&server, "acme", acts).await;
        let mut allowed = 0;
        for route in Route::keyed() {
            // Nothing of this is right: neither the id, nor the query, nor the body.
            let path = route.path("x") + "?no_such_parameter=1";
            let body = route.body.map(|_| "{".to_owned());
            let answer = asked(&server, &route, &path, body, &key).await;
            let name = format!("{acts:?}: {} {}", route.method, route.path);
            if reads(&route) || acts.iter().any(|act| allows(act, &route)) {
                assert!(![401, 403].contains(&answer.status), "{name}: {answer:?}");
                allowed += 1;
            } else {
                assert_eq!(answer.status, 403, "{name}: {answer:?}");
                answer.problem(403, "forbidden");
            }
        }
        assert!(allowed > 10, "{acts:?}: {allowed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_reaches_nothing_of_another_tenant() {
    let server = Server::start().await;
    let ids = Existing::make(&server).await;
    let key = session(&server, "acme", &ACTS).await;
    for route in Route::keyed().filter(Route::has_id) {
        let path = route.path(&ids.of(&route.path)) + needed_query(&route.path);
        let body = (route.body == Some(true)).then(|| "{}".to_owned());
        let answer = asked(&server, &route, &path, body, &key).await;
        let name = format!("{} {path}: {}", route.method, answer.body);
        assert!([403, 404].contains(&answer.status), "{name}");
        assert!(!answer.text.contains("a-secret"), "{name}");
    }
    let lists = Route::keyed().filter(|it| !it.has_id() && it.method == Method::GET);
    for route in lists.filter(Route::ends) {
        let answer = asked(&server, &route, &route.path, None, &key).await;
        for id in ids.ids() {
            assert!(!answer.text.contains(id), "{} shows {id}", route.path);
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = [
        ("authorization", key.as_str()),
        ("postrider-tenant", "default"),
    ];
    let answer = server.send(Method::GET, "/v1/events", None, &other).await;
    answer.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_sees_and_mends_what_is_its_own() {
    let server = Server::start().await;
    let key = session(&server, "acme", &ACTS).await;
    let headers = [("authorization", key.as_str())];
    let send = async |method: Method, path: &str, body: Option<Value>| {
        let body = body.map(|it| it.to_string());
        server.send(method, path, body, &headers).await
    };
    let receiver = Receiver::answering(200).await;
    let form = json!({ "url": receiver.url() });
    let made = send(Method::POST, "/v1/endpoints", Some(form))
        .await
        .expect(201);
    assert_eq!(made["tenant"], "acme");
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let secret = send(Method::GET, &format!("{path}/secret"), None).await;
    assert_eq!(secret.expect(200)["secret"], made["secret"]);
    let test = send(Method::POST, &format!("{path}/test"), None).await;
    assert_eq!(test.expect(200)["status"], 200);
    let reader = session(&server, "acme", &[]).await;
    let headers = [("authorization", reader.as_str())];
    let seen = server.send(Method::GET, &path, None, &headers).await;
    assert_eq!(seen.expect(200)["id"], made["id"]);
    let deleted = server.send(Method::DELETE, &path, None, &headers).await;
    deleted.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once_and_says_how_the_portal_looks() {
    let server = Server::start().await;
    let theme = json!({ "color": "#1d4ed8", "logo_url": "https://shop.example/logo.svg" });
    let form = json!({ "acts": ["retry", "retry"], "session_s": 600, "theme": theme });
    let made = link(&server, "acme", form).await;
    let (url, token) = (
        made["url"].as_str().unwrap(),
        made["token"].as_str().unwrap(),
    );
    assert_eq!(url, format!("{}/portal/#portal={token}", server.base));
    assert_eq!(made["scopes"], json!(["read", "retry"]));
    let server = server.restart().await;
    let (one, other) = tokio::join!(
        sign_in(&server, &made["token"]),
        sign_in(&server, &made["token"])
    );
    let (session, refused) = match one.status {
        201 => (one, other),
        _ => (other, one),
    };
    let session = session.expect(201);
    refused.problem(401, "unauthorized");
    assert_eq!(session["theme"], theme);
    assert_eq!(session["tenant"], "acme");
    assert_eq!(session["scopes"], made["scopes"]);
    assert!(session["expires_at"].as_str() < made["expires_at"].as_str());
    let keys = server.get("/v1/keys").await.expect(200);
    let keys = keys["data"].as_array().unwrap();
    let of_portal: Vec<_> = keys.iter().filter(|it| it["portal"] == true).collect();
    assert_eq!(of_portal.len(), 1);
    assert_eq!(of_portal[0]["expires_at"], session["expires_at"]);
}

/// The keys that a tenant may have, on record.
async fn fill_keys(postrider: &Postrider) {
    let records = postrider.records().unwrap();
    for number in 0..5_000 {
        let id = format!("key_{number:04}");
        let key = json!({
            "id": id, "digest": format!("{number:064}"), "name": "one of many", "scopes": ["read"],
            "tenant": "default", "requests_per_second": null,
            "created_at": "2026-01-01T00:00:00Z", "expires_at": null,
        });
        let record = Record {
            kind: "api_key",
            tenant: TenantId::default(),
            id: id.as_str().into(),
            value: key.to_string().into(),
        };
        std::sync::Arc::clone(&records).put(record).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_whose_session_there_is_no_room_can_be_used_later() {
    let builder = Postrider::builder().store(MemoryStore::default());
    let postrider = builder.start().await.unwrap();
    fill_keys(&postrider).await;
    let server = Server::on(postrider).await;
    let made = server.post("/v1/portal-links", json!({})).await.expect(201);
    let refused = sign_in(&server, &made["token"]).await;
    refused.problem(503, "tenant_full");
    server.delete("/v1/keys/key_0007").await.expect(204);
    sign_in(&server, &made["token"]).await.expect(201);
    let again = sign_in(&server, &made["token"]).await;
    again.problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_the_key_that_made_it_or_when_it_is_revoked() {
    let server = Server::start().await;
    let form = json!({ "name": "maker", "scopes": ["manage"] });
    let maker = server.post("/v1/keys", form).await.expect(201);
    let bearer = format!("Bearer {}", maker["key"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let make = async || {
        let body = Some("{}".to_owned());
        let made = server.send(Method::POST, "/v1/portal-links", body, &headers);
        made.await.expect(201)
    };
    let (used, unused, revoked) = (make().await, make().await, make().await);
    let path = format!("/v1/portal-links/{}", revoked["id"].as_str().unwrap());
    server.delete(&path).await.expect(204);
    server.delete(&path).await.problem(404, "not_found");
    let session = sign_in(&server, &used["token"]).await.expect(201);
    let key = format!("/v1/keys/{}", maker["id"].as_str().unwrap());
    server.delete(&key).await.expect(204);
    let bearer = format!("Bearer {}", session["key"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let ended = server.send(Method::GET, "/v1/events", None, &headers).await;
    ended.problem(401, "unauthorized");
    for link in [&used, &unused, &revoked] {
        let refused = sign_in(&server, &link["token"]).await;
        refused.problem(401, "unauthorized");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_a_tenant_that_was_deleted_signs_in_no_more() {
    let server = Server::start().await;
    let made = link(&server, "acme", json!({})).await;
    server.delete("/v1/tenants/acme").await.expect(204);
    let refused = sign_in(&server, &made["token"]).await;
    refused.problem(401, "unauthorized");
    let records = server.postrider.records().unwrap();
    crate::receiver::until("its record is gone", || async {
        let list = std::sync::Arc::clone(&records).list("portal_link", None, None, 9);
        list.await.unwrap().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_cannot_be_is_refused_with_its_place() {
    let options = ApiOptions {
        public_url: "https://hooks.example/postrider/".parse().unwrap(),
        ..ApiOptions::default()
    };
    let server = Server::with(options).await;
    for (form, pointer, status) in [
        (json!({ "session_s": 59 }), "/session_s", 400),
        (json!({ "theme": { "color": "red" } }), "/theme/color", 400),
        (
            json!({ "theme": { "logo_url": "http://a.example/" } }),
            "/theme/logo_url",
            422,
        ),
        (
            json!({ "expires_at": "2020-01-01T00:00:00Z" }),
            "/expires_at",
            422,
        ),
        (
            json!({ "expires_at": "2999-01-01T00:00:00Z" }),
            "/expires_at",
            422,
        ),
        (json!({ "acts": ["publish"] }), "/acts/0", 400),
    ] {
        let code = match status {
            400 => "invalid_body",
            _ => "invalid_value",
        };
        let answer = server.post("/v1/portal-links", form).await;
        let problem = answer.problem(status, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let made = server.post("/v1/portal-links", json!({})).await.expect(201);
    let url = made["url"].as_str().unwrap();
    assert!(
        url.starts_with("https://hooks.example/postrider/portal/#portal=plk_"),
        "{url}"
    );
    assert_eq!(made["tenant"], "default");
}
