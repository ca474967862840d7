//! `/v1/endpoints`: what their owner does with them.

use super::Api;
use super::attempts::AttemptView;
use super::audit::Act;
use super::caller::{Caller, ManageEndpoints, Test};
use super::endpoint_form::{EndpointForm, EndpointView, PayloadFormName, restore_key, restored};
use super::extract::{Id, Json, MaybeJson, parse};
use super::problem::{Code, Problem};
use super::raw::{self, Members};
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use postrider::engine::{EndpointChange, PayloadForm};
use postrider::signature::Mend;
use postrider::{
    Endpoint, EndpointId, EndpointSpec, InvalidSpec, Outcome, Postrider, Secret, Submission,
    TenantId,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::time::Duration;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The event type of a ping.
pub(crate) const PING: &str = "postrider.ping";

/// Fields that can be none at all.
const NULLABLE: [&str; 9] = [
    "batch",
    "client_certificate",
    "content_type",
    "filter",
    "rate_limit",
    "breaker",
    "disable_after_ms",
    "template",
    "user_agent",
];

/// The longest secret.
const SECRET_CHARS_MAX: usize = 1024;

/// The longest overlap of a rotation: a month.
const OVERLAP_S_MAX: u64 = 31 * 86_400;

/// A new endpoint: what its owner decides, and how it begins.
pub(crate) struct NewEndpoint;

impl ToSchema for NewEndpoint {
    fn name() -> std::borrow::Cow<'static, str> {
        "NewEndpoint".into()
    }
}

impl PartialSchema for NewEndpoint {
    /// That of the form, with two fields more.
    fn schema() -> RefOr<Schema> {
        let mut schema = EndpointForm::schema();
        if let RefOr::T(Schema::Object(form)) = &mut schema {
            let nullable = |kind| SchemaType::from_iter([kind, Type::Null]);
            let secret = ObjectBuilder::new()
                .schema_type(nullable(Type::String))
                .max_length(Some(SECRET_CHARS_MAX))
                .description(Some(
                    "Sign with this secret instead of a new one: `whsec_…`, `whsk_…` (ed25519), or \
                     any text. At least 16 bytes, the prefix not counted; 24 or more are recommended.",
                ));
            let verify = ObjectBuilder::new()
                .schema_type(nullable(Type::Boolean))
                .description(Some(
                    "Send a ping first, and register the endpoint only if that is answered with 2xx.",
                ));
            form.properties.insert("secret".to_owned(), secret.into());
            form.properties.insert("verify".to_owned(), verify.into());
        }
        schema
    }
}

/// A change of an endpoint: any of what its owner decides.
pub(crate) struct EndpointPatch;

impl ToSchema for EndpointPatch {
    fn name() -> std::borrow::Cow<'static, str> {
        "EndpointPatch".into()
    }
}

impl PartialSchema for EndpointPatch {
    /// That of the form, with nothing required. All but `url` may be `null`.
    fn schema() -> RefOr<Schema> {
        let mut schema = EndpointForm::schema();
        if let RefOr::T(Schema::Object(form)) = &mut schema {
            form.required.clear();
            for (name, field) in form.properties.iter_mut() {
                if name != "url" && !may_be_null(field) {
                    let null = ObjectBuilder::new().schema_type(Type::Null);
                    *field = OneOfBuilder::new().item(field.clone()).item(null).into();
                }
            }
        }
        schema
    }
}

/// Whether a field is described as one that may be `null`.
fn may_be_null(field: &RefOr<Schema>) -> bool {
    match field {
        RefOr::T(Schema::Object(it)) => match &it.schema_type {
            SchemaType::Array(kinds) => kinds.contains(&Type::Null),
            _ => false,
        },
        RefOr::T(Schema::OneOf(_)) => true,
        _ => false,
    }
}

#[utoipa::path(
    post, path = "/v1/endpoints", tag = "Endpoints", request_body = NewEndpoint,
    summary = "Register an endpoint",
    responses((status = CREATED, description = "Registered. `secret` is shown this once.", body = EndpointView))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Json(mut body): Json<Members>,
) -> Result<(StatusCode, axum::Json<EndpointView>), Problem> {
    let verify: Option<bool> = take(&mut body, "verify")?;
    let (spec, secret) = formed(&api, caller.tenant(), body, None)?;
    let note = caller.note(&api, Act::EndpointCreate, None, json!({}))?;
    let noting = api.postrider().noting(note);
    let endpoint = if verify == Some(true) {
        registered_if_it_answers(&noting, spec, secret, ping(&api)).await?
    } else {
        noting.register(spec, secret).await?
    };
    let view = EndpointView::with_secret(&api, &endpoint);
    Ok((StatusCode::CREATED, axum::Json(view)))
}

