//! Requests to a server.

use super::failure::{ClientError, Refusal};
use super::show;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use postrider::engine::json::Document;
use postrider::transport::tls::{DefaultTimeProvider, client_config, public_roots};
use reqwest::{ClientBuilder, Response, Url};
use serde::Serialize;
use serde_json::Value;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Where a server is that was told nothing else.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// A server that is there answers a connection within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A request is answered within this time. A test of an endpoint takes as long as the endpoint may
/// take, which is ten minutes at most.
const TIMEOUT: Duration = Duration::from_secs(11 * 60);

/// The most that is read of an answer, in bytes: no server of ours sends as much.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The bytes of an answer. One that is too long ends where it is.
async fn bytes(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(more) = response.chunk().await? {
        bytes.extend_from_slice(&more);
        if bytes.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(bytes)
}

/// An answer as text. One that is too long is no JSON.
async fn text(response: Response) -> Result<String, reqwest::Error> {
    let bytes = bytes(response).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The most that a server shows on one page.
const PAGE_MAX: usize = 250;

/// A key, and where it is from.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) from: String,
}

/// Asks one server, with one key.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    /// The server, as errors name it.
    shown: String,
    /// Where the key is from.
    key_from: Option<String>,
}

/// What a server has answered.
pub(crate) struct Reply {
    headers: HeaderMap,
    text: String,
    value: Value,
}

/// A list, over as many pages as were needed.
pub(crate) struct List {
    pub(crate) data: Vec<Value>,
    /// The same as they came.
    pub(crate) texts: Vec<String>,
    /// Where the rest begins.
    pub(crate) next: Option<String>,
}

/// The query of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// With this parameter, if it has a value.
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// With this parameter, if it has any value, and commas between them.
    pub(crate) fn with_all(self, name: &'static str, values: &[String]) -> Self {
        let joined = (!values.is_empty()).then(|| values.join(","));
        self.with(name, joined)
    }
}

