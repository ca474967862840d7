//! Putting the server together.

use crate::Answer;
use crate::config::{Config, ConfigError};
use axum::serve::ListenerExt;
use postrider::descriptors::Budget;
use postrider::egress::EgressGuard;
use postrider::store::sqlite::{Loose, OpenError, Retention, SqliteOptions, loose};
use postrider::transport::tls::{DefaultTimeProvider, client_config};
use postrider::transport::{HyperTransport, TransportConfig, TransportLimits};
use postrider::{Limits, Postrider, SqliteStore, StartError};
use postrider_server::{
    Api, ApiError, ApiOptions, Metrics, Playground, ServeOptions, router, serve,
};
use serde_json::json;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// When keys were last used is written within this time at the end, or not at all.
const KEY_USES_WITHIN: Duration = Duration::from_millis(500);

/// The database in the data directory.
const FILE: &str = "postrider.db";

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the data directory {path} cannot be made: {error}")]
    Data { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("cannot listen on {address}: {error}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("the playground gets no loopback port: {0}")]
    Playground(io::Error),
    #[error(
        "{0} can be reached from elsewhere, and there is no API key yet: set POSTRIDER_API_KEY, or start on 127.0.0.1 once, which makes one"
    )]
    NoKey(SocketAddr),
    #[error("the system gives no threads or signals: {0}")]
    Runtime(io::Error),
}

/// A server that runs.
pub(crate) struct Running {
    postrider: Postrider,
    api: Api,
    listener: TcpListener,
    address: SocketAddr,
    first_key: Option<String>,
    serving: ServeOptions,
}

/// How a server has ended.
pub(crate) struct Ended {
    /// How long it took to finish what was under way.
    took: Duration,
    /// Deliveries that are kept for the next start; `None` if the store has failed.
    pending: Option<u64>,
}

/// Opens the store, starts the engine and listens. Nothing is served yet: see [`Running::until`].
pub(crate) async fn start(config: &Config) -> Result<Running, ServeError> {
    start_with(config, SqliteStore::options()).await
}

/// The same, with a database that is not there yet.
pub(crate) async fn start_anew(config: &Config) -> Result<Running, ServeError> {
    start_with(config, SqliteStore::options().anew()).await
}

async fn start_with(config: &Config, options: SqliteOptions) -> Result<Running, ServeError> {
    make_directory(&config.data).map_err(|error| ServeError::Data {
        path: config.data.clone(),
        error,
    })?;
    let retention = Retention {
        ended: config.keep_ended,
        failed: config.keep_failed,
        audit: config.keep_audit,
        ..Retention::default()
    };
    let store = options.retention(retention);
    let store = store.open(database(&config.data))?;
    let budget = Budget::of_process();
    let metrics = Metrics::new();
    let (playground, egress) = playground(config).await?;
    let postrider = Postrider::builder()
        .store(store)
        .transport(transport(config, egress.clone(), &budget)?)
        .observer(Arc::new(metrics.clone()))
        .egress(egress)
        .limits(limits(config, &budget))
        .shutdown_timeout(config.shutdown_timeout)
        .start()
        .await?;
    let serving = ServeOptions {
        connections_max: config.connections_max.get() as usize,
        trusted_proxies: config.trusted_proxies.clone(),
        metrics: metrics.clone(),
        grace: config.shutdown_timeout,
    };
    let options = ApiOptions {
        playground,
        ..api_options(config, metrics)
    };
    let api = Api::open(postrider.clone(), options).await?;
    if let Some(key) = &config.api_key {
        api.accept_key(key);
    }
    if !api.has_keys() && !config.listen.ip().is_loopback() {
        return Err(ServeError::NoKey(config.listen));
    }
    let failed = |error| ServeError::Listen {
        address: config.listen,
        error,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let first_key = match api.has_keys() {
        true => None,
        false => Some(api.make_key("made at the first start").await?),
    };
    Ok(Running {
        postrider,
        api,
        listener,
        address,
        first_key,
        serving,
    })
}

fn api_options(config: &Config, metrics: Metrics) -> ApiOptions {
    ApiOptions {
        known_event_types_only: config.known_event_types_only,
        open_metrics: config.open_metrics,
        metrics,
        trusted_proxies: config.trusted_proxies.clone(),
        unsigned_sources: config.unsigned_sources,
        endpoint_defaults: config.endpoint_defaults.clone(),
        settings: config.settings.clone(),
        secrets_left_out: config.secrets_left_out.clone(),
        public_url: config.public_url.clone(),
        portal_frame_origins: config.portal_frame_origins.clone(),
        playground: None,
    }
}

/// The receiver of the server's own, if it is to have one, and the guard that lets requests go there.
async fn playground(config: &Config) -> Result<(Option<Playground>, EgressGuard), ServeError> {
    let guard = config.egress.clone();
    if !config.playground {
        return Ok((None, guard));
    }
    let playground = Playground::start().await;
    let playground = playground.map_err(ServeError::Playground)?;
    let guard = guard.letting_through(playground.address());
    Ok((Some(playground), guard))
}

fn limits(config: &Config, budget: &Budget) -> Limits {
    let usual = Limits::default();
    let payload_bytes_max = config.payload_bytes_max;
    let limits = budget.bound(Limits {
        payload_bytes_max,
        // A body that is made of the largest payload has room for it as base64, and for what is around it.
        rendered_bytes_max: usual
            .rendered_bytes_max
            .max(payload_bytes_max.saturating_mul(2)),
        pending_deliveries_max: config.pending_deliveries_max,
        pending_bytes_max: config.pending_bytes_max,
        timeout_max: config.attempt_timeout_max,
        ..usual
    });
    tracing::info!(
        descriptors = budget.descriptors,
        attempts_max = limits.attempts_max,
        idle_connections_max = budget.idle_max,
        connections_max = budget.connections_max,
        "postrider.descriptors"
    );
    limits
}

/// Requests go out within the egress guard, and within the budget of descriptors.
fn transport(
    config: &Config,
    guard: EgressGuard,
    budget: &Budget,
) -> Result<HyperTransport, ServeError> {
    let time = Arc::new(DefaultTimeProvider);
    let tls = client_config(config.roots.clone(), time).map_err(StartError::Tls)?;
    let mut transport = TransportConfig {
        guard,
        tls,
        limits: TransportLimits::default(),
        uplink: config.uplink.clone(),
    };
    let pool = &mut transport.limits.pool;
    pool.idle_max = pool.idle_max.min(budget.idle_max);
    Ok(HyperTransport::new(transport))
}

/// Makes the data directory, for its owner alone, if it is not there; tells if others may look into
/// one that is.
fn make_directory(data: &Path) -> io::Result<()> {
    if data.is_dir() {
        if let Some(Loose { path, mode }) = loose(data) {
            let (directory, mode) = (path.display(), format!("{mode:o}"));
            tracing::warn!(%directory, %mode, "postrider.data.others_may_use: chmod 700");
        }
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(data)?;
        // A umask takes from the owner, too.
        std::fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700))
    }
    #[cfg(not(unix))]
    builder.create(data)
}