/// What the body of an endpoint says, with the tenant's defaults for what it leaves out, and its secret
/// if it has one. Of this spec the values are kept that a view has hidden.
pub(super) fn formed(
    api: &Api,
    tenant: &TenantId,
    mut body: Members,
    kept: Option<&EndpointSpec>,
) -> Result<(EndpointSpec, Option<Secret>), Problem> {
    let secret: Option<String> = take(&mut body, "secret")?;
    api.fill_defaults(tenant, &mut body)?;
    restore_hidden(&mut body, kept)?;
    let form: EndpointForm = parse(body.text()?.get().as_bytes())?;
    let spec = form.spec(tenant, payload_form(api, tenant, &form, None)?)?;
    let secret = secret.as_deref().map(parse_secret).transpose()?;
    Ok((spec, secret))
}

/// Registers an endpoint if it answers a ping, which is signed as everything it gets later.
async fn registered_if_it_answers(
    postrider: &Postrider,
    spec: EndpointSpec,
    secret: Option<Secret>,
    ping: Submission,
) -> Result<Endpoint, Problem> {
    let secret = secret.map_or_else(new_secret, Ok)?;
    let ping = postrider.ping_unregistered(spec.clone(), secret.clone(), ping);
    let outcome = ping.await?.outcome;
    if !is_success(&outcome) {
        let detail = format!("the endpoint answered the ping with {outcome}");
        return Err(Problem::new(Code::PingFailed, detail));
    }
    Ok(postrider.register(spec, Some(secret)).await?)
}

pub(super) fn new_secret() -> Result<Secret, Problem> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Problem::new(Code::Internal, error))?;
    Ok(Secret::generate_hmac(random))
}

fn is_success(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Response(response) if (200..300).contains(&response.status))
}

fn ping(api: &Api) -> Submission {
    let payload = json!({ "type": PING, "timestamp": Time(api.now()) });
    Submission::new(PING, payload.to_string())
}

#[utoipa::path(
    patch, path = "/v1/endpoints/{id}", tag = "Endpoints", params(("id" = String, Path)),
    request_body(content = EndpointPatch, content_type = "application/json"),
    summary = "Change an endpoint",
    description = "A JSON merge patch (RFC 7396): what is left out stays; `null` means none for \
                   `batch`, `client_certificate`, `content_type`, `filter`, `rate_limit`, `breaker`, \
                   `disable_after_ms`, `template` and `user_agent`, and the default for everything else. Lists and `retry` are replaced as a whole. Names of headers \
                   are compared without regard to case, and `[secret]`, as which a value is shown, \
                   keeps it.",
    responses((status = OK, description = "The endpoint as it is now.", body = EndpointView))
)]
pub(crate) async fn patch(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
    Json(mut patch): Json<Members>,
) -> Result<axum::Json<EndpointView>, Problem> {
    let tenant = caller.tenant();
    let endpoint = owned(&api, tenant, id).await?;
    restore_hidden(&mut patch, Some(&endpoint.spec))?;
    let current = serde_json::to_string(&EndpointForm::of(&endpoint.spec));
    let current = current.map_err(|error| Problem::new(Code::Internal, error))?;
    let mut form: Members = parse(current.as_bytes())?;
    // Whatever a patch sets to `null` is gone, known or not: only names of fields are noted.
    let mut changed = patch.names();
    changed.retain(|name| form.get(name).is_some());
    if patch.get("retry").is_some_and(raw::is_object) {
        // A policy is one thing: half of the old one would contradict the new one.
        form.remove("retry");
    }
    let says_timeout = patch.get("timeout_ms").is_some();
    let none: Vec<String> = NULLABLE
        .into_iter()
        .filter(|name| patch.get(name).is_some_and(raw::is_null))
        .map(str::to_owned)
        .collect();
    form.merge(patch)?;
    for name in none {
        form.set(name, RawValue::NULL.to_owned());
    }
    api.fill_defaults(tenant, &mut form)?;
    if !says_timeout {
        api.cut_timeout(&mut form)?;
    }
    let form: EndpointForm = parse(form.text()?.get().as_bytes())?;
    let current = Some(&endpoint.spec.payload_form);
    let spec = form.spec(tenant, payload_form(&api, tenant, &form, current)?)?;
    let detail = json!({ "changed": changed });
    let note = caller.note(&api, Act::EndpointUpdate, Some(&id), detail)?;
    let noting = api.postrider().noting(note);
    let endpoint = noting.update_endpoint(&id, spec).await?;
    Ok(axum::Json(EndpointView::of(&api, &endpoint)))
}