impl Reply {
    /// The JSON text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same, read.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The text under this name, or none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.value[name].as_str().unwrap_or_default()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl Client {
    pub(crate) fn new(
        url: &str,
        key: Option<&Key>,
        tenant: Option<&str>,
    ) -> Result<Self, ClientError> {
        let base = base(url)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let value = HeaderValue::try_from(format!("Bearer {}", key.text));
            let mut value = value.map_err(|_| ClientError::Header("the API key"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        if let Some(tenant) = tenant {
            let value = HeaderValue::try_from(tenant);
            let value = value.map_err(|_| ClientError::Header("the name of the tenant"))?;
            headers.insert("postrider-tenant", value);
        }
        Ok(Self {
            http: plain(|builder| builder.default_headers(headers))?,
            shown: base.as_str().trim_end_matches('/').to_owned(),
            base,
            key_from: key.map(|key| key.from.clone()),
        })
    }

    /// The same, but errors say that a variable has named the server.
    pub(super) fn named_by(mut self, variable: &str) -> Self {
        self.shown += &format!(" (from {variable})");
        self
    }

    /// Where the server is.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(crate) async fn get(&self, path: &[&str], query: &Query) -> Result<Reply, ClientError> {
        self.read(self.request(Method::GET, path, query)).await
    }

    /// The exact bytes of what is there.
    pub(crate) async fn bytes(&self, path: &[&str]) -> Result<Vec<u8>, ClientError> {
        let request = self.request(Method::GET, path, &Query::default());
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let bytes = bytes(response).await;
        let bytes = bytes.map_err(|error| self.failed(&error))?;
        match status.is_success() {
            true => Ok(bytes),
            false => Err(self.refused(status, &String::from_utf8_lossy(&bytes))),
        }
    }

    pub(crate) async fn post(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Reply, ClientError> {
        self.write(Method::POST, path, body, &[]).await
    }

    /// With an idempotency key.
    pub(crate) async fn post_once(
        &self,
        path: &[&str],
        body: &impl Serialize,
        key: Option<&str>,
    ) -> Result<Reply, ClientError> {
        let header = key.map(|key| ("idempotency-key", key));
        self.write(Method::POST, path, body, header.as_slice())
            .await
    }

    pub(crate) async fn post_nothing(&self, path: &[&str]) -> Result<Reply, ClientError> {
        let request = self.request(Method::POST, path, &Query::default());
        self.read(request).await
    }

    pub(crate) async fn put(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Reply, ClientError> {
        self.write(Method::PUT, path, body, &[]).await
    }

    pub(crate) async fn patch(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Reply, ClientError> {
        self.write(Method::PATCH, path, body, &[]).await
    }

    pub(crate) async fn delete(&self, path: &[&str]) -> Result<Reply, ClientError> {
        self.read(self.request(Method::DELETE, path, &Query::default()))
            .await
    }

    /// A list of at most so many, over as many pages as that takes.
    pub(crate) async fn list(
        &self,
        path: &[&str],
        query: Query,
        paging: &super::Paging,
    ) -> Result<List, ClientError> {
        let most = usize::try_from(paging.limit).unwrap_or(usize::MAX);
        let mut list = List {
            data: Vec::new(),
            texts: Vec::new(),
            next: paging.cursor.clone(),
        };
        loop {
            let page = query
                .clone()
                .with("limit", Some((most - list.data.len()).min(PAGE_MAX)))
                .with("cursor", list.next.take());
            let mut reply = self.get(path, &page).await?;
            if let Ok(document) = Document::read(reply.text.as_bytes())
                && let Some(data) = document.pointer("/data")
            {
                list.texts.extend(
                    data.elements()
                        .map(|it| String::from_utf8_lossy(it.raw()).into_owned()),
                );
            }
            if let Value::Array(data) = reply.value["data"].take() {
                list.data.extend(data);
            }
            list.next = reply.value["next"].as_str().map(str::to_owned);
            if list.next.is_none() || list.data.len() >= most {
                return Ok(list);
            }
        }
    }

    /// A stream of events, from after `last_id` if there is one.
    pub(crate) async fn stream(
        &self,
        query: &Query,
        last_id: Option<&str>,
    ) -> Result<Response, ClientError> {
        let mut request = self.http.get(self.place(&["v1", "stream"], query));
        request = request.header(header::ACCEPT, "text/event-stream");
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = text(response).await.unwrap_or_default();
        Err(self.refused(status, &text))
    }

    fn place(&self, path: &[&str], query: &Query) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.0.is_empty() {
            url.query_pairs_mut().extend_pairs(&query.0);
        }
        url
    }

    fn request(&self, method: Method, path: &[&str], query: &Query) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.place(path, query));
        request.timeout(TIMEOUT)
    }

    async fn write(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
        headers: &[(&str, &str)],
    ) -> Result<Reply, ClientError> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|error| ClientError::NotJson {
            what: "the request",
            error,
        })?;
        let mut request = self.request(method, path, &Query::default());
        for (name, value) in headers {
            let value = HeaderValue::try_from(*value);
            let value = value.map_err(|_| ClientError::Header("the idempotency key"))?;
            request = request.header(*name, value);
        }
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.read(request.body(body)).await
    }

    async fn read(&self, request: reqwest::RequestBuilder) -> Result<Reply, ClientError> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = text(response).await.map_err(|error| self.failed(&error))?;
        if !status.is_success() {
            return Err(self.refused(status, &text));
        }
        let value = match text.is_empty() {
            true => Value::Null,
            false => {
                let document = Document::read(text.as_bytes());
                show::value(document.map_err(|_| self.stranger(status))?.root())
            }
        };
        Ok(Reply {
            headers,
            text,
            value,
        })
    }

    fn refused(&self, status: StatusCode, text: &str) -> ClientError {
        match serde_json::from_str::<Box<Refusal>>(text) {
            Ok(mut refusal) => {
                refusal.key_from.clone_from(&self.key_from);
                ClientError::Refused(refusal)
            }
            Err(_) => self.stranger(status),
        }
    }

    fn stranger(&self, status: StatusCode) -> ClientError {
        ClientError::Stranger {
            url: self.shown.clone(),
            status: status.as_u16(),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable {
            url: self.shown.clone(),
            why: root(error),
        }
    }
}

/// A client that goes to nobody but whom it is told to ask: it follows no redirects, and takes no
/// proxy from the environment.
pub(super) fn plain(
    more: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, ClientError> {
    let tls = client_config(public_roots(), Arc::new(DefaultTimeProvider));
    let tls = tls.map_err(|error| ClientError::Tls(error.to_string()))?;
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("postrider-cli/", env!("CARGO_PKG_VERSION")));
    let built = more(builder).build();
    built.map_err(|error| ClientError::Tls(error.to_string()))
}

/// The first cause: what wraps it says that a request was not sent, and no more.
pub(super) fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn base(text: &str) -> Result<Url, ClientError> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| ClientError::Url {
        url: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_part_of_a_path_whatever_is_in_it() {
        let client = Client::new("https://a.example/inner/", None, None).unwrap();
        let query = Query::default()
            .with("state", Some("failed"))
            .with("none", None::<u8>)
            .with_all("type", &["a.*".into(), "b&c".into()]);
        let url = client.place(&["v1", "events", "../x?y"], &query);
        assert_eq!(
            url.as_str(),
            "https://a.example/inner/v1/events/..%2Fx%3Fy?state=failed&type=a.*%2Cb%26c"
        );
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused() {
        for text in ["", "localhost:8080", "ftp://a.example"] {
            let refused = Client::new(text, None, None).err();
            assert!(matches!(refused, Some(ClientError::Url { .. })), "{text}");
        }
        let key = Key {
            text: "a\nb".to_owned(),
            from: "a test".to_owned(),
        };
        let refused = Client::new(DEFAULT_URL, Some(&key), None).err();
        assert!(matches!(refused, Some(ClientError::Header(_))));
    }
}
