//! Registering, changing and deleting endpoints.

use super::{Core, Refused};
use crate::batch::{Change, EndpointUpdate};
use crate::breaker::Breaker;
use crate::commits::Next;
use crate::endpoint::{
    DisabledReason, Endpoint, EndpointSecret, EndpointSpec, EndpointStatus, Health,
};
use crate::endpoint_state::{EndpointState, Existence};
use crate::error::{EndpointError, Full};
use crate::fact::{Fact, Of};
use crate::id::{DeliveryId, EndpointId};
use crate::input::{CallId, Command, EndpointChange};
use crate::lane::Phase;
use crate::output::Answer;
use crate::rate::Bucket;
use crate::request::Route;
use crate::slab::Key;
use postrider_signature::Secret;
use std::sync::Arc;

impl Core {
    pub(super) fn command(&mut self, call: CallId, command: Command) {
        match command {
            Command::Register(spec, secret) => {
                if let Err(error) = self.register(call, *spec, secret) {
                    self.answer(call, Answer::Endpoint(Err(error)));
                }
            }
            Command::Change(id, change) => {
                if let Err(error) = self.change(call, id, change) {
                    self.answer(call, Answer::Endpoint(Err(error)));
                }
            }
            Command::Delete(id) => {
                if let Err(error) = self.delete(call, id) {
                    self.answer(call, Answer::Deleted(Err(error)));
                }
            }
            Command::Resend(delivery, endpoint) => self.resend(call, delivery, endpoint, None),
            Command::Replay(delivery, endpoint, replay) => {
                self.resend(call, delivery, endpoint, Some(replay));
            }
            Command::Backfill(event, endpoint, replay) => {
                self.backfill(call, event, (endpoint, replay));
            }
            Command::Discard(delivery) => self.discard(call, delivery, false),
            Command::DiscardDead(delivery) => self.discard(call, delivery, true),
            Command::RetryNow(delivery, lane) => self.retry_now(call, delivery, &lane),
            Command::Ping(endpoint, event) => self.ping(call, endpoint, *event),
            Command::PingUnregistered(spec, secret, event) => {
                self.ping_unregistered(call, *spec, secret, *event);
            }
        }
    }

    /// Refuses an administrator's change when nothing can be recorded.
    pub(super) fn check_open(&self) -> Result<(), Refused> {
        if let Some(closed) = self.closed() {
            return Err(Refused::Closed(closed));
        }
        if self.commits.len() >= self.limits.commits_in_flight_max {
            return Err(Refused::Full(Full::Commits));
        }
        Ok(())
    }

    fn register(
        &mut self,
        call: CallId,
        spec: EndpointSpec,
        secret: Option<Secret>,
    ) -> Result<(), EndpointError> {
        self.check_open()?;
        spec.check(&self.limits)?;
        if self.endpoints.len() + self.registering >= self.limits.endpoints_max {
            return Err(Full::Endpoints {
                most: self.limits.endpoints_max,
            }
            .into());
        }
        let most = self.limits.endpoints_of_tenant();
        let tenant = self.tenants.get(&spec.tenant);
        if tenant.is_some_and(|it| it.endpoints + it.registering >= most) {
            return Err(Full::TenantEndpoints { most }.into());
        }
        let secret = secret.unwrap_or_else(|| Secret::generate_hmac(self.chance.bytes()));
        let endpoint = self.new_endpoint(spec, secret, Route::UNREGISTERED + 1);
        Route::of(&endpoint, self.now.wall)?;
        endpoint.check_new_secret(&self.limits)?;
        let endpoint = Box::new(endpoint);
        self.registering += 1;
        let tenant = self.tenants.entry(endpoint.spec.tenant.clone());
        tenant.or_default().registering += 1;
        self.commit(
            Change::AddEndpoint(endpoint.clone()),
            Next::Registered { call, endpoint },
        );
        Ok(())
    }

    pub(super) fn new_endpoint(
        &mut self,
        spec: EndpointSpec,
        secret: Secret,
        revision: u64,
    ) -> Endpoint {
        Endpoint {
            id: self.chance.endpoint_id(self.now.wall),
            spec: Arc::new(spec),
            secrets: vec![EndpointSecret {
                secret,
                expires_at: None,
            }],
            status: EndpointStatus::Active,
            health: Health::default(),
            created_at: self.now.wall,
            revision,
        }
    }

