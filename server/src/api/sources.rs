//! `/v1/sources`: places that webhooks come in from.

mod answer;
mod bounds;
mod carried;
mod checks;
mod custom;
mod handshake;
mod kept;
mod proof;
pub(crate) mod receipts;
mod record;
mod rows;
mod secrets;
mod signature_form;

pub(crate) use bounds::check_body_bytes;
pub(crate) use carried::show as show_kept;
pub(crate) use custom::Custom;
pub(crate) use handshake::HandshakeKind;
pub(crate) use kept::Sources;
pub(crate) use proof::Refused;
pub use record::Provider;
pub(crate) use record::{Source, SourceRecord, SourceSecret};
pub(crate) use rows::{At, Row, WithoutId};
pub(crate) use secrets::to_verify;

use super::Api;
use super::audit::{Act, names};
use super::caller::{Caller, Manage, Read};
use super::extract::{Id, Json, Query};
use super::keys_routes::NamedQuery;
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::time::Time;
use answer::Answer;
use axum::extract::State;
use axum::http::StatusCode;
use checks::{
    check_allowed, check_custom, check_name, check_tolerance, check_url, check_whole, misformed,
    networks, refused,
};
use handshake::{Handshake, HandshakeView};
use postrider::TenantId;
use postrider::engine::SourceId;
use postrider::signature::Scheme;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

/// Secrets of one source: two are needed for a rotation.
const SECRETS_MAX: usize = 4;

/// The longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 1_024;

/// A source, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceView {
    /// Its id.
    #[schema(example = "src_01jd9x2m5tewh8q0v6n3r4y7za")]
    id: String,
    /// The name of the tenant whose events they become.
    tenant: String,
    /// The id of that tenant.
    tenant_id: String,
    /// Its name.
    name: String,
    /// Whose webhooks they are.
    provider: Provider,
    /// Where the provider sends them, below the address of this server.
    #[schema(example = "/in/src_01jd9x2m5tewh8q0v6n3r4y7za")]
    path: String,
    /// Whether its requests are signed, or hold a secret. If not, whoever can reach it is believed.
    signed: bool,
    /// Its secrets, without their text.
    secrets: Vec<SourceSecretView>,
    /// How far the time of a request may be from now, in seconds, where the signature covers it.
    tolerance_s: u32,
    /// The networks that requests may come from; empty for any.
    allowed_networks: Vec<String>,
    /// How the types of its events begin.
    event_prefix: String,
    /// How its requests are signed and read, for the provider `custom`.
    custom: Option<Custom>,
    /// The URL that the provider was given, where it signs that.
    url: Option<String>,
    /// What its provider is answered; without any field, what is usual for the provider.
    answer: Answer,
    /// How it answers a provider that asks whether it is there.
    handshake: HandshakeView,
    /// The largest body that it takes, in bytes.
    body_bytes_max: u64,
    /// The headers of its requests that its events keep.
    headers: Vec<String>,
    /// When it was made.
    created_at: Time,
}

/// A secret of a source, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceSecretView {
    /// By which it is removed.
    id: u32,
    /// What was left out of it as it was given, or how else it is read.
    #[schema(example = "white space around it was left out")]
    note: Option<String>,
    /// When it was added.
    created_at: Time,
}

/// A new source.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceForm {
    /// Its name: that of no other source of the tenant.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        example = "stripe"
    )]
    name: String,
    /// Whose webhooks they are.
    provider: Provider,
    /// What the provider signs with: one, or several while they are rotated. Never shown again. None,
    /// if nothing is signed, or if its handshake is to bring the first one (`learn_secret`).
    #[serde(default)]
    #[schema(max_items = 4, write_only, example = json!(["whsec_…"]))]
    secrets: Vec<String>,
    /// How far the time of a request may be from now, in seconds, where the signature covers it.
    #[serde(default = "default_tolerance_s")]
    #[schema(minimum = 1, maximum = 3600, default = 300)]
    tolerance_s: u32,
    /// The networks that requests may come from: addresses and ranges. Empty for any.
    #[serde(default)]
    #[schema(max_items = 256, example = json!(["192.0.2.0/24"]))]
    allowed_networks: Vec<String>,
    /// How the types of its events begin. Default: the provider's name; for `custom` the source's.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
    )]
    event_prefix: Option<String>,
    /// How its requests are signed and read: for the provider `custom`, and only there.
    #[serde(default)]
    custom: Option<Custom>,
    /// The URL that the provider was given, exactly as it was, without a query: where the provider signs
    /// it (Twilio, Square, HubSpot). Default: the setting `public_url`, or where each request went.
    #[serde(default)]
    #[schema(
        max_length = 2048,
        example = "https://hooks.example.com/in/src_01jd9x2m5tewh8q0v6n3r4y7za"
    )]
    url: Option<String>,
    /// What its provider is answered. Default: what is usual for the provider.
    #[serde(default)]
    answer: Option<Answer>,
    /// How it answers a provider that asks whether it is there. Default: as that provider asks.
    #[serde(default)]
    handshake: Option<Handshake>,
    /// The largest body that it takes, in bytes. Default: 1 MiB, or less where the server or the tenant
    /// has less.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 26214400, example = 26214400)]
    body_bytes_max: Option<u64>,
    /// The headers of its requests that its events keep: filters, templates and endpoints get them. None
    /// with a signature or a credential. Default: those of the provider that carry meaning; for `custom`
    /// none.
    #[serde(default)]
    #[schema(max_items = 32, example = json!(["x-acme-shop"]))]
    headers: Option<Vec<String>>,
}