#[utoipa::path(
    delete, path = "/v1/endpoints/{id}", tag = "Endpoints", params(("id" = String, Path)),
    summary = "Delete an endpoint",
    description = "Requests under way finish and are recorded; whatever else is pending for it is \
                   discarded. Its history stays readable until its retention is over.",
    responses((status = NO_CONTENT, description = "Deleted."))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
) -> Result<StatusCode, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::EndpointDelete, Some(&id), json!({}))?;
    api.postrider().noting(note).delete_endpoint(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    post, path = "/v1/endpoints/{id}/pause", tag = "Endpoints", params(("id" = String, Path)),
    summary = "Hold deliveries back",
    description = "Events are still accepted, and queue up.",
    responses((status = OK, description = "The endpoint as it is now.", body = EndpointView))
)]
pub(crate) async fn pause(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
) -> Result<axum::Json<EndpointView>, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::EndpointPause, Some(&id), json!({}))?;
    let noting = api.postrider().noting(note);
    let endpoint = noting.pause_endpoint(&id).await?;
    Ok(axum::Json(EndpointView::of(&api, &endpoint)))
}

#[utoipa::path(
    post, path = "/v1/endpoints/{id}/resume", tag = "Endpoints", params(("id" = String, Path)),
    summary = "Go on after a pause",
    description = "What waits for it is due: no retry waits for its time any longer.",
    responses((status = OK, description = "The endpoint as it is now.", body = EndpointView))
)]
pub(crate) async fn resume(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
) -> Result<axum::Json<EndpointView>, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::EndpointResume, Some(&id), json!({}))?;
    let noting = api.postrider().noting(note);
    let endpoint = noting.resume_endpoint(&id).await?;
    Ok(axum::Json(EndpointView::of(&api, &endpoint)))
}

#[utoipa::path(
    post, path = "/v1/endpoints/{id}/disable", tag = "Endpoints", params(("id" = String, Path)),
    summary = "Hold deliveries back and refuse events",
    description = "What is queued is kept.",
    responses((status = OK, description = "The endpoint as it is now.", body = EndpointView))
)]
pub(crate) async fn disable(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
) -> Result<axum::Json<EndpointView>, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::EndpointDisable, Some(&id), json!({}))?;
    let noting = api.postrider().noting(note);
    let endpoint = noting.disable_endpoint(&id).await?;
    Ok(axum::Json(EndpointView::of(&api, &endpoint)))
}

#[utoipa::path(
    post, path = "/v1/endpoints/{id}/enable", tag = "Endpoints", params(("id" = String, Path)),
    summary = "Go on after the endpoint was disabled",
    description = "By hand or by itself. It begins with a clean bill of health, and what waits for it is \
                   due.",
    responses((status = OK, description = "The endpoint as it is now.", body = EndpointView))
)]
pub(crate) async fn enable(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
) -> Result<axum::Json<EndpointView>, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::EndpointEnable, Some(&id), json!({}))?;
    let noting = api.postrider().noting(note);
    let endpoint = noting.enable_endpoint(&id).await?;
    Ok(axum::Json(EndpointView::of(&api, &endpoint)))
}

/// A secret that signs requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretView {
    /// The secret.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    secret: String,
    /// When those before it stop signing; `null` if there are none.
    previous_expire_at: Option<Time>,
}

impl SecretView {
    fn of(endpoint: &Endpoint, api: &Api) -> Result<Self, Problem> {
        let current = endpoint.secrets.first();
        let nothing = || Problem::not_found("secret");
        let previous = endpoint.secrets.iter().filter_map(|it| it.expires_at);
        let previous = previous.filter(|at| *at > api.now());
        Ok(Self {
            secret: current
                .ok_or_else(nothing)?
                .secret
                .expose_secret_text()
                .to_owned(),
            previous_expire_at: previous.max().map(Time),
        })
    }
}

/// How a secret is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// The new secret, of at least 16 bytes, better 24 or more; left out, one is made.
    #[serde(default)]
    #[schema(max_length = 1024)]
    secret: Option<String>,
    /// For how many seconds the old secrets go on signing beside the new one. Default: a day.
    #[serde(default)]
    #[schema(maximum = 2_678_400)]
    overlap_seconds: Option<u64>,
}

