//! `/v1/audit`: who did what to what, and when. Each entry is kept in one step with the change that
//! it tells of: see [`postrider::audit`].

mod acts;

pub(crate) use acts::Act;

use super::Api;
use super::caller::{Caller, NoPortal, Read};
use super::deliveries::Order;
use super::extract::Query;
use super::names::ActorKind;
use super::page::{self, Filling, Page};
use super::problem::{Code, Problem};
use super::reach::Reach;
use super::time::Time;
use acts::{Acts, kind_of};
use axum::extract::State;
use postrider::{AuditQuery, Note, NoteId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt::Display;
use utoipa::{IntoParams, ToSchema};

/// Entries that are looked at for one page.
const LOOK_MAX: usize = 5_000;

/// Of these, those that are read at once.
const READ_MAX: usize = 250;

/// The kind of whoever has signed in to the portal.
const PORTAL: &str = "portal";

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Actor {
    /// `key`, `portal`, `cli`, or `system`: the server itself, or the application that embeds it.
    #[schema(value_type = ActorKind)]
    kind: String,
    /// The id of the key, which a session of the portal is, too; of the link, for who signs in with
    /// it; `null` where there is none.
    id: Option<String>,
    /// The name of the key, as it was then; `null` where there is none.
    name: Option<String>,
}

impl Actor {
    fn new(kind: &str, id: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            id: Some(id.to_owned()),
            name: Some(name.to_owned()),
        }
    }
}

/// What the value of a note is: the store seals it.
#[derive(Serialize, Deserialize)]
struct Kept {
    actor: Actor,
    act: String,
    detail: Map<String, Value>,
}

impl Kept {
    /// What a note says. One that is not the API's is an application's: what its value means is known
    /// to nobody here, and may be secret.
    fn of(note: &Note) -> Self {
        serde_json::from_slice(&note.value).unwrap_or_else(|_| Self {
            actor: system(),
            act: Act::ApplicationNote.name().to_owned(),
            detail: Map::from_iter([("bytes".to_owned(), note.value.len().into())]),
        })
    }
}

/// The server itself, or whoever embeds it.
fn system() -> Actor {
    Actor {
        kind: "system".to_owned(),
        id: None,
        name: None,
    }
}

/// A note of an act by this actor. `detail` is an object without secrets: names of what was changed,
/// states and numbers.
fn note(
    api: &Api,
    actor: Actor,
    (act, target): (Act, Option<&dyn Display>),
    detail: Value,
) -> Result<Note, Problem> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Problem::new(Code::Internal, error))?;
    let kept = Kept {
        actor,
        act: act.name().to_owned(),
        detail: match detail {
            Value::Object(detail) => detail,
            _ => Map::new(),
        },
    };
    let value = serde_json::to_vec(&kept).map_err(|error| Problem::new(Code::Internal, error))?;
    Ok(Note {
        id: NoteId::from_parts(api.now(), u128::from_be_bytes(random)),
        tenant: None,
        target: target.map(|target| target.to_string().into()),
        value: value.into(),
    })
}

/// The names of those fields that a body has.
pub(crate) fn given<'n>(fields: &[(&'n str, bool)]) -> Vec<&'n str> {
    let given = fields.iter().filter(|(_, is_given)| *is_given);
    given.map(|(name, _)| *name).collect()
}

/// A detail that names the fields that a patch has.
pub(crate) fn names(fields: &[(&str, bool)]) -> Value {
    json!({ "changed": given(fields) })
}

impl<N> Caller<N> {
    /// A note of what this caller does in its tenant: for a handle that is
    /// [`noting`](postrider::Postrider::noting), or for a change of a record. Nothing is kept before
    /// the change is made.
    pub(crate) fn note(
        &self,
        api: &Api,
        act: Act,
        target: Option<&dyn Display>,
        detail: Value,
    ) -> Result<Note, Problem> {
        let key = self.key();
        let kind = match key.portal {
            Some(_) => PORTAL,
            None => "key",
        };
        let actor = Actor::new(kind, &key.id, &key.name);
        let note = note(api, actor, (act, target), detail)?;
        Ok(Note {
            tenant: Some(self.tenant().clone()),
            ..note
        })
    }
}

impl Api {
    /// A note of what the server does by itself, or whoever embeds it.
    pub(crate) fn own_note(&self, act: Act, detail: Value) -> Result<Note, Problem> {
        note(self, system(), (act, None), detail)
    }

    /// A note of what is done with the link of this id, which needs no key. The name is that of the
    /// session, so that what it does is found together with its beginning.
    pub(crate) fn portal_note(
        &self,
        act: Act,
        (link, name): (&str, &str),
        detail: Value,
    ) -> Result<Note, Problem> {
        note(self, Actor::new(PORTAL, link, name), (act, None), detail)
    }
}