    pub(super) fn registered(&mut self, call: CallId, endpoint: Box<Endpoint>) {
        let id = endpoint.id;
        match EndpointState::new((*endpoint).clone(), self.now) {
            Ok(state) => {
                self.add_endpoint(state);
                self.observe(Fact::EndpointChanged {
                    endpoint: id,
                    status: endpoint.status,
                });
                self.answer(call, Answer::Endpoint(Ok(endpoint.clone())));
            }
            Err(error) => self.answer(call, Answer::Endpoint(Err(error.into()))),
        }
        self.registration_over(&endpoint.spec.tenant);
    }

    /// An endpoint is not being recorded any more.
    pub(super) fn registration_over(&mut self, tenant: &crate::TenantId) {
        self.registering -= 1;
        if let Some(known) = self.tenants.get_mut(tenant) {
            known.registering -= 1;
            self.forget_tenant_if_empty(tenant);
        }
    }

    pub(super) fn add_endpoint(&mut self, state: EndpointState) -> Key {
        let id = state.id();
        let spec = Arc::clone(&state.record.spec);
        let key = self.endpoints.insert(state);
        self.by_id.insert(id, key);
        let tenant = self.tenants.entry(spec.tenant.clone()).or_default();
        tenant.endpoints += 1;
        tenant.subscriptions.add(id, key, &spec.event_types);
        key
    }

    fn change(
        &mut self,
        call: CallId,
        id: EndpointId,
        change: EndpointChange,
    ) -> Result<(), EndpointError> {
        self.check_open()?;
        let key = *self
            .by_id
            .get(&id)
            .ok_or(EndpointError::NoSuchEndpoint(id))?;
        let state = self
            .endpoints
            .get_mut(key)
            .ok_or(EndpointError::NoSuchEndpoint(id))?;
        if state.existence != Existence::Here {
            return Err(EndpointError::NoSuchEndpoint(id));
        }
        if state.changing {
            let most = self.limits.endpoint_changes_max;
            if state.changes.len() >= most {
                return Err(Full::Changes { most }.into());
            }
            state.changes.push_back((call, change));
            return Ok(());
        }
        let update = Arc::new(self.update_of(key, change)?);
        if let Some(state) = self.endpoints.get_mut(key) {
            state.changing = true;
        }
        let next = Next::Changed {
            call,
            endpoint: key,
            update: update.clone(),
        };
        self.commit(Change::ChangeEndpoint(update), next);
        Ok(())
    }

    /// What a change means for the record.
    fn update_of(
        &mut self,
        key: Key,
        change: EndpointChange,
    ) -> Result<EndpointUpdate, EndpointError> {
        let Some(state) = self.endpoints.get(key) else {
            unreachable!("looked up by the caller")
        };
        let record = &state.record;
        let mut update = EndpointUpdate {
            endpoint: record.id,
            spec: None,
            secrets: None,
            status: None,
            health: None,
            due: None,
        };
        let now = Some(self.now.wall);
        match (change, record.status) {
            (EndpointChange::Pause, EndpointStatus::Active) => {
                update.status = Some(EndpointStatus::Paused);
            }
            (EndpointChange::Resume, EndpointStatus::Paused) => {
                update.status = Some(EndpointStatus::Active);
                update.due = now;
            }
            (EndpointChange::Pause | EndpointChange::Resume, _) => (),
            (EndpointChange::Disable, _) => {
                update.status = Some(EndpointStatus::Disabled(DisabledReason::Manual));
            }
            (EndpointChange::Enable, _) => {
                update.status = Some(EndpointStatus::Active);
                update.health = Some(Health::default());
                update.due = now;
            }
            (EndpointChange::Spec(mut spec), _) => {
                spec.tenant = record.spec.tenant.clone();
                spec.name = record.spec.name.clone();
                spec.check(&self.limits)?;
                if spec.url != record.spec.url {
                    update.health = Some(Health::default());
                    update.due = now;
                }
                if spec.retry != record.spec.retry {
                    update.due = now;
                }
                update.secrets = record.secrets_under(&spec, self.now.wall)?;
                update.spec = Some(Arc::new(*spec));
            }
            (EndpointChange::RotateSecret { secret, overlap }, _) => {
                let secret = secret.unwrap_or_else(|| Secret::generate_hmac(self.chance.bytes()));
                let mut changed = record.clone();
                changed.secrets = record.rotated(secret, overlap, self.now.wall, &self.limits)?;
                Route::of(&changed, self.now.wall)?;
                changed.check_new_secret(&self.limits)?;
                update.secrets = Some(changed.secrets);
            }
            (EndpointChange::EndOverlap, _) => update.secrets = record.without_overlap(),
        }
        Ok(update)
    }

