//! Tenants: an id is never used twice, a name may be, and who is deleted has nothing any more.

use super::{Answer, Server};
use crate::inbound::{Hook, SECRET};
use crate::receiver::{Receiver, until};
use postrider::{ScheduledQuery, TenantId};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SCOPES: [&str; 3] = ["publish", "manage", "read"];

/// A tenant with a key of every scope.
struct Tenant<'s> {
    server: &'s Server,
    id: String,
    key: String,
}

impl<'s> Tenant<'s> {
    async fn new(server: &'s Server, name: &str) -> Self {
        let made = server.post("/v1/tenants", json!({ "name": name })).await;
        let made = made.expect(201);
        assert_eq!(made["name"], name);
        let form = json!({ "name": "test", "scopes": SCOPES, "tenant": name });
        let key = server.post("/v1/keys", form).await.expect(201);
        assert_eq!(
            (&key["tenant"], &key["tenant_id"]),
            (&made["name"], &made["id"])
        );
        Self {
            server,
            id: text(&made["id"]),
            key: format!("Bearer {}", text(&key["key"])),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let headers = [("authorization", self.key.as_str())];
        let body = body.map(|body| body.to_string());
        self.server.send(method, path, body, &headers).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.send(Method::POST, path, Some(body)).await;
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        answer.body
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await.expect(200)
    }

    /// An event for later.
    async fn schedule(&self, after: Duration) {
        let due = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + after;
        let due = postrider::Wall(u64::try_from(due.as_millis()).unwrap());
        let event =
            json!({ "type": "a.b", "payload": { "of": self.id }, "deliver_after": rfc3339(due) });
        self.post("/v1/events", event).await;
    }

    /// Whether the engine holds nothing of it that could still act.
    async fn has_ended(&self) -> bool {
        let postrider = &self.server.postrider;
        let id: TenantId = self.id.parse().unwrap();
        let endpoints = postrider.endpoints_of(&id, None, 1).await.unwrap();
        let waiting = ScheduledQuery {
            tenant: Some(id.clone()),
            most: 1,
            ..ScheduledQuery::default()
        };
        let waiting = postrider.scheduled(waiting).await.unwrap().events;
        let records = postrider.records().unwrap();
        let mut kept = 0;
        for kind in [
            "api_key",
            "source",
            "source_receipts",
            "template",
            "event_type",
        ] {
            let list = std::sync::Arc::clone(&records).list(kind, Some(id.clone()), None, 9);
            kept += list.await.unwrap().len();
        }
        let home = TenantId::default();
        let record = records.get("tenant", home, self.id.as_str().into());
        let record = record.await.unwrap();
        endpoints.is_empty() && waiting.is_empty() && kept == 0 && record.is_none()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn rfc3339(wall: postrider::Wall) -> String {
    wall.to_rfc3339()
}

/// Until this holds.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not in 20 s: {what}");
}

const LISTS: [&str; 8] = [
    "/v1/endpoints",
    "/v1/events",
    "/v1/deliveries",
    "/v1/dead-letters",
    "/v1/scheduled-events",
    "/v1/templates",
    "/v1/event-types",
    "/v1/sources",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_made_again_under_an_old_name_inherits_nothing() {
    let server = Server::start().await;
    let old = Tenant::new(&server, "acme").await;
    let refusing = Receiver::answering(400).await;
    let endpoint = old
        .post("/v1/endpoints", json!({ "url": refusing.url() }))
        .await;
    assert_eq!(
        (&endpoint["tenant"], &endpoint["tenant_id"]),
        (&json!("acme"), &json!(old.id))
    );
    let event = json!({ "type": "a.b", "payload": { "of": "the old one" } });
    let event = old.post("/v1/events", event).await;
    old.post("/v1/templates", json!({ "name": "a.b", "template": {} }))
        .await;
    old.post("/v1/event-types", json!({ "name": "a.b" })).await;
    let form = json!({ "name": "stripe", "provider": "stripe", "secrets": [SECRET] });
    let source = old.post("/v1/sources", form).await;
    assert_eq!(
        (&source["tenant"], &source["tenant_id"]),
        (&json!("acme"), &json!(old.id))
    );
    until("it is refused", || async { refusing.count() == 1 }).await;
    eventually("the dead letter is on record", async || {
        old.get("/v1/dead-letters").await["data"] != json!([])
    })
    .await;
    old.schedule(Duration::from_secs(2)).await;

    server.delete("/v1/tenants/acme").await.expect(204);
    let refused = old.send(Method::GET, "/v1/events", None).await;
    refused.problem(401, "unauthorized");
    let hook = Hook::stripe("evt_1", "a.b")
        .send(&server, source["path"].as_str().unwrap())
        .await;
    hook.problem(404, "not_found");
    let by_id = [("postrider-tenant", old.id.as_str())];
    let by_id = server.send(Method::GET, "/v1/events", None, &by_id).await;
    by_id.problem(404, "not_found");

    let new = Tenant::new(&server, "acme").await;
    assert_ne!(new.id, old.id);
    for list in LISTS {
        assert_eq!(new.get(list).await["data"], json!([]), "{list}");
    }
    assert_eq!(new.get("/v1/replays").await["data"], json!([]));
    let event = format!("/v1/events/{}", text(&event["id"]));
    new.send(Method::GET, &event, None)
        .await
        .problem(404, "not_found");
    let taking = Receiver::answering(200).await;
    new.post("/v1/endpoints", json!({ "url": taking.url() }))
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        taking.bodies(),
        [""; 0],
        "the old one's event for later has come"
    );
    assert_eq!(refusing.bodies().len(), 1);
    let own = json!({ "type": "a.b", "payload": "own" });
    new.post("/v1/events", own).await;
    until("its own event has come", || async {
        taking.bodies() == ["\"own\""]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_under_a_key_by_an_old_tenant_of_the_name_is_no_repeat() {
    let server = Server::start().await;
    let publish = async |tenant: &Tenant<'_>| {
        let headers = [
            ("authorization", tenant.key.as_str()),
            ("idempotency-key", "order-1"),
        ];
        let event = json!({ "type": "a.b", "payload": 1 }).to_string();
        let answer = server.send(Method::POST, "/v1/events", Some(event), &headers);
        answer.await.expect(202)
    };
    let old = Tenant::new(&server, "acme").await;
    let first = publish(&old).await;
    assert_eq!(publish(&old).await["duplicate"], true);
    server.delete("/v1/tenants/acme").await.expect(204);
    let new = Tenant::new(&server, "acme").await;
    let second = publish(&new).await;
    assert_eq!(second["duplicate"], false);
    assert_ne!(second["id"], first["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deletion_of_a_tenant_ends_what_it_has_also_after_a_restart() {
    let server = Server::start().await;
    let id = {
        let tenant = Tenant::new(&server, "acme").await;
        for _ in 0..40 {
            let endpoint = json!({ "url": "https://merchant.example/" });
            tenant.post("/v1/endpoints", endpoint).await;
        }
        for number in 0..40 {
            tenant.schedule(Duration::from_secs(3_600)).await;
            tenant
                .post("/v1/event-types", json!({ "name": format!("a.n{number}") }))
                .await;
        }
        tenant
            .post("/v1/templates", json!({ "name": "a.b", "template": {} }))
            .await;
        let form = json!({ "name": "stripe", "provider": "stripe", "secrets": [SECRET] });
        tenant.post("/v1/sources", form).await;
        server.delete("/v1/tenants/acme").await.expect(204);
        tenant.id
    };
    let server = server.restart().await;
    let tenant = Tenant {
        server: &server,
        id,
        key: String::new(),
    };
    eventually("it has nothing any more", async || tenant.has_ended().await).await;
    assert_eq!(
        server.get("/v1/tenants").await.expect(200)["data"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_named_by_its_name_or_its_id_and_is_shown_with_both() {
    let server = Server::start().await;
    let acme = Tenant::new(&server, "acme").await;
    assert!(acme.id.starts_with("tnt_"), "{}", acme.id);
    for name in ["acme", acme.id.as_str()] {
        let named = [("postrider-tenant", name)];
        server
            .send(Method::GET, "/v1/events", None, &named)
            .await
            .expect(200);
        let own = [("authorization", acme.key.as_str()), named[0]];
        server
            .send(Method::GET, "/v1/events", None, &own)
            .await
            .expect(200);
        let shown = server.get(&format!("/v1/tenants/{name}")).await.expect(200);
        assert_eq!(
            (&shown["id"], &shown["name"]),
            (&json!(acme.id), &json!("acme"))
        );
        let key = json!({ "name": "k", "scopes": ["read"], "tenant": name });
        assert_eq!(
            server.post("/v1/keys", key).await.expect(201)["tenant"],
            "acme"
        );
    }
    let as_id = json!({ "name": acme.id });
    server
        .post("/v1/tenants", as_id)
        .await
        .problem(422, "invalid_value");
    let default = server.delete("/v1/tenants/default").await;
    default.problem(409, "in_use");
    server
        .delete(&format!("/v1/tenants/{}", acme.id))
        .await
        .expect(204);
    server
        .delete("/v1/tenants/acme")
        .await
        .problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_keeps_its_text_when_a_template_is_made_again_under_its_name() {
    let server = Server::start().await;
    let template = |text: &str| json!({ "name": "receipt", "template": { "text": text } });
    server
        .post("/v1/templates", template("old"))
        .await
        .expect(201);
    let receiver = Receiver::answering(200).await;
    let form = json!({
        "url": receiver.url(), "payload_form": "template",
        "template": { "name": "receipt", "version": 1 },
    });
    let made = server.post("/v1/endpoints", form).await.expect(201);
    let path = format!("/v1/endpoints/{}", text(&made["id"]));
    server.delete("/v1/templates/receipt").await.expect(204);
    server
        .patch(&path, json!({ "description": "a" }))
        .await
        .expect(200);
    server
        .post("/v1/templates", template("new"))
        .await
        .expect(201);
    server
        .patch(&path, json!({ "description": "b" }))
        .await
        .expect(200);
    server.publish("a.b", json!({})).await;
    until("it has come", || async {
        receiver.bodies() == [r#"{"text":"old"}"#]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_do_not_show_how_much_other_tenants_publish() {
    let server = Server::start().await;
    let (one, other) = (
        Tenant::new(&server, "one").await,
        Tenant::new(&server, "other").await,
    );
    let event = || json!({ "type": "a.b", "payload": 1 });
    for _ in 0..3 {
        one.post("/v1/events", event()).await;
        for _ in 0..5 {
            other.post("/v1/events", event()).await;
        }
        one.schedule(Duration::from_secs(3_600)).await;
        other.schedule(Duration::from_secs(3_600)).await;
    }
    for list in ["/v1/events", "/v1/scheduled-events"] {
        let page = one.get(&format!("{list}?limit=1")).await;
        let cursor = text(&page["next"]);
        assert!(cursor.len() >= 32, "{list}: {cursor} is no number");
        let next = one.get(&format!("{list}?limit=1&cursor={cursor}")).await;
        assert_ne!(next["data"][0]["id"], page["data"][0]["id"], "{list}");
        let path = format!("{list}?cursor={cursor}");
        let foreign = other.send(Method::GET, &path, None).await;
        foreign.problem(422, "invalid_cursor");
    }
    for number in 0..20 {
        for path in [
            format!("/v1/events?cursor={number:016x}"),
            format!("/v1/stream?after={number:016x}"),
            format!("/v1/scheduled-events?cursor={number:032x}"),
        ] {
            let plain = one.send(Method::GET, &path, None).await;
            plain.problem(422, "invalid_cursor");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_own_networks_are_open_to_that_tenant_alone() {
    let builder = postrider::Postrider::builder();
    let server = Server::on(builder.start().await.unwrap()).await;
    let (one, other) = (
        Tenant::new(&server, "one").await,
        Tenant::new(&server, "other").await,
    );
    let open = json!({ "allow_networks": ["127.0.0.0/8"] });
    server.patch("/v1/tenants/one", open).await.expect(200);
    let receiver = Receiver::answering(200).await;
    let form = json!({ "url": receiver.url() });
    let refused = other
        .send(Method::POST, "/v1/endpoints", Some(form.clone()))
        .await;
    refused.problem(422, "invalid_endpoint");
    let made = one.post("/v1/endpoints", form).await;
    let event = json!({ "type": "a.b", "payload": 1 });
    one.post("/v1/events", event.clone()).await;
    until("it has come", || async { receiver.bodies().len() == 1 }).await;
    let closed = json!({ "allow_networks": [] });
    server.patch("/v1/tenants/one", closed).await.expect(200);
    one.post("/v1/events", event).await;
    let path = format!("/v1/endpoints/{}/deliveries", text(&made["id"]));
    eventually("the next is blocked", async || {
        one.get(&path).await.to_string().contains("blocked_address")
    })
    .await;
    assert_eq!(receiver.bodies().len(), 1, "a kept connection was used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_into_the_machine_is_refused_with_the_reason_and_no_address() {
    let builder = postrider::Postrider::builder();
    let server = Server::on(builder.start().await.unwrap()).await;
    for url in ["https://localhost/", "https://api.localhost:8443/"] {
        let refused = server.post("/v1/endpoints", json!({ "url": url })).await;
        let refused = refused.problem(422, "invalid_endpoint");
        assert_eq!(refused["errors"][0]["pointer"], "/url");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("localhost is the machine"), "{detail}");
        assert!(!detail.contains("127.0.0.1") && !detail.contains("::1"));
    }
    let unknown = json!({ "url": "https://no-such-name.invalid/" });
    server.post("/v1/endpoints", unknown).await.expect(201);
}
