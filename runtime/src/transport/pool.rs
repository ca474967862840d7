//! Connections kept for the next request.
//!
//! A data structure and nothing else: it makes no connection and sets no timer. Everything in it
//! is ordered, so that the same calls give the same connections.
//!
//! A connection is either *exclusive*: one request at a time has it, on a [`Lease`]; or *shared*:
//! many requests are under way on it, each on a [`Slot`].
//!
//! Whether an `https` origin speaks a shared protocol is known only after a handshake. Until then
//! one connection is made at a time and whoever else comes waits for it ([`Checkout::Wait`]), so
//! that a burst of requests ends up on one connection and not on a hundred.

mod handles;
#[cfg(test)]
mod tests;

pub(crate) use handles::{DialPermit, Dialing, Lease, Slot};

use super::limits::PoolLimits;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

/// What the pool asks of a connection.
pub(crate) trait Connection {
    /// Whether it is not known to be closed.
    fn is_open(&self) -> bool;
}

/// What the pool asks of a connection that requests share. Its clones are the same connection.
pub(crate) trait Shared: Connection + Clone {
    /// The most requests under way at once that the receiver allows.
    fn streams_max(&self) -> usize;
}

/// What a request goes out on.
pub(crate) enum Checkout<E: Connection, M: Shared> {
    /// A connection that was idle.
    Exclusive(Lease<E, M>),
    /// A place on a shared connection.
    Shared(Slot<E, M>),
    /// Nothing: make a connection.
    Dial(DialPermit<E, M>),
    /// Nothing yet: somebody is making a connection that may be shared. Check out again when the
    /// future is ready.
    Wait(Arc<Dialing>, OwnedNotified),
}

/// A moment in the life of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(u64);

#[derive(Debug)]
pub(crate) struct Pool<E, M> {
    limits: PoolLimits,
    state: Mutex<State<E, M>>,
}

#[derive(Debug)]
struct State<E, M> {
    origins: BTreeMap<Arc<str>, Origin<E, M>>,
    /// The idle connections of all origins by ticket: the one unused for longest comes first.
    idle: BTreeMap<u64, Idle>,
    next_id: u64,
}

#[derive(Debug)]
struct Idle {
    since: Instant,
    origin: Arc<str>,
}

/// What is known of an origin while it has connections. None of them: no entry.
#[derive(Debug)]
struct Origin<E, M> {
    name: Arc<str>,
    /// The idle exclusive connections with their tickets, the one used last at the end.
    exclusive: Vec<(u64, E)>,
    /// The exclusive connections that are in use.
    leased: usize,
    shared: Vec<Multiplexed<M>>,
    /// The connection being made that may turn out to be shared.
    dialing: Option<Arc<Dialing>>,
}

#[derive(Debug)]
struct Multiplexed<M> {
    id: u64,
    connection: M,
    streams: usize,
    /// Its place among the idle ones while `streams` is 0.
    ticket: Option<u64>,
}

/// A connection taken out, to be dropped when the lock is released: closing is a system call.
enum Closed<E, M> {
    Exclusive { _connection: E },
    Shared { _connection: M },
}

impl<E: Connection, M: Shared> Pool<E, M> {
    pub(crate) fn new(limits: PoolLimits) -> Arc<Self> {
        let state = State {
            origins: BTreeMap::new(),
            idle: BTreeMap::new(),
            next_id: 0,
        };
        Arc::new(Self {
            limits,
            state: Mutex::new(state),
        })
    }

    /// Finds what the next request to `origin` goes out on: the connection used last that is not
    /// known to be closed and has not idled for too long.
    ///
    /// `may_share` says that the origin may turn out to speak a shared protocol. `newer_than` says
    /// that the request was just sent on a connection that was of no use: it goes out on one that
    /// was made since then, and idle exclusive ones, unused for longer, are closed.
    pub(crate) fn checkout(
        self: &Arc<Self>,
        origin: &str,
        may_share: bool,
        newer_than: Option<Mark>,
        now: Instant,
    ) -> Checkout<E, M> {
        let mut closed = Vec::new();
        let mut state = self.lock();
        state.close_expired(now, &self.limits, &mut closed);
        if newer_than.is_some() {
            state.close_exclusive(origin, &mut closed);
        } else if let Some((name, connection)) = state.take_exclusive(origin, &mut closed) {
            drop(state);
            return Checkout::Exclusive(Lease::new(Arc::clone(self), name, connection));
        }
        let taken = state.take_shared(origin, newer_than, &self.limits, &mut closed);
        if let Some((name, id, connection)) = taken {
            drop(state);
            return Checkout::Shared(Slot::new(Arc::clone(self), name, id, connection));
        }
        match state.dial(origin, may_share) {
            Dial::Go(name, dialing) => {
                drop(state);
                Checkout::Dial(DialPermit::new(Arc::clone(self), name, dialing))
            }
            Dial::Wait(dialing) => {
                // Made under the lock: a future made after the notification would miss it.
                let settled = dialing.settled();
                Checkout::Wait(dialing, settled)
            }
        }
    }