#[utoipa::path(
    post, path = "/v1/endpoints/{id}/rotate-secret", tag = "Endpoints",
    params(("id" = String, Path)), request_body = Option<Rotation>,
    summary = "Sign with a new secret",
    description = "The old ones go on signing beside it for a while, so that the receiver can \
                   change over without a gap: where a header holds one signature, the oldest signs \
                   there and the new one in a header named `…-next` (see *Rotation* in \
                   docs/receiving.md). The fourth rotation in an overlap is refused (`in_use`).",
    responses((status = OK, description = "The new secret.", body = SecretView))
)]
pub(crate) async fn rotate_secret(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
    MaybeJson(rotation): MaybeJson<Rotation>,
) -> Result<axum::Json<SecretView>, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let secret = rotation.secret.as_deref().map(parse_secret).transpose()?;
    let overlap = rotation.overlap_seconds.map(Duration::from_secs);
    if overlap.is_some_and(|overlap| overlap.as_secs() > OVERLAP_S_MAX) {
        let detail = format!("use at most {OVERLAP_S_MAX} seconds");
        return Err(Problem::new(Code::InvalidEndpoint, &detail).at("/overlap_seconds", detail));
    }
    let overlap = overlap.unwrap_or(EndpointChange::OVERLAP);
    let detail = json!({ "overlap_seconds": overlap.as_secs() });
    let note = caller.note(&api, Act::EndpointRotateSecret, Some(&id), detail)?;
    let noting = api.postrider().noting(note);
    let endpoint = noting.rotate_secret(&id, secret, overlap).await?;
    Ok(axum::Json(SecretView::of(&endpoint, &api)?))
}

#[utoipa::path(
    post, path = "/v1/endpoints/{id}/end-overlap", tag = "Endpoints", params(("id" = String, Path)),
    summary = "Sign with the newest secret alone",
    description = "Ends the overlap of the rotations before: when the receiver has changed over, or \
                   an old secret has leaked. If there is none, nothing changes.",
    responses((status = OK, description = "The secret that signs now.", body = SecretView))
)]
pub(crate) async fn end_overlap(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
) -> Result<axum::Json<SecretView>, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::EndpointEndOverlap, Some(&id), json!({}))?;
    let endpoint = api.postrider().noting(note).end_overlap(&id).await?;
    Ok(axum::Json(SecretView::of(&endpoint, &api)?))
}

#[utoipa::path(
    get, path = "/v1/endpoints/{id}/secret", tag = "Endpoints", params(("id" = String, Path)),
    summary = "Show the secret",
    description = "Needs the scope `manage`, or `manage_endpoints`.",
    responses((status = OK, description = "The secret that signs now.", body = SecretView))
)]
pub(crate) async fn secret(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Id(id): Id<EndpointId>,
) -> Result<axum::Json<SecretView>, Problem> {
    let endpoint = owned(&api, caller.tenant(), id).await?;
    let view = SecretView::of(&endpoint, &api)?;
    // Nobody sees it without a note.
    let note = caller.note(&api, Act::EndpointRevealSecret, Some(&id), json!({}))?;
    api.postrider().write_note(note).await?;
    Ok(axum::Json(view))
}

/// What is to be sent as a test.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestForm {
    /// The event type. Default `postrider.ping`.
    #[serde(default, rename = "type")]
    #[schema(max_length = 128)]
    event_type: Option<String>,
    /// The payload. Default: a ping with the time.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    payload: Option<Box<RawValue>>,
}

#[utoipa::path(
    post, path = "/v1/endpoints/{id}/test", tag = "Endpoints",
    params(("id" = String, Path)), request_body = Option<TestForm>,
    summary = "Send a test event now",
    description = "One signed request, outside of the endpoint's lanes: it is no delivery, and is not \
                   retried. The answer is the whole result. After a 2xx the endpoint has a clean \
                   bill of health, and what waits for it is due.",
    responses((status = OK, description = "What came back; `status` is `null` if nothing did.", body = AttemptView))
)]
pub(crate) async fn test(
    State(api): State<Api>,
    caller: Caller<Test>,
    Id(id): Id<EndpointId>,
    MaybeJson(form): MaybeJson<TestForm>,
) -> Result<axum::Json<AttemptView>, Problem> {
    let tenant = caller.tenant();
    owned(&api, tenant, id).await?;
    let submission = tested(&api, form.event_type, form.payload.as_deref());
    let submission = submission.tenant(tenant.as_str());
    let note = caller.note(&api, Act::EndpointTest, Some(&id), json!({}))?;
    let noting = api.postrider().noting(note.clone());
    let attempt = noting.ping(&id, submission).await?;
    // It is there already if something is due now.
    api.postrider().write_note(note).await?;
    Ok(axum::Json(AttemptView::of(&attempt)))
}

