//! A server in this process: a store in a directory, an engine, the API on a loopback port.

use crate::programs::program;
use crate::receiver::loopback;
use postrider::{Postrider, SqliteStore};
use postrider_server::{Api, ApiOptions, Metrics, ServeOptions, router, serve};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The operator's key of every test.
pub(super) const KEY: &str = "the-operators-key-of-every-test-here";

pub(super) struct Server {
    pub(super) base: String,
    pub(super) postrider: Postrider,
    api: Api,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    http: Client,
}

impl Server {
    /// On a new store, whose directory is given back.
    pub(super) async fn start() -> (Self, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let server = Self::on(directory.path(), ApiOptions::default()).await;
        (server, directory)
    }

    pub(super) async fn on(directory: &Path, options: ApiOptions) -> Self {
        let postrider = engine(directory, options.metrics.clone()).await;
        let api = Api::open(postrider.clone(), options).await.unwrap();
        api.accept_key(KEY);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let streams = api.clone();
        let stopped = async move {
            let _ = stopped.await;
            streams.close_streams();
        };
        let serving_options = ServeOptions {
            grace: Duration::from_secs(20),
            ..ServeOptions::default()
        };
        let serving = tokio::spawn(serve(listener, router(&api), stopped, serving_options));
        Self {
            base,
            postrider,
            api,
            stop,
            serving,
            http: http(),
        }
    }

    /// Ends as a server does that is asked to. How long its streams and requests held it up.
    pub(super) async fn stop(self) -> Duration {
        let began = Instant::now();
        drop(self.stop);
        self.serving.await.unwrap();
        let took = began.elapsed();
        self.postrider.shutdown().await;
        drop((self.api, self.postrider));
        took
    }

    /// With the operator's key.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        request.bearer_auth(KEY)
    }

    /// Without a key.
    pub(super) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// What a POST with this key gives, which must be of the class 2xx.
    pub(super) async fn post_as(&self, key: &str, path: &str, body: &Value) -> Value {
        let request = self.bare(Method::POST, path).bearer_auth(key);
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Value {
        self.post_as(KEY, path, body).await
    }

    /// A key of a new tenant, with every scope: its id and its text.
    pub(super) async fn tenant(&self, name: &str) -> (String, String) {
        self.post("/v1/tenants", &json!({ "id": name })).await;
        self.key_of(name).await
    }

    /// A key of this tenant, with every scope: its id and its text.
    pub(super) async fn key_of(&self, tenant: &str) -> (String, String) {
        let scopes = ["publish", "manage", "read"];
        let form = json!({ "name": "test", "scopes": scopes, "tenant": tenant });
        let made = self.post("/v1/keys", &form).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("key"))
    }

    pub(super) async fn publish(&self, key: &str, event_type: &str, payload: Value) -> String {
        let form = json!({ "type": event_type, "payload": payload });
        let accepted = self.post_as(key, "/v1/events", &form).await;
        accepted["id"].as_str().unwrap().to_owned()
    }
}

/// The program as a server, which ends with this.
pub(super) struct Program {
    pub(super) child: Child,
    pub(super) base: String,
}

impl Program {
    /// Starts it with these arguments, on a free port, and the operator's key.
    pub(super) fn serve(arguments: &[&OsStr], log: impl Into<Stdio>) -> Self {
        let mut child = Command::new(program("postrider"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env("POSTRIDER_API_KEY", KEY)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        let base = said.trim().strip_prefix("listening on ").unwrap();
        Self {
            base: base.to_owned(),
            child,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that goes nowhere but to loopback.
pub(super) fn http() -> Client {
    // Another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// An engine that the metrics watch; the file may be in use a moment after the one before.
pub(super) async fn engine(directory: &Path, metrics: Metrics) -> Postrider {
    let deadline = Instant::now() + Duration::from_secs(10);
    let store = loop {
        match SqliteStore::open(directory.join("postrider.db")) {
            Ok(store) => break store,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let builder = Postrider::builder()
        .store(store)
        .observer(Arc::new(metrics));
    builder.egress(loopback()).start().await.unwrap()
}