    /// Marks this moment, to tell connections that are made from now on from those there are.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.lock().next_id)
    }

    /// Closes every idle connection.
    pub(crate) fn close_idle(&self) {
        let mut closed = Vec::new();
        let mut state = self.lock();
        state.close_beyond(0, &mut closed);
        drop(state);
    }

    /// The number of idle connections.
    pub(crate) fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<E, M>> {
        // A panic while it was held left no change half made: there is none that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Dial {
    Go(Arc<str>, Option<Arc<Dialing>>),
    Wait(Arc<Dialing>),
}

impl<E: Connection, M: Shared> State<E, M> {
    fn take_exclusive(
        &mut self,
        origin: &str,
        closed: &mut Vec<Closed<E, M>>,
    ) -> Option<(Arc<str>, E)> {
        let entry = self.origins.get_mut(origin)?;
        while let Some((ticket, connection)) = entry.exclusive.pop() {
            self.idle.remove(&ticket);
            if connection.is_open() {
                entry.leased += 1;
                return Some((Arc::clone(&entry.name), connection));
            }
            closed.push(Closed::Exclusive {
                _connection: connection,
            });
        }
        None
    }

    fn take_shared(
        &mut self,
        origin: &str,
        newer_than: Option<Mark>,
        limits: &PoolLimits,
        closed: &mut Vec<Closed<E, M>>,
    ) -> Option<(Arc<str>, u64, M)> {
        let entry = self.origins.get_mut(origin)?;
        for dead in entry
            .shared
            .extract_if(.., |shared| !shared.connection.is_open())
        {
            if let Some(ticket) = dead.ticket {
                self.idle.remove(&ticket);
            }
            closed.push(Closed::Shared {
                _connection: dead.connection,
            });
        }
        let max = limits.streams_per_connection_max;
        let free = |shared: &&mut Multiplexed<M>| {
            newer_than.is_none_or(|Mark(mark)| shared.id > mark)
                && shared.streams < max.min(shared.connection.streams_max())
        };
        let shared = entry.shared.iter_mut().find(free)?;
        shared.streams += 1;
        if let Some(ticket) = shared.ticket.take() {
            self.idle.remove(&ticket);
        }
        Some((
            Arc::clone(&entry.name),
            shared.id,
            shared.connection.clone(),
        ))
    }

    fn dial(&mut self, origin: &str, may_share: bool) -> Dial {
        let known = self.origins.get(origin);
        let name = known.map_or_else(|| origin.into(), |entry| Arc::clone(&entry.name));
        // Where an exclusive protocol is spoken, nobody gains by waiting.
        if !may_share || known.is_some_and(|entry| entry.leased > 0) {
            return Dial::Go(name, None);
        }
        let entry = self.entry(&name);
        if let Some(dialing) = &entry.dialing {
            return Dial::Wait(Arc::clone(dialing));
        }
        let dialing = Dialing::new();
        entry.dialing = Some(Arc::clone(&dialing));
        Dial::Go(name, Some(dialing))
    }

    /// A new exclusive connection is in use.
    fn add_exclusive(&mut self, origin: &Arc<str>) {
        self.entry(origin).leased += 1;
    }

    /// A new shared connection has its first request.
    fn add_shared(&mut self, origin: &Arc<str>, connection: M) -> u64 {
        let id = self.next_id();
        let shared = Multiplexed {
            id,
            connection,
            streams: 1,
            ticket: None,
        };
        self.entry(origin).shared.push(shared);
        id
    }