/// What is sent as a test: a ping, unless a type or a payload is given.
pub(super) fn tested(
    api: &Api,
    event_type: Option<String>,
    payload: Option<&RawValue>,
) -> Submission {
    if event_type.is_none() && payload.is_none() {
        return ping(api);
    }
    let event_type = event_type.unwrap_or_else(|| PING.to_owned());
    Submission::new(event_type, payload.map_or("null", RawValue::get))
}

/// The endpoint, if it is the tenant's.
pub(crate) async fn owned(
    api: &Api,
    tenant: &TenantId,
    id: EndpointId,
) -> Result<Endpoint, Problem> {
    let endpoint = api.postrider().endpoint(&id).await?;
    if endpoint.spec.tenant == *tenant {
        return Ok(endpoint);
    }
    Err(Problem::not_found(format_args!("endpoint {id}")))
}

fn parse_secret(text: &str) -> Result<Secret, Problem> {
    if text.chars().count() > SECRET_CHARS_MAX {
        let detail = format!("use at most {SECRET_CHARS_MAX} characters");
        return Err(Problem::new(Code::InvalidEndpoint, &detail).at("/secret", detail));
    }
    let (secret, mends) = Secret::pasted(text).map_err(InvalidSpec::from)?;
    // It is not mended: it would be another one than its receiver may have been given already.
    let detail = match mends.first() {
        None => return Ok(secret),
        Some(Mend::WhiteSpace) => "there is white space around it: give it without",
        Some(Mend::Version) => "`v1,` stands before `whsec_`: give it without",
    };
    Err(Problem::new(Code::InvalidEndpoint, detail).at("/secret", detail))
}

/// Puts back what a view has hidden of the spec that is kept.
fn restore_hidden(body: &mut Members, kept: Option<&EndpointSpec>) -> Result<(), Problem> {
    restore_key(body, kept.and_then(|it| it.sending.identity.as_ref()))?;
    let kept = kept.map_or(&[][..], |it| &it.headers);
    let Some(headers) = body.get("headers").filter(|value| raw::is_object(value)) else {
        return Ok(());
    };
    let headers = parse(headers.get().as_bytes());
    let headers = headers.map_err(|problem: Problem| problem.below("/headers"))?;
    let restored = serde_json::value::to_raw_value(&restored(headers, kept)?);
    let restored = restored.map_err(|error| Problem::new(Code::Internal, error))?;
    body.set("headers".to_owned(), restored);
    Ok(())
}

/// The payload form that the body names, with its template in full.
fn payload_form(
    api: &Api,
    tenant: &TenantId,
    form: &EndpointForm,
    current: Option<&PayloadForm>,
) -> Result<PayloadForm, Problem> {
    let refused =
        |detail: &str| Problem::new(Code::InvalidEndpoint, detail).at("/template", detail);
    match (form.payload_form, &form.template) {
        (PayloadFormName::Raw, None) => Ok(PayloadForm::Raw),
        (PayloadFormName::Envelope, None) => Ok(PayloadForm::Envelope),
        // It keeps the text that it has, whatever has become of the template since.
        (PayloadFormName::Template, Some(wanted)) if wanted.names(current) => {
            Ok(current.cloned().unwrap_or_default())
        }
        (PayloadFormName::Template, Some(wanted)) => api
            .named_template(tenant, &wanted.name, wanted.version)
            .map(PayloadForm::Template)
            .ok_or_else(|| refused("there is no such template in this version")),
        (PayloadFormName::Template, None) => Err(refused("name the template and its version")),
        (_, Some(_)) => Err(refused("goes with \"payload_form\": \"template\" only")),
    }
}

/// Takes a field out of a body.
pub(crate) fn take<T: serde::de::DeserializeOwned>(
    body: &mut Members,
    name: &str,
) -> Result<Option<T>, Problem> {
    let Some(value) = body.remove(name).filter(|value| !raw::is_null(value)) else {
        return Ok(None);
    };
    parse(value.get().as_bytes())
        .map(Some)
        .map_err(|problem: Problem| problem.below(&format!("/{name}")))
}
