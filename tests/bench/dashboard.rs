//! What the dashboard asks of the server: pages of lists when there is much on record, and what open
//! pages cost those who publish.

use crate::process::start;
use crate::server::{Client, ROUND, Server, publish_over_http, request};
use crate::{median, percentile};
use serde_json::Value;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// Deliveries on record, without `--events`.
pub(crate) const EVENTS: usize = 1_000_000;

const ENDPOINTS: usize = 100;

/// Of the endpoints, those that answer nobody: their deliveries are dead letters.
const FAILING: usize = 3;

const PUBLISHERS: usize = 32;

/// Events in a request.
const BATCH: usize = 100;

const PAYLOAD_BYTES: usize = 200;

/// Pages that are asked for of each list, and how often each list is begun.
const PAGES: usize = 25;
const TURNS: usize = 8;

const DASHBOARDS: usize = 5;

/// Pairs of rounds, without dashboards and with them.
const ROUNDS: usize = 7;

/// What the pages show, 50 rows each. `ENDPOINT` is one of the endpoints.
const LISTS: [&str; 9] = [
    "/v1/deliveries?view=short&limit=50&tenant=*",
    "/v1/deliveries?view=short&limit=50&state=failed",
    "/v1/endpoints/ENDPOINT/deliveries?view=short&limit=50",
    "/v1/events?view=short&limit=50&tenant=*",
    "/v1/events?view=short&limit=50&state=failed",
    "/v1/dead-letters?view=short&limit=50&tenant=*",
    "/v1/lanes?limit=50&tenant=*",
    "/v1/endpoints?limit=50&tenant=*",
    "/v1/stats?hours=24&tenant=*",
];

/// What the first page asks for when it is opened.
const OVERVIEW: [&str; 4] = [
    "/v1/whoami",
    "/v1/stats?hours=24",
    "/v1/endpoints?failing=true&limit=50",
    "/v1/lanes?limit=6",
];

/// As the dashboard asks for it.
const STREAM: &str =
    "/v1/stream?types=event,attempt.started,attempt,delivery,endpoint&view=short&per_second=20";

/// The dashboard asks again for what it shows as often as this while things happen.
const REFRESH: Duration = Duration::from_secs(4);

pub(crate) fn figures(events: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (_receiver, receiver) = start(&["receiver"]);
        // Bound and not listening: nobody else can have the port, and it refuses.
        let refusing = TcpSocket::new_v4().unwrap();
        refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refusing_at = refusing.local_addr().unwrap().to_string();
        let server = Server::start();
        let mut client = Client::to(&server.address).await;
        let endpoints = register(&mut client, [&refusing_at, &receiver]).await;
        fill(&server.address, &mut client, events).await;
        pages(&mut client, &endpoints[0], events).await;
        cost(&server.address).await;
    });
}

async fn register(client: &mut Client, [refusing, receiver]: [&str; 2]) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..ENDPOINTS {
        let address = if number < FAILING { refusing } else { receiver };
        let form = format!(
            r#"{{"url":"http://{address}/","event_types":["type.n{number}"],
                "retry":{{"retries":0}},"breaker":null}}"#
        );
        let (status, body) = client.send(&request("POST", "/v1/endpoints", &form)).await;
        assert_eq!(status, 201, "{body}");
        ids.push(body.split('"').nth(3).unwrap().to_owned());
    }
    ids
}

