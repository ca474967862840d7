//! The task that reads the facts.

use super::directory::{Directory, Known};
use super::is_operational;
use super::item::{EndpointItem, Item};
use super::types::Types;
use crate::api::operations::{self, Change, EndpointTold, Told, Troubles, What};
use crate::api::{Api, Shared};
use postrider::engine::Of;
use postrider::{
    AttemptResult, DisabledReason, EndpointId, EndpointStatus, EventId, EventType, Fact, Facts,
    FactsError, Postrider, ReadError, TenantId, TypedFact,
};
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Streams that have gone are forgotten, and those that lag are told, so often.
const TIDY: Duration = Duration::from_secs(1);

/// Reads the facts and hands them on.
pub(in crate::api) struct Hub {
    api: Weak<Shared>,
    directory: Directory,
    types: Types,
    troubles: Troubles,
    told: mpsc::Sender<Told>,
    /// The last attempt that ended, and its number: what comes of it is told right after it.
    last: Option<(Of, u32)>,
    /// What was missed is to be looked for in the store.
    must_catch_up: bool,
}

impl Hub {
    /// Knows all endpoints. `facts` begin before this is called.
    pub(in crate::api) async fn new(
        postrider: &Postrider,
        told: mpsc::Sender<Told>,
    ) -> Result<Self, ReadError> {
        let (directory, open) = Directory::load(postrider).await?;
        Ok(Self {
            api: Weak::new(),
            directory,
            types: Types::default(),
            troubles: Troubles::were_open(open),
            told,
            last: None,
            must_catch_up: true,
        })
    }

