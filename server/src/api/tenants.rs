//! `/v1/tenants`: for keys for all tenants. The tenant `default` needs no set-up.

mod counts;
mod deletion;
mod kept;

pub(crate) use kept::{Hold, Tenants};

use super::Api;
use super::audit::{Act, names};
use super::caller::{AllTenants, Caller, Manage, Read};
use super::extract::{Id, Json, Query};
use super::keys_routes::NamedQuery;
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::sources::check_body_bytes;
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use counts::{TenantCountsView, count};
use ipnet::IpNet;
use kept::TenantRecord;
use postrider::engine::TenantUid;
use postrider::{Note, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Networks of one tenant.
const NETWORKS_MAX: usize = 64;

/// The longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 1_024;

/// A tenant: it owns endpoints, events and keys.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Tenant {
    /// Its id, which is never used twice. Of tenants from before there were ids it is their name.
    #[schema(example = "tnt_01jd9x2m5tewh8q0v6n3r4y7za")]
    id: String,
    /// Its name: that of no other tenant there is.
    #[schema(example = "acme")]
    name: String,
    /// For people.
    description: String,
    /// Networks that its requests may go to, beside those that the settings allow to all.
    #[schema(example = json!(["10.1.0.0/16"]))]
    allow_networks: Vec<String>,
    /// The largest body that its sources can have, in bytes; `null` for what the server allows.
    source_body_bytes_max: Option<u64>,
    /// When it was made.
    created_at: Time,
    /// What it has: in lists, and when one tenant is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<TenantCountsView>,
}

impl Tenant {
    fn of(record: &TenantRecord) -> Self {
        Self {
            id: record.id.clone(),
            name: record.name().to_owned(),
            description: record.description.clone(),
            allow_networks: record.allow_networks.clone(),
            source_body_bytes_max: record.source_body_bytes_max,
            created_at: record.created_at,
            counts: None,
        }
    }
}

/// A new tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantForm {
    /// Its name. (`id`, as the field was called before tenants had ids, is taken for it, too.)
    #[serde(alias = "id")]
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._-]+$",
        example = "acme"
    )]
    name: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 1024)]
    description: String,
    /// Networks that its requests may go to, beside those that the settings allow to all: an address
    /// and a prefix length each. What `deny_networks` names stays refused.
    #[serde(default)]
    #[schema(max_items = 64, example = json!(["10.1.0.0/16"]))]
    allow_networks: Vec<String>,
    /// The largest body that its sources can have, in bytes. Default: what the server allows.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 26214400)]
    source_body_bytes_max: Option<u64>,
}

/// A change of a tenant: what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantPatch {
    /// For people.
    #[schema(max_length = 1024)]
    description: Option<String>,
    /// Other networks, instead of those there are. Connections that are open under the old ones are
    /// not used again.
    #[schema(max_items = 64)]
    allow_networks: Option<Vec<String>>,
    /// Another bound of the bodies of its sources.
    #[schema(minimum = 1, maximum = 26214400)]
    source_body_bytes_max: Option<u64>,
}

fn check_description(text: &str) -> Result<(), Problem> {
    if text.chars().count() > DESCRIPTION_CHARS_MAX {
        let detail = "use at most 1,024 characters";
        return Err(Problem::new(Code::InvalidBody, detail).at("/description", detail));
    }
    Ok(())
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, Problem> {
    if texts.len() > NETWORKS_MAX {
        let detail = format!("use at most {NETWORKS_MAX} networks");
        return Err(Problem::new(Code::InvalidBody, &detail).at("/allow_networks", detail));
    }
    let mut all = Vec::with_capacity(texts.len());
    for (place, text) in texts.iter().enumerate() {
        let refused = |error| {
            let pointer = format!("/allow_networks/{place}");
            Problem::new(Code::InvalidValue, &error).at(pointer, error)
        };
        all.extend(postrider::egress::ranges(text).map_err(refused)?);
    }
    Ok(all)
}

#[utoipa::path(
    post, path = "/v1/tenants", tag = "Tenants", request_body = TenantForm,
    summary = "Make a tenant",
    description = "It has nothing of an earlier tenant of this name.",
    responses((status = CREATED, description = "Made.", body = Tenant))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<AllTenants<Manage>>,
    Json(form): Json<TenantForm>,
) -> Result<(StatusCode, axum::Json<Tenant>), Problem> {
    let name: TenantId = form
        .name
        .parse()
        .map_err(|error| Problem::new(Code::InvalidBody, &error).at("/name", error))?;
    if name.as_str().parse::<TenantUid>().is_ok() {
        let detail = "this has the form of an id: use another name";
        return Err(Problem::new(Code::InvalidValue, detail).at("/name", detail));
    }
    check_description(&form.description)?;
    let networks = networks(&form.allow_networks)?;
    if name == TenantId::default() {
        let detail = "the tenant default is always there";
        return Err(Problem::new(Code::AlreadyExists, detail));
    }
    check_body_bytes(form.source_body_bytes_max, "/source_body_bytes_max")?;
    let what = (
        form.description,
        form.allow_networks,
        form.source_body_bytes_max,
    );
    let note = caller.note(&api, Act::TenantCreate, None, json!({}))?;
    let tenant = api
        .tenants()
        .add(&name, what, api.now(), Some(note))
        .await?;
    api.postrider()
        .egress()
        .allow_for(&tenant.id.parse()?, networks);
    Ok((StatusCode::CREATED, axum::Json(Tenant::of(&tenant))))
}

