//! Of whom a list tells: of one tenant, or of all of them.

use super::Api;
use super::caller::{Caller, TENANT_HEADER};
use super::cursors::Of;
use super::problem::{Code, Problem};
use super::tenants::Hold;
use postrider::engine::TenantUid;
use postrider::{
    DeliveryId, DeliveryRecord, Endpoint, EndpointId, EventCursor, EventId, EventRecord,
    LaneCursor, TenantId,
};
use serde::Deserialize;
use utoipa::IntoParams;

/// What stands for all tenants.
const ALL: &str = "*";

/// Characters of a name that are repeated in an error.
const SHOWN_CHARS: usize = 64;

/// Of whom a single thing may be.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Whose {
    /// Look among what this tenant has, by name or id; `*` for what all have, with a key for all tenants.
    pub(crate) tenant: Option<String>,
}

impl Whose {
    /// Those that it asks for.
    pub(crate) fn reach<N>(&self, api: &Api, caller: &Caller<N>) -> Result<Reach, Problem> {
        Reach::of(api, caller, self.tenant.as_deref())
    }
}

/// The tenants that a list tells of.
pub(crate) struct Reach {
    /// `None`: all of them.
    tenant: Option<TenantId>,
    /// The deletion of the one that is named waits for this request.
    _hold: Option<Hold>,
}

impl Reach {
    /// Those that `tenant` of a query asks for; without it, the one that the caller acts for.
    pub(crate) fn of<N>(
        api: &Api,
        caller: &Caller<N>,
        asked: Option<&str>,
    ) -> Result<Self, Problem> {
        let own = || Self {
            tenant: Some(caller.tenant().clone()),
            _hold: None,
        };
        let Some(asked) = asked else {
            return Ok(own());
        };
        let is_bound = caller.bound_to().is_some();
        if asked == ALL && !is_bound {
            return match caller.names_tenant() {
                true => Err(contradiction()),
                false => Ok(Self {
                    tenant: None,
                    _hold: None,
                }),
            };
        }
        let found = api.tenants().find(asked);
        if is_bound {
            if found.as_ref() == Some(caller.tenant()) {
                return Ok(own());
            }
            // The same for tenants that are there and those that are not.
            let detail = "this key is not for what `tenant` names; leave it out for its own tenant";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let nobody = || {
            let shown: String = asked.chars().take(SHOWN_CHARS).collect();
            Problem::not_found(format_args!("tenant {shown}"))
        };
        let tenant = found.ok_or_else(nobody)?;
        if caller.names_tenant() && tenant != *caller.tenant() {
            return Err(contradiction());
        }
        let hold = api.tenants().hold(&tenant).ok_or_else(nobody)?;
        Ok(Self {
            tenant: Some(tenant),
            _hold: Some(hold),
        })
    }

    /// The same for what outlives its tenant: a key for all tenants names one that is gone by its id,
    /// which is never used twice.
    pub(crate) fn of_any_time<N>(
        api: &Api,
        caller: &Caller<N>,
        asked: Option<&str>,
    ) -> Result<Self, Problem> {
        let gone = asked.filter(|_| caller.bound_to().is_none());
        let gone = gone.filter(|text| api.tenants().find(text).is_none());
        let Some(tenant) = gone.and_then(uid) else {
            return Self::of(api, caller, asked);
        };
        if caller.names_tenant() {
            // The one of the header is there.
            return Err(contradiction());
        }
        Ok(Self {
            tenant: Some(tenant),
            _hold: None,
        })
    }

    /// The one tenant; `None` for all.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// Whether what this tenant has is told of.
    pub(crate) fn covers(&self, tenant: &TenantId) -> bool {
        self.tenant.as_ref().is_none_or(|own| own == tenant)
    }

    /// The endpoint, if it is told of.
    pub(crate) async fn endpoint(&self, api: &Api, id: EndpointId) -> Result<Endpoint, Problem> {
        let endpoint = api.postrider().endpoint(&id).await?;
        match self.covers(&endpoint.spec.tenant) {
            true => Ok(endpoint),
            false => Err(Problem::not_found(format_args!("endpoint {id}"))),
        }
    }

    /// The event, if it is told of.
    pub(crate) async fn event(&self, api: &Api, id: EventId) -> Result<EventRecord, Problem> {
        let record = api.postrider().event(&id).await?;
        match self.covers(&record.event.tenant) {
            true => Ok(record),
            false => Err(Problem::not_found(format_args!("event {id}"))),
        }
    }

    /// The delivery, if it is told of.
    pub(crate) async fn delivery(
        &self,
        api: &Api,
        id: DeliveryId,
    ) -> Result<DeliveryRecord, Problem> {
        let record = api.postrider().delivery(&id).await?;
        match self.covers(&record.event.tenant) {
            true => Ok(record),
            false => Err(Problem::not_found(format_args!("delivery {id}"))),
        }
    }

    /// The text of a place in the log of events.
    pub(crate) fn hide_event(&self, api: &Api, place: EventCursor) -> String {
        let (tenant, of) = self.log();
        api.cursors().hide(&tenant, of, place)
    }

    /// The place in the log of events that was shown under a text.
    pub(crate) fn find_event(&self, api: &Api, text: &str) -> Result<EventCursor, Problem> {
        let (tenant, of) = self.log();
        api.cursors().find(&tenant, of, text)
    }

    /// The text of a place among the lanes in which something waits.
    pub(crate) fn hide_lane(&self, api: &Api, place: LaneCursor) -> String {
        let (tenant, of) = self.lanes();
        api.cursors().hide(&tenant, of, place)
    }

    /// The place among the lanes that was shown under a text.
    pub(crate) fn find_lane(&self, api: &Api, text: &str) -> Result<LaneCursor, Problem> {
        let (tenant, of) = self.lanes();
        api.cursors().find(&tenant, of, text)
    }

    fn log(&self) -> (TenantId, Of) {
        self.seen(Of::Events, Of::EventsOfAll)
    }

    fn lanes(&self) -> (TenantId, Of) {
        self.seen(Of::Lanes, Of::LanesOfAll)
    }

    /// By whom a place is seen, and in what.
    fn seen(&self, of_one: Of, of_all: Of) -> (TenantId, Of) {
        match &self.tenant {
            Some(tenant) => (tenant.clone(), of_one),
            None => (TenantId::default(), of_all),
        }
    }
}

/// The tenant that this is the id of, whether or not it is there.
fn uid(text: &str) -> Option<TenantId> {
    let id: TenantUid = text.parse().ok()?;
    id.to_string().parse().ok()
}

fn contradiction() -> Problem {
    let detail = format!("`tenant` and {TENANT_HEADER} name different tenants: leave one out");
    Problem::new(Code::InvalidQuery, detail)
}
