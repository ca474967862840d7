//! Who did what: every route that changes something leaves an entry with its change.

mod reading;

use super::server::KEY;
use super::{Answer, Server};
use crate::hostile::Authority;
use crate::receiver::{Receiver, until};
use postrider::Wall;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Routes with a method that changes something, which leave no entry, and why.
const WITHOUT: [(&str, &str); 8] = [
    ("POST /v1/events", "publishing: the event is its own record"),
    (
        "POST /v1/events/batch",
        "publishing: the events are their own record",
    ),
    (
        "POST /v1/events/raw",
        "publishing: the event is its own record",
    ),
    (
        "POST /in/{source}",
        "publishing: nobody who has a key did it",
    ),
    (
        "POST /v1/endpoints/test",
        "a try-out: there is no endpoint that it is about",
    ),
    (
        "POST /v1/receivers/{endpoint}/resend",
        "a receiver asks for it, who has no key: `api::receivers` looks at its entry",
    ),
    ("POST /v1/filters/try", "a try-out: nothing is kept"),
    ("POST /v1/templates/try", "a try-out: nothing is kept"),
];

/// All entries, by id.
async fn entries(server: &Server) -> BTreeMap<String, Value> {
    let page = server.get("/v1/audit?tenant=*&limit=250").await.expect(200);
    assert_eq!(page["next"], Value::Null, "this reads one page");
    let all = page["data"].as_array().unwrap().iter();
    all.map(|it| (text(&it["id"]), it.clone())).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A time so many seconds from now, without its zone.
fn now(seconds_ahead: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now + Duration::from_secs(seconds_ahead);
    seconds(&Wall(u64::try_from(now.as_millis()).unwrap()).to_rfc3339())
}

/// The same without what is less than a second.
fn seconds(time: &str) -> String {
    time[..19].to_owned()
}

/// A server, and the routes that were tried.
struct Walk {
    server: Server,
    tried: BTreeSet<&'static str>,
}

impl Walk {
    /// Asks the route with this id, and sees that one entry more is there: of this act.
    async fn act(
        &mut self,
        route: &'static str,
        id: &str,
        body: Option<Value>,
        act: &str,
    ) -> (Value, Value) {
        self.tried.insert(route);
        let before = entries(&self.server).await;
        let answer = self.ask(route, id, body).await;
        assert!((200..300).contains(&answer.status), "{route}: {answer:?}");
        let mut new = entries(&self.server).await;
        new.retain(|id, _| !before.contains_key(id));
        assert_eq!(new.len(), 1, "{route}: {new:?}");
        let entry = new.into_values().next().unwrap();
        assert_eq!(entry["act"], act, "{route}");
        let kind = act.split('.').next().unwrap();
        // Who signs in to the portal has no key yet.
        let by = if kind == "portal" { "portal" } else { "key" };
        assert_eq!(entry["actor"]["kind"], by, "{route}");
        assert_eq!(entry["target"]["kind"], kind, "{route}");
        (answer.body, entry)
    }

    async fn ask(&self, route: &str, id: &str, body: Option<Value>) -> Answer {
        let (method, path) = route.split_once(' ').unwrap();
        let path = match (path.split_once('{'), path.split_once('}')) {
            (Some((before, _)), Some((_, after))) => format!("{before}{id}{after}"),
            _ => path.to_owned(),
        };
        let method: Method = method.parse().unwrap();
        let body = body.map(|body| body.to_string());
        self.server.send(method, &path, body, &[]).await
    }

    /// The same for what has an id, which the entry names.
    async fn on(&mut self, route: &'static str, id: &str, body: Option<Value>, act: &str) -> Value {
        let (answer, entry) = self.act(route, id, body, act).await;
        assert_eq!(entry["target"]["id"], id, "{route}");
        answer
    }

    /// The same for what makes something, which the entry names.
    async fn makes(&mut self, route: &'static str, body: Value, act: &str) -> Value {
        let (answer, entry) = self.act(route, "", Some(body), act).await;
        assert_eq!(entry["target"]["id"], answer["id"], "{route}");
        answer
    }

    async fn endpoints(&mut self) {
        let receiver = Receiver::answering(200).await;
        let form = json!({ "url": receiver.url() });
        let made = self
            .makes("POST /v1/endpoints", form, "endpoint.create")
            .await;
        let id = text(&made["id"]);
        // What is no field says nothing, however long it is.
        let patch = json!({ "description": "a", "no_such_field": null, "timeout_ms": 5_000 });
        let patch = Some(patch);
        let (_, entry) = self
            .act("PATCH /v1/endpoints/{id}", &id, patch, "endpoint.update")
            .await;
        let changed = json!({ "changed": ["description", "timeout_ms"] });
        assert_eq!(
            (&entry["target"]["id"], &entry["detail"]),
            (&json!(id), &changed)
        );
        let route = "POST /v1/endpoints/{id}/backfill";
        self.on(route, &id, Some(json!({})), "endpoint.backfill")
            .await;
        for (route, act) in [
            ("POST /v1/endpoints/{id}/pause", "endpoint.pause"),
            ("POST /v1/endpoints/{id}/resume", "endpoint.resume"),
            ("POST /v1/endpoints/{id}/disable", "endpoint.disable"),
            ("POST /v1/endpoints/{id}/enable", "endpoint.enable"),
            (
                "POST /v1/endpoints/{id}/rotate-secret",
                "endpoint.rotate_secret",
            ),
            (
                "POST /v1/endpoints/{id}/end-overlap",
                "endpoint.end_overlap",
            ),
            ("GET /v1/endpoints/{id}/secret", "endpoint.reveal_secret"),
            ("POST /v1/endpoints/{id}/test", "endpoint.test"),
            ("DELETE /v1/endpoints/{id}", "endpoint.delete"),
        ] {
            self.on(route, &id, None, act).await;
        }
        let named = "PUT /v1/endpoints/by-name/{name}";
        let form = |url: &str| Some(json!({ "url": url }));
        let first = form("https://a.example/");
        let (made, entry) = self.act(named, "shop", first, "endpoint.create").await;
        assert_eq!(entry["target"]["id"], made["id"]);
        let second = form("https://b.example/");
        let (_, entry) = self.act(named, "shop", second, "endpoint.update").await;
        assert_eq!(entry["target"]["id"], made["id"]);
        let defaults = Some(json!({ "timeout_ms": 5_000 }));
        let route = "PUT /v1/endpoint-defaults";
        self.act(route, "", defaults, "endpoint_defaults.set").await;
        let identity = Authority::new().identity("sender.example");
        let certificate = json!({
            "certificate": identity.certificates(),
            "private_key": identity.expose_private_key(),
        });
        let route = "PUT /v1/client-certificate";
        let act = "client_certificate.set";
        self.act(route, "", Some(certificate), act).await;
        let route = "DELETE /v1/client-certificate";
        let act = "client_certificate.delete";
        self.act(route, "", None, act).await;
    }

    async fn deliveries(&mut self) {
        let refusing = Receiver::answering(400).await;
        self.server.endpoint(&refusing.url()).await;
        for number in 0..24 {
            self.server.publish("a.b", json!(number)).await;
        }
        let dead = self.dead_letters(24).await;
        let retry = "POST /v1/deliveries/{id}/retry";
        self.on(retry, &dead[0], None, "delivery.retry").await;
        let discard = "POST /v1/deliveries/{id}/discard";
        self.on(discard, &dead[1], None, "delivery.discard").await;
        for (route, ids) in [
            ("POST /v1/dead-letters/resend", &dead[2..5]),
            ("POST /v1/dead-letters/discard", &dead[5..8]),
        ] {
            let ids = Some(json!({ "ids": ids }));
            let (_, entry) = self.act(route, "", ids, "dead_letters.bulk").await;
            assert_eq!(entry["detail"]["ids"], 3, "{route}");
        }
        // There is enough to do for many seconds, so that it is under way when it is cancelled.
        let slow = json!({ "per_second": 1 });
        let made = self.makes("POST /v1/replays", slow, "replay.start").await;
        let cancel = "POST /v1/replays/{id}/cancel";
        self.on(cancel, &text(&made["id"]), None, "replay.cancel")
            .await;
        self.bulk().await;
        let due = now(3_600) + "Z";
        let later = json!({ "type": "a.b", "payload": 1, "deliver_after": due });
        let later = self.server.post("/v1/events", later).await.expect(202);
        let cancel = "DELETE /v1/scheduled-events/{id}";
        self.on(cancel, &text(&later["id"]), None, "scheduled_event.cancel")
            .await;
    }

    /// Gives up all dead letters that there are: that is one entry, however many it acts upon.
    async fn bulk(&mut self) {
        let form = json!({ "act": "discard", "filter": { "reasons": ["rejected"] } });
        let route = "POST /v1/dead-letters/bulk";
        let (made, entry) = self.act(route, "", Some(form), "dead_letters.bulk").await;
        assert_eq!(entry["target"]["id"], made["id"]);
        let detail = json!({ "act": "discard", "filter": ["reasons"], "per_second": null });
        assert_eq!(entry["detail"], detail);
        let known = entries(&self.server).await;
        let path = format!("/v1/replays/{}", text(&made["id"]));
        until("they are discarded", || async {
            let replay = self.server.get(&path).await.expect(200);
            replay["state"] == "done" && replay["discarded"].as_u64() > Some(1)
        })
        .await;
        assert_eq!(entries(&self.server).await, known);
    }

    /// The ids of the dead letters, once there are so many.
    async fn dead_letters(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let page = self.server.get("/v1/dead-letters?limit=250").await;
            let page = page.expect(200);
            let data = page["data"].as_array().unwrap();
            if data.len() >= count {
                return data.iter().map(|it| text(&it["id"])).collect();
            }
            assert!(Instant::now() < deadline, "{} dead letters", data.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn catalogue(&mut self) {
        for (route, id, body, act) in [
            (
                "POST /v1/event-types",
                "",
                Some(json!({ "name": "a.b" })),
                "event_type.create",
            ),
            (
                "POST /v1/event-types/{name}/versions",
                "a.b",
                Some(json!({})),
                "event_type.add_version",
            ),
            (
                "PATCH /v1/event-types/{name}",
                "a.b",
                Some(json!({ "description": "x" })),
                "event_type.update",
            ),
            (
                "DELETE /v1/event-types/{name}",
                "a.b",
                None,
                "event_type.delete",
            ),
            (
                "POST /v1/templates",
                "",
                Some(json!({ "name": "a.b", "template": {} })),
                "template.create",
            ),
            (
                "POST /v1/templates",
                "",
                Some(json!({ "name": "a.b", "template": { "a": 1 } })),
                "template.add_version",
            ),
            (
                "DELETE /v1/templates/{name}",
                "a.b",
                None,
                "template.delete",
            ),
        ] {
            let (_, entry) = self.act(route, id, body, act).await;
            assert_eq!(entry["target"]["id"], "a.b", "{route}");
        }
        let form =
            json!({ "name": "shop", "provider": "github", "secrets": ["sixteen-characters"] });
        let made = self.makes("POST /v1/sources", form, "source.create").await;
        let id = text(&made["id"]);
        let patch = Some(json!({ "tolerance_s": 60 }));
        self.on("PATCH /v1/sources/{id}", &id, patch, "source.update")
            .await;
        self.on("DELETE /v1/sources/{id}", &id, None, "source.delete")
            .await;
    }

    async fn keys_and_tenants(&mut self) {
        let form = json!({ "name": "acme" });
        let made = self.makes("POST /v1/tenants", form, "tenant.create").await;
        let tenant = text(&made["id"]);
        let patch = Some(json!({ "description": "x" }));
        self.on("PATCH /v1/tenants/{id}", &tenant, patch, "tenant.update")
            .await;
        let form = json!({ "name": "k", "scopes": ["read"], "tenant": "acme" });
        let (made, entry) = self
            .act("POST /v1/keys", "", Some(form), "key.create")
            .await;
        assert_eq!(entry["target"]["id"], made["id"]);
        assert_eq!(entry["tenant"], "acme", "a key is its tenant's business");
        let key = text(&made["id"]);
        self.on("DELETE /v1/keys/{id}", &key, None, "key.revoke")
            .await;
        let delete = "DELETE /v1/tenants/{id}";
        self.on(delete, &tenant, None, "tenant.delete").await;
    }

    async fn portal(&mut self) {
        let create = "POST /v1/portal-links";
        let made = self.makes(create, json!({}), "portal_link.create").await;
        let revoke = "DELETE /v1/portal-links/{id}";
        self.on(revoke, &text(&made["id"]), None, "portal_link.revoke")
            .await;
        let made = self.makes(create, json!({}), "portal_link.create").await;
        let token = Some(json!({ "token": made["token"] }));
        let sign_in = "POST /v1/portal-sessions";
        let (_, entry) = self.act(sign_in, "", token, "portal.sign_in").await;
        assert_eq!(entry["actor"]["id"], made["id"], "by the link");
        assert_eq!(entry["tenant"], made["tenant"]);
    }
}

/// The routes of the description with a method that may change something.
fn changing() -> BTreeSet<String> {
    let document = postrider_server::document();
    let mut routes = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            if ["POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                routes.insert(format!("{method} {path}"));
            }
        }
    }
    routes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_changes_something_leaves_one_entry_of_its_act() {
    let mut walk = Walk {
        server: Server::start().await,
        tried: BTreeSet::new(),
    };
    walk.deliveries().await;
    walk.endpoints().await;
    walk.catalogue().await;
    walk.keys_and_tenants().await;
    walk.portal().await;
    let mut left = changing();
    for (route, _) in WITHOUT {
        assert!(left.remove(route), "there is no {route}");
    }
    for route in walk.tried.iter().filter(|it| !it.starts_with("GET ")) {
        assert!(left.remove(*route), "there is no {route}");
    }
    assert_eq!(
        left,
        BTreeSet::new(),
        "each needs a note, and a place in this test"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_published_leaves_no_entry() {
    let server = Server::start().await;
    let endpoint = server.endpoint("https://merchant.example/").await;
    let before = entries(&server).await;
    let path = format!("/v1/endpoints/{endpoint}");
    let refused = server.patch(&path, json!({ "timeout_ms": 0 })).await;
    assert_eq!(refused.status, 422);
    let unknown = "/v1/endpoints/ep_00000000000000000000000000/pause";
    server
        .post(unknown, json!({}))
        .await
        .problem(404, "not_found");
    let unknown = json!({ "ids": ["dlv_00000000000000000000000000"] });
    server
        .post("/v1/dead-letters/resend", unknown)
        .await
        .expect(200);
    let stranger = server.post("/v1/keys", json!({ "name": "x", "scopes": [] }));
    stranger.await.problem(400, "invalid_body");
    server
        .delete("/v1/templates/a.b")
        .await
        .problem(404, "not_found");
    for (path, form) in [
        ("/v1/replays", json!({ "dry_run": true })),
        (
            "/v1/dead-letters/bulk",
            json!({ "act": "retry", "filter": {}, "dry_run": true }),
        ),
        (
            "/v1/filters/try",
            json!({ "filter": { "a": 1 }, "payload": { "a": 1 } }),
        ),
        (
            "/v1/templates/try",
            json!({ "template": { "b": 2 }, "event_type": "a.b", "payload": 1 }),
        ),
    ] {
        server.post(path, form).await.expect(200);
    }
    let unknown = json!({ "token": "plk_00000000000000000000000000_0" });
    let refused = server.post("/v1/portal-sessions", unknown).await;
    refused.problem(401, "unauthorized");
    server.publish("a.b", json!(1)).await;
    assert_eq!(entries(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_a_delivery_due_leaves_one_entry() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(503).await;
    let hour = 3_600_000;
    let form = json!({ "url": receiver.url(), "retry": { "delays_ms": [hour, hour] } });
    let made = server.post("/v1/endpoints", form).await.expect(201);
    let first = server.publish("a.b", json!(1)).await;
    let waiting = server.event_in(&first, "retrying").await;
    let head = text(&waiting["deliveries"][0]["id"]);
    let second = server.publish("a.b", json!(2)).await;
    let behind = server.event_in(&second, "pending").await;
    let behind = text(&behind["deliveries"][0]["id"]);
    let retry = async |delivery: &str| {
        let path = format!("/v1/deliveries/{delivery}/retry");
        server.post(&path, json!({})).await
    };
    retry(&behind).await.problem(409, "behind_head");
    // A result is on record a little before the engine hears of that.
    until("the head is retried", || async {
        retry(&head).await.status == 202
    })
    .await;
    until("it is tried again", || async {
        let path = format!("/v1/deliveries/{head}/attempts");
        let attempts = server.get(&path).await.expect(200);
        attempts["data"].as_array().unwrap().len() == 2
    })
    .await;
    status.store(200, Ordering::Relaxed);
    let test = format!("/v1/endpoints/{}/test", text(&made["id"]));
    server.post(&test, json!({})).await.expect(200);
    server.event_in(&second, "delivered").await;
    let entries = entries(&server).await.into_values();
    let told = entries.map(|it| (text(&it["act"]), it["target"]["id"].clone()));
    let mut told: Vec<(String, Value)> = told.collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("delivery.retry", json!(head)),
        ("endpoint.create", made["id"].clone()),
        ("endpoint.test", made["id"].clone()),
    ];
    assert_eq!(told, expected.map(|(act, id)| (act.to_owned(), id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_who_and_when_and_is_kept_over_a_restart() {
    let began = now(0);
    let server = Server::start().await;
    let form = json!({ "name": "deployer", "scopes": ["manage"] });
    let key = server.post("/v1/keys", form).await.expect(201);
    let bearer = format!("Bearer {}", text(&key["key"]));
    let headers = [("authorization", bearer.as_str())];
    let form = json!({ "url": "https://merchant.example/" }).to_string();
    let made = server
        .send(Method::POST, "/v1/endpoints", Some(form), &headers)
        .await
        .expect(201);
    let listed = server.get("/v1/audit?act=endpoint").await.expect(200);
    let server = server.restart().await;
    let again = server.get("/v1/audit?act=endpoint").await.expect(200);
    assert_eq!(again, listed);
    let entry = &again["data"][0];
    let actor = json!({ "kind": "key", "id": key["id"], "name": "deployer" });
    assert_eq!(entry["actor"], actor);
    assert_eq!(entry["tenant"], "default");
    assert_eq!(
        entry["target"],
        json!({ "kind": "endpoint", "id": made["id"] })
    );
    let at = seconds(&text(&entry["at"]));
    assert!(began <= at && at <= now(0), "{began} {at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_of_the_portal_does_is_done_by_the_portal() {
    let server = Server::start().await;
    let form = json!({ "acts": ["manage_endpoints"] });
    let link = server.post("/v1/portal-links", form).await.expect(201);
    let token = json!({ "token": link["token"] });
    let session = server.post("/v1/portal-sessions", token).await.expect(201);
    let bearer = format!("Bearer {}", text(&session["key"]));
    let headers = [("authorization", bearer.as_str())];
    let form = json!({ "url": "https://merchant.example/" }).to_string();
    let made = server
        .send(Method::POST, "/v1/endpoints", Some(form), &headers)
        .await
        .expect(201);
    let entry = async |act: &str| {
        let path = format!("/v1/audit?actor=portal&act={act}");
        let log = server.get(&path).await.expect(200);
        assert_eq!(log["data"].as_array().unwrap().len(), 1, "{log}");
        log["data"][0].clone()
    };
    let sign_in = entry("portal.sign_in").await;
    let change = entry("endpoint.create").await;
    assert_eq!(sign_in["actor"]["id"], link["id"]);
    assert_eq!(change["target"]["id"], made["id"]);
    assert_eq!(change["actor"]["id"], sign_in["target"]["id"]);
    assert_eq!(change["actor"]["name"], sign_in["actor"]["name"]);
    let log = server
        .get("/v1/audit?tenant=*")
        .await
        .expect(200)
        .to_string();
    for secret in [&link["token"], &session["key"]] {
        assert!(!log.contains(&text(secret)), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_value_is_in_the_log() {
    let server = Server::start().await;
    let secrets = ["first-secret-0123456789", "second-secret-0123456789"];
    let form = json!({
        "url": "https://merchant.example/a-private-path", "secret": secrets[0],
        "headers": { "x-token": "third-secret" },
    });
    let made = server.post("/v1/endpoints", form).await.expect(201);
    let path = format!("/v1/endpoints/{}", text(&made["id"]));
    let rotation = json!({ "secret": secrets[1] });
    server
        .post(&format!("{path}/rotate-secret"), rotation)
        .await
        .expect(200);
    server.get(&format!("{path}/secret")).await.expect(200);
    let patch = json!({ "headers": { "x-token": "fourth-secret" } });
    server.patch(&path, patch).await.expect(200);
    let form = json!({ "name": "shop", "provider": "github", "secrets": [secrets[0]] });
    let source = server.post("/v1/sources", form).await.expect(201);
    let patch = json!({ "add_secrets": [secrets[1]] });
    let source = format!("/v1/sources/{}", text(&source["id"]));
    server.patch(&source, patch).await.expect(200);
    let key = server.post("/v1/keys", json!({ "name": "k", "scopes": ["read"] }));
    let key = text(&key.await.expect(201)["key"]);
    let log = server.get("/v1/audit?tenant=*&limit=250").await.expect(200);
    assert_eq!(log["data"].as_array().unwrap().len(), 7, "{log}");
    let log = log.to_string();
    for value in ["-secret", "a-private-path", KEY, &key] {
        assert!(!log.contains(value), "{value}: {log}");
    }
    assert!(log.contains("add_secrets"), "{log}");
}