/// Publishes so many events, and waits until each has been delivered or has failed.
async fn fill(address: &str, client: &mut Client, events: usize) {
    let begin = Instant::now();
    let batches = events.div_ceil(BATCH);
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let address = address.to_owned();
            tokio::spawn(async move {
                let mut client = Client::to(&address).await;
                for batch in (publisher..batches).step_by(PUBLISHERS) {
                    publish(&mut client, batch * BATCH..(batch + 1) * BATCH).await;
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let stats = request("GET", "/v1/stats?hours=24&tenant=*", "");
    loop {
        let (_, body) = client.send(&stats).await;
        if body.contains(r#""pending":0"#) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(3_600), "{body}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("dashboard: {events} deliveries on record, made in {seconds:.0} s");
}

/// Publishes the events with these numbers, and again those for which there was no room yet.
async fn publish(client: &mut Client, numbers: Range<usize>) {
    let mut numbers: Vec<usize> = numbers.collect();
    loop {
        let events: Vec<_> = numbers.iter().map(|number| event_of(*number)).collect();
        let batch = format!(r#"{{"events":[{}]}}"#, events.join(","));
        let (status, body) = client
            .send(&request("POST", "/v1/events/batch", &batch))
            .await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        match answer["results"].as_array() {
            Some(results) => {
                let mut taken = results.iter().map(|result| result["status"] == 202);
                numbers.retain(|_| taken.next() != Some(true));
            }
            None => assert!(matches!(status, 429 | 503), "{status}: {body}"),
        }
        if numbers.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn event_of(number: usize) -> String {
    let payload = "x".repeat(PAYLOAD_BYTES);
    let number = number % ENDPOINTS;
    format!(r#"{{"event":{{"type":"type.n{number}","payload":"{payload}"}}}}"#)
}

/// How long the pages of each list take, and how large they are.
async fn pages(client: &mut Client, endpoint: &str, events: usize) {
    println!(
        "  pages of 50 rows over {events} deliveries (aim: p95 under 150 ms, under 60,000 bytes)"
    );
    for list in LISTS {
        let first = list.replace("ENDPOINT", endpoint);
        let (mut took, mut largest, mut rows) = (Vec::new(), 0, 0);
        for _ in 0..TURNS {
            let mut path = first.clone();
            for _ in 0..PAGES {
                let begin = Instant::now();
                let (status, body) = client.send(&request("GET", &path, "")).await;
                took.push(begin.elapsed().as_secs_f64() * 1e3);
                assert_eq!(status, 200, "{path}: {body}");
                largest = largest.max(body.len());
                let page: Value = serde_json::from_str(&body).unwrap();
                rows = rows.max(page["data"].as_array().map_or(0, Vec::len));
                match page["next"].as_str() {
                    Some(next) => path = format!("{first}&cursor={next}"),
                    None => break,
                }
            }
        }
        let (middle, late) = (percentile(took.clone(), 0.5), percentile(took, 0.95));
        println!(
            "    p50 {middle:6.1} ms  p95 {late:6.1} ms  {largest:6} bytes  {rows:2} rows  {list}"
        );
    }
}

/// What open pages cost those who publish.
async fn cost(address: &str) {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (without, _) = publish_over_http(address).await;
        let open: Vec<_> = (0..DASHBOARDS).map(|_| dashboard(address)).collect();
        let (with, _) = publish_over_http(address).await;
        for page in open {
            page.abort();
        }
        ratios.push(with as f64 / without as f64);
    }
    println!(
        "  {DASHBOARDS} open dashboards: publishing at {:.3} of its rate without (median of {ROUNDS} \
         pairs of {} s; aim: at least 0.98)\n",
        median(ratios),
        ROUND.as_secs()
    );
}

/// One that is opened now: its stream is read, and what it shows is asked for again as it does.
fn dashboard(address: &str) -> JoinHandle<()> {
    let address = address.to_owned();
    tokio::spawn(async move {
        let mut stream = Client::to(&address).await.stream;
        stream.write_all(&request("GET", STREAM, "")).await.unwrap();
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        });
        let _reading = AbortOnDrop(reading);
        let mut client = Client::to(&address).await;
        loop {
            for path in OVERVIEW {
                let (status, body) = client.send(&request("GET", path, "")).await;
                assert_eq!(status, 200, "{path}: {body}");
            }
            tokio::time::sleep(REFRESH).await;
        }
    })
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
