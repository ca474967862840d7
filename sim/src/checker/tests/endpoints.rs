//! What is told of endpoints, their breakers, rates and secrets.

use super::*;
use crate::plan::{Breaker, Rate};
use postrider_engine::EndpointChange;

#[test]
fn something_is_sent_to_an_endpoint_that_is_paused() {
    let mut scene = Scene::of("endpoint");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.told(|record| record.status = EndpointStatus::Paused);
    assert!(scene.red(scene.sends(id)).contains("Paused"));

    let mut scene = Scene::of("endpoint");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.ok(scene.sends(id));
}

#[test]
fn something_is_sent_to_an_endpoint_that_is_deleted() {
    let mut scene = Scene::of("endpoint");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.call(Wish::Delete(endpoint));
    assert!(scene.red(scene.sends(id)).contains("deleted"));
}

#[test]
fn something_is_sent_to_a_url_that_is_not_told() {
    let mut scene = Scene::of("endpoint");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    let before = scene.sends(id);
    scene.told(|record| {
        let mut spec = (*record.spec).clone();
        spec.url = "https://r0.example/p7".into();
        record.spec = Arc::new(spec);
    });
    assert!(scene.red(before).contains("p7"));
}

#[test]
fn more_is_under_way_than_the_endpoint_takes() {
    let mut scene = Scene::of("endpoint");
    let plan = EndpointPlan {
        concurrency: 1,
        fifo: false,
        ..EndpointPlan::of(0)
    };
    let endpoint = scene.endpoint_of(&plan);
    let (first, second) = (scene.publish(endpoint), scene.publish(endpoint));
    scene.ok(scene.sends(first));
    scene.ok(scene.hears(first, status(200)));
    assert!(scene.red(scene.sends(second)).contains("where 1"));
}

fn with_breaker(promise: &str) -> (Scene, EndpointId) {
    let mut scene = Scene::of(promise);
    let plan = EndpointPlan {
        fifo: false,
        breaker: Some(Breaker {
            failures: 2,
            cooldown_ms: 1_000,
            cooldown_max_ms: 1_500,
        }),
        ..EndpointPlan::of(0)
    };
    let endpoint = scene.endpoint_of(&plan);
    (scene, endpoint)
}

#[test]
fn something_is_sent_while_the_breaker_is_open() {
    for early_ms in [0, 1] {
        let (mut scene, endpoint) = with_breaker("breaker");
        let ids: Vec<DeliveryId> = (0..4).map(|_| scene.publish(endpoint)).collect();
        scene.attempt(ids[0], status(500));
        scene.attempt(ids[1], status(500));
        scene.pass(1_000 - early_ms);
        if early_ms > 0 {
            assert!(scene.red(scene.sends(ids[2])).contains("open for 1 ms"));
            continue;
        }
        scene.attempt(ids[2], status(500));
        // Doubled, and capped.
        scene.pass(1_499);
        assert!(scene.red(scene.sends(ids[3])).contains("open for 1 ms"));
    }
}

#[test]
fn a_second_request_is_sent_beside_the_probe() {
    let (mut scene, endpoint) = with_breaker("breaker");
    let ids: Vec<DeliveryId> = (0..4).map(|_| scene.publish(endpoint)).collect();
    scene.attempt(ids[0], status(500));
    scene.attempt(ids[1], status(500));
    scene.pass(1_000);
    scene.ok(scene.sends(ids[2]));
    assert!(scene.red(scene.sends(ids[3])).contains("let"));

    let (mut scene, endpoint) = with_breaker("breaker");
    let ids: Vec<DeliveryId> = (0..4).map(|_| scene.publish(endpoint)).collect();
    scene.attempt(ids[0], status(500));
    scene.attempt(ids[1], status(500));
    scene.pass(1_000);
    scene.attempt(ids[2], status(200));
    scene.ok(scene.sends(ids[3]));
}

#[test]
fn an_open_breaker_outlives_a_restart() {
    let (mut scene, endpoint) = with_breaker("breaker");
    let ids: Vec<DeliveryId> = (0..3).map(|_| scene.publish(endpoint)).collect();
    scene.attempt(ids[0], status(500));
    scene.ok(scene.sends(ids[1]));
    scene.ok(scene.hears(ids[1], status(500)));
    let mut end = scene.end_of(ids[1]);
    if let Some(health) = &mut end.health {
        health.open_until = Some(Wall(scene.now().wall.0 + 1_000));
    }
    scene.ok(durable(end));
    scene.ok(What::Stopped(crate::trace::Stop::Killed));
    scene.ok(What::Started { life: 2 });
    scene.pass(999);
    assert!(scene.red(scene.sends(ids[2])).contains("open for 1 ms"));
}

#[test]
fn more_is_sent_than_the_rate_allows() {
    for (pause_ms, red) in [(500, false), (499, true)] {
        let mut scene = Scene::of("rate");
        let plan = EndpointPlan {
            fifo: false,
            rate: Some(Rate {
                requests: 2,
                per_ms: 1_000,
                burst: 3,
            }),
            ..EndpointPlan::of(0)
        };
        let endpoint = scene.endpoint_of(&plan);
        for _ in 0..3 {
            let id = scene.publish(endpoint);
            scene.ok(scene.sends(id));
        }
        let id = scene.publish(endpoint);
        scene.pass(pause_ms);
        assert_eq!(scene.see(scene.sends(id)).is_err(), red);
    }
}