    /// Until Postrider has stopped, or nobody uses the API any more.
    pub(in crate::api) async fn run(mut self, api: Weak<Shared>, mut facts: Facts) {
        self.api = api;
        let mut tidy = interval(TIDY);
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let fact = tokio::select! {
                biased;
                _ = tidy.tick() => None,
                fact = facts.next_typed() => Some(fact),
            };
            let Some(api) = self.api.upgrade().map(Api) else {
                return;
            };
            match fact {
                None => self.tidy(&api),
                Some(Ok(fact)) => self.take(&api, fact).await,
                Some(Err(FactsError::Skipped(count))) => self.skipped(&api, count).await,
                Some(Err(FactsError::Stopped)) => return api.live().end(),
            }
        }
    }

    fn tidy(&mut self, api: &Api) {
        api.live().tidy();
        if self.must_catch_up {
            let tenants = self.directory.tenants_that_want(operations::failed());
            let told = tenants.is_empty() || self.told.try_send(Told::CatchUp(tenants)).is_ok();
            self.must_catch_up = !told;
        }
    }

    /// Facts were missed: what is known of the endpoints is read anew.
    async fn skipped(&mut self, api: &Api, count: u64) {
        tracing::warn!(count, "postrider.api.facts_skipped");
        api.live().missed();
        self.last = None;
        self.must_catch_up = true;
        match Directory::load(api.postrider()).await {
            Ok((directory, open)) => {
                self.directory = directory;
                self.troubles = Troubles::were_open(open);
            }
            Err(error) => tracing::warn!(%error, "postrider.api.endpoints_unread"),
        }
    }

    async fn take(&mut self, api: &Api, TypedFact { fact, event_type }: TypedFact) {
        match fact {
            Fact::Accepted { .. } | Fact::FiltersUndecided { .. } => (),
            Fact::AttemptPutBack { .. } => (),
            Fact::AttemptStarted { of, .. } => self.started(api, of, &fact, event_type).await,
            Fact::AttemptEnded { of, number, .. } => {
                self.last = Some((of, number));
                self.show(api, of, &fact, None).await;
                self.judge(api, of, &fact).await;
            }
            Fact::RetryScheduled { of, .. } => {
                let last = self.last.filter(|(last, _)| *last == of);
                let attempts = last.map(|(_, number)| number);
                self.show(api, of, &fact, attempts).await;
            }
            Fact::Delivered { of, .. }
            | Fact::Discarded { of }
            | Fact::Resent { of, .. }
            | Fact::Backfilled { of } => {
                self.show(api, of, &fact, None).await;
            }
            Fact::Failed { of, reason, .. } => {
                self.show(api, of, &fact, None).await;
                if let Some(tenant) = self.tenant(api, of).await
                    && self.directory.wants(&tenant, operations::failed())
                {
                    self.tell(Told::Failed(of.delivery, reason));
                }
            }
            Fact::EndpointChanged { endpoint, status } => {
                self.changed(api, endpoint, status).await;
            }
            Fact::EndpointDisabled { endpoint, reason } => {
                self.disabled(api, endpoint, reason).await;
            }
            Fact::EndpointDeleted { endpoint, .. } => self.deleted(api, endpoint),
            Fact::EndpointHeld { endpoint, .. } => {
                self.show_endpoint(api, endpoint, "held", Some("retry_after"));
            }
            Fact::BreakerOpened { endpoint, .. } => {
                self.show_endpoint(api, endpoint, "breaker_opened", None);
                let change = self.troubles.opened(endpoint);
                self.turned(api, endpoint, change);
            }
            Fact::BreakerClosed { endpoint } => {
                self.show_endpoint(api, endpoint, "breaker_closed", None);
                let change = self.troubles.closed(endpoint);
                self.turned(api, endpoint, change);
            }
        }
    }

    /// An attempt starts. The type that its request has is remembered: its end says none.
    async fn started(&mut self, api: &Api, of: Of, fact: &Fact, event_type: Option<EventType>) {
        if !api.live().shows_types() {
            return;
        }
        if let (Some(known), Some(event_type)) = (self.directory.get(of.endpoint), event_type) {
            let known = (known.tenant.clone(), event_type);
            self.types.remember(of.event, known);
        }
        self.show(api, of, fact, None).await;
    }

    /// Shows an attempt or a delivery to the streams.
    async fn show(&mut self, api: &Api, of: Of, fact: &Fact, attempts: Option<u32>) {
        let Some(mut item) = Item::of(fact, attempts) else {
            return;
        };
        let Some(tenant) = self.tenant(api, of).await else {
            return;
        };
        let event_type = if api.live().asks_for_type(&tenant, &item) {
            self.types.of(api.postrider(), of.event).await
        } else {
            None
        };
        let event_type = event_type.as_ref().map(|(_, event_type)| event_type);
        item.set_type(event_type);
        api.live().give(&tenant, &item, event_type);
    }

    /// Whose it is: the endpoint's, or, if that is gone, the event's.
    async fn tenant(&mut self, api: &Api, of: Of) -> Option<TenantId> {
        if let Some(known) = self.directory.get(of.endpoint) {
            return Some(known.tenant.clone());
        }
        let found = self.types.of(api.postrider(), of.event).await;
        found.map(|(tenant, _)| tenant)
    }

    /// Takes the end of an attempt into what is known of the endpoint's troubles.
    async fn judge(&mut self, api: &Api, of: Of, fact: &Fact) {
        let Fact::AttemptEnded { result, .. } = fact else {
            return;
        };
        if matches!(result, AttemptResult::Status(200..=299)) {
            return self.troubles.succeeded(of.endpoint);
        }
        let Some(known) = self.directory.get(of.endpoint) else {
            return;
        };
        // Where nobody is told it need not be known.
        if self.directory.has_subscribers(&known.tenant) {
            let is_real = self.is_real(api, of.endpoint, of.event).await;
            let change = self.troubles.failed(of.endpoint, is_real);
            self.turned(api, of.endpoint, change);
        }
    }

    /// Whether a delivery of this event to this endpoint is not one of an operational event.
    async fn is_real(&mut self, api: &Api, endpoint: EndpointId, event: EventId) -> bool {
        let known = self.directory.get(endpoint);
        if known.is_some_and(|known| !known.is_subscribed()) {
            return true;
        }
        let found = self.types.of(api.postrider(), event).await;
        found.is_some_and(|(_, event_type)| !is_operational(&event_type))
    }

    async fn changed(&mut self, api: &Api, endpoint: EndpointId, status: EndpointStatus) {
        if let Ok(record) = api.postrider().endpoint(&endpoint).await {
            let before = self.directory.put(&record).map(|known| known.status);
            // By now it may have changed again, of which another fact will tell.
            self.directory.set_status(endpoint, status);
            if record.health.open_until.is_none() {
                self.troubles.forget(endpoint);
            }
            let was_disabled = before.map(is_disabled);
            match (was_disabled, status) {
                (Some(false), EndpointStatus::Disabled(reason)) => {
                    let reason = Some(reason_name(reason));
                    self.show_endpoint(api, endpoint, "disabled", reason);
                    self.tell_endpoint(api, endpoint, What::Disabled, reason);
                    return;
                }
                (Some(true), EndpointStatus::Active | EndpointStatus::Paused) => {
                    self.tell_endpoint(api, endpoint, What::Enabled, None);
                }
                _ => (),
            }
        }
        self.show_endpoint(api, endpoint, "changed", None);
    }

    async fn disabled(&mut self, api: &Api, endpoint: EndpointId, reason: DisabledReason) {
        let status = EndpointStatus::Disabled(reason);
        self.directory.set_status(endpoint, status);
        let name = Some(reason_name(reason));
        self.show_endpoint(api, endpoint, "disabled", name);
        let cause = self.last.filter(|(of, _)| of.endpoint == endpoint);
        let is_real = match (cause, reason) {
            (_, DisabledReason::Failing) if self.troubles.is_real(endpoint) => true,
            (Some((of, _)), _) => self.is_real(api, endpoint, of.event).await,
            (None, _) => {
                let known = self.directory.get(endpoint);
                known.is_some_and(|known| !known.is_subscribed())
            }
        };
        if is_real {
            self.tell_endpoint(api, endpoint, What::Disabled, name);
        }
    }

    fn deleted(&mut self, api: &Api, endpoint: EndpointId) {
        self.show_endpoint(api, endpoint, "deleted", None);
        self.troubles.forget(endpoint);
        if let Some(known) = self.directory.remove(endpoint) {
            self.tell_of(api, endpoint, &known, What::Deleted, None);
        }
    }

    fn turned(&mut self, api: &Api, endpoint: EndpointId, change: Option<Change>) {
        match change {
            None => (),
            Some(Change::Failing) => self.tell_endpoint(api, endpoint, What::Failing, None),
            Some(Change::Recovered) => self.tell_endpoint(api, endpoint, What::Recovered, None),
        }
    }

    fn show_endpoint(
        &self,
        api: &Api,
        endpoint: EndpointId,
        what: &'static str,
        reason: Option<&'static str>,
    ) {
        if let Some(known) = self.directory.get(endpoint) {
            let item = Item::Endpoint(EndpointItem {
                endpoint_id: endpoint,
                what,
                reason,
            });
            api.live().give(&known.tenant, &item, None);
        }
    }

    fn tell_endpoint(
        &mut self,
        api: &Api,
        endpoint: EndpointId,
        what: What,
        reason: Option<&'static str>,
    ) {
        if let Some(known) = self.directory.get(endpoint).cloned() {
            self.tell_of(api, endpoint, &known, what, reason);
        }
    }

    /// Has an operational event published, if anyone wants it.
    fn tell_of(
        &mut self,
        api: &Api,
        endpoint: EndpointId,
        known: &Known,
        what: What,
        reason: Option<&'static str>,
    ) {
        if self.directory.wants(&known.tenant, what.event_type()) {
            self.tell(Told::Endpoint(EndpointTold {
                what,
                endpoint,
                tenant: known.tenant.clone(),
                url: known.url.clone(),
                reason,
                at: api.now(),
            }));
        }
    }

    fn tell(&mut self, told: Told) {
        if self.told.try_send(told).is_err() {
            if !self.must_catch_up {
                // What is on record is found there; the rest is lost.
                tracing::warn!("postrider.operations.behind");
            }
            self.must_catch_up = true;
        }
    }
}

fn is_disabled(status: EndpointStatus) -> bool {
    matches!(status, EndpointStatus::Disabled(_))
}

fn reason_name(reason: DisabledReason) -> &'static str {
    match reason {
        DisabledReason::Manual => "manual",
        DisabledReason::Gone => "gone",
        DisabledReason::Failing => "failing",
    }
}