/// What it was done to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditTarget {
    /// What it is: `endpoint`, `key`, `replay`, …
    kind: String,
    /// Its id or its name; `null` for what is not one thing.
    id: Option<String>,
}

/// An entry of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    /// Its id.
    #[schema(example = "aud_01jd9x2m5tewh8q0v6n3r4y7za")]
    id: String,
    /// When.
    at: Time,
    /// The name of the tenant (its id, if it is deleted); `null` for what concerns all of them.
    tenant: Option<String>,
    /// Who.
    actor: Actor,
    /// What: the kind of the target, a dot, and a verb. `application.note`: the application that
    /// embeds the server has written it in a form of its own.
    #[schema(example = "endpoint.update")]
    act: String,
    /// To what.
    target: AuditTarget,
    /// More about it: which fields were changed, states and numbers; never their values or secrets.
    #[schema(value_type = Object, example = json!({"changed": ["url"]}))]
    detail: Map<String, Value>,
}

impl AuditView {
    fn of(api: &Api, note: &Note, kept: Kept) -> Self {
        Self {
            id: note.id.to_string(),
            at: note.at().into(),
            tenant: note.tenant.as_ref().map(|id| api.tenants().name_of(id)),
            actor: kept.actor,
            target: AuditTarget {
                kind: kind_of(&kept.act).to_owned(),
                id: note.target.as_deref().map(str::to_owned),
            },
            act: kept.act,
            detail: kept.detail,
        }
    }
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those of this actor: the id or the name of a key, or a kind of actor.
    actor: Option<String>,
    /// Only these acts: names, or kinds such as `endpoint`, with commas between.
    act: Option<String>,
    /// Only what was done to the thing with this id or name.
    target: Option<String>,
    /// Only those of then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Only earlier ones.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// `newest` (the default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants. Such a
    /// key reads of a tenant that was deleted, too, by its id.
    tenant: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl ListQuery {
    /// Whether every entry that the store finds is asked for.
    fn is_plain(&self) -> bool {
        self.actor.is_none() && self.act.is_none()
    }

    fn takes(&self, acts: &[Acts], kept: &Kept) -> bool {
        let actor = &kept.actor;
        let is_by = |asked: &String| {
            let (id, name) = (actor.id.as_ref(), actor.name.as_ref());
            *asked == actor.kind || Some(asked) == id || Some(asked) == name
        };
        self.actor.as_ref().is_none_or(is_by)
            && (acts.is_empty() || acts.iter().any(|it| it.has(&kept.act)))
    }
}

#[utoipa::path(
    get, path = "/v1/audit", tag = "Audit", params(ListQuery),
    summary = "List who did what, newest first",
    description = "Every change that was made by a request is there, with the key that made it, and \
                   so is who has looked at a secret. What was refused is not, nor are events that \
                   were published. A bulk act or a replay is one entry. What concerns no tenant, such \
                   as a key for all of them, is shown with `tenant=*` only. A session of the portal reads \
                   none of it, since it names the keys of the operator.",
    responses((status = OK, description = "A page of the log.", body = Page<AuditView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<NoPortal<Read>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<AuditView>>, Problem> {
    let most = page::most(query.limit)?;
    let acts: Vec<Acts> = page::list(query.act.as_deref(), "act")?;
    let reach = Reach::of_any_time(&api, &caller, query.tenant.as_deref())?;
    let mut wanted = AuditQuery {
        tenant: reach.tenant().cloned(),
        target: query.target.as_deref().map(Into::into),
        from: query.from.map(|time| time.0),
        until: query.until.map(|time| time.0),
        direction: query.order.unwrap_or_default().direction(),
        after: page::cursor(query.cursor.as_deref())?,
        most: if query.is_plain() { most } else { READ_MAX },
    };
    let mut filling = Filling::new(most);
    for _ in 0..LOOK_MAX / READ_MAX {
        let found = api.postrider().audit(wanted.clone()).await?;
        for note in &found.notes {
            let kept = Kept::of(note);
            if query.takes(&acts, &kept)
                && !filling.add(&note.id.to_string(), AuditView::of(&api, note, kept))
            {
                return Ok(axum::Json(filling.page(true)));
            }
        }
        wanted.after = found.next;
        // A plain page is full when there is a next one.
        if found.next.is_none() || query.is_plain() {
            break;
        }
    }
    Ok(axum::Json(Page {
        data: filling.data(),
        next: wanted.after.map(|after| after.to_string()),
    }))
}
