//! The REST API: `/v1`, described by OpenAPI, over one running Postrider.

mod attempts;
mod audit;
mod backfill;
mod caller;
mod caught;
mod client_certificates;
mod cursors;
mod dashboard;
mod dead_letter_acts;
mod dead_letter_filter;
mod dead_letters;
mod deliveries;
mod deliveries_short;
mod edge;
mod endpoint_counts;
mod endpoint_defaults;
mod endpoint_form;
mod endpoint_list;
mod endpoint_names;
mod endpoints;
mod event_headers;
mod event_state;
mod event_types;
mod events;
mod events_list;
mod events_raw;
mod extract;
mod handlers;
mod health;
mod inbound;
mod intake;
mod key_uses;
mod keys;
mod keys_routes;
mod list_filters;
mod listeners;
mod live;
mod log_tail;
mod metrics_route;
mod names;
mod networks;
mod openapi;
mod operations;
mod page;
mod payload;
mod playground;
mod portal;
mod presets;
mod problem;
mod raw;
mod reach;
mod receipts;
mod receivers;
mod reference;
mod refusal;
mod registry;
mod replay_view;
mod replays;
mod scheduled;
mod schema;
mod sources;
mod stats;
mod stream;
mod strict;
mod system;
mod templates;
mod tenant_stats;
mod tenants;
mod time;
mod timeline;
mod try_outs;
mod validators;
mod wait;
mod waiting_lanes;
mod whoami;
mod workers;

pub use endpoint_defaults::{EndpointDefaults, InvalidDefaults};
pub(crate) use intake::Turned;

pub use handlers::{Inbound, InvalidReply, Reply};
pub use listeners::{ListenError, Listening};
pub use networks::{InvalidNetwork, Networks};
pub use openapi::document;
pub use portal::{FrameOrigins, InvalidAddress, PublicUrl};
pub use problem::{Place, Problem, problems_page};
pub use sources::Provider;
pub use system::Setting;

use crate::metrics::Metrics;
use crate::playground::Playground;
use axum::Router;
use axum::middleware::from_fn_with_state;
use key_uses::KeyUses;
use keys::{KeyRecord, Keys, NewKey, Scope};
use live::{Hub, Live};
use operations::Publisher;
use postrider::{Postrider, ReadError, RecordError, Wall};
use registry::Registry;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The API over one running Postrider. Clones are handles to the same one.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    postrider: Postrider,
    options: ApiOptions,
    started_at: Wall,
    keys: Keys,
    portal_links: portal::Links,
    tenants: tenants::Tenants,
    cursors: cursors::Cursors,
    event_types: Registry<event_types::EventTypeView>,
    templates: Registry<templates::TemplateView>,
    endpoint_defaults: Registry<EndpointDefaults>,
    client_certificates: Registry<client_certificates::CertificateRecord>,
    validators: validators::Validators,
    live: Live,
    intake: intake::Intake,
    ready: health::Ready,
    sources: sources::Sources,
    receipts: receipts::Receipts,
    receivers: receivers::Receivers,
    handlers: handlers::Handlers,
}

/// What an operator decides about the API.
#[derive(Clone, Debug, Default)]
pub struct ApiOptions {
    /// Refuse events whose type is not in the tenant's catalogue.
    pub known_event_types_only: bool,
    /// Show `/metrics` without a key.
    pub open_metrics: bool,
    /// What is shown there. Give the same to [`postrider::Builder::observer`]: without, it counts
    /// the requests of the API only.
    pub metrics: Metrics,
    /// Networks of proxies whose `X-Forwarded-For` is believed, when it is asked where a webhook
    /// comes from, or whose share of a bound a request takes. None are, unless they are named here.
    pub trusted_proxies: Networks,
    /// What endpoints have that are registered without it, unless their tenant has decided.
    pub endpoint_defaults: EndpointDefaults,
    /// Let sources be made where nothing is signed, and take what comes to them. Off, unless an operator
    /// trusts the networks that those name.
    pub unsigned_sources: bool,
    /// The settings of the server, as `GET /v1/system` shows them. Nothing is done with them.
    pub settings: Vec<Setting>,
    /// The names of settings that are left out there, since they are secrets.
    pub secrets_left_out: Vec<String>,
    /// Where browsers find this server, for links to the portal.
    pub public_url: PublicUrl,
    /// Whose pages may show the portal in a frame.
    pub portal_frame_origins: FrameOrigins,
    /// The receiver of its own, if there is one, that `GET /v1/playground` tells of. The egress guard has
    /// to let requests through to it.
    pub playground: Option<Playground>,
}

