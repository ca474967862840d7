//! From end to end: what Postrider sends is what a receiver verifies.

use super::{Moved, NOW, Service, Way, receiver};
use crate::receiver::{end_of, hasty, loopback};
use postrider::receive::Webhook;
use postrider::signature::{Scheme, Sequence};
use postrider::{EventId, EventState, Postrider, Secret};
use std::time::Duration;

#[tokio::test]
async fn no_delivery_is_refused_while_the_secret_is_rotated() {
    for way in Way::BOTH {
        let clock = Moved::to(NOW);
        let service = async |secrets| {
            let receiver = receiver(Scheme::Postrider, secrets).clock(clock.clone());
            Service::start(way, receiver).await
        };
        // One receiver has changed over already, the other one has not begun.
        let changed = service(&["a new secret, long enough", "an old secret, long enough"]).await;
        let unchanged = service(&["an old secret, long enough"]).await;
        let builder = Postrider::builder().egress(loopback());
        let postrider = builder.clock(clock.clone()).start().await.unwrap();
        let mut endpoints = Vec::new();
        for service in [&changed, &unchanged] {
            // Without retries: whatever is refused has failed.
            let spec = hasty(&service.url(), 0);
            let secret = Secret::parse("an old secret, long enough").unwrap();
            endpoints.push(postrider.register(spec, Some(secret)).await.unwrap().id);
        }
        let overlap = Duration::from_secs(60);
        let mut events = Vec::new();
        for number in 0..30 {
            for endpoint in &endpoints {
                if number == 15 {
                    end_of(&postrider, &events[0]).await;
                    let new = Secret::parse("a new secret, long enough").unwrap();
                    let rotated = postrider.rotate_secret(endpoint, Some(new), overlap);
                    rotated.await.unwrap();
                }
                let payload = format!("\u{e9}{number}");
                let event = postrider.submit_event(endpoint, "a.b", payload);
                events.push(event.await.unwrap());
            }
        }
        for (number, event) in events.iter().enumerate() {
            let end = end_of(&postrider, event).await;
            assert_eq!(end.state, EventState::Delivered, "{way:?}, event {number}");
        }
        let handled = changed.handled();
        let key_of = |event: &EventId| {
            let id = event.to_string();
            let is_it = |it: &&Webhook| {
                let known = it.id.as_deref().map(Sequence::split);
                known.is_some_and(|(known, place)| known == id && place.is_some())
            };
            handled.iter().find(is_it).map(|it| it.key_index)
        };
        let keys: Vec<_> = events.iter().step_by(2).map(key_of).collect();
        // What was under way meanwhile may bear either signature.
        assert_eq!(keys[0], Some(1), "{way:?}: the first is signed as before");
        assert_eq!(keys[15..], [Some(0); 15], "{way:?}: and these by both");
        assert_eq!(handled.len(), 30, "{way:?}");
        assert!(handled.iter().all(|it| it.timestamp == Some(NOW)));
        assert!(unchanged.handled().iter().all(|it| it.key_index == 0));

        clock.on(61);
        for (endpoint, state) in endpoints
            .iter()
            .zip([EventState::Delivered, EventState::Failed])
        {
            let event = postrider.submit_event(endpoint, "a.b", "late").await;
            let end = end_of(&postrider, &event.unwrap()).await;
            assert_eq!(end.state, state, "{way:?}: the overlap is over");
        }
        assert_eq!(unchanged.handled().len(), 30, "{way:?}");
    }
}
