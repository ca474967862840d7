//! What the core knows of an endpoint beyond its record.

use crate::breaker::{Breaker, Turned};
use crate::endpoint::{Endpoint, EndpointStatus, Ordering};
use crate::error::InvalidSpec;
use crate::hold::Hold;
use crate::id::EndpointId;
use crate::input::{CallId, EndpointChange};
use crate::names::OrderingKey;
use crate::rate::Bucket;
use crate::request::Route;
use crate::slab::Key;
use crate::time::{Mono, Now, Wall};
use crate::timers::TimerKey;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct EndpointState {
    pub(crate) record: Endpoint,
    pub(crate) route: Arc<Route>,
    /// The lane of events without an ordering key. Stays once it was needed.
    pub(crate) main: Option<Key>,
    /// The lanes of ordering keys, while they hold anything.
    pub(crate) keyed: BTreeMap<OrderingKey, Key>,
    /// Lanes that can start, in the order in which they came to it.
    pub(crate) ready: VecDeque<Key>,
    /// Whether it stands in the core's queue of endpoints.
    pub(crate) queued: bool,
    /// Whether it waits there for one of the slots for failing endpoints.
    pub(crate) parked: bool,
    /// Attempts and reads under way, over all lanes.
    pub(crate) slots: u32,
    pub(crate) bucket: Option<Bucket>,
    pub(crate) breaker: Breaker,
    pub(crate) hold: Hold,
    /// How many probes the breaker has let through: only the last one can be the one it waits for.
    probes_started: u64,
    pub(crate) admit_timer: Option<TimerKey>,
    /// Lanes whose turn was asked for, and may have come.
    pub(crate) urgent: BTreeSet<Key>,
    pub(crate) pending: Tally,
    /// Payload bytes that its lanes hold.
    pub(crate) window_bytes: usize,
    /// Payload bytes that are kept free for reads under way.
    pub(crate) loading_bytes: usize,
    /// A change is being recorded; the others wait.
    pub(crate) changing: bool,
    pub(crate) changes: VecDeque<(CallId, EndpointChange)>,
    pub(crate) existence: Existence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existence {
    Here,
    /// Its deletion is being recorded: nothing new starts.
    Leaving,
    /// It is deleted and waits for requests under way.
    Gone,
}

/// How much has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) deliveries: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, deliveries: u64, bytes: u64) {
        self.deliveries += deliveries;
        self.bytes += bytes;
    }

    pub(crate) fn subtract(&mut self, deliveries: u64, bytes: u64) {
        debug_assert!(
            self.deliveries >= deliveries && self.bytes >= bytes,
            "counted twice"
        );
        self.deliveries = self.deliveries.saturating_sub(deliveries);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// What has let an attempt through: as which probe of the breaker, and in which round after a hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    probe: Option<u64>,
    round: Option<u64>,
    /// It was asked for, whatever breaker and hold say.
    urgent: bool,
}

impl Pass {
    /// Whether it was asked for, whatever breaker and hold say.
    pub(crate) fn was_asked_for(self) -> bool {
        self.urgent
    }
}

/// What keeps an endpoint from starting an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Until this time.
    Until(Mono),
    /// Until something ends or changes.
    ByOthers,
}

impl EndpointState {
    pub(crate) fn new(record: Endpoint, now: Now) -> Result<Self, InvalidSpec> {
        let breaker = match (record.health.open_until, record.spec.breaker) {
            (None, _) | (_, None) => Breaker::Closed,
            (Some(until), Some(policy)) => {
                let cooldown_max = crate::time::millis(policy.cooldown.max(policy.cooldown_max));
                let left = until.0.saturating_sub(now.wall.0).min(cooldown_max);
                Breaker::Open {
                    until: Mono(now.mono.0.saturating_add(left)),
                    probes: 0,
                }
            }
        };
        let hold = record
            .health
            .held_until
            .map_or_else(Hold::default, |until| {
                let left = until.since(now.wall);
                Hold::recovered(left.min(record.spec.retry.retry_after_max), now.mono)
            });
        Ok(Self {
            route: Arc::new(Route::of(&record, now.wall)?),
            main: None,
            keyed: BTreeMap::new(),
            ready: VecDeque::new(),
            queued: false,
            parked: false,
            slots: 0,
            bucket: record
                .spec
                .rate_limit
                .map(|limit| Bucket::full(&limit, now.mono)),
            breaker,
            hold,
            probes_started: 0,
            admit_timer: None,
            urgent: BTreeSet::new(),
            pending: Tally::default(),
            window_bytes: 0,
            loading_bytes: 0,
            changing: false,
            changes: VecDeque::new(),
            existence: Existence::Here,
            record,
        })
    }

    pub(crate) fn id(&self) -> EndpointId {
        self.record.id
    }

    pub(crate) fn ordering(&self) -> Ordering {
        self.record.spec.ordering
    }

    /// Events for it are taken.
    pub(crate) fn accepts(&self) -> bool {
        self.existence == Existence::Here
            && !matches!(self.record.status, EndpointStatus::Disabled(_))
    }

    /// Requests to it may start, as far as its owner and its health decide.
    pub(crate) fn is_open(&self, now: Mono) -> bool {
        self.existence == Existence::Here
            && self.record.status == EndpointStatus::Active
            && self.breaker == Breaker::Closed
            && !self.hold.is_held(now)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.record.health.failures > 0
    }