    pub(super) fn changed(&mut self, call: CallId, key: Key, update: &EndpointUpdate) {
        let Some(record) = self.apply_update(key, update) else {
            return;
        };
        self.observe(Fact::EndpointChanged {
            endpoint: record.id,
            status: record.status,
        });
        self.answer(call, Answer::Endpoint(Ok(record)));
        self.next_change(key);
        self.wake_all(key);
    }

    /// Takes in what is recorded. The endpoint as it is now; whoever calls this wakes it.
    pub(super) fn apply_update(
        &mut self,
        key: Key,
        update: &EndpointUpdate,
    ) -> Option<Box<Endpoint>> {
        let now = self.now;
        let state = self.endpoints.get_mut(key)?;
        let record = &mut state.record;
        let spec = update.spec.as_ref();
        let is_reordered = spec.is_some_and(|spec| spec.ordering != record.spec.ordering);
        if let Some(status) = update.status {
            record.status = status;
        }
        if let Some(health) = update.health {
            record.health = health;
            state.breaker = Breaker::Closed;
            state.hold.clear();
        }
        if let Some(spec) = &update.spec {
            if record.spec.rate_limit != spec.rate_limit {
                state.bucket = spec.rate_limit.map(|limit| Bucket::full(&limit, now.mono));
            }
            if spec.breaker.is_none() {
                record.health.open_until = None;
                state.breaker = Breaker::Closed;
            }
            if let Some(until) = state.hold.cut(spec.retry.retry_after_max, now.mono) {
                let left = until.since(now.mono);
                record.health.held_until = (!left.is_zero()).then(|| now.wall.after(left));
            }
            // One that is deleted is looked up no more, and its key may become another one's.
            if state.existence != Existence::Gone
                && let Some(tenant) = self.tenants.get_mut(&spec.tenant)
            {
                let (before, after) = (&record.spec.event_types, &spec.event_types);
                tenant.subscriptions.change((record.id, key), before, after);
            }
            record.spec = spec.clone();
        }
        if let Some(secrets) = &update.secrets {
            record.secrets.clone_from(secrets);
        }
        if update.spec.is_some() || update.secrets.is_some() {
            record.revision += 1;
            // Cannot fail: these secrets were tried before they were recorded.
            if let Ok(route) = Route::of(record, now.wall) {
                state.route = Arc::new(route);
            }
        }
        if let Some(at) = update.due {
            record.health.cut(at);
        }
        let is_now = Box::new(record.clone());
        if is_reordered {
            for lane in state.lanes() {
                if let Some(lane) = self.lanes.get_mut(lane) {
                    lane.forget_urgent();
                }
            }
        }
        if update.due.is_some() {
            self.make_due(key);
        }
        if self
            .endpoints
            .get(key)
            .is_some_and(|state| !state.is_open(now.mono))
        {
            self.shed(key);
        }
        Some(is_now)
    }

    /// Goes on with the changes that waited.
    pub(super) fn next_change(&mut self, key: Key) {
        loop {
            let Some(state) = self.endpoints.get_mut(key) else {
                return;
            };
            state.changing = false;
            let id = state.id();
            let Some((call, change)) = state.changes.pop_front() else {
                return;
            };
            match self.change(call, id, change) {
                Ok(()) => return,
                Err(error) => self.answer(call, Answer::Endpoint(Err(error))),
            }
        }
    }

