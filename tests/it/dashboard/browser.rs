//! The pages in a real headless browser, over a real server with data that real deliveries have made.
//! What is looked at is in `server/dashboard/test/real/*.test.mjs`, where the receivers are, too.

use super::source;
use crate::api::Server;
use crate::node::node;
use axum::Router;
use axum::response::Html;
use postrider_server::ApiOptions;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// A small machine has room for one browser at a time.
static BROWSER: Mutex<()> = Mutex::const_new(());

/// The text of a key with every scope: for one tenant, or for all.
async fn key(server: &Server, tenant: Option<&str>) -> String {
    let scopes = ["publish", "manage", "read"];
    if let Some(tenant) = tenant {
        return server.key_of(tenant, &scopes).await.replace("Bearer ", "");
    }
    let form = json!({ "name": "operator", "scopes": scopes });
    let made = server.post("/v1/keys", form).await.expect(201);
    made["key"].as_str().unwrap().to_owned()
}

/// Runs a file of tests over this server.
async fn look(server: &Server, script: &'static str, more: &[(&'static str, &str)]) {
    let directory = source();
    assert!(
        directory.join("node_modules").is_dir(),
        "what the dashboard is tested with is not installed: `cargo xtask test` does it, or `npm ci` in \
         server/dashboard"
    );
    let mut command = node();
    command
        .args(["--test", &format!("test/real/{script}.test.mjs")])
        .current_dir(directory)
        .env("POSTRIDER_URL", &server.base)
        .env("OPERATOR_KEY", key(server, None).await)
        .env("ACME_KEY", key(server, Some("acme")).await)
        .env("GLOBEX_KEY", key(server, Some("globex")).await)
        .envs(more.iter().copied());
    let looked = tokio::task::spawn_blocking(move || command.output()).await;
    let looked = looked
        .unwrap()
        .expect("node runs: `cargo xtask test` installs it");
    assert!(
        looked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&looked.stdout),
        String::from_utf8_lossy(&looked.stderr)
    );
}

async fn holds(script: &'static str) {
    let _alone = BROWSER.lock().await;
    let server = Server::start().await;
    look(&server, script, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_made_used_and_given_another_secret_in_the_page() {
    holds("endpoints").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_endpoint_is_found_and_what_waits_or_failed_is_sent_again() {
    holds("failing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_written_is_shown_copied_and_checked_as_it_is() {
    holds("content").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tabs_of_a_browser_open_one_stream_at_the_server() {
    holds("live").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_is_refused_by_the_page() {
    holds("session").await;
}

/// A site with an empty page: its origin.
async fn site() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let page = || async { Html("<!doctype html><title>shop</title><body></body>") };
    let routes = Router::new().fallback(page);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_shows_what_is_of_its_tenant_in_the_frames_that_it_may_stand_in() {
    let _alone = BROWSER.lock().await;
    let (shop, stranger) = (site().await, site().await);
    let options = ApiOptions {
        portal_frame_origins: shop.parse().unwrap(),
        ..ApiOptions::default()
    };
    let server = Server::with(options).await;
    let sites = [("SHOP_URL", &*shop), ("STRANGER_URL", &*stranger)];
    look(&server, "portal", &sites).await;
}
