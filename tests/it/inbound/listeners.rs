//! Code of the application that runs for every published event.

use super::{Hook, source};
use crate::api::Server;
use crate::receiver::until;
use postrider::EventRecord;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The types of the events that a listener was given.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// A listener that notes the type of each event.
pub(crate) fn noting(
    seen: &Seen,
) -> impl Fn(EventRecord) -> std::future::Ready<Result<(), axum::BoxError>> + use<> {
    let seen = Arc::clone(seen);
    move |record| {
        let event_type = record.event.event_type.to_string();
        seen.lock().unwrap().push(event_type);
        std::future::ready(Ok(()))
    }
}

/// Waits for so many.
pub(crate) async fn until_seen(seen: &Seen, count: usize) -> Vec<String> {
    until("all are seen", || async {
        seen.lock().unwrap().len() >= count
    })
    .await;
    seen.lock().unwrap().clone()
}

#[tokio::test]
async fn a_listener_sees_every_event_from_now_on_in_order_whoever_published_it() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    server.publish("before", json!({})).await;
    let (all, some) = (Seen::default(), Seen::default());
    let _all = server.api.listen("*", noting(&all)).await.unwrap();
    let _some = server.api.listen("stripe.*", noting(&some)).await.unwrap();
    let mut expected = Vec::new();
    for number in 0..50 {
        server.publish(&format!("n.{number}"), json!({})).await;
        let hook = Hook::stripe(&format!("evt_{number}"), &format!("s.{number}"));
        hook.taken(&server, &path).await;
        expected.extend([format!("n.{number}"), format!("stripe.s.{number}")]);
    }
    assert_eq!(until_seen(&all, 100).await, expected);
    let of_stripe: Vec<_> = expected
        .into_iter()
        .filter(|it| it.starts_with("stripe."))
        .collect();
    assert_eq!(until_seen(&some, 50).await, of_stripe);
    assert!(server.api.listen("a b", noting(&some)).await.is_err());
}

#[tokio::test]
async fn a_listener_is_woken_and_does_not_look_once_a_second() {
    let server = Server::start().await;
    let seen = Seen::default();
    let _listening = server.api.listen("*", noting(&seen)).await.unwrap();
    let start = Instant::now();
    for number in 1..=12 {
        server.publish("n", json!({})).await;
        until_seen(&seen, number).await;
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test]
async fn a_listener_that_fails_is_given_the_same_event_again() {
    let server = Server::start().await;
    let seen = Seen::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let for_handler = (Arc::clone(&seen), Arc::clone(&calls));
    let _listening = server
        .api
        .listen("*", move |record| {
            let (seen, calls) = for_handler.clone();
            async move {
                match calls.fetch_add(1, Ordering::Relaxed) {
                    0 => return Err("not now".into()),
                    1 => std::panic::panic_any("the panic of this test"),
                    _ => (),
                }
                seen.lock()
                    .unwrap()
                    .push(record.event.event_type.to_string());
                Ok(())
            }
        })
        .await
        .unwrap();
    server.publish("one", json!({})).await;
    server.publish("two", json!({})).await;
    assert_eq!(until_seen(&seen, 2).await, ["one", "two"]);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_listener_that_is_off_sees_nothing_more() {
    let server = Server::start().await;
    let (off, dropped, on) = (Seen::default(), Seen::default(), Seen::default());
    let first = server.api.listen("*", noting(&off)).await.unwrap();
    let second = server.api.listen("*", noting(&dropped)).await.unwrap();
    let _third = server.api.listen("*", noting(&on)).await.unwrap();
    server.publish("one", json!({})).await;
    for seen in [&off, &dropped, &on] {
        until_seen(seen, 1).await;
    }
    first.off();
    drop(second);
    server.publish("two", json!({})).await;
    until_seen(&on, 2).await;
    assert_eq!(
        (off.lock().unwrap().len(), dropped.lock().unwrap().len()),
        (1, 1)
    );
}
