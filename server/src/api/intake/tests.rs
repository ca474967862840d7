use super::super::{ApiOptions, extract};
use super::*;
use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use postrider::Postrider;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::sync::Notify;
use tower_service::Service;

#[test]
fn a_tree_of_values_takes_no_more_than_what_is_counted() {
    for text in [
        "[1,1,1,1]",
        r#"[{"":0},{"":0}]"#,
        "[[],[],[]]",
        r#"{"a":{"b":[{}]}}"#,
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        let places = places(&value) * std::mem::size_of::<Value>() as u64;
        assert!(tree_bytes(text.as_bytes()) >= places, "{text}");
    }
}

fn places(value: &Value) -> u64 {
    match value {
        Value::Array(all) => 1 + all.iter().map(places).sum::<u64>(),
        // A node has room for eleven.
        Value::Object(all) => 12 + all.values().map(places).sum::<u64>(),
        _ => 1,
    }
}

/// A body of which nothing comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

/// A body that says that it has bytes, and ends without them.
struct Short;

impl hyper::body::Body for Short {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(7)
    }
}

fn room(most: u64) -> Room {
    let budget = Budget::new(most, 1);
    Room {
        held: Arc::new(Mutex::new(budget.take(Peer::default(), 0).unwrap())),
        metrics: Metrics::new(),
    }
}

async fn read(room: &Room, body: Body) -> Result<Bytes, Problem> {
    let request = bounded(Request::new(body), room.clone());
    extract::read(request.into_body(), 1 << 20).await
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_refused_when_its_time_is_over() {
    let room = room(1 << 20);
    let start = Instant::now();
    let refused = read(&room, Body::new(Never)).await.unwrap_err();
    let promised = Duration::from_secs(30);
    assert_eq!((refused.status(), start.elapsed()), (408, promised));
}

#[tokio::test]
async fn a_body_that_ends_before_its_length_is_not_taken_for_a_whole_one() {
    let refused = read(&room(1 << 20), Body::new(Short)).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (400, "bad_json"));
    assert!(
        refused.detail().contains("broke off"),
        "{}",
        refused.detail()
    );
}

#[tokio::test]
async fn a_body_beyond_what_requests_may_hold_is_told_to_come_again() {
    let small = room(299);
    let refused = read(&small, Body::from(vec![b' '; 100])).await;
    assert_eq!(refused.unwrap_err().status(), 503);
    let enough = room(300);
    assert!(read(&enough, Body::from(vec![b' '; 100])).await.is_ok());
    assert_eq!(enough.grow(1).unwrap_err().code(), "busy");
}

#[tokio::test]
async fn what_an_answer_holds_goes_back_with_its_last_byte() {
    let budget = Budget::new(100_000, 1);
    let held = budget.take(Peer::default(), 100_000).unwrap();
    let response = Response::new(Body::from(vec![b'x'; 100_000]));
    let mut body = handed_out(response, held).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first.len(), CHUNK_BYTES);
    drop(body);
    assert!(
        budget.take(Peer::default(), 1).is_err(),
        "a part of it is there"
    );
    drop(first);
    assert!(budget.take(Peer::default(), 100_000).is_ok());
}

async fn api() -> Api {
    let postrider = Postrider::builder().start().await.unwrap();
    Api::open(postrider, ApiOptions::default()).await.unwrap()
}

/// One handler for every method, behind what is bounded.
fn routes<H, T>(api: &Api, path: &str, handler: H) -> Router
where
    H: Handler<T, ()>,
    T: 'static,
{
    let routes = Router::new().route(path, any(handler));
    let wrap =
        |State(api): State<Api>, request, next| async move { bound(&api, request, next).await };
    routes.layer(from_fn_with_state(api.clone(), wrap))
}

fn request(method: Method, path: &str, body: Body) -> Request {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    request.body(body).unwrap()
}

async fn status(routes: &Router, request: Request) -> StatusCode {
    let mut routes = routes.clone();
    routes.call(request).await.unwrap().status()
}

