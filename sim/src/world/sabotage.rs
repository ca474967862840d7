//! Plants a bug between the engine and its host: it changes what one tells the other, and nothing
//! else. What the store records and what callers hear of specs stays right, so that the engine is
//! seen to break its word.

use crate::bug::Bug;
use crate::plan::StoreBounds;
use crate::trace::{Reply, Wire};
use bytes::Bytes;
use postrider_engine::{
    AttemptId, Batch, Change, Command, DeliveryState, EndpointChange, EndpointId, EndpointSpec,
    EndpointStatus, FailReason, Input, Limits, Loaded, Mono, Now, Ordering, Outcome, Receipt,
    Recovered, RetryPolicy, Schedule, Seq,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Sabotage {
    bug: Option<Bug>,
    /// How often it could have struck.
    chances: u64,
    /// The specs as their owners gave them.
    registering: VecDeque<EndpointSpec>,
    changing: BTreeMap<EndpointId, VecDeque<EndpointSpec>>,
    originals: BTreeMap<EndpointId, EndpointSpec>,
    first_urls: BTreeMap<EndpointId, Arc<str>>,
    /// What receivers have said, where the engine is told something else.
    said: BTreeMap<AttemptId, u16>,
}

impl Sabotage {
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self {
            bug,
            chances: 0,
            registering: VecDeque::new(),
            changing: BTreeMap::new(),
            originals: BTreeMap::new(),
            first_urls: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Once in so many times.
    fn every(&mut self, times: u64) -> bool {
        self.chances += 1;
        self.chances.is_multiple_of(times)
    }

    pub(super) fn limits(&self, mut limits: Limits) -> Limits {
        match self.bug {
            Some(Bug::OneSlot) => limits.attempts_max = 1,
            Some(Bug::TightBound) => {
                limits.pending_deliveries_max = limits.pending_deliveries_max.min(40) / 2;
            }
            Some(Bug::KeepEverything) => {
                limits.window_deliveries_max = 10_000;
                limits.window_bytes_max = 1 << 30;
                limits.window_bytes_endpoint_max = 1 << 30;
            }
            _ => (),
        }
        limits
    }

    /// The bounds of the store.
    pub(super) fn store(&self, mut bounds: StoreBounds) -> StoreBounds {
        if self.is(Bug::KeepsRecords) {
            bounds.ended_max += 1;
        }
        bounds
    }

    pub(super) fn now(&self, now: Now) -> Now {
        if self.is(Bug::WallClock) {
            let mono = Mono(now.wall.0);
            return Now { mono, ..now };
        }
        now
    }

    /// The moment of the monotonic clock that an alarm means.
    pub(super) fn alarm(&mut self, at: Option<Mono>, now: Now) -> Option<Mono> {
        let at = at?;
        if self.is(Bug::LoseWakeUp) && self.every(5) {
            return None;
        }
        if self.is(Bug::WallClock) {
            let left = at.0.saturating_sub(now.wall.0);
            return Some(Mono(now.mono.0 + left));
        }
        Some(at)
    }

    /// The spec that the engine is made to obey.
    fn twist(&self, spec: &mut EndpointSpec) {
        match self.bug {
            Some(Bug::TooManyIsFinal) => spec.retry.also_retry.retain(|status| *status != 429),
            Some(Bug::RetryOnceMore) => more(&mut spec.retry),
            Some(Bug::RetryOnceLess) => less(&mut spec.retry),
            Some(Bug::IgnoreOrder) => spec.ordering = Ordering::None,
            Some(Bug::ForgetBreaker) => spec.breaker = None,
            Some(Bug::ForgetRateLimit) => spec.rate_limit = None,
            Some(Bug::TooManyAtOnce) => spec.concurrency = 1_024,
            Some(Bug::WideJitter) => {
                spec.retry.jitter_percent = (spec.retry.jitter_percent + 35).min(100);
            }
            Some(Bug::HangLonger) => {
                spec.timeout = (spec.timeout * 2).min(Duration::from_secs(600))
            }
            _ => return,
        }
        if spec.ordering == Ordering::None {
            spec.batch = None;
            spec.on_failed = postrider_engine::OnFailed::Continue;
        }
    }

    /// What the engine is told instead.
    pub(super) fn input(&mut self, mut input: Input) -> Option<Input> {
        if self.bug.is_none() {
            return Some(input);
        }
        match &mut input {
            Input::Command(_, Command::Register(spec, _)) => {
                // The one before is on its way to the store, or was refused.
                self.registering.clear();
                self.registering.push_back((**spec).clone());
                self.twist(spec);
            }
            Input::Command(_, Command::Change(id, EndpointChange::Spec(spec))) => {
                let waiting = self.changing.entry(*id).or_default();
                waiting.push_back((**spec).clone());
                self.twist(spec);
            }
            Input::Command(_, Command::Change(_, change @ EndpointChange::Pause))
                if self.is(Bug::IgnorePause) =>
            {
                *change = EndpointChange::Resume;
            }
            Input::AttemptDone(attempt, Outcome::Response(response), _) => {
                if self.is(Bug::RetryAfterPerLane) && matches!(response.status, 429 | 503) {
                    // Both are retried, and asked to wait, but alone.
                    self.said.insert(*attempt, response.status);
                    response.status = if response.status == 429 { 408 } else { 500 };
                }
                if self.is(Bug::RetryRejection) && (400..500).contains(&response.status) {
                    response.status = 503;
                }
                if self.is(Bug::LateSuccess) {
                    response.head_ms = 0;
                }
                if self.is(Bug::IgnoreRetryAfter) {
                    response.headers.clear();
                }
            }
            Input::Committed(_, Receipt::Applied) if self.is(Bug::LeakSlot) && self.every(10) => {
                return None;
            }
            Input::Committed(_, Receipt::Due(placed)) if self.is(Bug::DeafToRetryNow) => {
                // What is due is looked for where nothing is.
                placed.lane.endpoint = EndpointId::from_u128(0);
            }
            Input::Drain(..) if self.is(Bug::DrainNever) => return None,
            _ => (),
        }
        Some(input)
    }

    /// What the store is given instead; and what the engine is told at once, if it is.
    pub(super) fn batch(
        &mut self,
        mut batch: Batch,
        tail: impl Fn(&postrider_engine::LaneId) -> Seq,
    ) -> (Batch, Option<Input>) {
        let id = batch.id;
        let mut at_once = None;
        if self.bug.is_none() {
            return (batch, None);
        }
        match &mut batch.change {
            Change::AddEndpoint(endpoint) => {
                if let Some(original) = self.registering.pop_front() {
                    endpoint.spec = Arc::new(original.clone());
                    self.originals.insert(endpoint.id, original);
                }
            }
            Change::ChangeEndpoint(update) if update.spec.is_some() => {
                let waiting = self.changing.get_mut(&update.endpoint);
                if let Some(mut original) = waiting.and_then(VecDeque::pop_front) {
                    let mut changed = (**update).clone();
                    if let Some(spec) = &changed.spec {
                        original.tenant = spec.tenant.clone();
                    }
                    changed.spec = Some(Arc::new(original.clone()));
                    self.originals.insert(update.endpoint, original);
                    *update = Arc::new(changed);
                }
            }
            Change::Publish(publish) => {
                match (self.bug, &mut publish.idempotency) {
                    (Some(Bug::ForgetKeys), key) => *key = None,
                    (Some(Bug::KeyWithoutContent), Some(key)) => key.digest = [0; 32],
                    _ => (),
                }
                if self.is(Bug::FanOutMissesOne) && publish.deliveries.len() > 1 {
                    let kept = publish.deliveries.len() - 1;
                    publish.deliveries = publish.deliveries[..kept].into();
                }
                if self.is(Bug::AckBeforeCommit) && publish.idempotency.is_none() {
                    let places = publish
                        .deliveries
                        .iter()
                        .map(|it| Seq(tail(&it.lane).0 + 1).into());
                    let receipt = Receipt::Published(places.collect());
                    at_once = Some(Input::Committed(id, receipt));
                }
            }
            Change::Attempted(end) => {
                let mut changed = (**end).clone();
                if self.is(Bug::DeadLetterVanishes)
                    && changed.state == DeliveryState::Failed(FailReason::Rejected)
                {
                    changed.state = DeliveryState::Discarded;
                }
                if self.is(Bug::GoneForgotten) {
                    changed.disable = None;
                }
                if let Outcome::Response(response) = &mut changed.attempt.outcome
                    && let Some(status) = self.said.get(&changed.attempt.id)
                {
                    response.status = *status;
                }
                changed.attempt.duration_ms += u64::from(self.is(Bug::WrongDuration));
                if self.is(Bug::ResultBeforeCommit) {
                    at_once = Some(Input::Committed(id, Receipt::Applied));
                }
                *end = Arc::new(changed);
            }
            _ => (),
        }
        (batch, at_once)
    }

    /// An event that found no room: what the engine is told instead.
    pub(super) fn refused(
        &self,
        batch: &Batch,
        tail: impl Fn(&postrider_engine::LaneId) -> Seq,
    ) -> Option<Receipt> {
        let Change::Publish(publish) = &batch.change else {
            return None;
        };
        let places = publish
            .deliveries
            .iter()
            .map(|it| Seq(tail(&it.lane).0 + 1).into());
        self.is(Bug::DropWhenFull)
            .then(|| Receipt::Published(places.collect()))
    }

    pub(super) fn loaded(&self, mut loaded: Loaded) -> Loaded {
        match self.bug {
            Some(Bug::LoadBackwards) => {
                let places: Vec<Seq> = loaded.deliveries.iter().map(|it| it.seq).collect();
                loaded.deliveries.reverse();
                for (delivery, seq) in loaded.deliveries.iter_mut().zip(places) {
                    delivery.seq = seq;
                }
            }
            Some(Bug::LoadSkipsOne) if loaded.deliveries.len() > 1 => {
                loaded.deliveries.remove(0);
            }
            Some(Bug::LoadMixesPayloads) if loaded.deliveries.len() > 1 => {
                let first = Arc::clone(&loaded.deliveries[0].event);
                let second = std::mem::replace(&mut loaded.deliveries[1].event, first);
                loaded.deliveries[0].event = second;
            }
            _ => (),
        }
        loaded
    }

    pub(super) fn recovered(&mut self, mut recovered: Recovered) -> Recovered {
        self.registering.clear();
        self.changing.clear();
        for endpoint in &mut recovered.endpoints {
            if self.is(Bug::ForgetHold) {
                endpoint.endpoint.health.held_until = None;
            }
            let mut spec = (*endpoint.endpoint.spec).clone();
            self.twist(&mut spec);
            endpoint.endpoint.spec = Arc::new(spec);
        }
        for lane in &mut recovered.lanes {
            match self.bug {
                Some(Bug::EarlyAfterRestart) => {
                    for delivery in &mut lane.retrying {
                        delivery.due = postrider_engine::Wall(0);
                    }
                }
                Some(Bug::ForgetAfterRestart) => lane.retrying.clear(),
                Some(Bug::RecountAfterRestart) => {
                    for delivery in &mut lane.retrying {
                        delivery.attempts = 0;
                    }
                }
                _ => (),
            }
        }
        recovered
    }

    /// What goes over the wire instead, and whether it goes twice.
    pub(super) fn wire(&mut self, wire: &mut Wire, endpoint: EndpointId, resent: bool) -> bool {
        let first = self
            .first_urls
            .entry(endpoint)
            .or_insert_with(|| Arc::clone(&wire.url));
        if self.bug == Some(Bug::StaleUrl) {
            wire.url = Arc::clone(first);
        }
        match self.bug {
            Some(Bug::ReuseNumber) => wire.number = wire.number.saturating_sub(1).max(1),
            Some(Bug::WrongBody) => {
                let mut body = wire.body.to_vec();
                if let Some(last) = body.last_mut() {
                    *last ^= 1;
                }
                wire.body = Bytes::from(body);
            }
            Some(Bug::WrongTimestamp) => {
                let stamp = wire
                    .headers
                    .iter_mut()
                    .find(|(name, _)| name == "webhook-timestamp");
                if let Some((_, value)) = stamp {
                    *value = (wire.at.wall.0 / 1_000 + 1).to_string();
                }
            }
            Some(Bug::OneSignature) => {
                for (name, value) in &mut wire.headers {
                    let parted = match name.as_str() {
                        "webhook-signature" => value.split_once(' '),
                        _ => None,
                    };
                    if let Some((first, _)) = parted {
                        *value = first.to_owned();
                    }
                }
                new_signature_first(&mut wire.headers);
                wire.headers.retain(|(name, _)| !name.contains("-next"));
            }
            Some(Bug::NewSignatureFirst) => new_signature_first(&mut wire.headers),
            _ => (),
        }
        resent && self.is(Bug::SendTwiceAfterResend)
    }

    /// What a caller hears instead.
    pub(super) fn reply(&self, mut reply: Reply, asked_to_pause: bool) -> Reply {
        match &mut reply {
            Reply::Endpoint(Ok(endpoint)) => {
                if let Some(original) = self.originals.get(&endpoint.id) {
                    endpoint.spec = Arc::new(original.clone());
                }
                if asked_to_pause && self.is(Bug::IgnorePause) {
                    endpoint.status = EndpointStatus::Paused;
                }
            }
            Reply::Drained(drained) if self.is(Bug::DrainLies) => drained.pending = 0,
            _ => (),
        }
        reply
    }

    /// Whether a fact is not told.
    pub(super) fn keeps_quiet_of(&self, fact: &postrider_engine::Fact) -> bool {
        self.is(Bug::DeafBreaker) && matches!(fact, postrider_engine::Fact::BreakerClosed { .. })
    }

    /// Whether a fact is told twice.
    pub(super) fn tells_twice(&self, fact: &postrider_engine::Fact) -> bool {
        self.is(Bug::EndTwice) && matches!(fact, postrider_engine::Fact::Delivered { .. })
    }
}

fn more(retry: &mut RetryPolicy) {
    match &mut retry.schedule {
        Schedule::Exponential { retries, .. } => *retries += 1,
        Schedule::Delays(delays) => {
            let last = delays.last().copied().unwrap_or(Duration::from_secs(1));
            delays.push(last);
        }
    }
}

fn less(retry: &mut RetryPolicy) {
    match &mut retry.schedule {
        Schedule::Exponential { retries, .. } => *retries = retries.saturating_sub(1),
        Schedule::Delays(delays) => {
            delays.pop();
        }
    }
}

/// Gives the signatures of the oldest and the newest secret each other's header.
fn new_signature_first(headers: &mut [(String, String)]) {
    let place = |wanted: &str| headers.iter().position(|(name, _)| name == wanted);
    let (old, new) = (place("x-signature"), place("x-signature-next"));
    if let (Some(old), Some(new)) = (old, new) {
        let value = headers[old].1.clone();
        headers[old].1 = std::mem::replace(&mut headers[new].1, value);
    }
}
