//! The metrics say what has happened, in a form that Prometheus reads.

use super::server::{KEY, Server};
use crate::receiver::{Receiver, Reply, hasty, until};
use postrider::{Ledger, Outcome, Submission};
use postrider_server::{ApiOptions, METRICS_MEDIA_TYPE};
use reqwest::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The samples of an exposition by name and labels, as they are written.
type Samples = BTreeMap<String, f64>;

/// Reads the text format of OpenMetrics 1.0. Every line must be one.
fn parsed(text: &str) -> Samples {
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let mut family = (String::new(), "");
    let (body, end) = text.split_at(text.len() - "# EOF\n".len());
    assert_eq!(end, "# EOF\n");
    for line in body.lines() {
        if let Some(described) = line.strip_prefix("# ") {
            let words: Vec<_> = described.splitn(3, ' ').collect();
            match words[..] {
                ["HELP", name, help] => {
                    assert!(help.ends_with('.') && families.insert(name), "{line}");
                    family.0 = name.to_owned();
                }
                ["TYPE", name, kind] => {
                    assert_eq!(name, family.0, "{line}");
                    let kinds = ["counter", "gauge", "histogram", "info"];
                    family.1 = kinds.into_iter().find(|it| *it == kind).expect(line);
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect(line);
        let value: f64 = value.parse().expect(line);
        let (bare, labels) = name.split_once('{').unwrap_or((name, "}"));
        labels_of(labels.strip_suffix('}').expect(line));
        let suffix = bare.strip_prefix(family.0.as_str()).expect(line);
        let suffixes: &[&str] = match family.1 {
            "counter" => &["_total"],
            "histogram" => &["_sum", "_count", "_bucket"],
            "info" => &["_info"],
            _ => &[""],
        };
        assert!(suffixes.contains(&suffix), "{line}");
        assert!(
            value >= 0.0 && samples.insert(name.to_owned(), value).is_none(),
            "{line}"
        );
    }
    samples
}

/// Names and values of labels.
fn labels_of(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect(text);
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{text}"
        );
        let (value, rest) = rest.split_once('"').expect(text);
        assert!(!value.contains(['\\', '\n']), "{text}");
        assert_eq!(labels.insert(name.to_owned(), value.to_owned()), None);
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels
}

async fn scraped(server: &Server) -> Samples {
    let answer = server
        .request(Method::GET, "/metrics")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], METRICS_MEDIA_TYPE);
    parsed(&answer.text().await.unwrap())
}

