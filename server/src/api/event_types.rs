//! `/v1/event-types`: an optional catalogue, with schemas that payloads can be checked against.

use super::Api;
use super::audit::{Act, names};
use super::caller::{Caller, Manage, Read};
use super::extract::{Id, Json, Query};
use super::keys_routes::NamedQuery;
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use postrider::{EventType, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Versions of one type.
const VERSIONS_MAX: usize = 64;

/// The largest schema, as JSON text.
const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// An event type of the catalogue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventTypeView {
    /// Its name.
    #[schema(example = "payment.succeeded")]
    pub(crate) name: String,
    /// For people.
    description: String,
    /// Whether payloads that do not match the newest version's schema are refused.
    validate: bool,
    /// Its versions, the first one first.
    versions: Vec<Version>,
    /// When it was added.
    created_at: Time,
}

/// A version of an event type.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Version {
    /// Counts from 1.
    version: u32,
    /// A JSON Schema of its payloads. It is kept as text: a tree of values takes many times as much.
    #[schema(value_type = Option<Object>)]
    schema: Option<Box<RawValue>>,
    /// A payload to show, kept as text.
    #[schema(value_type = Option<Value>)]
    example: Option<Box<RawValue>>,
    /// When it was added.
    created_at: Time,
}

/// A new event type.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventTypeForm {
    /// Its name.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
    )]
    name: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 4096)]
    description: String,
    /// A JSON Schema (draft 2020-12 unless `$schema` says otherwise) of its payloads.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    schema: Option<Map<String, Value>>,
    /// A payload to show. It has to match the schema, and is kept byte for byte.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    example: Option<Box<RawValue>>,
    /// Whether payloads that do not match the schema are refused.
    #[serde(default)]
    validate: bool,
}

/// A new version of an event type.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionForm {
    /// A JSON Schema of its payloads.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    schema: Option<Map<String, Value>>,
    /// A payload to show. It has to match the schema, and is kept byte for byte.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    example: Option<Box<RawValue>>,
}

/// A change of an event type.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventTypePatch {
    /// For people.
    #[schema(max_length = 4096)]
    description: Option<String>,
    /// Whether payloads that do not match the newest schema are refused.
    validate: Option<bool>,
}

/// What a version is made of, checked.
struct Checked {
    schema: Option<Box<RawValue>>,
    example: Option<Box<RawValue>>,
}

impl Version {
    fn new(number: usize, checked: Checked, at: Time) -> Self {
        Self {
            version: u32::try_from(number).unwrap_or(u32::MAX),
            schema: checked.schema,
            example: checked.example,
            created_at: at,
        }
    }
}

impl VersionForm {
    /// The texts, if the schema is one that can be checked, and the example matches it. The trees end
    /// with the check.
    async fn checked(self, api: &Api, tenant: &TenantId) -> Result<Checked, Problem> {
        let checked = Checked {
            schema: self.schema.as_ref().map(text).transpose()?,
            example: self.example.clone(),
        };
        let schema = checked.schema.as_ref();
        if schema.is_some_and(|schema| schema.get().len() > SCHEMA_BYTES_MAX) {
            let detail = format!("use at most {SCHEMA_BYTES_MAX} bytes");
            return Err(Problem::new(Code::InvalidValue, &detail).at("/schema", detail));
        }
        api.check_schema(tenant, self.schema, self.example).await?;
        Ok(checked)
    }
}

impl EventTypeView {
    /// The schema that payloads are checked against, if they are.
    pub(super) fn checked_schema(&self) -> Option<&RawValue> {
        let newest = self.versions.last().filter(|_| self.validate);
        newest.and_then(|newest| newest.schema.as_deref())
    }
}

fn text(value: &impl Serialize) -> Result<Box<RawValue>, Problem> {
    serde_json::value::to_raw_value(value).map_err(|error| Problem::new(Code::Internal, error))
}

fn check_description(text: &str) -> Result<(), Problem> {
    if text.chars().count() <= 4096 {
        return Ok(());
    }
    let detail = "use at most 4,096 characters";
    Err(Problem::new(Code::InvalidBody, detail).at("/description", detail))
}

#[utoipa::path(
    post, path = "/v1/event-types", tag = "Event types", request_body = EventTypeForm,
    summary = "Add an event type to the catalogue",
    responses((status = CREATED, description = "Added, in version 1.", body = EventTypeView))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Json(form): Json<EventTypeForm>,
) -> Result<(StatusCode, axum::Json<EventTypeView>), Problem> {
    let tenant = caller.tenant();
    let name: EventType = form
        .name
        .parse()
        .map_err(|error| Problem::new(Code::InvalidBody, &error).at("/name", error))?;
    check_description(&form.description)?;
    let now: Time = api.now().into();
    let first = VersionForm {
        schema: form.schema,
        example: form.example,
    };
    let first = first.checked(&api, tenant).await?;
    let view = EventTypeView {
        name: form.name,
        description: form.description,
        validate: form.validate,
        versions: vec![Version::new(1, first, now)],
        created_at: now,
    };
    let note = caller.note(&api, Act::EventTypeCreate, Some(&name), json!({}))?;
    let types = api.event_types();
    let view = types.add(tenant, name.as_str(), view, Some(note)).await?;
    Ok((StatusCode::CREATED, axum::Json((*view).clone())))
}