/// The database in a data directory.
pub(crate) fn database(data: &Path) -> PathBuf {
    data.join(FILE)
}

impl Running {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that was made at the first start.
    pub(crate) fn first_key(&self) -> Option<&str> {
        self.first_key.as_deref()
    }

    /// Serves until somebody asks it to end, then finishes what is under way. Ends by itself if the
    /// engine stops: it could not accept anything any more.
    pub(crate) async fn until(self, stop: impl Future<Output = ()>) -> Ended {
        let asked = OnceLock::new();
        let stop = async {
            tokio::select! {
                biased;
                () = stop => (),
                () = self.postrider.stopped() => tracing::error!("postrider.engine.stopped"),
            }
            let _ = asked.set(Instant::now());
            // Streams would hold up what waits for requests under way.
            self.api.close_streams();
        };
        let patience = self.serving.grace;
        // An answer of several parts would wait for the client's delayed acknowledgement, 40 ms.
        let listener = self.listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        serve(listener, router(&self.api), stop, self.serving).await;
        // A store that hangs is not waited for: this is not worth it.
        let _ = tokio::time::timeout(KEY_USES_WITHIN, self.api.keep_key_uses()).await;
        let started = Instant::now();
        self.api.keep_receipts().await;
        let took = asked.get().map_or(Duration::ZERO, Instant::elapsed);
        let grace = drain_grace(patience, took);
        let drained = self.postrider.shutdown_within(grace).await;
        Ended {
            took: started.elapsed(),
            // An engine that was gone by then has stopped by itself: it does that for nothing else.
            pending: drained.and_then(|it| (!it.store_failed).then_some(it.pending)),
        }
    }
}

/// How long deliveries under way may take, once requests have taken so long: all of it together is
/// over a little before twice the time-out, when the process is ended anyhow.
fn drain_grace(shutdown_timeout: Duration, took: Duration) -> Duration {
    let left = (shutdown_timeout * 19 / 10).saturating_sub(took);
    shutdown_timeout.min(left)
}

impl Ended {
    pub(crate) fn answer(&self, json: bool) -> Answer {
        let seconds = self.took.as_secs_f64();
        let text = match (json, self.pending) {
            (true, pending) => {
                let store_failed = pending.is_none();
                let ended = json!({
                    "stopped": true,
                    "seconds": seconds,
                    "store_failed": store_failed,
                    "pending": pending,
                });
                ended.to_string()
            }
            (false, Some(pending)) => {
                format!(
                    "stopped after {seconds:.1} s; {pending} deliveries are kept for the next start"
                )
            }
            (false, None) => "stopped: the store has failed; see the log".to_owned(),
        };
        Answer {
            text: text + "\n",
            is_yes: self.pending.is_some(),
        }
    }
}
