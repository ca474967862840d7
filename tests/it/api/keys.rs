//! Keys, tenants, and what the server says of itself.

use super::Server;
use super::server::KEY;
use postrider::{Clock, Postrider, Wall};
use postrider_server::{Api, ApiOptions, router};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_kept_over_a_restart_and_revoked_at_once() {
    let server = Server::start().await;
    let body = json!({ "name": "shop", "scopes": ["read", "publish", "read"] });
    let made = server.post("/v1/keys", body).await.expect(201);
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with(made["id"].as_str().unwrap()));
    assert_eq!(made["scopes"], json!(["publish", "read"]));
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let server = server.restart().await;
    server
        .send(Method::GET, "/v1/events", None, &headers)
        .await
        .expect(200);
    let listed = server.get("/v1/keys").await.expect(200);
    assert_eq!(listed["data"][0]["name"], "shop");
    assert!(!listed.to_string().contains(&key[40..]));
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    server.delete(&path).await.expect(204);
    let revoked = server.send(Method::GET, "/v1/events", None, &headers).await;
    revoked.problem(401, "unauthorized");
    server.delete(&path).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_hands_on_neither_scopes_nor_tenants_that_it_lacks() {
    let server = Server::start().await;
    let acme = server.key_of("acme", &["manage"]).await;
    let send = |body: Value| {
        let (server, acme) = (&server, acme.clone());
        async move {
            let headers = [("authorization", acme.as_str())];
            server
                .send(Method::POST, "/v1/keys", Some(body.to_string()), &headers)
                .await
        }
    };
    let wider = json!({ "name": "x", "scopes": ["publish"] });
    send(wider).await.problem(403, "forbidden");
    let other = json!({ "name": "x", "scopes": ["read"], "tenant": "default" });
    send(other).await.problem(403, "forbidden");
    let own = send(json!({ "name": "x", "scopes": ["read"] }))
        .await
        .expect(201);
    assert_eq!(own["tenant"], "acme");
    let unknown = json!({ "name": "x", "scopes": ["read"], "tenant": "nobody" });
    server
        .post("/v1/keys", unknown)
        .await
        .problem(404, "not_found");
    let headers = [("authorization", acme.as_str())];
    let tenants = server
        .send(Method::GET, "/v1/tenants", None, &headers)
        .await;
    tenants.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_used_too_fast_is_told_when_to_come_back() {
    let server = Server::start().await;
    let body = json!({ "name": "slow", "scopes": ["read"], "requests_per_second": 2 });
    let made = server.post("/v1/keys", body).await.expect(201);
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let mut refused = None;
    for _ in 0..50 {
        let answer = server.send(Method::GET, "/v1/events", None, &headers).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("fifty requests at once are too many");
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    refused.problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_all_tenants_acts_for_the_one_it_names() {
    let server = Server::start().await;
    let acme = [("postrider-tenant", "acme")];
    let unknown = server.send(Method::GET, "/v1/events", None, &acme).await;
    unknown.problem(404, "not_found");
    let tenant = json!({ "id": "acme", "description": "The Acme Corporation" });
    server.post("/v1/tenants", tenant.clone()).await.expect(201);
    server
        .post("/v1/tenants", tenant)
        .await
        .problem(409, "already_exists");
    let listed = server.get("/v1/tenants").await.expect(200);
    assert_eq!(listed["data"][0]["name"], "acme");
    let body = json!({ "url": "https://merchant.example/" }).to_string();
    let made = server
        .send(Method::POST, "/v1/endpoints", Some(body), &acme)
        .await
        .expect(201);
    assert_eq!(made["tenant"], "acme");
    let own = server.get("/v1/endpoints").await.expect(200);
    assert_eq!(own["data"], json!([]));
    server.delete("/v1/tenants/acme").await.expect(204);
    let bad = [("postrider-tenant", "a b")];
    let bad = server.send(Method::GET, "/v1/events", None, &bad).await;
    bad.problem(400, "invalid_header");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_a_request_id_and_the_headers_that_keep_browsers_careful() {
    let server = Server::start().await;
    let given = [("x-request-id", "order-42")];
    let answer = server.send(Method::GET, "/v1/events", None, &given).await;
    assert_eq!(answer.headers["x-request-id"], "order-42");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.headers.get("access-control-allow-origin").is_none());
    assert!(answer.headers.get("set-cookie").is_none());
    let odd = [("x-request-id", "a b\"c")];
    let answer = server.send(Method::GET, "/v1/nothing", None, &odd).await;
    assert!(
        answer.body["request_id"]
            .as_str()
            .unwrap()
            .starts_with("req_")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_is_sent_to_the_server_itself_finds_out_what_it_is() {
    let server = Server::start().await;
    let nobody = [("authorization", "")];
    let home = server.send(Method::GET, "/", None, &nobody).await;
    let home = home.expect(200);
    let home = home.as_str().unwrap();
    assert!(home.contains("<title>Postrider</title>"), "{home}");
    for page in ["/reference", "/problems", "/openapi.json"] {
        let answer = server.send(Method::GET, page, None, &nobody).await;
        answer.expect(200);
    }
    let refused = server.send(Method::POST, "/", None, &nobody).await;
    refused.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_that_it_lives_and_is_ready_until_it_is_not() {
    let server = Server::start().await;
    let nobody = [("authorization", "")];
    let get = |path: &'static str| {
        let server = &server;
        async move { server.send(Method::GET, path, None, &nobody).await }
    };
    get("/livez").await.expect(200);
    get("/readyz").await.expect(200);
    for page in ["/reference", "/problems"] {
        let page = get(page).await;
        assert!(
            page.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
        assert!(page.body.as_str().unwrap().contains("<h1>"));
    }
    server.postrider.shutdown().await;
    get("/livez").await.expect(200);
    assert_eq!(get("/readyz").await.status, 503);
    let event = json!({ "type": "a", "payload": 1 });
    let refused = server.post("/v1/events", event).await;
    refused.problem(503, "shutting_down");
}

/// Whoever changes the API sees it here; `UPDATE=1` writes it anew.
#[test]
fn the_description_is_the_one_in_the_repository() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let document = serde_json::to_string_pretty(&postrider_server::document()).unwrap() + "\n";
    for (path, made) in [
        ("docs/openapi.json", document),
        ("docs/problems.md", postrider_server::problems_page()),
        ("docs/metrics.md", postrider_server::metrics_page()),
    ] {
        let path = format!("{root}/{path}");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{path} is out of date: run this test with UPDATE=1, and look"
        );
    }
}

/// A calendar that shows the first day of 2031.
struct Ahead;

impl Clock for Ahead {
    fn wall(&self) -> Wall {
        Wall(1_924_992_000_000)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires_by_the_clock_that_its_postrider_was_given() {
    let postrider = Postrider::builder().clock(Ahead).start().await.unwrap();
    let api = Api::open(postrider, ApiOptions::default()).await.unwrap();
    api.accept_key(KEY);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router(&api)).into_future());
    // Another test may have done so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (expires_at, status) in [("2030-01-01T00:00:00Z", 401), ("2032-01-01T00:00:00Z", 200)] {
        let form = json!({ "name": "a", "scopes": ["read"], "expires_at": expires_at });
        let made = http.post(format!("{base}/v1/keys")).bearer_auth(KEY);
        let made = made.header("content-type", "application/json");
        let made = made.body(form.to_string()).send().await.unwrap();
        let made: Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
        let list = http.get(format!("{base}/v1/events"));
        let list = list.bearer_auth(made["key"].as_str().unwrap());
        assert_eq!(list.send().await.unwrap().status(), status);
    }
}

/// A key made with this one: the answer.
async fn made_with(server: &Server, key: &str, form: Value) -> super::server::Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let body = Some(form.to_string());
    server.send(Method::POST, "/v1/keys", body, &headers).await
}

async fn reads(server: &Server, key: &str) -> super::server::Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    server.send(Method::GET, "/v1/events", None, &headers).await
}

fn key_in(made: &Value) -> String {
    made["key"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_hands_on_neither_a_later_end_nor_a_higher_rate() {
    let server = Server::start().await;
    let form = json!({
        "name": "parent", "scopes": ["manage"],
        "requests_per_second": 10, "expires_at": "2999-01-01T00:00:00Z",
    });
    let parent = server.post("/v1/keys", form).await.expect(201);
    assert_eq!(
        parent["made_by"],
        Value::Null,
        "the operator's key is no record"
    );
    let parent_key = key_in(&parent);
    for (field, value) in [
        ("requests_per_second", json!(11)),
        ("expires_at", json!("2999-01-01T00:00:01Z")),
    ] {
        let form = json!({ "name": "more", "scopes": ["read"], field: value });
        let refused = made_with(&server, &parent_key, form).await;
        let refused = refused.problem(403, "forbidden");
        assert_eq!(refused["errors"][0]["pointer"], format!("/{field}"));
    }
    let form = json!({ "name": "same", "scopes": ["read"] });
    let child = made_with(&server, &parent_key, form).await.expect(201);
    assert_eq!(child["requests_per_second"], 10);
    assert_eq!(child["expires_at"], parent["expires_at"]);
    assert_eq!(child["made_by"], parent["id"]);
    let form = json!({ "name": "less", "scopes": ["read"], "requests_per_second": 1 });
    let child = made_with(&server, &parent_key, form).await.expect(201);
    assert_eq!(child["requests_per_second"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_the_keys_that_a_key_has_made_count_for_its_own_rate() {
    let server = Server::start().await;
    let form = json!({ "name": "parent", "scopes": ["manage"], "requests_per_second": 5 });
    let parent = key_in(&server.post("/v1/keys", form).await.expect(201));
    let mut children = Vec::new();
    for _ in 0..4 {
        let form = json!({ "name": "child", "scopes": ["read"] });
        children.push(key_in(&made_with(&server, &parent, form).await.expect(201)));
    }
    let mut refused = 0;
    for child in children.iter().cycle().take(60) {
        refused += u32::from(reads(&server, child).await.status == 429);
    }
    assert!(refused > 20, "{refused} of 60 were too fast for 5 a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_end_with_the_key_that_made_them_over_a_restart_too() {
    let server = Server::start().await;
    let form = json!({ "name": "first", "scopes": ["manage", "read"] });
    let first = server.post("/v1/keys", form.clone()).await.expect(201);
    let other = server.post("/v1/keys", form.clone()).await.expect(201);
    let second = made_with(&server, &key_in(&first), form.clone())
        .await
        .expect(201);
    let third = made_with(&server, &key_in(&second), form).await.expect(201);
    let server = server.restart().await;
    reads(&server, &key_in(&third)).await.expect(200);
    let path = format!("/v1/keys/{}", first["id"].as_str().unwrap());
    server.delete(&path).await.expect(204);
    let server = server.restart().await;
    for ended in [&first, &second, &third] {
        reads(&server, &key_in(ended))
            .await
            .problem(401, "unauthorized");
    }
    reads(&server, &key_in(&other)).await.expect(200);
    let listed = server.get("/v1/keys").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_can_be_there_once_is_refused_twice() {
    let server = Server::start().await;
    let key = format!("authorization: Bearer {KEY}\r\n");
    for twice in [
        "host: a\r\n",
        "authorization: Bearer x\r\n",
        "postrider-tenant: default\r\npostrider-tenant: default\r\n",
        "idempotency-key: a\r\nidempotency-key: b\r\n",
        "content-type: application/json\r\ncontent-type: text/plain\r\n",
        "last-event-id: a\r\nlast-event-id: b\r\n",
        "x-github-event: a\r\nx-github-event: b\r\n",
    ] {
        let request =
            format!("GET /v1/events HTTP/1.1\r\nhost: a\r\n{key}{twice}connection: close\r\n\r\n");
        let answer = server.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{twice}: {answer}");
        let name = twice.split(':').next().unwrap();
        assert!(
            answer.contains("invalid_header") && answer.contains(name),
            "{answer}"
        );
    }
    let request = format!("GET /v1/events HTTP/1.1\r\nhost: a\r\n{key}connection: close\r\n\r\n");
    assert!(server.raw(&request).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_later_is_cancelled_by_a_key_that_publishes_or_manages_in_its_tenant() {
    let server = Server::start().await;
    let publisher = server.key_of("acme", &["publish"]).await;
    for (tenant, scope, status) in [
        ("acme", "read", 403),
        ("other", "read", 403),
        ("other", "publish", 404),
        ("other", "manage", 404),
        ("acme", "publish", 204),
        ("acme", "manage", 204),
    ] {
        let event = json!({
            "type": "a.b", "payload": {}, "deliver_after": super::events::jiff_after(3_600),
        });
        let headers = [("authorization", publisher.as_str())];
        let body = Some(event.to_string());
        let made = server
            .send(Method::POST, "/v1/events", body, &headers)
            .await;
        let made = made.expect(202);
        let path = format!("/v1/scheduled-events/{}", made["id"].as_str().unwrap());
        let key = server.key_of(tenant, &[scope]).await;
        let headers = [("authorization", key.as_str())];
        let answer = server.send(Method::DELETE, &path, None, &headers).await;
        assert_eq!(
            answer.status, status,
            "{scope} of {tenant}: {}",
            answer.body
        );
    }
}
