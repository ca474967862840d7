//! Look-ups by a resolver that answers when the test lets it.

use super::*;
use crate::transport::failure::carries;
use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Time enough for anything that should happen, on a busy machine too.
const PATIENT: Duration = Duration::from_secs(20);

/// A resolver that is silent about names that begin so until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    asked: AtomicUsize,
}

impl Gate {
    fn lookups() -> (Arc<Self>, Arc<Lookups>) {
        let gate = Arc::new(Self::default());
        let resolver = Arc::clone(&gate);
        let lookups = Lookups::new(Box::new(move |name: &str| {
            resolver.asked.fetch_add(1, Ordering::SeqCst);
            if name.starts_with("silent") {
                resolver.wait();
            }
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))])
        }));
        (gate, lookups)
    }

    /// Not for ever: a test that fails ends, too.
    fn wait(&self) {
        let open = self.open.lock().unwrap();
        let waited = self
            .opened
            .wait_timeout_while(open, PATIENT * 2, |open| !*open);
        drop(waited.unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn until_asked(&self, times: usize) {
        let deadline = Instant::now() + PATIENT;
        while self.asked() < times {
            assert!(Instant::now() < deadline, "asked {} times", self.asked());
            sleep(Duration::from_millis(2)).await;
        }
    }
}

type Waiting = JoinHandle<io::Result<Arc<[SocketAddr]>>>;

fn begin(lookups: &Arc<Lookups>, name: String) -> Waiting {
    let lookups = Arc::clone(lookups);
    tokio::spawn(async move { lookups.look_up(&name).await })
}

async fn end(waiting: Waiting) {
    let found = timeout(PATIENT, waiting).await.unwrap();
    assert_eq!(found.unwrap().unwrap()[0].ip().to_string(), "192.0.2.1");
}

#[tokio::test]
async fn the_names_of_one_zone_have_few_of_the_places() {
    let (gate, lookups) = Gate::lookups();
    for number in 0..PLACES_OF_ZONE {
        let waiting = begin(&lookups, format!("silent{number}.example.com"));
        gate.until_asked(number + 1).await;
        // The thread is blocked all the same.
        waiting.abort();
    }
    let more = (100..120).map(|number| begin(&lookups, format!("silent{number}.example.com")));
    let more: Vec<_> = more.collect();
    end(begin(&lookups, "hooks.example.org".to_owned())).await;
    assert_eq!(gate.asked(), PLACES_OF_ZONE + 1);
    gate.open();
    for waiting in more {
        end(waiting).await;
    }
    let deadline = Instant::now() + PATIENT;
    while !lookups.lock().names.is_empty() || !lookups.lock().zones.is_empty() {
        assert!(Instant::now() < deadline, "something is kept");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn who_asks_for_the_same_name_shares_its_look_up() {
    let (gate, lookups) = Gate::lookups();
    let name = || "silent.example.com".to_owned();
    let first = begin(&lookups, name());
    gate.until_asked(1).await;
    // Nobody waits for it for a moment, and it goes on.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let others: Vec<_> = (0..20).map(|_| begin(&lookups, name())).collect();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(gate.asked(), 1);
    gate.open();
    for waiting in others {
        end(waiting).await;
    }
    assert_eq!(gate.asked(), 1);
    end(begin(&lookups, name())).await;
    assert_eq!(gate.asked(), 2, "an answer is not kept");
}

#[tokio::test]
async fn a_look_up_that_finds_no_place_is_a_shortage() {
    let (gate, lookups) = Gate::lookups();
    let places = (0..PLACES)
        .map(|place| format!("silent{place}.zone{}.com", place / PLACES_OF_ZONE))
        .map(|name| begin(&lookups, name));
    let places: Vec<_> = places.collect();
    gate.until_asked(PLACES).await;
    let waiting = begin(&lookups, "hooks.example.org".to_owned());
    let found = timeout(PATIENT, waiting).await.unwrap().unwrap();
    assert!(carries::<Shortage>(&found.unwrap_err()));
    assert_eq!(gate.asked(), PLACES);
    gate.open();
    for waiting in places {
        end(waiting).await;
    }
    end(begin(&lookups, "hooks.example.org".to_owned())).await;
}

#[tokio::test]
async fn an_error_is_told_to_all() {
    let lookups = Lookups::new(Box::new(|_: &str| Err(io::Error::other("no such name"))));
    let both = [(); 2].map(|()| begin(&lookups, "a.example.com".to_owned()));
    for waiting in both {
        let found = timeout(PATIENT, waiting).await.unwrap().unwrap();
        assert_eq!(found.unwrap_err().to_string(), "no such name");
    }
}

#[test]
fn a_zone_is_what_is_likely_to_have_one_owner() {
    for (name, owned) in [
        ("localhost", "localhost"),
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("a.example.com.", "example.com"),
        ("hooks.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        // Else each of its names would be a zone.
        ("a1.ab.io", "ab.io"),
    ] {
        assert_eq!(zone(name), owned);
    }
}