/// Operational events that wait to be published.
const OPERATIONS_MAX: usize = 4_096;

/// Why the API did not open.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The store of this Postrider keeps nothing but events.
    #[error("this store has no place for keys and sources: use SqliteStore or MemoryStore")]
    NoRecords,
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] RecordError),
    /// The endpoints cannot be read.
    #[error(transparent)]
    Endpoints(#[from] ReadError),
    /// A key was not made.
    #[error("the first key was not made: {0}")]
    Key(String),
}

impl Api {
    /// Reads the keys, sources and types that the store of this Postrider holds, and begins to
    /// publish operational events. One for each Postrider: a second one would tell what becomes of
    /// endpoints a second time.
    ///
    /// # Errors
    ///
    /// [`ApiError`].
    pub async fn open(postrider: Postrider, options: ApiOptions) -> Result<Self, ApiError> {
        let records = postrider.records().ok_or(ApiError::NoRecords)?;
        let keys = Registry::<KeyRecord>::load("api_key", Arc::clone(&records)).await?;
        let (uses, woken) = KeyUses::load(Arc::clone(&records)).await?;
        let facts = postrider.subscribe();
        let (told, operations) = mpsc::channel(OPERATIONS_MAX);
        let hub = Hub::new(&postrider, told).await?;
        let (receipts, received) = receipts::Receipts::new(Arc::clone(&records));
        let shared = Arc::new(Shared {
            started_at: postrider.wall(),
            postrider,
            options,
            keys: Keys::new(keys, uses),
            portal_links: portal::Links::load(Arc::clone(&records)).await?,
            tenants: tenants::Tenants::load(Arc::clone(&records)).await?,
            cursors: cursors::Cursors::load(Arc::clone(&records)).await?,
            event_types: Registry::load("event_type", Arc::clone(&records)).await?,
            templates: Registry::load("template", Arc::clone(&records)).await?,
            endpoint_defaults: Registry::load("endpoint_defaults", Arc::clone(&records)).await?,
            client_certificates: Registry::load("client_certificate", Arc::clone(&records)).await?,
            validators: validators::Validators::default(),
            sources: sources::Sources::load(records).await?,
            receipts,
            receivers: receivers::Receivers::default(),
            handlers: handlers::Handlers::default(),
            live: Live::default(),
            intake: intake::Intake::default(),
            ready: health::Ready::default(),
        });
        // They end with the last handle, or with Postrider.
        tokio::spawn(Publisher::new(Arc::downgrade(&shared)).run(operations));
        tokio::spawn(hub.run(Arc::downgrade(&shared), facts));
        tokio::spawn(key_uses::run(Arc::downgrade(&shared), woken));
        tokio::spawn(receipts::run(Arc::downgrade(&shared), received));
        let api = Self(shared);
        api.open_networks();
        api.identify_tenants();
        for tenant in api.tenants().being_deleted() {
            api.go_on_deleting(tenant);
        }
        Ok(api)
    }

    /// Ends the open streams, and opens no more: to be called before a graceful shutdown waits for
    /// the requests under way.
    pub fn close_streams(&self) {
        self.0.live.close();
    }