#[utoipa::path(
    patch, path = "/v1/tenants/{id}", tag = "Tenants", request_body = TenantPatch,
    params(("id" = String, Path, description = "The id or the name.")),
    summary = "Change a tenant",
    responses((status = OK, description = "The tenant as it is now.", body = Tenant))
)]
pub(crate) async fn patch(
    State(api): State<Api>,
    caller: Caller<AllTenants<Manage>>,
    Id(text): Id<TenantId>,
    Json(patch): Json<TenantPatch>,
) -> Result<axum::Json<Tenant>, Problem> {
    let id = found(&api, &text)?;
    patch
        .description
        .as_deref()
        .map_or(Ok(()), check_description)?;
    let networks = patch.allow_networks.as_deref().map(networks).transpose()?;
    check_body_bytes(patch.source_body_bytes_max, "/source_body_bytes_max")?;
    let changed = [
        ("description", patch.description.is_some()),
        ("allow_networks", patch.allow_networks.is_some()),
        (
            "source_body_bytes_max",
            patch.source_body_bytes_max.is_some(),
        ),
    ];
    let note = note(&api, &caller, Act::TenantUpdate, (&id, names(&changed)))?;
    let changed = api.tenants().change(&id, Some(note), |record| {
        if let Some(description) = patch.description {
            record.description = description;
        }
        if let Some(allow_networks) = patch.allow_networks {
            record.allow_networks = allow_networks;
        }
        let bytes = patch.source_body_bytes_max;
        record.source_body_bytes_max = bytes.or(record.source_body_bytes_max);
    });
    let record = changed.await?;
    let record = record.ok_or_else(|| Problem::not_found(format_args!("tenant {text}")))?;
    if let Some(networks) = networks {
        api.postrider().egress().allow_for(&id, networks);
    }
    Ok(axum::Json(Tenant::of(&record)))
}

#[utoipa::path(
    get, path = "/v1/tenants", tag = "Tenants", params(NamedQuery), summary = "List tenants",
    responses((status = OK, description = "A page of tenants by name, without `default`.", body = Page<Tenant>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    _: Caller<AllTenants<Read>>,
    Query(query): Query<NamedQuery>,
) -> Result<axum::Json<Page<Tenant>>, Problem> {
    let all = api.tenants().list();
    let at = (query.cursor.as_deref(), page::most(query.limit)?);
    let mut page = page::of_memory(&all, |it| it.name(), at, |it| Tenant::of(it));
    count(&api, &mut page.data).await?;
    Ok(axum::Json(page))
}

/// A note of what is done to a tenant: it is that tenant's, whatever the caller acts for.
fn note(
    api: &Api,
    caller: &Caller<AllTenants<Manage>>,
    act: Act,
    (id, detail): (&TenantId, Value),
) -> Result<Note, Problem> {
    let note = caller.note(api, act, Some(id), detail)?;
    Ok(Note {
        tenant: Some(id.clone()),
        ..note
    })
}

/// The tenant with this name or id.
fn found(api: &Api, text: &TenantId) -> Result<TenantId, Problem> {
    let found = api.tenants().find(text.as_str());
    found.ok_or_else(|| Problem::not_found(format_args!("tenant {text}")))
}

#[utoipa::path(
    get, path = "/v1/tenants/{id}", tag = "Tenants",
    params(("id" = String, Path, description = "The id or the name.")),
    summary = "Get a tenant",
    responses((status = OK, description = "The tenant.", body = Tenant))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    _: Caller<AllTenants<Read>>,
    Id(text): Id<TenantId>,
) -> Result<axum::Json<Tenant>, Problem> {
    let record = api.tenants().get(&found(&api, &text)?);
    let record = record.ok_or_else(|| Problem::not_found(format_args!("tenant {text}")))?;
    let mut tenant = Tenant::of(&record);
    count(&api, std::slice::from_mut(&mut tenant)).await?;
    Ok(axum::Json(tenant))
}

#[utoipa::path(
    delete, path = "/v1/tenants/{id}", tag = "Tenants",
    params(("id" = String, Path, description = "The id or the name.")),
    summary = "Delete a tenant with everything that it has",
    description = "From the answer on nobody reaches it: its keys are refused, its sources take \
                   nothing, its streams end, and its name is free. Its endpoints (with what is pending \
                   for them), scheduled events, replays, sources, keys, templates and event types \
                   are then ended in small steps, also after a restart. Its events and deliveries \
                   go when their retention is over; until then nobody can read them.",
    responses((status = NO_CONTENT, description = "Deleted."))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller<AllTenants<Manage>>,
    Id(text): Id<TenantId>,
) -> Result<StatusCode, Problem> {
    let id = found(&api, &text)?;
    if id == TenantId::default() {
        let detail = "the tenant default is always there: it cannot be deleted";
        return Err(Problem::new(Code::InUse, detail));
    }
    let note = note(&api, &caller, Act::TenantDelete, (&id, json!({})))?;
    if !api.tenants().begin_deletion(&id, Some(note)).await? {
        return Err(Problem::not_found(format_args!("tenant {text}")));
    }
    api.postrider().egress().allow_for(&id, []);
    api.go_on_deleting(id);
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// Opens to each tenant the networks that its record names.
    pub(super) fn open_networks(&self) {
        for record in self.tenants().list() {
            let id: Result<TenantId, _> = record.id.parse();
            // They were read before they were kept.
            if let (Ok(id), Ok(networks)) = (id, networks(&record.allow_networks)) {
                self.postrider().egress().allow_for(&id, networks);
            }
        }
    }

    /// Ends what a tenant has that is marked as deleted.
    pub(super) fn go_on_deleting(&self, tenant: TenantId) {
        tokio::spawn(deletion::run(std::sync::Arc::downgrade(&self.0), tenant));
    }
}
