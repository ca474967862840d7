//! A server in this process: a store in a directory, an engine, the API on a loopback port.

use crate::receiver::loopback;
use postrider::{Limits, Postrider, SqliteStore};
use postrider_server::{Api, ApiOptions, ServeOptions, router, serve};
use reqwest::Method;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The operator's key of every test.
pub(crate) const KEY: &str = "the-operators-key-of-every-test";

pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) postrider: Postrider,
    pub(crate) api: Api,
    directory: Arc<TempDir>,
    options: ApiOptions,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
    /// The same as it came.
    pub(crate) text: String,
}

/// The values of a header among pairs of name and value.
pub(crate) fn header<'v>(pairs: &'v Value, name: &str) -> Vec<&'v str> {
    let pairs = pairs.as_array().unwrap().iter();
    let named = pairs.filter(|pair| pair[0] == name);
    named.map(|pair| pair[1].as_str().unwrap()).collect()
}

impl Answer {
    /// The body, if this is the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// A problem with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let media_type = self.headers["content-type"].to_str().unwrap();
        assert_eq!(media_type, "application/problem+json");
        assert_eq!(self.body["code"], code, "{}", self.body);
        assert!(self.body["request_id"].is_string());
        self.expect(status)
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(ApiOptions::default()).await
    }

    pub(crate) async fn with(options: ApiOptions) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        Self::open(directory, options).await
    }

    async fn open(directory: Arc<TempDir>, options: ApiOptions) -> Self {
        let store = open_store(&directory.path().join("postrider.db")).await;
        let postrider = Postrider::builder()
            .store(store)
            .egress(loopback())
            .limits(Limits::default())
            .start()
            .await
            .unwrap();
        Self::over(postrider, directory, options).await
    }

    /// One over this Postrider. It cannot be restarted.
    pub(crate) async fn on(postrider: Postrider) -> Self {
        Self::on_with(postrider, ApiOptions::default()).await
    }

    pub(crate) async fn on_with(postrider: Postrider, options: ApiOptions) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        Self::over(postrider, directory, options).await
    }

    async fn over(postrider: Postrider, directory: Arc<TempDir>, options: ApiOptions) -> Self {
        let api = Api::open(postrider.clone(), options.clone()).await.unwrap();
        api.accept_key(KEY);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving_options = ServeOptions {
            grace: Duration::from_secs(5),
            ..ServeOptions::default()
        };
        let stopped = async {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(serve(listener, router(&api), stopped, serving_options));
        // Another test may have done so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            base,
            postrider,
            api,
            directory,
            options,
            stop: Some(stop),
            serving,
            http,
        }
    }

    /// Ends as a server does that is asked to, and starts again on what is kept.
    pub(crate) async fn restart(mut self) -> Self {
        drop(self.stop.take());
        self.serving.await.unwrap();
        self.postrider.shutdown().await;
        let (directory, options) = (Arc::clone(&self.directory), self.options.clone());
        drop((self.api, self.postrider));
        Self::open(directory, options).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string()), &[])
            .await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body.to_string()), &[])
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, &[]).await
    }

    /// A request with the operator's key and JSON, unless these headers say otherwise; an empty
    /// value leaves a header out.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut all = vec![("authorization", format!("Bearer {KEY}"))];
        if body.is_some() {
            all.push(("content-type", "application/json".to_owned()));
        }
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        let given = headers.iter().filter(|(_, value)| !value.is_empty());
        all.extend(given.map(|(name, value)| (*name, (*value).to_owned())));
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in all {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(&*text));
        Answer {
            status,
            headers,
            body,
            text,
        }
    }

    /// What comes back for these bytes, to the end of the connection.
    pub(crate) async fn raw(&self, request: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = self.base.strip_prefix("http://").unwrap();
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// A key of a tenant, which is made if it is not there, with these scopes.
    pub(crate) async fn key_of(&self, tenant: &str, scopes: &[&str]) -> String {
        if tenant != "default" {
            self.post("/v1/tenants", serde_json::json!({ "id": tenant }))
                .await;
        }
        let body = serde_json::json!({ "name": "test", "scopes": scopes, "tenant": tenant });
        let made = self.post("/v1/keys", body).await.expect(201);
        format!("Bearer {}", made["key"].as_str().unwrap())
    }

    /// An endpoint at this URL.
    pub(crate) async fn endpoint(&self, url: &str) -> String {
        let body = serde_json::json!({ "url": url });
        let made = self.post("/v1/endpoints", body).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Publishes, and gives the event's id.
    pub(crate) async fn publish(&self, event_type: &str, payload: Value) -> String {
        let body = serde_json::json!({ "type": event_type, "payload": payload });
        let accepted = self.post("/v1/events", body).await.expect(202);
        accepted["id"].as_str().unwrap().to_owned()
    }

    /// The event once it is in this state.
    pub(crate) async fn event_in(&self, id: &str, state: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let event = self.get(&format!("/v1/events/{id}")).await.expect(200);
            if event["state"] == state {
                return event;
            }
            assert!(Instant::now() < deadline, "not {state}: {event}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The file may be in use a moment after the engine before has stopped.
async fn open_store(path: &Path) -> SqliteStore {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match SqliteStore::open(path) {
            Ok(store) => return store,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
