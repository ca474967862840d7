//! The pool over connections that are mere numbers.

use super::{Checkout, Connection, DialPermit, Lease, Pool, Shared, Slot};
use crate::transport::limits::PoolLimits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, advance};

const ORIGIN: &str = "https://hooks.example";

/// An exclusive connection.
struct Number(u32);

/// A shared one.
#[derive(Clone)]
struct Letter(char, Arc<AtomicBool>);

impl Connection for Number {
    /// Number 0 is dead.
    fn is_open(&self) -> bool {
        self.0 != 0
    }
}

impl Connection for Letter {
    fn is_open(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
}

impl Shared for Letter {
    fn streams_max(&self) -> usize {
        2
    }
}

type TestPool = Arc<Pool<Number, Letter>>;

fn pool(change: impl FnOnce(&mut PoolLimits)) -> TestPool {
    let mut limits = PoolLimits::default();
    change(&mut limits);
    Pool::new(limits)
}

fn checkout(pool: &TestPool, origin: &str) -> Checkout<Number, Letter> {
    pool.checkout(origin, origin.starts_with("https"), None, Instant::now())
}

fn dial(pool: &TestPool, origin: &str) -> DialPermit<Number, Letter> {
    match checkout(pool, origin) {
        Checkout::Dial(permit) => permit,
        _ => panic!("there is a connection, or one is made"),
    }
}

fn exclusive(pool: &TestPool, origin: &str) -> Lease<Number, Letter> {
    match checkout(pool, origin) {
        Checkout::Exclusive(lease) => lease,
        _ => panic!("no exclusive connection"),
    }
}

fn shared(pool: &TestPool, origin: &str) -> Slot<Number, Letter> {
    match checkout(pool, origin) {
        Checkout::Shared(slot) => slot,
        _ => panic!("no shared connection"),
    }
}

fn letter(name: char) -> Letter {
    Letter(name, Arc::new(AtomicBool::new(true)))
}

/// Keeps these connections, in this order.
fn keep(pool: &TestPool, origin: &str, numbers: impl IntoIterator<Item = u32>) {
    let leases: Vec<_> = numbers
        .into_iter()
        .map(|number| dial(pool, origin).exclusive(Number(number)))
        .collect();
    for lease in leases {
        lease.give_back(Instant::now());
    }
}

/// The kept connections in the order in which they are given out.
fn take(pool: &TestPool, origin: &str) -> Vec<u32> {
    let mut taken = Vec::new();
    while let Checkout::Exclusive(lease) = checkout(pool, origin) {
        taken.push(lease.0);
        drop(lease);
    }
    taken
}

fn assert_empty(pool: &TestPool) {
    let state = pool.lock();
    assert!(
        state.idle.is_empty() && state.origins.is_empty(),
        "nothing is left behind"
    );
}

#[test]
fn the_connection_used_last_is_given_out_first() {
    let pool = pool(|_| ());
    keep(&pool, ORIGIN, [1, 2, 3]);
    exclusive(&pool, ORIGIN).give_back(Instant::now());
    assert_eq!(take(&pool, ORIGIN), [3, 2, 1]);
    assert_empty(&pool);
}

#[test]
fn dead_connections_are_passed_over() {
    let pool = pool(|_| ());
    keep(&pool, ORIGIN, [1, 0, 0]);
    assert_eq!(take(&pool, ORIGIN), [1]);
    assert_empty(&pool);
}

#[test]
fn after_a_dead_connection_the_older_ones_are_closed() {
    let pool = pool(|_| ());
    keep(&pool, ORIGIN, [1, 2, 3]);
    let dead = exclusive(&pool, ORIGIN);
    drop(dead);
    let checkout = pool.checkout(ORIGIN, true, Some(pool.mark()), Instant::now());
    assert!(matches!(checkout, Checkout::Dial(_)));
    drop(checkout);
    assert_empty(&pool);
}

#[test]
fn a_shared_connection_that_is_older_than_asked_for_is_passed_over() {
    let pool = pool(|_| ());
    let mut old = dial(&pool, ORIGIN).shared(letter('a'));
    old.answered();
    let mark = pool.mark();
    let newer = || pool.checkout(ORIGIN, true, Some(mark), Instant::now());
    let Checkout::Dial(permit) = newer() else {
        panic!("the old one is no use");
    };
    let mut new = permit.shared(letter('b'));
    new.answered();
    let Checkout::Shared(mut slot) = newer() else {
        panic!("this one is newer");
    };
    slot.answered();
    assert_eq!(slot.0, 'b');
    assert_eq!(shared(&pool, ORIGIN).0, 'a');
}

#[test]
fn the_bounds_on_idle_connections_hold() {
    let pool = pool(|limits| (limits.idle_per_origin_max, limits.idle_max) = (2, 3));
    keep(&pool, "http://a", [1, 2, 9]);
    assert_eq!(pool.idle(), 2);
    keep(&pool, "http://b", [3, 4]);
    assert_eq!(pool.idle(), 3);
    assert_eq!(
        take(&pool, "http://a"),
        [2],
        "the one unused for longest made room"
    );
    assert_eq!(take(&pool, "http://b"), [4, 3]);
    assert_empty(&pool);
}

#[tokio::test(start_paused = true)]
async fn connections_expire_whoever_uses_the_pool() {
    let pool = pool(|limits| limits.idle_timeout = Duration::from_secs(10));
    keep(&pool, "http://a", [1]);
    advance(Duration::from_secs(6)).await;
    keep(&pool, "http://b", [2]);
    advance(Duration::from_secs(6)).await;
    drop(dial(&pool, "http://c"));
    assert_eq!(pool.idle(), 1);
    assert_eq!(take(&pool, "http://b"), [2]);
    assert_empty(&pool);
}

#[test]
fn all_wait_for_the_first_connection_where_it_may_be_shared() {
    let pool = pool(|_| ());
    let permit = dial(&pool, ORIGIN);
    assert!(matches!(checkout(&pool, ORIGIN), Checkout::Wait(..)));
    assert!(matches!(checkout(&pool, "https://else"), Checkout::Dial(_)));
    let first = permit.shared(letter('a'));
    let second = shared(&pool, ORIGIN);
    assert_eq!((first.0, second.0), ('a', 'a'));
    // It is full; one more is made, and again all wait for that one.
    let _permit = dial(&pool, ORIGIN);
    assert!(matches!(checkout(&pool, ORIGIN), Checkout::Wait(..)));
}

#[test]
fn nobody_waits_where_connections_are_exclusive() {
    let pool = pool(|_| ());
    let permits = [dial(&pool, "http://a"), dial(&pool, "http://a")];
    drop(permits);
    let lease = dial(&pool, ORIGIN).exclusive(Number(1));
    let permits = [dial(&pool, ORIGIN), dial(&pool, ORIGIN)];
    drop((lease, permits));
    assert_empty(&pool);
}

#[tokio::test]
async fn whoever_waits_is_woken_when_the_connection_is_given_up() {
    let pool = pool(|_| ());
    let permit = dial(&pool, ORIGIN);
    let Checkout::Wait(_, settled) = checkout(&pool, ORIGIN) else {
        panic!("not waiting")
    };
    drop(permit);
    settled.await;
    drop(dial(&pool, ORIGIN));
    assert_empty(&pool);
}

#[test]
fn a_shared_connection_is_kept_while_it_is_idle() {
    let pool = pool(|_| ());
    let mut slot = dial(&pool, ORIGIN).shared(letter('a'));
    slot.answered();
    drop(slot);
    assert_eq!(pool.idle(), 1);
    let slot = shared(&pool, ORIGIN);
    assert_eq!((slot.0, pool.idle()), ('a', 0));
    pool.close_idle();
    drop(slot);
    assert_empty(&pool);
}

#[test]
fn a_request_without_an_answer_retires_a_shared_connection() {
    let pool = pool(|_| ());
    let mut first = dial(&pool, ORIGIN).shared(letter('a'));
    drop(shared(&pool, ORIGIN));
    let permit = dial(&pool, ORIGIN);
    first.answered();
    drop((first, permit));
    assert_empty(&pool);
}

#[test]
fn a_closed_shared_connection_is_passed_over() {
    let pool = pool(|_| ());
    let connection = letter('a');
    let mut slot = dial(&pool, ORIGIN).shared(connection.clone());
    slot.answered();
    drop(slot);
    connection.1.store(false, Ordering::Relaxed);
    drop(dial(&pool, ORIGIN));
    assert_empty(&pool);
}