#[tokio::test]
async fn what_is_done_is_answered_though_no_answer_has_room_and_what_reads_comes_again() {
    let api = api().await;
    let large = || async { "x".repeat(8 << 10) };
    let routes = routes(&api, "/v1/large", large);
    let answers = &api.intake().answers;
    let taken = answers.take(Peer::default(), ANSWERS_BYTES_MAX).unwrap();
    for (method, expected) in [(Method::GET, 503), (Method::POST, 200), (Method::PUT, 200)] {
        let asked = request(method.clone(), "/v1/large", Body::empty());
        assert_eq!(status(&routes, asked).await, expected, "{method}");
    }
    // Where that has no room either, the status alone says it.
    let done = api.intake().done.take(Peer::default(), DONE_BYTES_MAX);
    let asked = request(Method::POST, "/v1/large", Body::empty());
    let answer = routes.clone().call(asked).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().size_hint().exact(), Some(0));
    drop((taken, done.unwrap()));
    let asked = request(Method::GET, "/v1/large", Body::empty());
    assert_eq!(status(&routes, asked).await, 200);
}

#[tokio::test]
async fn what_became_of_a_body_is_counted_until_the_request_is_answered() {
    let api = api().await;
    let of_handler = api.clone();
    let handler = move |extract::Json(_): extract::Json<Value>| {
        let requests = Arc::clone(&of_handler.intake().requests);
        async move {
            tokio::task::yield_now().await;
            match requests.take(Peer::default(), REQUESTS_BYTES_MAX - 100_000) {
                Ok(_) => StatusCode::CONFLICT,
                Err(_) => StatusCode::OK,
            }
        }
    };
    let routes = routes(&api, "/v1/form", handler);
    let form = format!("[{}[]]", "[],".repeat(1_000));
    for method in [Method::GET, Method::POST] {
        let asked = request(method.clone(), "/v1/form", Body::from(form.clone()));
        assert_eq!(status(&routes, asked).await, 200, "{method}: it is counted");
        let requests = &api.intake().requests;
        let all = requests.take(Peer::default(), REQUESTS_BYTES_MAX);
        assert!(all.is_ok(), "{method}: it came back");
    }
}

/// What a handler waits for, and what it tells.
#[derive(Default)]
struct Signals {
    begun: Notify,
    go_on: Notify,
    ended: Notify,
}

/// The signals of a request whose client has gone while it was worked on, and whether what it holds
/// is counted still.
async fn given_up(api: &Api, method: Method) -> (Arc<Signals>, bool) {
    let signals = Arc::new(Signals::default());
    let of_handler = Arc::clone(&signals);
    let handler = move || {
        let signals = Arc::clone(&of_handler);
        async move {
            signals.begun.notify_one();
            signals.go_on.notified().await;
            signals.ended.notify_one();
        }
    };
    let mut routes = routes(api, "/v1/change", handler);
    let asked = request(method, "/v1/change", Body::empty());
    let client = tokio::spawn(async move { routes.call(asked).await.is_ok() });
    signals.begun.notified().await;
    client.abort();
    assert!(client.await.is_err(), "nobody waits any more");
    let requests = &api.intake().requests;
    let all = requests.take(Peer::default(), REQUESTS_BYTES_MAX);
    (signals, all.is_err())
}

#[tokio::test]
async fn a_change_comes_to_its_end_though_its_client_has_gone() {
    let api = api().await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let (signals, is_counted) = given_up(&api, method.clone()).await;
        assert!(is_counted, "{method}: it holds what it holds");
        signals.go_on.notify_one();
        let ended = timeout(Duration::from_secs(30), signals.ended.notified()).await;
        assert!(ended.is_ok(), "{method}: it was given up in the middle");
    }
}

#[tokio::test]
async fn a_read_ends_with_its_client() {
    let (_, is_counted) = given_up(&api().await, Method::GET).await;
    assert!(!is_counted);
}

#[tokio::test]
async fn a_change_that_panics_panics_where_it_is_waited_for() {
    let api = api().await;
    let handler = || async { assert!(std::hint::black_box(false), "on purpose") };
    let mut routes = routes(&api, "/v1/change", handler);
    let asked = request(Method::POST, "/v1/change", Body::empty());
    let client = tokio::spawn(async move { routes.call(asked).await.is_ok() });
    assert!(client.await.unwrap_err().is_panic());
}