/// Of ten requests one is rejected for good, two fail and succeed later, one always fails.
fn reply(payload: &[u8], seen: usize) -> Reply {
    let number: u64 = std::str::from_utf8(payload).unwrap().parse().unwrap();
    Reply::Status(match number % 10 {
        0 => 422,
        1 | 2 if seen == 0 => 503,
        3 => 500,
        4 => 302,
        _ => 200,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_exact_after_a_thousand_deliveries_with_failures() {
    const EVENTS: u64 = 1_000;
    let (server, _directory) = Server::start().await;
    let postrider = &server.postrider;
    let seen = std::sync::Mutex::new(BTreeMap::<Vec<u8>, usize>::new());
    let receiver = Receiver::start(move |_, request| {
        let mut seen = seen.lock().unwrap();
        let count = seen.entry(request.body.to_vec()).or_default();
        *count += 1;
        reply(&request.body, *count - 1)
    })
    .await;
    let mut spec = hasty(&receiver.url(), 2);
    spec.breaker = None;
    spec.ordering = postrider::Ordering::None;
    let endpoint = postrider.register(spec, None).await.unwrap().id;
    let events = (0..EVENTS).map(|number| Submission::new("a.b", number.to_string()));
    let published = postrider.publish_all(events.collect()).await;
    assert!(published.iter().all(Result::is_ok));
    let ledger = async || postrider.ledger(&endpoint).await.unwrap();
    until("all have ended", || async { ledger().await.pending == 0 }).await;
    // A dead letter is made anew and fails again; another one is given up.
    let dead = postrider.dead_letters(&endpoint).await.unwrap();
    postrider.resend(&dead[0].id).await.unwrap();
    postrider.discard(&dead[1].id).await.unwrap();
    until("the resend has ended", || async {
        ledger().await.pending == 0
    })
    .await;
    let expected = ledger().await;
    let attempts = attempts_on_record(&server).await;
    let samples = scraped(&server).await;
    let get = |name: &str| samples[&format!("postrider_{name}")];
    assert_eq!(get("events_accepted_total"), EVENTS as f64);
    assert_ended(&expected, &samples);
    for (outcome, count) in &attempts {
        let name = format!("attempts_total{{outcome=\"{outcome}\"}}");
        assert_eq!(get(&name), *count as f64, "{outcome}");
    }
    let all: u64 = attempts.values().sum();
    let told = samples
        .iter()
        .filter(|(name, _)| name.starts_with("postrider_attempts_total"));
    assert_eq!(told.map(|(_, count)| count).sum::<f64>(), all as f64);
    assert_eq!(get("attempt_duration_seconds_count"), all as f64);
    assert_eq!(
        get("retries_scheduled_total"),
        (all - expected.accepted) as f64
    );
    assert!(get("commit_duration_seconds_count") > 0.0);
    for zero in [
        "pending_deliveries",
        "pending_bytes",
        "in_flight_attempts",
        "lanes_active",
    ] {
        assert_eq!(get(zero), 0.0, "{zero}");
    }
    assert_eq!(get("endpoints{status=\"active\"}"), 1.0);
    assert!(get("store_bytes") > 1e5);
}

fn assert_ended(expected: &Ledger, samples: &Samples) {
    let get = |name: &str| samples[&format!("postrider_{name}")];
    assert_eq!(get("deliveries_accepted_total"), expected.accepted as f64);
    let ended = |state: &str, reason: &str| {
        let both =
            |a: &str, b: &str| samples.get(&format!("postrider_deliveries_ended_total{{{a},{b}}}"));
        let labels = (format!("state=\"{state}\""), format!("reason=\"{reason}\""));
        *both(&labels.0, &labels.1)
            .or(both(&labels.1, &labels.0))
            .unwrap()
    };
    assert_eq!(ended("delivered", "none"), expected.delivered as f64);
    assert_eq!(ended("failed", "rejected"), 101.0);
    assert_eq!(ended("failed", "exhausted"), 100.0);
    assert_eq!(ended("failed", "redirected"), 100.0);
    // One of the failed was discarded since.
    assert_eq!(ended("discarded", "none"), 1.0);
    assert_eq!(expected.failed + expected.discarded, 301, "{expected:?}");
}

/// What the history has, by the outcome.
async fn attempts_on_record(server: &Server) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut query = postrider::DeliveryQuery {
        most: 250,
        ..postrider::DeliveryQuery::default()
    };
    loop {
        let page = server.postrider.deliveries(query.clone()).await.unwrap();
        for attempt in page.deliveries.iter().flat_map(|record| &record.attempts) {
            let Outcome::Response(response) = &attempt.outcome else {
                panic!("{attempt:?}")
            };
            let class = format!("{}xx", response.status / 100);
            *counts.entry(class).or_default() += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return counts,
        }
    }
}

#[tokio::test]
async fn endpoints_whose_filters_cannot_be_judged_are_counted() {
    let (server, _directory) = Server::start().await;
    let parts = (0..30).map(|number| format!(r#"{{"list": {{"$contains": {number}}}}}"#));
    let costly = format!(r#"{{"$or": [{}]}}"#, parts.collect::<Vec<_>>().join(","));
    for filter in [r#"{"a": 1}"#, &costly] {
        let mut spec = hasty("https://merchant.example/", 0);
        spec.filter = Some(filter.parse().unwrap());
        server.postrider.register(spec, None).await.unwrap();
    }
    let list = format!(r#"{{"list": [{}-1]}}"#, "-1,".repeat(60_000));
    for payload in [r#"{"a": 1"#, r#"{"a": 2}"#, &list] {
        let event = Submission::new("a.b", payload);
        server.postrider.publish(event).await.unwrap();
    }
    let samples = scraped(&server).await;
    let get = |name: &str| samples[&format!("postrider_{name}")];
    let undecided = |reason: &str| get(&format!("filters_undecided_total{{reason=\"{reason}\"}}"));
    assert_eq!(
        (undecided("unreadable"), undecided("too_costly")),
        (2.0, 1.0)
    );
    assert_eq!(get("events_without_subscribers_total"), 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_show_what_waits() {
    let (server, _directory) = Server::start().await;
    let postrider = &server.postrider;
    let receiver = Receiver::start(|_, _| Reply::Never).await;
    let mut spec = hasty(&receiver.url(), 0);
    spec.timeout = Duration::from_secs(60);
    postrider.register(spec, None).await.unwrap();
    let paused = hasty("https://paused.example/", 0);
    let paused = postrider.register(paused, None).await.unwrap().id;
    postrider.pause_endpoint(&paused).await.unwrap();
    let disabled = hasty("https://disabled.example/", 0);
    let disabled = postrider.register(disabled, None).await.unwrap().id;
    postrider.disable_endpoint(&disabled).await.unwrap();
    // More than the engine has at hand.
    for _ in 0..50 {
        postrider
            .publish(Submission::new("a.b", "12345"))
            .await
            .unwrap();
    }
    until("it is sent", || async { receiver.count() == 1 }).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let samples = scraped(&server).await;
    let get = |name: &str| samples[&format!("postrider_{name}")];
    assert_eq!(get("pending_deliveries"), 100.0);
    assert_eq!(get("pending_bytes"), 500.0);
    assert_eq!(get("in_flight_attempts"), 1.0);
    assert_eq!(get("lanes_active"), 2.0);
    assert_eq!(get("lane_depth_max"), 50.0);
    assert!(get("oldest_pending_seconds") > 0.0);
    assert!(get("oldest_pending_seconds") < 60.0);
    for status in ["active", "paused", "disabled"] {
        assert_eq!(
            get(&format!("endpoints{{status=\"{status}\"}}")),
            1.0,
            "{status}"
        );
    }
    // With its endpoint goes what waits for it, in memory or not.
    postrider.delete_endpoint(&paused).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let samples = scraped(&server).await;
    assert_eq!(samples["postrider_pending_deliveries"], 50.0);
    let discarded = samples.iter().find(|(name, _)| name.contains("discarded"));
    assert_eq!(discarded.unwrap().1, &50.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_have_few_values_whatever_is_asked() {
    let (server, _directory) = Server::start().await;
    for number in 0..50 {
        for path in ["/v1/events/", "/v1/nothing/", "/v1/endpoints/", "/"] {
            let path = format!("{path}{number}");
            server.request(Method::GET, &path).send().await.unwrap();
        }
        let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        server.request(method, "/v1/events").send().await.unwrap();
    }
    let samples = scraped(&server).await;
    let counts = "postrider_api_request_duration_seconds_count{";
    let series = samples.iter().filter_map(|(name, count)| {
        let labels = labels_of(name.strip_prefix(counts)?.strip_suffix('}')?);
        let values = ["route", "method", "status"].map(|name| labels[name].clone());
        Some((values.join(" "), *count))
    });
    let series: BTreeMap<_, _> = series.collect();
    let expected = [
        ("/v1/endpoints/{id} GET 4xx", 50.0),
        ("/v1/events other 4xx", 50.0),
        ("/v1/events/{id} GET 4xx", 50.0),
        ("none GET 4xx", 100.0),
    ];
    assert_eq!(series, expected.map(|(a, b)| (a.to_owned(), b)).into());
    assert!(samples.len() < 200, "{}", samples.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_need_a_key_for_all_tenants_unless_they_are_open() {
    let (server, directory) = Server::start().await;
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    let get = || server.bare(Method::GET, "/metrics");
    let (_, key) = server.tenant("acme").await;
    assert_eq!(status(get()).await, 401);
    assert_eq!(status(get().bearer_auth(&key)).await, 403);
    assert_eq!(status(get().bearer_auth(KEY)).await, 200);
    let form = json!({ "name": "p", "scopes": ["publish"] });
    let made = server.post("/v1/keys", &form).await;
    let publisher = made["key"].as_str().unwrap();
    assert_eq!(status(get().bearer_auth(publisher)).await, 403);
    server.stop().await;
    let options = ApiOptions {
        open_metrics: true,
        ..ApiOptions::default()
    };
    let server = Server::on(directory.path(), options).await;
    assert_eq!(status(server.bare(Method::GET, "/metrics")).await, 200);
}
