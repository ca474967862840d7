//! `/v1/templates`: forms that payloads are brought into, in versions that never change, so that a
//! receiver keeps getting what it was built for.

use super::Api;
use super::audit::Act;
use super::caller::{Caller, Manage, Read};
use super::extract::{Id, Json, Query};
use super::keys_routes::NamedQuery;
use super::page::{self, Page};
use super::presets::PREFIX;
use super::problem::{Code, Problem};
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use postrider::engine::Template;
use postrider::engine::json::compact;
use postrider::{EventType, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Versions of one template.
const VERSIONS_MAX: usize = 64;

/// What no template is called: `/v1/templates/try` is another route.
const TRY: &str = "try";

/// A template with its versions.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TemplateView {
    /// Its name.
    #[schema(example = "payment")]
    name: String,
    /// Its versions, the first one first.
    versions: Vec<TemplateVersion>,
}

/// A version of a template. It never changes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TemplateVersion {
    /// Counts from 1.
    version: u32,
    /// The template.
    #[schema(value_type = Value)]
    template: Box<RawValue>,
    /// When it was added.
    created_at: Time,
}

/// A template, or a new version of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateForm {
    /// Its name, in the form of an event type.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
    )]
    name: String,
    /// A JSON document. A text that is exactly `{{path}}` becomes the value at that path; within a
    /// longer text it becomes the value's text. Paths are `id`, `type`, `timestamp`, `timestamp_seconds`,
    /// `timestamp_ms`, `content_type`, `content_encoding`, `delivery_id`, `attempt`, `previous_attempts`,
    /// `sent_at`, `sent_at_seconds`, `sent_at_ms`, `headers`, those of the event, with their names behind a
    /// dot, and `data`, the payload, with paths into it.
    #[schema(value_type = Value, example = json!({"event": "{{type}}", "total": "{{data.amount}}"}))]
    template: Box<RawValue>,
}

impl TemplateView {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

#[utoipa::path(
    post, path = "/v1/templates", tag = "Templates", request_body = TemplateForm,
    summary = "Add a template, or a version of one",
    responses((status = CREATED, description = "The template with its versions.", body = TemplateView))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Json(form): Json<TemplateForm>,
) -> Result<(StatusCode, axum::Json<TemplateView>), Problem> {
    let tenant = caller.tenant();
    let name: EventType = form
        .name
        .parse()
        .map_err(|error| Problem::new(Code::InvalidBody, &error).at("/name", error))?;
    if name.as_str() == TRY {
        let detail = "`try` is a route: use another name";
        return Err(Problem::new(Code::InvalidValue, detail).at("/name", detail));
    }
    if name.as_str().starts_with(PREFIX) {
        let detail = "names that begin with `preset.` are those of GET /v1/template-presets";
        return Err(Problem::new(Code::InvalidValue, detail).at("/name", detail));
    }
    let text = compact(form.template.get());
    Template::new(name.as_str(), 1, &text)
        .map_err(|error| Problem::new(Code::InvalidValue, &error).at("/template", error))?;
    let template =
        RawValue::from_string(text).map_err(|error| Problem::new(Code::Internal, error))?;
    let now: Time = api.now().into();
    let version = |number: usize| TemplateVersion {
        version: u32::try_from(number).unwrap_or(u32::MAX),
        template: template.clone(),
        created_at: now,
    };
    let note = caller.note(&api, Act::TemplateAddVersion, Some(&name), json!({}))?;
    let templates = api.templates();
    let changed = templates.change(tenant, name.as_str(), Some(note), |known| {
        if known.versions.len() >= VERSIONS_MAX {
            let detail = format!("a template has at most {VERSIONS_MAX} versions");
            return Err(Problem::new(Code::Full, detail));
        }
        let mut known = known.clone();
        known.versions.push(version(known.versions.len() + 1));
        Ok(known)
    });
    let view = match changed.await? {
        Some(view) => view,
        None => {
            let view = TemplateView {
                name: form.name.clone(),
                versions: vec![version(1)],
            };
            let note = caller.note(&api, Act::TemplateCreate, Some(&name), json!({}))?;
            let added = templates.add(tenant, name.as_str(), view, Some(note));
            added.await?
        }
    };
    Ok((StatusCode::CREATED, axum::Json((*view).clone())))
}

#[utoipa::path(
    get, path = "/v1/templates", tag = "Templates", params(NamedQuery), summary = "List templates",
    responses((status = OK, description = "A page of templates.", body = Page<TemplateView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<NamedQuery>,
) -> Result<axum::Json<Page<TemplateView>>, Problem> {
    let all = api.templates().of(caller.tenant());
    let at = (query.cursor.as_deref(), page::most(query.limit)?);
    let page = page::of_memory(&all, |it| &it.name, at, |it| (**it).clone());
    Ok(axum::Json(page))
}

#[utoipa::path(
    get, path = "/v1/templates/{name}", tag = "Templates", params(("name" = String, Path)),
    summary = "Get a template",
    responses((status = OK, description = "The template with its versions.", body = TemplateView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(name): Id<EventType>,
) -> Result<axum::Json<TemplateView>, Problem> {
    let found = api.templates().get(caller.tenant(), name.as_str());
    let found = found.ok_or_else(|| Problem::not_found(format_args!("template {name}")))?;
    Ok(axum::Json((*found).clone()))
}

#[utoipa::path(
    delete, path = "/v1/templates/{name}", tag = "Templates", params(("name" = String, Path)),
    summary = "Delete a template",
    description = "Endpoints that use it keep the text that they have, also if a template is made \
                   again under its name.",
    responses((status = NO_CONTENT, description = "Deleted."))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(name): Id<EventType>,
) -> Result<StatusCode, Problem> {
    let tenant = caller.tenant();
    let note = caller.note(&api, Act::TemplateDelete, Some(&name), json!({}))?;
    let templates = api.templates();
    if templates.remove(tenant, name.as_str(), Some(note)).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format_args!("template {name}")))
}

impl Api {
    /// A template in one of its versions.
    pub(crate) fn template(&self, tenant: &TenantId, name: &str, version: u32) -> Option<Template> {
        let known = self.templates().get(tenant, name)?;
        let found = known.versions.iter().find(|it| it.version == version)?;
        Template::new(name, version, found.template.get()).ok()
    }
}
