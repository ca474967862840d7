//! The pages at `/ui/` and `/portal/`: as they are served, and in a real browser over a real server.

mod browser;
mod mounted;
mod served;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::Method;
use reqwest::redirect::Policy;
use std::path::{Path, PathBuf};

/// Where the dashboard is built, and its tests are.
fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/dashboard")
}

/// What came back, byte for byte.
#[derive(Debug)]
struct Fetched {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Fetched {
    /// The value of a header; empty, if it is not there.
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

/// Asks as a browser does that follows nothing and unpacks nothing.
async fn fetch(method: Method, url: &str, headers: &[(&str, &str)]) -> Fetched {
    // Another test may have done so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy();
    let http = http.redirect(Policy::none()).build().unwrap();
    let mut request = http.request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    Fetched {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap(),
    }
}

async fn get(url: &str) -> Fetched {
    fetch(Method::GET, url, &[]).await
}