/// A change of a source: what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourcePatch {
    /// Another name.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
    )]
    name: Option<String>,
    /// Secrets that are valid, too, from now on.
    #[schema(max_items = 4, write_only)]
    add_secrets: Option<Vec<String>>,
    /// Ids of secrets that are not valid any more.
    #[schema(max_items = 4)]
    remove_secrets: Option<Vec<u32>>,
    /// Another tolerance.
    #[schema(minimum = 1, maximum = 3600)]
    tolerance_s: Option<u32>,
    /// Other networks, instead of those there are.
    #[schema(max_items = 256)]
    allowed_networks: Option<Vec<String>>,
    /// Another prefix, for the events to come.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
    )]
    event_prefix: Option<String>,
    /// How its requests are signed and read, instead of what is there: for the provider `custom`.
    custom: Option<Custom>,
    /// Another URL that the provider was given; empty for none.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Another answer; without any field, what is usual for the provider.
    answer: Option<Answer>,
    /// Another handshake, instead of all that was said of it.
    handshake: Option<Handshake>,
    /// Another bound of its bodies.
    #[schema(minimum = 1, maximum = 26214400)]
    body_bytes_max: Option<u64>,
    /// Other headers that its events keep, instead of those there are.
    #[schema(max_items = 32)]
    headers: Option<Vec<String>>,
}

impl SourcePatch {
    /// What it changes, without the values.
    fn names(&self) -> Value {
        names(&[
            ("name", self.name.is_some()),
            ("add_secrets", self.add_secrets.is_some()),
            ("remove_secrets", self.remove_secrets.is_some()),
            ("tolerance_s", self.tolerance_s.is_some()),
            ("allowed_networks", self.allowed_networks.is_some()),
            ("event_prefix", self.event_prefix.is_some()),
            ("custom", self.custom.is_some()),
            ("url", self.url.is_some()),
            ("answer", self.answer.is_some()),
            ("handshake", self.handshake.is_some()),
            ("body_bytes_max", self.body_bytes_max.is_some()),
            ("headers", self.headers.is_some()),
        ])
    }
}

fn default_tolerance_s() -> u32 {
    300
}

impl SourceRecord {
    fn new(form: SourceForm, tenant: &TenantId, now: Time) -> Result<Self, Problem> {
        check_name(&form.name, "/name")?;
        let event_prefix = form.event_prefix.unwrap_or_else(|| match form.provider {
            Provider::Custom => form.name.clone(),
            provider => provider.name().to_owned(),
        });
        check_name(&event_prefix, "/event_prefix")?;
        check_tolerance(form.tolerance_s)?;
        check_custom(form.provider, form.custom.as_ref())?;
        let answer = form.answer.unwrap_or_default();
        answer.check()?;
        let handshake = form.handshake.unwrap_or_default();
        handshake.check()?;
        let is_signed = !form.custom.as_ref().is_some_and(Custom::is_unsigned);
        let is_needed = is_signed && !handshake.brings_secret(form.provider.name());
        let detail = format!("use 1 to {SECRETS_MAX} secrets");
        if form.secrets.len() > SECRETS_MAX {
            return Err(misformed("/secrets", detail));
        }
        if is_needed && form.secrets.is_empty() {
            return Err(refused("/secrets", detail));
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Problem::new(Code::Internal, error))?;
        let id = SourceId::from_parts(now.0, u128::from_be_bytes(random));
        let mut record = Self {
            id: id.to_string(),
            tenant: tenant.to_string(),
            name: form.name,
            provider: form.provider,
            secrets: Vec::new(),
            secrets_given: 0,
            tolerance_s: form.tolerance_s,
            allowed_networks: networks(&form.allowed_networks)?,
            event_prefix,
            custom: form.custom,
            url: form.url.map_or(Ok(None), check_url)?,
            answer,
            handshake,
            body_bytes_max: form.body_bytes_max,
            headers: form.headers.map(carried::checked).transpose()?,
            created_at: now,
        };
        record.add_secrets(form.secrets, "/secrets", now)?;
        check_whole(&record, "/secrets")?;
        Ok(record)
    }