    /// Whether an attempt may start, as far as status, breaker, hold and rate limit decide. One that
    /// is urgent passes breaker and hold by.
    pub(crate) fn admits(&mut self, urgent: bool, now: Mono) -> Result<(), Held> {
        if self.existence != Existence::Here || self.record.status != EndpointStatus::Active {
            return Err(Held::ByOthers);
        }
        if !urgent {
            self.breaker
                .ready(now)
                .map_err(|until| until.map_or(Held::ByOthers, Held::Until))?;
            self.hold
                .ready(now)
                .map_err(|until| until.map_or(Held::ByOthers, Held::Until))?;
        }
        match (&mut self.bucket, &self.record.spec.rate_limit) {
            (Some(bucket), Some(limit)) => bucket.ready(limit, now).map_err(Held::Until),
            _ => Ok(()),
        }
    }

    /// An attempt starts: it takes from the rate limit, may be the breaker's probe, and may have a
    /// place in a round.
    pub(crate) fn started(&mut self, urgent: bool, now: Mono) -> Pass {
        if let (Some(bucket), Some(limit)) = (&mut self.bucket, &self.record.spec.rate_limit) {
            bucket.take(limit);
        }
        let probe = self.breaker.started().then(|| {
            self.probes_started += 1;
            self.probes_started
        });
        // One that passes the hold by has no place in its rounds: those are for what may start.
        let in_turn = !urgent || self.hold.ready(now).is_ok();
        let round = if in_turn { self.hold.started() } else { None };
        Pass {
            probe,
            round,
            urgent,
        }
    }

    /// Whether it is the probe that the breaker waits for, and not one from before it closed and
    /// opened again.
    pub(crate) fn is_probe(&self, pass: Pass) -> bool {
        pass.probe == Some(self.probes_started)
    }

    /// Whether the round that it has a place in is the one under way.
    #[cfg(test)]
    pub(crate) fn is_in_round(&self, pass: Pass) -> bool {
        self.hold.is_under_way(pass.round)
    }

    /// An attempt ended without telling anything.
    pub(crate) fn abandoned(&mut self, pass: Pass, now: Mono) {
        if self.is_probe(pass) {
            self.breaker.abandoned(now);
        }
        self.hold.abandoned(pass.round);
    }

    /// The route with the secrets that are live at `wall`.
    pub(crate) fn route_at(&mut self, wall: Wall) -> Arc<Route> {
        if !self.route.holds_at(wall) {
            // Cannot fail: each of these secrets was tried before it was recorded.
            if let Ok(route) = Route::of(&self.record, wall) {
                self.route = Arc::new(route);
            }
        }
        Arc::clone(&self.route)
    }

    /// Takes an attempt's end into its health.
    pub(crate) fn judge(&mut self, answered: Answered, pass: Pass, now: Now) -> Judged {
        let held = match answered {
            Answered::NotNow(asked) => self.hold.begin(asked, now.mono),
            answered => {
                let went_well = answered != Answered::Failed;
                self.hold.ended(pass.round, went_well, now.mono);
                None
            }
        };
        if let Some(until) = held {
            self.record.health.held_until = Some(now.wall.after(until.since(now.mono)));
        }
        let turned = self.judge_breaker(answered, self.is_probe(pass), now);
        if pass.urgent && answered == Answered::Delivered {
            // The receiver takes again what it has asked to be spared.
            self.hold.end(now.mono);
            self.record.health.cut(now.wall);
        }
        Judged { turned, held }
    }

    fn judge_breaker(&mut self, answered: Answered, probe: bool, now: Now) -> Turned {
        let health = &mut self.record.health;
        match answered {
            Answered::Delivered => {
                let held_until = health.held_until.filter(|at| *at > now.wall);
                *health = crate::Health {
                    held_until,
                    ..crate::Health::default()
                };
                self.breaker.succeeded()
            }
            // It is there, and says so: that is no outage.
            Answered::NotNow(_) => {
                health.open_until = None;
                health.failing_since.get_or_insert(now.wall);
                self.breaker.succeeded()
            }
            Answered::Refused => {
                health.failures = 0;
                health.open_until = None;
                health.failing_since.get_or_insert(now.wall);
                self.breaker.succeeded()
            }
            Answered::Failed => {
                health.failures = health.failures.saturating_add(1);
                health.failing_since.get_or_insert(now.wall);
                let Some(policy) = self.record.spec.breaker else {
                    return Turned::No;
                };
                let turned = self
                    .breaker
                    .failed(&policy, health.failures, probe, now.mono);
                if let Turned::Opened(until) = turned {
                    health.open_until = Some(now.wall.after(until.since(now.mono)));
                }
                turned
            }
        }
    }

    /// It has failed for longer than its owner wants.
    pub(crate) fn has_failed_for_too_long(&self, wall: Wall) -> bool {
        match (
            self.record.spec.disable_after,
            self.record.health.failing_since,
        ) {
            (Some(most), Some(since)) => wall.since(since) >= most,
            _ => false,
        }
    }

    /// The lane of this ordering key, while it is in memory.
    pub(crate) fn lane(&self, key: &OrderingKey) -> Option<Key> {
        match key.get() {
            None => self.main,
            Some(_) => self.keyed.get(key).copied(),
        }
    }

    /// Its lanes, the one without a key first.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = Key> {
        self.main.into_iter().chain(self.keyed.values().copied())
    }
}

/// What an outcome says about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Delivered,
    /// It answered, but not as wished (3xx, 4xx).
    Refused,
    /// It asks to be left alone for so long.
    NotNow(Duration),
    Failed,
}

/// What an attempt's end has changed for the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) turned: Turned,
    /// It is held until then, from now on.
    pub(crate) held: Option<Mono>,
}