    /// An exclusive connection is no longer in use; `connection` if another request may have it.
    fn give_back(
        &mut self,
        origin: &Arc<str>,
        connection: Option<(E, Instant)>,
        limits: &PoolLimits,
        closed: &mut Vec<Closed<E, M>>,
    ) {
        let ticket = self.next_id();
        let Some(entry) = self.origins.get_mut(origin) else {
            return;
        };
        entry.leased -= 1;
        match connection {
            Some((connection, since)) if entry.exclusive.len() < limits.idle_per_origin_max => {
                entry.exclusive.push((ticket, connection));
                self.idle.insert(
                    ticket,
                    Idle {
                        since,
                        origin: Arc::clone(origin),
                    },
                );
                self.close_beyond(limits.idle_max, closed);
            }
            Some((connection, _)) => closed.push(Closed::Exclusive {
                _connection: connection,
            }),
            None => self.remove_if_empty(origin),
        }
    }

    /// A request on a shared connection has ended. One that is `retired` takes no more requests.
    fn release(
        &mut self,
        origin: &Arc<str>,
        id: u64,
        retired: bool,
        limits: &PoolLimits,
        closed: &mut Vec<Closed<E, M>>,
    ) {
        let ticket = self.next_id();
        let Some(entry) = self.origins.get_mut(origin) else {
            return;
        };
        // Another request may have retired it before.
        let Some(at) = entry.shared.iter().position(|shared| shared.id == id) else {
            return;
        };
        if retired {
            let shared = entry.shared.remove(at);
            closed.push(Closed::Shared {
                _connection: shared.connection,
            });
            self.remove_if_empty(origin);
            return;
        }
        let shared = &mut entry.shared[at];
        shared.streams -= 1;
        if shared.streams == 0 {
            shared.ticket = Some(ticket);
            let since = Instant::now();
            self.idle.insert(
                ticket,
                Idle {
                    since,
                    origin: Arc::clone(origin),
                },
            );
            self.close_beyond(limits.idle_max, closed);
        }
    }

    /// A connection was made, or was not. `awaited` if it is the one that others wait for.
    fn settle(&mut self, origin: &Arc<str>, awaited: bool) {
        if awaited && let Some(entry) = self.origins.get_mut(origin) {
            entry.dialing = None;
        }
        self.remove_if_empty(origin);
    }

    fn close_exclusive(&mut self, origin: &str, closed: &mut Vec<Closed<E, M>>) {
        let Some(entry) = self.origins.get_mut(origin) else {
            return;
        };
        for (ticket, connection) in entry.exclusive.drain(..) {
            self.idle.remove(&ticket);
            closed.push(Closed::Exclusive {
                _connection: connection,
            });
        }
    }

    fn close_expired(&mut self, now: Instant, limits: &PoolLimits, closed: &mut Vec<Closed<E, M>>) {
        let expired = |idle: &Idle| now.duration_since(idle.since) >= limits.idle_timeout;
        while self
            .idle
            .first_key_value()
            .is_some_and(|(_, idle)| expired(idle))
        {
            self.close_oldest(closed);
        }
    }

    fn close_beyond(&mut self, idle_max: usize, closed: &mut Vec<Closed<E, M>>) {
        while self.idle.len() > idle_max {
            self.close_oldest(closed);
        }
    }

    fn close_oldest(&mut self, closed: &mut Vec<Closed<E, M>>) {
        let Some((oldest, Idle { origin, .. })) = self.idle.pop_first() else {
            return;
        };
        let Some(entry) = self.origins.get_mut(&origin) else {
            return;
        };
        let exclusive = entry
            .exclusive
            .iter()
            .position(|(ticket, _)| *ticket == oldest);
        let shared = entry
            .shared
            .iter()
            .position(|shared| shared.ticket == Some(oldest));
        if let Some(at) = exclusive {
            closed.push(Closed::Exclusive {
                _connection: entry.exclusive.remove(at).1,
            });
        } else if let Some(at) = shared {
            closed.push(Closed::Shared {
                _connection: entry.shared.remove(at).connection,
            });
        }
        self.remove_if_empty(&origin);
    }

    fn entry(&mut self, origin: &Arc<str>) -> &mut Origin<E, M> {
        let new = || Origin {
            name: Arc::clone(origin),
            exclusive: Vec::new(),
            leased: 0,
            shared: Vec::new(),
            dialing: None,
        };
        self.origins.entry(Arc::clone(origin)).or_insert_with(new)
    }

    fn remove_if_empty(&mut self, origin: &str) {
        if self.origins.get(origin).is_some_and(Origin::is_empty) {
            self.origins.remove(origin);
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

impl<E, M> Origin<E, M> {
    fn is_empty(&self) -> bool {
        self.leased == 0
            && self.exclusive.is_empty()
            && self.shared.is_empty()
            && self.dialing.is_none()
    }
}