    /// The same after a change.
    fn changed(&self, patch: SourcePatch, now: Time) -> Result<Self, Problem> {
        let mut record = self.clone();
        if let Some(name) = patch.name {
            check_name(&name, "/name")?;
            record.name = name;
        }
        for (place, id) in patch.remove_secrets.into_iter().flatten().enumerate() {
            let Some(found) = record.secrets.iter().position(|secret| secret.id == id) else {
                let pointer = format!("/remove_secrets/{place}");
                return Err(refused(&pointer, "the source has no secret with this id"));
            };
            record.secrets.remove(found);
        }
        if let Some(seconds) = patch.tolerance_s {
            check_tolerance(seconds)?;
            record.tolerance_s = seconds;
        }
        if let Some(texts) = patch.allowed_networks {
            record.allowed_networks = networks(&texts)?;
        }
        if let Some(prefix) = patch.event_prefix {
            check_name(&prefix, "/event_prefix")?;
            record.event_prefix = prefix;
        }
        if let Some(custom) = patch.custom {
            check_custom(record.provider, Some(&custom))?;
            record.custom = Some(custom);
        }
        if let Some(url) = patch.url {
            record.url = check_url(url)?;
        }
        if let Some(answer) = patch.answer {
            answer.check()?;
            record.answer = answer;
        }
        if let Some(handshake) = patch.handshake {
            handshake.check()?;
            record.handshake = handshake;
        }
        record.body_bytes_max = patch.body_bytes_max.or(record.body_bytes_max);
        if let Some(names) = patch.headers {
            record.headers = Some(carried::checked(names)?);
        }
        // Last, since what a secret has to be depends on how it is used.
        record.add_secrets(patch.add_secrets.unwrap_or_default(), "/add_secrets", now)?;
        check_whole(&record, "/remove_secrets")?;
        Ok(record)
    }

    /// The same with the secret that its provider has brought, as it was to learn one.
    pub(crate) fn with_learnt(&self, text: &str, now: Time) -> Result<Self, Problem> {
        let mut record = self.clone();
        if record.secrets.len() >= SECRETS_MAX {
            record.secrets.remove(0);
        }
        record.add_secrets(vec![text.to_owned()], "/x-hook-secret", now)?;
        record.handshake = record.handshake.learnt();
        Ok(record)
    }

    /// The scheme that it is signed by, if it is one.
    fn scheme(&self) -> Option<Scheme> {
        let own = || self.custom.as_ref()?.scheme().ok();
        self.provider.scheme().or_else(own)
    }

    fn add_secrets(&mut self, texts: Vec<String>, at: &str, now: Time) -> Result<(), Problem> {
        let scheme = self.scheme();
        for (place, text) in texts.into_iter().enumerate() {
            let pointer = format!("{at}/{place}");
            if self.secrets.len() >= SECRETS_MAX {
                let detail = format!("a source has at most {SECRETS_MAX} secrets");
                return Err(refused(&pointer, detail));
            }
            if text.len() > SECRET_BYTES_MAX {
                let detail = format!("use at most {SECRET_BYTES_MAX} bytes");
                return Err(refused(&pointer, detail));
            }
            let taken = secrets::taken(self.provider, scheme, &text);
            let (secret, note) = taken.map_err(|error| refused(&pointer, error))?;
            self.secrets_given += 1;
            self.secrets.push(SourceSecret {
                id: self.secrets_given,
                secret,
                note,
                created_at: now,
            });
        }
        Ok(())
    }
}

