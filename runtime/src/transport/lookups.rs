//! Look-ups of names by the operating system, of which only so many are under way at once.
//!
//! The system's resolver blocks a thread until it has an answer, though whoever asked may long have
//! given up. Those threads are tokio's, and others need them, too: the store reads on them. So a
//! look-up has a place for as long as its thread is blocked, there are few places for names that are
//! likely to have one owner, and whoever asks for the same name at the same time shares one look-up.

use super::shortage::{self, Shortage};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::timeout;

/// The most look-ups under way: half of the threads that may block, of which tokio has 512 by default.
const PLACES: usize = 256;

/// The most of them for the names of one zone.
const PLACES_OF_ZONE: usize = 4;

/// How long a look-up that its zone has room for waits for a place among all. It is this machine that
/// is short of places then, and no fault of a receiver's.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Public suffixes under which names are sold as they are under a country's top-level domain.
const SECOND_LEVELS: [&str; 10] = [
    "ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org",
];

/// Of all transports of the process, which share the machine's resolver.
static SYSTEM: LazyLock<Arc<Lookups>> = LazyLock::new(|| Lookups::new(Box::new(ask_system)));

type Resolver = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;
type Answer = Result<Arc<[SocketAddr]>, Arc<io::Error>>;

/// Tells an answer to all who wait for it.
type Told = watch::Sender<Option<Answer>>;

/// The addresses of a name, with port 0.
pub(super) async fn look_up(name: &str) -> io::Result<Arc<[SocketAddr]>> {
    SYSTEM.look_up(name).await
}

fn ask_system(name: &str) -> io::Result<Vec<SocketAddr>> {
    let found = (name, 0).to_socket_addrs();
    Ok(found.map_err(shortage::of_resolve)?.collect())
}

struct Lookups {
    resolver: Box<Resolver>,
    places: Arc<Semaphore>,
    known: Mutex<Known>,
}

/// What is under way.
#[derive(Default)]
struct Known {
    names: BTreeMap<String, Weak<Told>>,
    /// The places of each zone.
    zones: BTreeMap<String, Arc<Semaphore>>,
}

/// A place in the zone, and one among all.
type Places = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Lookups {
    fn new(resolver: Box<Resolver>) -> Arc<Self> {
        Arc::new(Self {
            resolver,
            places: Arc::new(Semaphore::new(PLACES)),
            known: Mutex::default(),
        })
    }

    async fn look_up(self: &Arc<Self>, name: &str) -> io::Result<Arc<[SocketAddr]>> {
        loop {
            let mut heard = self.join(name);
            if let Ok(told) = heard.wait_for(Option::is_some).await
                && let Some(answer) = &*told
            {
                return answer.clone().map_err(|error| again(&error));
            }
            // It was given up just then, or the runtime that it ran on has ended.
            yield_now().await;
        }
    }

    /// Takes part in the look-up of this name; it begins if there is none.
    fn join(self: &Arc<Self>, name: &str) -> watch::Receiver<Option<Answer>> {
        let mut known = self.lock();
        if let Some(told) = known.names.get(name).and_then(Weak::upgrade) {
            return told.subscribe();
        }
        let told = Arc::new(watch::Sender::new(None));
        let heard = told.subscribe();
        known.names.insert(name.to_owned(), Arc::downgrade(&told));
        drop(known);
        // A task of its own: an attempt that ends leaves the look-up to the others who wait for it.
        tokio::spawn(Arc::clone(self).run(name.to_owned(), told));
        heard
    }

    async fn run(self: Arc<Self>, name: String, told: Arc<Told>) {
        let answer = self.ask(&name, &told).await;
        let mut known = self.lock();
        known.names.remove(&name);
        let zone = zone(&name);
        if known
            .zones
            .get(zone)
            .is_some_and(|places| Arc::strong_count(places) == 1)
        {
            known.zones.remove(zone);
        }
        drop(known);
        if answer.is_some() {
            told.send_replace(answer);
        }
    }

    /// None if nobody waits for it any more before it begins.
    async fn ask(self: &Arc<Self>, name: &str, told: &Told) -> Option<Answer> {
        let places = tokio::select! {
            biased;
            places = self.places(zone(name)) => places,
            () = told.closed() => return None,
        };
        let places = match places {
            Ok(places) => places,
            Err(error) => return Some(Err(Arc::new(error))),
        };
        let (lookups, name) = (Arc::clone(self), name.to_owned());
        let asked = spawn_blocking(move || {
            let found = (lookups.resolver)(&name);
            // Only now: the thread was blocked until here, whoever waits for it.
            drop(places);
            found
        });
        let found = asked
            .await
            .unwrap_or_else(|ended| Err(io::Error::other(ended)));
        Some(found.map(Arc::from).map_err(Arc::new))
    }

    /// Waits for a place in the zone as long as there is somebody who waits for the answer: that its
    /// names are answered slowly is the zone's own doing.
    async fn places(&self, zone: &str) -> io::Result<Places> {
        let of_zone = self.places_of(zone).acquire_owned().await;
        let of_zone = of_zone.map_err(io::Error::other)?;
        let of_all = Arc::clone(&self.places).acquire_owned();
        match timeout(PLACE_WAIT_MAX, of_all).await {
            Ok(of_all) => Ok((of_zone, of_all.map_err(io::Error::other)?)),
            Err(_) => {
                let detail = format!("{PLACES} names are being looked up");
                let error = io::Error::new(io::ErrorKind::TimedOut, detail);
                Err(io::Error::other(Shortage(error)))
            }
        }
    }

    fn places_of(&self, zone: &str) -> Arc<Semaphore> {
        let mut known = self.lock();
        let places = known.zones.entry(zone.to_owned());
        let places = places.or_insert_with(|| Arc::new(Semaphore::new(PLACES_OF_ZONE)));
        Arc::clone(places)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic while it was held left no change half made: there is none that can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error once more: each who waits for it gets one.
fn again(error: &io::Error) -> io::Error {
    let copy = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
    match error.get_ref().and_then(|it| it.downcast_ref::<Shortage>()) {
        Some(Shortage(short)) => io::Error::other(Shortage(copy(short))),
        None => copy(error),
    }
}

/// The end of a name that is likely to have one owner, whose name servers answer for all names that
/// end so.
fn zone(name: &str) -> &str {
    let name = name.trim_end_matches('.');
    let mut labels = name.rsplit('.');
    let is_country = labels.next().is_some_and(|top| top.len() == 2);
    let is_sold_under = labels
        .next()
        .is_some_and(|second| SECOND_LEVELS.contains(&second));
    let owner = if is_country && is_sold_under { 2 } else { 1 };
    let dot = name.rmatch_indices('.').nth(owner);
    dot.map_or(name, |(dot, _)| &name[dot + 1..])
}

#[cfg(test)]
mod tests;