/// Two secrets are told, the older one for half a second more; a request is sent after so long.
fn rotated(
    after_ms: u64,
    headers: impl FnOnce(&mut Scene, DeliveryId) -> Wire,
) -> Result<(), String> {
    let mut scene = Scene::of("signatures");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    let until = Wall(scene.now().wall.0 + 500);
    scene.told(|record| {
        record.secrets[0].expires_at = Some(until);
        let secret = secret(2);
        let expires_at = None;
        record
            .secrets
            .insert(0, EndpointSecret { secret, expires_at });
    });
    scene.pass(after_ms);
    let wire = headers(&mut scene, id);
    scene.ok(What::Sent(Arc::new(wire)));
    scene.see(scene.arrives(id))
}

#[test]
fn a_request_does_not_verify_with_a_live_secret() {
    let as_told = |scene: &mut Scene, id| scene.wire(id);
    assert_eq!(rotated(499, as_told), Ok(()));
    assert_eq!(rotated(500, as_told), Ok(()));
    // Signed as if the overlap were over.
    let too_soon = rotated(499, |scene, id| {
        scene.skew_ms = 2;
        let late = scene.wire(id);
        scene.skew_ms = 0;
        let headers = late.headers;
        Wire {
            headers,
            ..scene.wire(id)
        }
    });
    assert!(too_soon.unwrap_err().contains("does not verify"));
}

#[test]
fn a_secret_whose_overlap_is_over_signs() {
    let said = rotated(501, |scene, id| {
        scene.skew_ms = -2;
        let early = scene.wire(id);
        scene.skew_ms = 0;
        let headers = early.headers;
        Wire {
            headers,
            ..scene.wire(id)
        }
    });
    assert!(said.unwrap_err().contains("has expired"));
}

#[test]
fn a_header_with_one_signature_has_that_of_another_secret() {
    let swapped = |scene: &mut Scene, id| {
        let mut wire = scene.wire(id);
        for (name, _) in &mut wire.headers {
            *name = match name.as_str() {
                "x-signature" => "x-signature-next".to_owned(),
                "x-signature-next" => "x-signature".to_owned(),
                _ => continue,
            };
        }
        wire
    };
    let said = rotated(499, swapped);
    assert!(said.unwrap_err().contains("is not what its secret signs"));
    let listed = |scene: &mut Scene, id| {
        let mut wire = scene.wire(id);
        let next = wire
            .headers
            .iter()
            .position(|(name, _)| name == "x-signature-next");
        let (_, next) = wire.headers.remove(next.unwrap());
        let first = wire
            .headers
            .iter_mut()
            .find(|(name, _)| name == "x-signature");
        let (_, value) = first.unwrap();
        *value = format!("{value},{next}");
        wire
    };
    let said = rotated(499, listed);
    assert!(said.unwrap_err().contains("1 headers hold one signature"));
}

#[test]
fn a_body_or_a_header_is_not_as_it_should_be() {
    let said = rotated(0, |scene, id| {
        let mut wire = scene.wire(id);
        wire.body = Bytes::from_static(b"{}");
        wire
    });
    assert!(said.unwrap_err().contains("body"));
    let said = rotated(0, |scene, id| {
        let mut wire = scene.wire(id);
        let text = secret(1).expose_secret_text().to_owned();
        wire.headers.push(("x-debug".to_owned(), text));
        wire
    });
    assert!(said.unwrap_err().contains("in a header"));
}

#[test]
fn an_enabled_endpoint_has_a_closed_breaker() {
    let (mut scene, endpoint) = with_breaker("breaker");
    let ids: Vec<DeliveryId> = (0..3).map(|_| scene.publish(endpoint)).collect();
    scene.attempt(ids[0], status(500));
    scene.attempt(ids[1], status(500));
    let call = scene.call(Wish::Change(endpoint, EndpointChange::Enable));
    let record = Box::new(scene.book.endpoints[&endpoint].durable.clone());
    scene.ok(What::Answered {
        call,
        reply: Reply::Endpoint(Ok(record)),
    });
    scene.ok(scene.sends(ids[2]));
}

#[test]
fn a_breaker_opens_and_closes_and_nobody_is_told_or_wrongly() {
    use postrider_engine::Fact;
    let (mut scene, endpoint) = with_breaker("breaker");
    let ids: Vec<DeliveryId> = (0..3).map(|_| scene.publish(endpoint)).collect();
    scene.attempt(ids[0], status(500));
    let weigh = |scene: &mut Scene| scene.checker.weigh(&Footprint::default(), &scene.book);
    assert_eq!(weigh(&mut scene), Ok(()));
    let opened = |until| What::Fact(Fact::BreakerOpened { endpoint, until });
    let closed = || What::Fact(Fact::BreakerClosed { endpoint });
    let until = Mono(scene.now().mono.0 + 1_000);
    scene.red(opened(until));
    scene.attempt(ids[1], status(500));
    scene.red(opened(Mono(until.0 + 1)));
    scene.ok(opened(until));
    assert_eq!(weigh(&mut scene), Ok(()));
    scene.red(closed());
    scene.pass(1_000);
    scene.attempt(ids[2], status(200));
    assert!(weigh(&mut scene).is_err());
    scene.red(closed());
}