impl SourceView {
    fn of(api: &Api, source: &Source) -> Self {
        let record = source.record();
        let secrets = record.secrets.iter().map(|secret| SourceSecretView {
            id: secret.id,
            note: secret.note.clone(),
            created_at: secret.created_at,
        });
        Self {
            id: record.id.clone(),
            tenant: api.tenants().name_of(source.tenant()),
            tenant_id: record.tenant.clone(),
            name: record.name.clone(),
            provider: record.provider,
            path: format!("/in/{}", record.id),
            signed: !record.is_unsigned(),
            secrets: secrets.collect(),
            tolerance_s: record.tolerance_s,
            allowed_networks: record.allowed_networks.texts(),
            event_prefix: record.event_prefix.clone(),
            custom: record.custom.clone(),
            url: record.url.clone(),
            answer: record.answer.clone(),
            handshake: record.handshake.view(record.provider.name()),
            body_bytes_max: api.body_bytes_max(source),
            headers: record
                .header_names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            created_at: record.created_at,
        }
    }
}

/// The source, if it is the tenant's.
fn owned(api: &Api, tenant: &TenantId, id: SourceId) -> Result<Arc<Source>, Problem> {
    let found = api.sources().get(id);
    let found = found.filter(|source| source.tenant() == tenant);
    found.ok_or_else(|| Problem::not_found(format_args!("source {id}")))
}

#[utoipa::path(
    post, path = "/v1/sources", tag = "Sources", request_body = SourceForm,
    summary = "Make a source",
    description = "The provider then sends its webhooks to `path`, below the address of this \
                   server.",
    responses((status = CREATED, description = "Made. Its secrets are never shown.", body = SourceView))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Json(form): Json<SourceForm>,
) -> Result<(StatusCode, axum::Json<SourceView>), Problem> {
    let tenant = caller.tenant();
    api.check_body_bytes(tenant, form.body_bytes_max)?;
    let record = SourceRecord::new(form, tenant, api.now().into())?;
    check_allowed(&api, &record)?;
    let note = caller.note(&api, Act::SourceCreate, Some(&record.id), json!({}))?;
    let source = api.sources().add(tenant, record, Some(note)).await?;
    Ok((
        StatusCode::CREATED,
        axum::Json(SourceView::of(&api, &source)),
    ))
}

#[utoipa::path(
    get, path = "/v1/sources", tag = "Sources", params(NamedQuery),
    summary = "List sources, oldest first",
    responses((status = OK, description = "A page of sources, without their secrets.", body = Page<SourceView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<NamedQuery>,
) -> Result<axum::Json<Page<SourceView>>, Problem> {
    let all = api.sources().of(caller.tenant());
    let at = (query.cursor.as_deref(), page::most(query.limit)?);
    let page = page::of_memory(
        &all,
        |it| &it.record().id,
        at,
        |it| SourceView::of(&api, it),
    );
    Ok(axum::Json(page))
}

#[utoipa::path(
    get, path = "/v1/sources/{id}", tag = "Sources", params(("id" = String, Path)),
    summary = "Get a source",
    responses((status = OK, description = "The source, without its secrets.", body = SourceView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<SourceId>,
) -> Result<axum::Json<SourceView>, Problem> {
    let source = owned(&api, caller.tenant(), id)?;
    Ok(axum::Json(SourceView::of(&api, &source)))
}

#[utoipa::path(
    patch, path = "/v1/sources/{id}", tag = "Sources", params(("id" = String, Path)),
    request_body = SourcePatch, summary = "Change a source",
    description = "To rotate a secret, add the new one, let the provider change over, and remove \
                   the old one.",
    responses((status = OK, description = "The source as it is now.", body = SourceView))
)]
pub(crate) async fn patch(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(id): Id<SourceId>,
    Json(patch): Json<SourcePatch>,
) -> Result<axum::Json<SourceView>, Problem> {
    let tenant = caller.tenant();
    let now = api.now().into();
    api.check_body_bytes(tenant, patch.body_bytes_max)?;
    let note = caller.note(&api, Act::SourceUpdate, Some(&id), patch.names())?;
    let changed = api.sources().change(tenant, id, Some(note), |record| {
        let record = record.changed(patch, now)?;
        check_allowed(&api, &record).map(|()| record)
    });
    let changed = changed.await?;
    let changed = changed.ok_or_else(|| Problem::not_found(format_args!("source {id}")))?;
    Ok(axum::Json(SourceView::of(&api, &changed)))
}

#[utoipa::path(
    delete, path = "/v1/sources/{id}", tag = "Sources", params(("id" = String, Path)),
    summary = "Delete a source",
    description = "What it has brought stays; its receipts do not.",
    responses((status = NO_CONTENT, description = "Deleted."))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(id): Id<SourceId>,
) -> Result<StatusCode, Problem> {
    let note = caller.note(&api, Act::SourceDelete, Some(&id), json!({}))?;
    if receipts::remove_with(&api, caller.tenant(), id, Some(note)).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format_args!("source {id}")))
}