#[utoipa::path(
    get, path = "/v1/event-types", tag = "Event types", params(NamedQuery),
    summary = "List the catalogue",
    responses((status = OK, description = "A page of event types.", body = Page<EventTypeView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<NamedQuery>,
) -> Result<axum::Json<Page<EventTypeView>>, Problem> {
    let all = api.event_types().of(caller.tenant());
    let at = (query.cursor.as_deref(), page::most(query.limit)?);
    let page = page::of_memory(&all, |it| &it.name, at, |it| (**it).clone());
    Ok(axum::Json(page))
}

#[utoipa::path(
    get, path = "/v1/event-types/{name}", tag = "Event types", params(("name" = String, Path)),
    summary = "Get an event type",
    responses((status = OK, description = "The event type with its versions.", body = EventTypeView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(name): Id<EventType>,
) -> Result<axum::Json<EventTypeView>, Problem> {
    let found = api.event_types().get(caller.tenant(), name.as_str());
    let found = found.ok_or_else(|| Problem::not_found(format_args!("event type {name}")))?;
    Ok(axum::Json((*found).clone()))
}

#[utoipa::path(
    post, path = "/v1/event-types/{name}/versions", tag = "Event types",
    params(("name" = String, Path)), request_body = VersionForm,
    summary = "Add a version",
    description = "From now on payloads are checked against its schema, where they are checked.",
    responses((status = CREATED, description = "The event type with its versions.", body = EventTypeView))
)]
pub(crate) async fn add_version(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(name): Id<EventType>,
    Json(form): Json<VersionForm>,
) -> Result<(StatusCode, axum::Json<EventTypeView>), Problem> {
    let tenant = caller.tenant();
    let now = api.now().into();
    let unknown = || Problem::not_found(format_args!("event type {name}"));
    let known = api.event_types().get(tenant, name.as_str());
    known.ok_or_else(unknown)?;
    let checked = form.checked(&api, tenant).await?;
    let note = caller.note(&api, Act::EventTypeAddVersion, Some(&name), json!({}))?;
    let types = api.event_types();
    let changed = types.change(tenant, name.as_str(), Some(note), |known| {
        if known.versions.len() >= VERSIONS_MAX {
            let detail = format!("an event type has at most {VERSIONS_MAX} versions");
            return Err(Problem::new(Code::Full, detail));
        }
        let mut known = known.clone();
        let version = Version::new(known.versions.len() + 1, checked, now);
        known.versions.push(version);
        Ok(known)
    });
    let changed = changed.await?;
    let changed = changed.ok_or_else(unknown)?;
    Ok((StatusCode::CREATED, axum::Json((*changed).clone())))
}

#[utoipa::path(
    patch, path = "/v1/event-types/{name}", tag = "Event types",
    params(("name" = String, Path)), request_body = EventTypePatch,
    summary = "Change an event type",
    responses((status = OK, description = "The event type as it is now.", body = EventTypeView))
)]
pub(crate) async fn patch(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(name): Id<EventType>,
    Json(patch): Json<EventTypePatch>,
) -> Result<axum::Json<EventTypeView>, Problem> {
    let tenant = caller.tenant();
    check_description(patch.description.as_deref().unwrap_or_default())?;
    let changed = names(&[
        ("description", patch.description.is_some()),
        ("validate", patch.validate.is_some()),
    ]);
    let note = caller.note(&api, Act::EventTypeUpdate, Some(&name), changed)?;
    let types = api.event_types();
    let changed = types.change(tenant, name.as_str(), Some(note), |known| {
        let mut known = known.clone();
        known.description = patch.description.unwrap_or(known.description);
        known.validate = patch.validate.unwrap_or(known.validate);
        Ok(known)
    });
    let changed = changed.await?;
    let changed = changed.ok_or_else(|| Problem::not_found(format_args!("event type {name}")))?;
    Ok(axum::Json((*changed).clone()))
}

#[utoipa::path(
    delete, path = "/v1/event-types/{name}", tag = "Event types", params(("name" = String, Path)),
    summary = "Take an event type out of the catalogue",
    responses((status = NO_CONTENT, description = "Removed."))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(name): Id<EventType>,
) -> Result<StatusCode, Problem> {
    let tenant = caller.tenant();
    let note = caller.note(&api, Act::EventTypeDelete, Some(&name), json!({}))?;
    let types = api.event_types();
    if !types.remove(tenant, name.as_str(), Some(note)).await? {
        return Err(Problem::not_found(format_args!("event type {name}")));
    }
    Ok(StatusCode::NO_CONTENT)
}