    /// What held the endpoint back may be gone: its lanes look again, and so does it.
    pub(super) fn wake_all(&mut self, key: Key) {
        let Some(state) = self.endpoints.get_mut(key) else {
            return;
        };
        if let Some(timer) = state.admit_timer.take() {
            self.timers.clear(timer);
        }
        let lanes: Vec<Key> = state.lanes().collect();
        for lane in lanes {
            self.wake_lane(lane);
        }
        self.wake_endpoint(key);
    }

    fn delete(&mut self, call: CallId, id: EndpointId) -> Result<(), EndpointError> {
        self.check_open()?;
        let endpoint = *self
            .by_id
            .get(&id)
            .ok_or(EndpointError::NoSuchEndpoint(id))?;
        let state = self
            .endpoints
            .get_mut(endpoint)
            .ok_or(EndpointError::NoSuchEndpoint(id))?;
        if state.existence != Existence::Here {
            return Err(EndpointError::NoSuchEndpoint(id));
        }
        state.existence = Existence::Leaving;
        let lanes: Vec<Key> = state.lanes().collect();
        let sending = lanes
            .iter()
            .filter_map(|lane| self.lanes.get(*lane))
            .flat_map(|lane| {
                lane.entries()
                    .filter(|entry| matches!(entry.phase, Phase::Sending(_)))
            });
        let keep: Vec<DeliveryId> = sending.map(|entry| entry.delivery).collect();
        let at = self.now.wall;
        let next = Next::Deleted {
            call,
            endpoint,
            id,
            keep: keep.clone(),
        };
        self.commit(
            Change::DeleteEndpoint {
                endpoint: id,
                keep,
                at,
            },
            next,
        );
        Ok(())
    }

    pub(super) fn deleted(&mut self, call: CallId, key: Key, id: EndpointId, keep: &[DeliveryId]) {
        self.by_id.remove(&id);
        let Some(state) = self.endpoints.get_mut(key) else {
            return;
        };
        state.existence = Existence::Gone;
        let spec = Arc::clone(&state.record.spec);
        let tenant = &spec.tenant;
        let waiting: Vec<_> = state.changes.drain(..).collect();
        let lanes: Vec<Key> = state.lanes().collect();
        let mut kept = crate::endpoint_state::Tally::default();
        let (mut told, mut untold) = (0, 0);
        for lane_key in lanes {
            let Some(lane) = self.lanes.get_mut(lane_key) else {
                continue;
            };
            // What began before the deletion and ended meanwhile is being recorded: it stays, too.
            let gone = lane.abandon(|entry| keep.contains(&entry.delivery));
            for entry in lane.entries() {
                kept.add(1, u64::from(entry.payload_bytes));
            }
            let load = lane.load.take();
            told += gone.len() as u64;
            self.stop_filling(lane_key);
            for entry in gone {
                if let Phase::Waiting(timer) = entry.phase {
                    self.timers.clear(timer);
                }
                let delivery = entry.delivery;
                let of = Of {
                    delivery,
                    event: entry.event_id,
                    endpoint: id,
                };
                self.let_go(key, entry.bytes_at_hand());
                self.observe(Fact::Discarded { of });
            }
            if let Some(load) = load {
                self.end_load(key, &load);
            }
        }
        if let Some(pending) = self.endpoints.get(key).map(|state| state.pending) {
            let gone = pending.deliveries - kept.deliveries;
            self.uncount_pending(key, gone, pending.bytes - kept.bytes);
            untold = gone.saturating_sub(told);
        }
        if let Some(known) = self.tenants.get_mut(tenant) {
            known.endpoints -= 1;
            known.subscriptions.remove(id, key, &spec.event_types);
            self.forget_tenant_if_empty(tenant);
        }
        for (call, _) in waiting {
            self.answer(
                call,
                Answer::Endpoint(Err(EndpointError::NoSuchEndpoint(id))),
            );
        }
        self.observe(Fact::EndpointDeleted {
            endpoint: id,
            untold,
        });
        self.answer(call, Answer::Deleted(Ok(())));
        self.forget_if_gone(key);
    }
}

impl From<Refused> for EndpointError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full(full) => full.into(),
            Refused::Closed(closed) => closed.into(),
        }
    }
}