    /// Writes when each key was last used, if that is not on record: to be called before Postrider is
    /// shut down. Without it, the uses of the last minute may be forgotten.
    pub async fn keep_key_uses(&self) {
        if let Err(error) = self.0.keys.keep_uses().await {
            tracing::warn!(%error, "postrider.api.key_uses_not_kept");
        }
    }

    /// Puts on record what has come to the sources in the last moments: to be called when requests
    /// have ended, before Postrider shuts down. Without it, the receipts of a second are lost; events
    /// are not concerned.
    pub async fn keep_receipts(&self) {
        receipts::write_all(self).await;
    }

    /// Whether anyone can use it.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.0.keys.is_empty()
    }

    /// Lets this text be a key for all tenants with every scope, for as long as the process runs.
    pub fn accept_key(&self, text: &str) {
        self.0.keys.accept(text, self.now());
    }

    /// Makes a key for all tenants with every scope, and gives its text.
    ///
    /// # Errors
    ///
    /// [`ApiError::Key`].
    pub async fn make_key(&self, name: &str) -> Result<String, ApiError> {
        let new = NewKey {
            name: name.to_owned(),
            scopes: Scope::ALL.to_vec(),
            tenant: None,
            requests_per_second: None,
            expires_at: None,
            made_by: None,
            portal: None,
        };
        let refused = |problem: Problem| ApiError::Key(problem.detail().to_owned());
        let detail = serde_json::json!({ "scopes": new.scopes });
        let note = self.own_note(audit::Act::KeyCreate, detail);
        let note = note.map_err(refused)?;
        let made = self.0.keys.make(new, self.now(), Some(note)).await;
        made.map(|(_, text)| text).map_err(refused)
    }

    pub(crate) fn postrider(&self) -> &Postrider {
        &self.0.postrider
    }

    pub(crate) fn options(&self) -> &ApiOptions {
        &self.0.options
    }

    pub(crate) fn started_at(&self) -> Wall {
        self.0.started_at
    }

    pub(crate) fn ready(&self) -> &health::Ready {
        &self.0.ready
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    pub(crate) fn intake(&self) -> &intake::Intake {
        &self.0.intake
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn portal_links(&self) -> &portal::Links {
        &self.0.portal_links
    }

    pub(crate) fn cursors(&self) -> &cursors::Cursors {
        &self.0.cursors
    }

    pub(crate) fn tenants(&self) -> &tenants::Tenants {
        &self.0.tenants
    }

    pub(crate) fn event_types(&self) -> &Registry<event_types::EventTypeView> {
        &self.0.event_types
    }

    pub(crate) fn templates(&self) -> &Registry<templates::TemplateView> {
        &self.0.templates
    }

    pub(crate) fn endpoint_defaults(&self) -> &Registry<EndpointDefaults> {
        &self.0.endpoint_defaults
    }

    pub(crate) fn client_certificates(&self) -> &Registry<client_certificates::CertificateRecord> {
        &self.0.client_certificates
    }

    pub(crate) fn sources(&self) -> &sources::Sources {
        &self.0.sources
    }

    pub(crate) fn receivers(&self) -> &receivers::Receivers {
        &self.0.receivers
    }

    pub(crate) fn receipts(&self) -> &receipts::Receipts {
        &self.0.receipts
    }

    pub(crate) fn handlers(&self) -> &handlers::Handlers {
        &self.0.handlers
    }

    pub(crate) fn trusted_proxies(&self) -> &Networks {
        &self.0.options.trusted_proxies
    }

    pub(crate) fn now(&self) -> Wall {
        self.0.postrider.wall()
    }
}

/// The API as routes, to be served by itself or mounted in any axum application.
pub fn router(api: &Api) -> Router {
    let (routes, _) = openapi::routes().split_for_parts();
    routes
        .merge(openapi::pages())
        .merge(dashboard::pages())
        .merge(inbound::with_slash())
        .fallback(edge::no_route)
        // One layer that calls the next: each layer clones and boxes the route it wraps.
        .layer(from_fn_with_state(api.clone(), metrics_route::time))
        .with_state(api.clone())
}
