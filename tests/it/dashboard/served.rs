//! The headers of the pages, and what they weigh.

use super::{Fetched, fetch, get, source};
use crate::api::Server;
use flate2::read::GzDecoder;
use postrider_server::ApiOptions;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Read;

/// What a page may load and run.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'";

/// What the first look at the page may weigh, as gzip sends it.
const FIRST_BYTES_MAX: usize = 115 * 1024;

/// What all scripts and styles may weigh, as gzip sends them.
const ALL_BYTES_MAX: usize = 175 * 1024;

/// The files below `assets/`.
fn assets() -> Vec<String> {
    let entries = std::fs::read_dir(source().join("dist/assets")).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<String> = names.map(|name| format!("assets/{name}")).collect();
    all.sort_unstable();
    assert!(all.len() > 10, "{all:?}");
    all
}

fn on_disk(name: &str) -> Vec<u8> {
    std::fs::read(source().join("dist").join(name)).unwrap()
}

/// The files that the page names.
fn named(page: &[u8]) -> BTreeSet<String> {
    let page = std::str::from_utf8(page).unwrap();
    let parts = page.split('"').filter_map(|part| part.strip_prefix("./"));
    parts.map(str::to_owned).collect()
}

async fn gzipped(url: &str) -> Fetched {
    fetch(Method::GET, url, &[("accept-encoding", "gzip, br")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_with_a_policy_that_lets_nothing_foreign_in() {
    let server = Server::start().await;
    for path in ["/ui/", "/ui/index.html", "/ui/icon.svg"] {
        let page = get(&format!("{}{path}", server.base)).await;
        assert_eq!(page.status, 200, "{path}");
        let policy = format!("{POLICY}; img-src 'self'; frame-ancestors 'none'");
        assert_eq!(page.header("content-security-policy"), policy, "{path}");
        assert!(!policy.contains("unsafe-inline"));
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
    }
    let page = get(&format!("{}/ui/", server.base)).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.body, on_disk("index.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_hashed_names_are_kept_for_ever_and_have_the_type_that_they_are() {
    let server = Server::start().await;
    for name in assets() {
        let file = get(&format!("{}/ui/{name}", server.base)).await;
        assert_eq!(file.status, 200, "{name}");
        assert_eq!(file.body, on_disk(&name), "{name}");
        let keep = "public, max-age=31536000, immutable";
        assert_eq!(file.header("cache-control"), keep, "{name}");
        assert_eq!(file.header("x-content-type-options"), "nosniff", "{name}");
        let policy = file.header("content-security-policy");
        assert!(policy.starts_with(POLICY), "{name}: {policy}");
        let media_type = match name.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "wasm" => "application/wasm",
            other => panic!("what type has a file that ends with {other}?"),
        };
        assert_eq!(file.header("content-type"), media_type, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_has_already_is_not_sent_again() {
    let server = Server::start().await;
    for name in ["index.html".to_owned(), assets().remove(0)] {
        let url = format!("{}/ui/{name}", server.base);
        let whole = get(&url).await;
        let tag = whole.header("etag");
        assert!(tag.starts_with('"') && tag.len() > 16, "{name}: {tag}");
        let again = fetch(Method::GET, &url, &[("if-none-match", tag)]).await;
        assert_eq!(again.status, 304, "{name}");
        assert!(again.body.is_empty(), "{name}");
        for same in ["etag", "cache-control", "vary", "content-security-policy"] {
            assert_eq!(again.header(same), whole.header(same), "{name}: {same}");
        }
        let other = fetch(Method::GET, &url, &[("if-none-match", "\"other\"")]).await;
        assert_eq!((other.status, other.body), (200, whole.body), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_for_those_who_ask_for_it_and_is_the_same_file() {
    let server = Server::start().await;
    for name in assets() {
        let url = format!("{}/ui/{name}", server.base);
        let plain = get(&url).await;
        assert_eq!(plain.header("content-encoding"), "", "{name}");
        assert_eq!(plain.header("vary"), "accept-encoding", "{name}");
        let packed = gzipped(&url).await;
        assert_eq!(packed.header("vary"), "accept-encoding", "{name}");
        if packed.header("content-encoding") != "gzip" {
            assert!(plain.body.len() < 2_000, "{name} is sent whole");
            continue;
        }
        assert!(packed.body.len() < plain.body.len(), "{name}");
        let mut unpacked = Vec::new();
        let mut decoder = GzDecoder::new(&*packed.body);
        decoder.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body, "{name}");
        let refused = fetch(Method::GET, &url, &[("accept-encoding", "gzip;q=0")]).await;
        assert_eq!(refused.body, plain.body, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_within_its_budgets() {
    let server = Server::start().await;
    let weight = async |name: &str| {
        let file = gzipped(&format!("{}/ui/{name}", server.base)).await;
        assert_eq!(file.status, 200, "{name}");
        file.body.len()
    };
    let mut first = weight("").await;
    let named = named(&on_disk("index.html"));
    assert!(named.len() >= 4, "{named:?}");
    for name in &named {
        first += weight(name).await;
    }
    assert!(first <= FIRST_BYTES_MAX, "the first load has {first} bytes");
    let mut all = 0;
    for name in assets() {
        if !name.ends_with(".wasm") {
            all += weight(&name).await;
        }
    }
    assert!(all > first / 2, "{all} bytes are not all scripts");
    assert!(all <= ALL_BYTES_MAX, "scripts and styles have {all} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_without_their_slash_lead_to_the_page_by_a_relative_way() {
    let server = Server::start().await;
    for (path, status, to) in [
        ("/", 303, "ui/"),
        ("/ui", 308, "ui/"),
        ("/portal", 308, "portal/"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let led = fetch(method, &format!("{}{path}", server.base), &[]).await;
            assert_eq!((led.status, led.header("location")), (status, to), "{path}");
        }
    }
    let posted = server.post("/", json!({})).await;
    posted.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_may_be_framed_by_the_origins_that_the_operator_names_alone() {
    let origins = "https://shop.example, http://localhost:3000";
    let options = ApiOptions {
        portal_frame_origins: origins.parse().unwrap(),
        ..ApiOptions::default()
    };
    let (named, none) = (Server::with(options).await, Server::start().await);
    for (server, ancestors) in [
        (&named, "https://shop.example http://localhost:3000"),
        (&none, "'none'"),
    ] {
        let portal = get(&format!("{}/portal/", server.base)).await;
        assert_eq!(portal.status, 200);
        assert_eq!(portal.body, on_disk("index.html"));
        assert_eq!(portal.header("cache-control"), "no-store");
        assert_eq!(portal.header("x-content-type-options"), "nosniff");
        // Logos are wherever the tenants have them.
        let policy = format!("{POLICY}; img-src 'self' https:; frame-ancestors {ancestors}");
        assert_eq!(portal.header("content-security-policy"), policy);
        // It would forbid what the policy allows.
        assert_ne!(portal.header("x-frame-options"), "DENY");
        // The dashboard is in no frame, whatever the portal is.
        let dashboard = get(&format!("{}/ui/", server.base)).await;
        let policy = dashboard.header("content-security-policy");
        assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_a_problem_like_any_other() {
    let server = Server::start().await;
    for path in [
        "/ui/nothing.js",
        "/ui/assets/",
        "/ui/assets/nothing.js",
        "/ui/events",
        "/ui/%2e%2e/Cargo.toml",
        "/ui/..%2f..%2fCargo.toml",
        "/portal/nothing.js",
        "/portal/v1/events",
        "/uiassets/x.js",
        "/nothing",
    ] {
        let answer = server.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        let closed = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(policy, closed, "{path}");
        answer.problem(404, "not_found");
    }
    for path in ["/ui/", "/ui/icon.svg", "/ui"] {
        let posted = server.post(path, json!({})).await;
        posted.problem(405, "method_not_allowed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_says_what_get_would_send_and_sends_nothing() {
    let server = Server::start().await;
    for name in ["", "icon.svg", &*assets().remove(0)] {
        let url = format!("{}/ui/{name}", server.base);
        let (whole, head) = (get(&url).await, fetch(Method::HEAD, &url, &[]).await);
        assert_eq!(head.status, 200, "{name}");
        assert!(head.body.is_empty() && !whole.body.is_empty(), "{name}");
        for same in ["etag", "content-type", "cache-control", "vary"] {
            assert_eq!(head.header(same), whole.header(same), "{name}: {same}");
        }
    }
}

/// All that does not differ from one request to the next.
fn lasting(it: &Fetched) -> Vec<(String, String)> {
    let headers = it.headers.iter();
    let lasting = headers.filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let mut lasting: Vec<_> = lasting.map(text).collect();
    lasting.sort_unstable();
    lasting
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_no_key_and_tells_nothing_of_tenants() {
    let server = Server::start().await;
    let url = format!("{}/ui/", server.base);
    let empty = get(&url).await;
    assert_eq!(empty.status, 200);
    let key = server.key_of("acme", &["manage", "read"]).await;
    server.endpoint("https://merchant.example/webhooks").await;
    for header in [
        ("authorization", &*key),
        ("authorization", "Bearer key_of_nobody"),
        ("postrider-tenant", "acme"),
        ("postrider-tenant", "nobody"),
        ("cookie", "a=b"),
    ] {
        let page = fetch(Method::GET, &url, &[header]).await;
        assert_eq!(page.status, 200, "{header:?}");
        assert_eq!(page.body, empty.body, "{header:?}");
        assert_eq!(lasting(&page), lasting(&empty), "{header:?}");
    }
    for query in ["?tenant=acme", "?tenant=nobody", "?token=x"] {
        let page = get(&format!("{url}{query}")).await;
        assert_eq!((page.status, page.body), (200, empty.body.clone()));
    }
    // The page tells nothing; the API tells nothing without a key.
    let nobody = [("authorization", "")];
    let asked = server.send(Method::GET, "/v1/whoami", None, &nobody).await;
    asked.problem(401, "unauthorized");
}
