//! Gauges: what is asked of the engine and the store when somebody looks.

use super::{Registrar, table};
use postrider::{Footprint, Postrider};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// Whoever looks again within this time sees the same.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// Longer than this nobody waits for an engine or a store that is busy.
const WAIT: Duration = Duration::from_secs(2);

type Count = Gauge<u64, AtomicU64>;

pub(super) struct Gauges {
    pending: Count,
    pending_bytes: Count,
    oldest_pending: Gauge<f64, AtomicU64>,
    in_flight: Count,
    lanes_active: Count,
    lane_depth_max: Count,
    breakers_open: Count,
    held: Count,
    active: Count,
    paused: Count,
    disabled: Count,
    store_bytes: Count,
    /// When they were read.
    read_at: Mutex<Option<Instant>>,
}

impl Gauges {
    pub(super) fn new(registrar: &mut Registrar) -> Self {
        let endpoints: Family<[(&str, &str); 1], Count> = Family::default();
        let status = |name| endpoints.get_or_create_owned(&[("status", name)]);
        let gauges = Self {
            pending: registrar.add(&table::PENDING, Count::default()),
            pending_bytes: registrar.add(&table::PENDING_BYTES, Count::default()),
            oldest_pending: registrar.add(&table::OLDEST_PENDING, Gauge::default()),
            in_flight: registrar.add(&table::IN_FLIGHT, Count::default()),
            lanes_active: registrar.add(&table::LANES_ACTIVE, Count::default()),
            lane_depth_max: registrar.add(&table::LANE_DEPTH_MAX, Count::default()),
            breakers_open: registrar.add(&table::BREAKERS_OPEN, Count::default()),
            held: registrar.add(&table::HELD, Count::default()),
            active: status("active"),
            paused: status("paused"),
            disabled: status("disabled"),
            store_bytes: registrar.add(&table::STORE_BYTES, Count::default()),
            read_at: Mutex::default(),
        };
        registrar.add(&table::ENDPOINTS, endpoints);
        gauges
    }

    /// Reads them, unless that was just done. What cannot be read in time stays as it was.
    pub(super) async fn refresh(&self, postrider: &Postrider) {
        let mut read_at = self.read_at.lock().await;
        if read_at.is_some_and(|at| at.elapsed() < FRESH_FOR) {
            return;
        }
        if timeout(WAIT, self.read(postrider)).await.is_err() {
            tracing::warn!("postrider.metrics.busy");
        }
        *read_at = Some(Instant::now());
    }

    async fn read(&self, postrider: &Postrider) {
        if let Some(footprint) = postrider.footprint().await {
            self.take(&footprint);
        }
        if let Ok(oldest) = postrider.oldest_pending().await {
            let age = oldest.map_or(Duration::ZERO, |at| postrider.wall().since(at));
            self.oldest_pending.set(age.as_secs_f64());
        }
        if let Ok(bytes) = postrider.size_bytes().await {
            self.store_bytes.set(bytes);
        }
    }

    fn take(&self, footprint: &Footprint) {
        self.pending.set(footprint.pending_deliveries);
        self.pending_bytes.set(footprint.pending_bytes);
        self.in_flight.set(footprint.attempts as u64);
        self.lanes_active.set(footprint.lanes_active as u64);
        self.lane_depth_max.set(footprint.lane_depth_max);
        self.breakers_open.set(footprint.breakers_open as u64);
        self.held.set(footprint.endpoints_held as u64);
        let (paused, disabled) = (footprint.endpoints_paused, footprint.endpoints_disabled);
        let active = footprint.endpoints.saturating_sub(paused + disabled);
        self.active.set(active as u64);
        self.paused.set(paused as u64);
        self.disabled.set(disabled as u64);
    }
}
