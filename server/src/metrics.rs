//! What is measured, for Prometheus: counters that are fed by facts as they happen, and gauges that
//! are read when somebody asks.
//!
//! ```
//! use postrider::Postrider;
//! use postrider_server::Metrics;
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let metrics = Metrics::new();
//! let postrider = Postrider::builder().observer(Arc::new(metrics.clone())).start().await?;
//! postrider.publish(postrider::Submission::new("payment.succeeded", "{}")).await?;
//! let text = metrics.text(&postrider).await;
//! assert!(text.contains("\npostrider_events_accepted_total 1\n"));
//! # Ok(())
//! # }
//! ```

mod commit_times;
mod facts;
mod gauges;
mod table;

pub use table::metrics_page;

use crate::api::Turned;
use crate::listen::Closed;
use commit_times::CommitTimes;
use facts::Counters;
use gauges::Gauges;
use postrider::{Fact, Observer, Postrider};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use std::sync::Arc;
use std::time::Duration;
use table::Entry;

/// The media type of [`Metrics::text`].
pub const METRICS_MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets for requests of the API, in seconds.
const API_BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// What is measured. Clones are handles to the same one.
///
/// Give it to [`postrider::Builder::observer`], so that it counts what happens, and to
/// [`crate::ApiOptions`], which shows it at `/metrics`. `docs/metrics.md` lists what there is.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    counters: Counters,
    commit_times: CommitTimes,
    gauges: Gauges,
    api_requests: Family<ApiLabels, Histogram, fn() -> Histogram>,
    inbound_unreadable: Counter,
    /// In the order of [`Closed::ALL`].
    connections_closed: [Counter; Closed::ALL.len()],
    /// In the order of [`Turned::ALL`].
    requests_turned: [Counter; Turned::ALL.len()],
}

/// Names and values of the labels of a request: its route, method and class of status. All values
/// are of short lists: routes are templates.
type ApiLabels = [(&'static str, String); 3];

/// Registers under the names of the table.
struct Registrar(Registry);

impl Registrar {
    fn add<M: Metric + Clone>(&mut self, entry: &Entry, metric: M) -> M {
        self.0.register(entry.name, entry.help, metric.clone());
        metric
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registrar = Registrar(Registry::default());
        let counters = Counters::new(&mut registrar);
        let gauges = Gauges::new(&mut registrar);
        let buckets: fn() -> Histogram = || Histogram::new(API_BUCKETS);
        let api_requests = Family::new_with_constructor(buckets);
        let api_requests = registrar.add(&table::API_REQUEST_DURATION, api_requests);
        let inbound_unreadable = registrar.add(&table::INBOUND_UNREADABLE, Counter::default());
        let closed: Family<[(&str, &str); 1], Counter> = Family::default();
        let connections_closed =
            Closed::ALL.map(|why| closed.get_or_create_owned(&[("why", why.name())]));
        registrar.add(&table::CONNECTIONS_CLOSED, closed);
        let turned: Family<[(&str, &str); 1], Counter> = Family::default();
        let requests_turned =
            Turned::ALL.map(|why| turned.get_or_create_owned(&[("why", why.name())]));
        registrar.add(&table::REQUESTS_TURNED, turned);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let mut registry = registrar.0;
        registry.register(table::BUILD.name, table::BUILD.help, build);
        Self(Arc::new(Inner {
            registry,
            counters,
            commit_times: CommitTimes::default(),
            gauges,
            api_requests,
            inbound_unreadable,
            connections_closed,
            requests_turned,
        }))
    }
}

impl Metrics {
    /// Everything is zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state of all metrics, in the text format of OpenMetrics 1.0, which Prometheus reads.
    /// What must be asked of the engine and the store is asked at most once a second.
    pub async fn text(&self, postrider: &Postrider) -> String {
        self.0.gauges.refresh(postrider).await;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut text, &self.0.registry);
        text
    }

    /// How long so many of 100 commits took at most, in milliseconds; `None` without any.
    pub(crate) fn commit_percentile_ms(&self, percent: u64) -> Option<f64> {
        self.0.commit_times.percentile_ms(percent)
    }

    /// A verified body of a source cannot be read as JSON.
    pub(crate) fn inbound_unreadable(&self) {
        self.0.inbound_unreadable.inc();
    }

    /// A request of the API was answered: `route` is the template that it matched.
    pub(crate) fn api_request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let labels = [
            ("route", route.to_owned()),
            ("method", method.to_owned()),
            ("status", class.to_owned()),
        ];
        let histogram = self.0.api_requests.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
    }
}

impl Metrics {
    /// A connection to the API was refused or given up.
    pub(crate) fn connection_closed(&self, why: Closed) {
        self.0.connections_closed[why as usize].inc();
    }

    /// A request was refused before anybody looked at what it says.
    pub(crate) fn request_turned(&self, why: Turned) {
        self.0.requests_turned[why as usize].inc();
    }

    #[cfg(test)]
    pub(crate) fn connections_closed(&self, why: Closed) -> u64 {
        self.0.connections_closed[why as usize].get()
    }
}

impl Observer for Metrics {
    fn fact(&self, fact: &Fact) {
        self.0.counters.count(fact);
    }

    fn committed(&self, _: usize, took: Duration) {
        self.0.counters.committed(took);
        self.0.commit_times.note(took);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