/// A request from this address of a proxy, for this client.
fn forwarded(proxy: &str, client: &str) -> Request {
    let mut request = request(Method::GET, "/v1/small", Body::empty());
    let proxy: SocketAddr = proxy.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(proxy));
    let client = client.parse().unwrap();
    request.headers_mut().insert("x-forwarded-for", client);
    request
}

#[test]
fn clients_behind_a_trusted_proxy_have_shares_of_their_own() {
    let trusted: Networks = "10.0.0.0/8".parse().unwrap();
    let seen = |client| peer(&forwarded("10.0.0.1:80", client), &trusted);
    let client = |address: &str| Peer::of(address.parse().unwrap(), &trusted);
    assert_eq!(seen("198.51.100.1"), client("198.51.100.1"));
    assert_ne!(seen("198.51.100.1"), seen("198.51.100.2"));
    assert_eq!(seen("unknown"), Peer::default());
    let stranger = peer(&forwarded("192.0.2.1:80", "198.51.100.1"), &trusted);
    assert_eq!(stranger, client("192.0.2.1"), "it is not believed");
}

#[tokio::test]
async fn a_small_request_finds_room_as_long_as_there_is_any() {
    let api = api().await;
    let routes = routes(&api, "/v1/small", || async {});
    let requests = &api.intake().requests;
    let left = 2 * REQUEST_BYTES;
    let _taken = requests
        .take(Peer::default(), REQUESTS_BYTES_MAX - left)
        .unwrap();
    let asked = forwarded("192.0.2.1:80", "192.0.2.1");
    assert_eq!(status(&routes, asked).await, 200);
}

#[tokio::test]
async fn probes_are_answered_though_requests_have_no_room() {
    let api = api().await;
    let routes = super::super::router(&api);
    let requests = &api.intake().requests;
    let _taken = requests.take(Peer::default(), REQUESTS_BYTES_MAX).unwrap();
    for (path, expected) in [("/livez", 200), ("/readyz", 200), ("/v1/events", 503)] {
        let asked = request(Method::GET, path, Body::empty());
        assert_eq!(status(&routes, asked).await, expected, "{path}");
    }
}

#[tokio::test]
async fn what_asks_for_a_head_reads_as_what_asks_for_the_whole() {
    let api = api().await;
    let routes = routes(&api, "/{*path}", || async {});
    let reads = &api.intake().reads;
    let _taken = reads.take(Peer::default(), READS_MAX).unwrap();
    for (method, path, expected) in [
        (Method::GET, "/v1/events", 503),
        (Method::HEAD, "/v1/events", 503),
        (Method::HEAD, STREAM, 200),
        (Method::HEAD, "/metrics", 200),
        (Method::POST, "/v1/events", 200),
    ] {
        let asked = request(method.clone(), path, Body::empty());
        assert_eq!(status(&routes, asked).await, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_dry_run_of_a_replay_waits_for_its_turn_to_read() {
    const KEY: &str = "the-operators-key-of-this-test";
    let api = api().await;
    api.accept_key(KEY);
    let routes = super::super::router(&api);
    let replay = async |form: &str| {
        let mut asked = request(Method::POST, "/v1/replays", Body::from(form.to_owned()));
        let bearer = format!("Bearer {KEY}").parse().unwrap();
        asked.headers_mut().insert("authorization", bearer);
        status(&routes, asked).await
    };
    let reads = &api.intake().reads;
    let taken = reads.take(Peer::default(), READS_MAX).unwrap();
    assert_eq!(replay(r#"{"dry_run":true}"#).await, 503);
    assert_eq!(replay("{}").await, 202);
    drop(taken);
    assert_eq!(replay(r#"{"dry_run":true}"#).await, 200);
}

#[tokio::test]
async fn one_address_queues_no_further_than_others_can_wait() {
    let api = api().await;
    let peer = |last: u8| Peer::of([192, 0, 2, last].into(), api.trusted_proxies());
    let reads = &api.intake().reads;
    let queued: Vec<Held> = std::iter::from_fn(|| reads.take(peer(1), 1).ok()).collect();
    assert_eq!(queued.len() as u64, READS_MAX / 2);
    // Each of them may take a second, and others are told to come again after ten.
    assert!((queued.len() as u64) < READS_AT_ONCE_MAX as u64 * READ_WAIT.as_secs());
    assert!(reads.take(peer(2), 1).is_ok());
}
