//! The API with its pages as a part of another application.

use super::{fetch, get, source};
use crate::api::Server;
use axum::Router;
use reqwest::Method;
use tokio::net::TcpListener;

/// An application that has the API below `/below/a:b`, and a page of its own at `/`: its address.
async fn application(server: &Server) -> String {
    let api = postrider_server::router(&server.api);
    let routes = Router::new()
        .route("/", axum::routing::get(|| async { "the shop" }))
        .nest("/below/a:b", api);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

/// Where a browser goes that is at `url` and is sent to `location`.
fn led(url: &str, location: &str) -> String {
    let at: url::Url = url.parse().unwrap();
    at.join(location).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_prefix_of_another_application_the_pages_are_whole() {
    let server = Server::start().await;
    let base = application(&server).await;
    assert_eq!(get(&format!("{base}/")).await.body, "the shop");
    let built = std::fs::read(source().join("dist/index.html")).unwrap();
    for page in ["ui", "portal"] {
        let at = format!("{base}/below/a:b/{page}");
        let to = get(&at).await;
        assert_eq!(led(&at, to.header("location")), format!("{at}/"));
        let shown = get(&format!("{at}/")).await;
        assert_eq!((shown.status, &*shown.body), (200, &*built));
        let text = String::from_utf8(shown.body.to_vec()).unwrap();
        assert!(!text.contains("src=\"/") && !text.contains("href=\"/"));
        for name in text.split('"').filter(|part| part.starts_with("./")) {
            let file = get(&led(&format!("{at}/"), name)).await;
            assert_eq!(file.status, 200, "{name}");
        }
        let missing = get(&format!("{at}/nothing.js")).await;
        assert_eq!(missing.status, 404);
        assert_eq!(missing.header("content-type"), "application/problem+json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_of_a_nested_api_leads_to_its_own_dashboard() {
    let server = Server::start().await;
    let at = format!("{}/below/a:b", application(&server).await);
    for method in [Method::GET, Method::HEAD] {
        let to = fetch(method, &at, &[]).await;
        assert_eq!(to.status, 303);
        assert_eq!(led(&at, to.header("location")), format!("{at}/ui/"));
    }
}
