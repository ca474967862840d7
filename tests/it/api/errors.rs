//! What holds for every route, asked of every route that the description lists.

use super::Server;
use reqwest::Method;
use serde_json::{Value, json};

/// A route: its method, its path, and whether it takes a body.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: String,
    is_public: bool,
    pub(super) body: Option<bool>,
    query: bool,
}

impl Route {
    fn all() -> Vec<Self> {
        let document = postrider_server::document();
        let mut routes = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = method.to_uppercase().parse().unwrap();
                // What takes any bytes is no JSON to refuse.
                let body = operation.get("requestBody");
                let body = body.filter(|body| body["content"]["*/*"].is_null());
                let parameters = operation["parameters"].as_array();
                let mut parameters = parameters.into_iter().flatten();
                routes.push(Self {
                    method,
                    path: path.clone(),
                    is_public: operation["security"] == json!([{}]),
                    body: body.map(|body| body["required"] == true),
                    query: parameters.any(|it| it["in"] == "query"),
                });
            }
        }
        assert!(routes.len() > 40, "the description lists the routes");
        routes
    }

    pub(super) fn keyed() -> impl Iterator<Item = Self> {
        Self::all().into_iter().filter(|route| !route.is_public)
    }

    /// Whether its answer comes to an end.
    pub(super) fn ends(&self) -> bool {
        self.path != "/v1/stream"
    }

    /// The path with this in the place of its id.
    pub(super) fn path(&self, id: &str) -> String {
        let Some((before, rest)) = self.path.split_once('{') else {
            return self.path.clone();
        };
        let (_, after) = rest.split_once('}').unwrap();
        format!("{before}{id}{after}").replace("{number}", "1")
    }

    /// Whether a key of a tenant with this scope is enough.
    pub(super) fn is_for(&self, scope: &str) -> bool {
        let starts = |start: &str| self.path.starts_with(start);
        // Whoever may discard deliveries may take back what is not one yet.
        if starts("/v1/scheduled-events") && scope == "manage" {
            return true;
        }
        let needed = match self.method {
            // Any key may ask what it is.
            _ if starts("/v1/whoami") => return true,
            // These need a key for all tenants.
            _ if starts("/v1/tenants") || starts("/v1/system") || starts("/metrics") => {
                return false;
            }
            // They change nothing.
            _ if self.path.ends_with("/try") => "read",
            _ if starts("/v1/keys") || self.path.ends_with("/secret") => "manage",
            Method::GET => "read",
            _ if starts("/v1/events") || starts("/v1/scheduled-events") => "publish",
            _ => "manage",
        };
        scope == needed || (scope, needed) == ("manage", "read")
    }

    /// Whether it is about something that has to be there. A name that is not there is made.
    pub(super) fn has_id(&self) -> bool {
        self.path.contains('{') && !self.path.contains("/by-name/")
    }

    fn body(&self) -> Option<String> {
        self.body.map(|_| "{}".to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_without_a_valid_key() {
    let server = Server::start().await;
    let expired =
        json!({ "name": "old", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z" });
    let expired = server.post("/v1/keys", expired).await.expect(201);
    let expired = format!("Bearer {}", expired["key"].as_str().unwrap());
    for route in Route::keyed() {
        for key in ["", "Bearer nobody", "Basic abc", &expired] {
            let headers = [("authorization", key)];
            let path = route.path("x");
            let method = route.method.clone();
            let answer = server.send(method, &path, route.body(), &headers).await;
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            answer.problem(401, "unauthorized");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_scope_is_told_so_before_anything_else() {
    let server = Server::start().await;
    for scope in ["read", "publish", "manage"] {
        let key = server.key_of("default", &[scope]).await;
        for route in Route::keyed() {
            // Nothing of this is right: neither the id, nor the query, nor the body.
            let path = route.path("x") + "?no_such_parameter=1";
            let body = route.body.map(|_| "{".to_owned());
            let headers = [("authorization", key.as_str())];
            let method = route.method.clone();
            let answer = server.send(method, &path, body, &headers).await;
            let name = format!("{scope}: {} {}", route.method, route.path);
            if route.is_for(scope) {
                assert!(![401, 403].contains(&answer.status), "{name}: {answer:?}");
            } else {
                assert_eq!(answer.status, 403, "{name}: {answer:?}");
                answer.problem(403, "forbidden");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_finds_nothing_under_what_is_no_id_or_belongs_to_nobody() {
    let server = Server::start().await;
    let strangers = [
        "x",
        "ep_00000000000000000000000000",
        "evt_00000000000000000000000000",
        "dlv_00000000000000000000000000",
        "rpl_00000000000000000000000000",
        "no.such.name",
        "%00",
        "a%2Fb",
    ];
    for route in Route::keyed().filter(Route::has_id) {
        for id in strangers {
            let path = route.path(id) + needed_query(&route.path);
            let answer = server
                .send(route.method.clone(), &path, route.body(), &[])
                .await;
            answer.problem(404, "not_found");
        }
    }
}

/// A parameter without which the route has no meaning.
pub(super) fn needed_query(path: &str) -> &'static str {
    match path.ends_with("/explain") {
        true => "?endpoint_id=ep_00000000000000000000000000",
        false => "",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_is_refused_that_is_no_json_or_has_unknown_fields() {
    let server = Server::start().await;
    let ids = Existing::make(&server).await;
    for route in Route::keyed().filter(|route| route.body.is_some()) {
        let path = route.path(&ids.of(&route.path));
        let send = |body: &str, headers: &'static [(&str, &str)]| {
            let (server, path, method) = (&server, path.clone(), route.method.clone());
            let body = Some(body.to_owned());
            async move { server.send(method, &path, body, headers).await }
        };
        send("{", &[]).await.problem(400, "bad_json");
        let unknown = send(r#"{"no_such_field": 1}"#, &[]).await;
        unknown.problem(400, "invalid_body");
        send("[]", &[]).await.problem(400, "invalid_body");
        let text = send("{}", &[("content-type", "text/plain")]).await;
        text.problem(415, "unsupported_media_type");
        let large = format!("\"{}\"", "x".repeat(6 << 20));
        send(&large, &[]).await.problem(413, "body_too_large");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_is_refused_that_has_unknown_or_wrong_parameters() {
    let server = Server::start().await;
    let ids = Existing::make(&server).await;
    let listed = |name: &str, route: &Route| {
        let document = postrider_server::document();
        let method = route.method.as_str().to_lowercase();
        let parameters = document["paths"][&route.path][method]["parameters"].clone();
        let parameters = parameters.as_array().unwrap().clone();
        parameters.iter().any(|it| it["name"] == name)
    };
    for route in Route::keyed().filter(|route| route.query && route.method == Method::GET) {
        let path = route.path(&ids.of(&route.path));
        let get = |query: &str| {
            let (server, path) = (&server, format!("{path}?{query}"));
            async move { server.get(&path).await }
        };
        get("no_such_parameter=1")
            .await
            .problem(400, "invalid_query");
        if listed("limit", &route) {
            for limit in ["0", "251", "-1", "x"] {
                let answer = get(&format!("limit={limit}")).await;
                let problem = answer.problem(400, "invalid_query");
                // In our own words, not in those of the standard library.
                let detail = problem["detail"].as_str().unwrap();
                assert!(!detail.contains("invalid digit"), "{detail}");
            }
        }
        if listed("from", &route) {
            get("from=yesterday").await.problem(400, "invalid_query");
        }
    }
    let bad = server.get("/v1/endpoints?cursor=nothing").await;
    bad.problem(422, "invalid_cursor");
    let bad = server.get("/v1/deliveries?state=sending").await;
    bad.problem(422, "invalid_parameter");
    let bad = server.get("/v1/deliveries?failure=bad_luck").await;
    bad.problem(422, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_route_lacks_is_refused_with_those_it_has() {
    let server = Server::start().await;
    for route in Route::all() {
        let answer = server
            .send(Method::TRACE, &route.path("x"), None, &[])
            .await;
        let allowed = answer.headers["allow"].to_str().unwrap();
        assert!(allowed.contains(route.method.as_str()), "{allowed}");
        answer.problem(405, "method_not_allowed");
    }
    server.get("/v1/nothing").await.problem(404, "not_found");
}

/// One thing of each kind, of the tenant `default`.
pub(super) struct Existing(Vec<(&'static str, String)>);

impl Existing {
    pub(super) async fn make(server: &Server) -> Self {
        let id = |value: Value| value["id"].as_str().unwrap().to_owned();
        let endpoint = server.endpoint("http://127.0.0.1:1024/").await;
        server
            .post(&format!("/v1/endpoints/{endpoint}/pause"), json!({}))
            .await;
        let event = json!({ "type": "a.b", "payload": {} });
        let event = server.post("/v1/events", event).await.expect(202);
        let delivery = event["deliveries"][0]["id"].as_str().unwrap().to_owned();
        let replay = server.post("/v1/replays", json!({})).await.expect(202);
        let key = json!({ "name": "k", "scopes": ["read"], "tenant": "default" });
        let key = server.post("/v1/keys", key).await.expect(201);
        let named = json!({ "name": "a.b" });
        server.post("/v1/event-types", named).await.expect(201);
        let source = json!({ "name": "a.b", "provider": "github", "secrets": ["a-secret"] });
        let source = server.post("/v1/sources", source).await.expect(201);
        let template = json!({ "name": "a.b", "template": {} });
        server.post("/v1/templates", template).await.expect(201);
        server
            .post("/v1/tenants", json!({ "id": "other" }))
            .await
            .expect(201);
        Self(vec![
            ("/v1/endpoints/", endpoint),
            ("/v1/events/", id(event)),
            ("/v1/deliveries/", delivery),
            ("/v1/replays/", id(replay)),
            ("/v1/keys/", id(key)),
            ("/v1/sources/", id(source)),
            ("/v1/event-types/", "a.b".to_owned()),
            ("/v1/templates/", "a.b".to_owned()),
            ("/v1/tenants/", "other".to_owned()),
        ])
    }

    /// Those that nobody else could have by chance.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        let ids = self.0.iter().map(|(_, id)| id.as_str());
        ids.filter(|id| id.contains('_'))
    }

    pub(super) fn of(&self, path: &str) -> String {
        let found = self.0.iter().find(|(start, _)| path.starts_with(start));
        found.map_or_else(|| "x".to_owned(), |(_, id)| id.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_shows_or_changes_what_belongs_to_another_tenant() {
    let server = Server::start().await;
    let ids = Existing::make(&server).await;
    let scopes = ["publish", "manage", "read"];
    let stranger = server.key_of("acme", &scopes).await;
    let headers = [("authorization", stranger.as_str())];
    for route in Route::keyed().filter(Route::has_id) {
        let id = ids.of(&route.path);
        let path = route.path(&id) + needed_query(&route.path);
        let body = (route.body == Some(true)).then(|| "{}".to_owned());
        let answer = server
            .send(route.method.clone(), &path, body, &headers)
            .await;
        let expected = if route.path.starts_with("/v1/tenants") {
            403
        } else {
            404
        };
        assert_eq!(
            answer.status, expected,
            "{} {path}: {}",
            route.method, answer.body
        );
    }
    let lists = Route::keyed().filter(|it| !it.has_id() && it.method == Method::GET);
    for route in lists.filter(Route::ends) {
        let answer = server.send(Method::GET, &route.path, None, &headers).await;
        let text = answer.body.to_string();
        for id in ids.ids() {
            assert!(!text.contains(id), "{} shows {id}: {text}", route.path);
        }
    }
    let other = [
        ("authorization", stranger.as_str()),
        ("postrider-tenant", "default"),
    ];
    let answer = server
        .send(Method::GET, "/v1/endpoints", None, &other)
        .await;
    answer.problem(403, "forbidden");
}
