//! What a service that embeds Postrider sees beyond the eight promises.

use crate::receiver::{Receiver, Reply, SECRET, end_of, hasty, loopback, postrider, until};
use postrider::{
    BatchPolicy, DisabledReason, EndpointError, EndpointSpec, EndpointStatus, EventState, Fact,
    Full, InvalidSpec, MemoryBounds, MemoryStore, Ordering, Outcome, PayloadForm, PingError,
    Postrider, PublishError, Secret, Submission, Template,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test]
async fn two_thousand_deliveries_over_five_hundred_endpoints_arrive_in_order() {
    let receiver = Receiver::answering(200).await;
    let postrider = postrider().await;
    let mut endpoints = Vec::new();
    for _ in 0..500 {
        endpoints.push(
            postrider
                .register_endpoint(&receiver.url(), SECRET)
                .await
                .unwrap(),
        );
    }
    for number in 0..4 {
        for (index, endpoint) in endpoints.iter().enumerate() {
            let payload = format!("{index}:{number}");
            postrider
                .submit_event(endpoint, "payment.succeeded", payload)
                .await
                .unwrap();
        }
    }
    until("all are delivered", || async { receiver.count() == 2_000 }).await;
    let mut next = vec![0; 500];
    for body in receiver.bodies() {
        let (index, number) = body.split_once(':').unwrap();
        let (index, number): (usize, usize) = (index.parse().unwrap(), number.parse().unwrap());
        assert_eq!(next[index], number, "endpoint {index}");
        next[index] += 1;
    }
    until("the core has nothing left", || async {
        let footprint = postrider.footprint().await.unwrap();
        footprint.pending_deliveries == 0 && footprint.slots == 0 && footprint.payload_bytes == 0
    })
    .await;
}

#[tokio::test]
async fn a_hanging_endpoint_does_not_slow_another_one() {
    let hanging = Receiver::start(|_, _| Reply::Never).await;
    let healthy = Receiver::answering(200).await;
    let postrider = postrider().await;
    for _ in 0..50 {
        let mut spec = EndpointSpec::new(hanging.url());
        spec.timeout = Duration::from_secs(5);
        let id = postrider.register(spec, None).await.unwrap().id;
        postrider.submit_event(&id, "a.b", "x").await.unwrap();
    }
    until("all hang", || async { hanging.count() == 50 }).await;
    let endpoint = postrider
        .register_endpoint(&healthy.url(), SECRET)
        .await
        .unwrap();
    let start = Instant::now();
    for _ in 0..100 {
        postrider.submit_event(&endpoint, "a.b", "y").await.unwrap();
    }
    until("the healthy one gets all", || async {
        healthy.count() == 100
    })
    .await;
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn lanes_of_different_keys_do_not_wait_for_each_other() {
    let receiver = Receiver::start(|_, request| {
        if request.body.starts_with(b"slow") {
            Reply::Never
        } else {
            Reply::Status(200)
        }
    })
    .await;
    let postrider = postrider().await;
    let endpoint = postrider
        .register_endpoint(&receiver.url(), SECRET)
        .await
        .unwrap();
    for (key, payload) in [("a", "slow"), ("a", "behind slow"), ("b", "1"), ("b", "2")] {
        let event = Submission::new("a.b", payload)
            .to(&endpoint)
            .ordering_key(key);
        postrider.publish(event).await.unwrap();
    }
    until("the other lane is through", || async {
        receiver.count() == 3
    })
    .await;
    let bodies = receiver.bodies();
    assert!(bodies.contains(&"2".to_owned()) && !bodies.contains(&"behind slow".to_owned()));
}

#[tokio::test]
async fn an_event_for_subscribers_reaches_those_of_its_tenant_and_type() {
    let receiver = Receiver::answering(200).await;
    let postrider = postrider().await;
    for (tenant, pattern) in [
        ("default", "payment.*"),
        ("default", "payout.*"),
        ("default", "*"),
        ("other", "*"),
    ] {
        let mut spec = EndpointSpec::new(receiver.url());
        spec.tenant = tenant.parse().unwrap();
        spec.event_types = vec![pattern.parse().unwrap()];
        spec.headers = vec![("x-who".into(), format!("{tenant} {pattern}"))];
        postrider.register(spec, None).await.unwrap();
    }
    let published = postrider
        .publish(Submission::new("payment.refunded", "{}"))
        .await
        .unwrap();
    assert_eq!(published.deliveries.len(), 2);
    assert_eq!(
        end_of(&postrider, &published.event).await.state,
        EventState::Delivered
    );
    let mut who: Vec<String> = receiver
        .received()
        .iter()
        .map(|it| it.header("x-who").to_owned())
        .collect();
    who.sort();
    assert_eq!(who, ["default *", "default payment.*"]);
}

#[tokio::test]
async fn the_same_idempotency_key_gives_the_same_event_once() {
    let receiver = Receiver::answering(200).await;
    let postrider = postrider().await;
    let endpoint = postrider
        .register_endpoint(&receiver.url(), SECRET)
        .await
        .unwrap();
    let submit = |payload: &'static str| {
        let event = Submission::new("a.b", payload)
            .to(&endpoint)
            .idempotency_key("order-7");
        let postrider = postrider.clone();
        async move { postrider.publish(event).await }
    };
    let (first, second, third) = tokio::join!(submit("same"), submit("same"), submit("same"));
    let ids = [
        first.unwrap().event,
        second.unwrap().event,
        third.unwrap().event,
    ];
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(
        submit("other").await,
        Err(PublishError::IdempotencyKeyReused(ids[0]))
    );
    end_of(&postrider, &ids[0]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(receiver.bodies(), ["same"]);
}

#[tokio::test]
async fn during_a_rotation_both_secrets_verify_and_afterwards_only_the_new_one() {
    let receiver = Receiver::answering(200).await;
    let postrider = postrider().await;
    let endpoint = postrider
        .register_endpoint(&receiver.url(), "an old secret, long enough")
        .await
        .unwrap();
    let new = || Some(Secret::parse("a new secret, long enough").unwrap());
    postrider
        .rotate_secret(&endpoint, new(), Duration::from_secs(1))
        .await
        .unwrap();
    let event = postrider
        .submit_event(&endpoint, "a.b", "{}")
        .await
        .unwrap();
    end_of(&postrider, &event).await;
    let during = receiver.received()[0].clone();
    assert!(
        during.is_signed_with("an old secret, long enough")
            && during.is_signed_with("a new secret, long enough")
    );

    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let event = postrider
        .submit_event(&endpoint, "a.b", "{}")
        .await
        .unwrap();
    end_of(&postrider, &event).await;
    let after = receiver.received()[1].clone();
    assert!(
        !after.is_signed_with("an old secret, long enough")
            && after.is_signed_with("a new secret, long enough")
    );
}

#[tokio::test]
async fn a_410_disables_the_endpoint_and_keeps_its_queue() {
    let receiver = Receiver::start(|n, _| {
        if n == 0 {
            Reply::Late(Duration::from_millis(100), 410)
        } else {
            Reply::Status(200)
        }
    })
    .await;
    let postrider = postrider().await;
    let mut facts = postrider.subscribe();
    let endpoint = postrider
        .register_endpoint(&receiver.url(), SECRET)
        .await
        .unwrap();
    postrider
        .submit_event(&endpoint, "a.b", "gone")
        .await
        .unwrap();
    let queued = postrider
        .submit_event(&endpoint, "a.b", "queued")
        .await
        .unwrap();
    loop {
        if let Fact::EndpointDisabled {
            endpoint: which,
            reason,
        } = facts.next().await.unwrap()
        {
            assert_eq!((which, reason), (endpoint, DisabledReason::Gone));
            break;
        }
    }
    assert_eq!(
        postrider.submit_event(&endpoint, "a.b", "refused").await,
        Err(PublishError::EndpointDisabled(endpoint))
    );
    assert_eq!(receiver.count(), 1);
    let enabled = postrider.enable_endpoint(&endpoint).await.unwrap();
    assert_eq!(enabled.status, EndpointStatus::Active);
    assert_eq!(
        end_of(&postrider, &queued).await.state,
        EventState::Delivered
    );
}

#[tokio::test]
async fn a_changed_url_gets_the_retries_and_a_deleted_endpoint_gets_nothing_more() {
    let old = Receiver::answering(500).await;
    let new = Receiver::answering(200).await;
    let postrider = postrider().await;
    let mut spec = hasty(&old.url(), 5);
    let endpoint = postrider.register(spec.clone(), None).await.unwrap().id;
    let event = postrider
        .submit_event(&endpoint, "a.b", "moved")
        .await
        .unwrap();
    until("the old one was tried", || async { old.count() > 0 }).await;
    spec.url = new.url().into();
    postrider.update_endpoint(&endpoint, spec).await.unwrap();
    assert_eq!(
        end_of(&postrider, &event).await.state,
        EventState::Delivered
    );
    assert_eq!(new.count(), 1);

    postrider.pause_endpoint(&endpoint).await.unwrap();
    let queued = postrider
        .submit_event(&endpoint, "a.b", "queued")
        .await
        .unwrap();
    postrider.delete_endpoint(&endpoint).await.unwrap();
    assert_eq!(
        end_of(&postrider, &queued).await.state,
        EventState::Discarded
    );
    assert_eq!(
        postrider.submit_event(&endpoint, "a.b", "late").await,
        Err(PublishError::NoSuchEndpoint(endpoint))
    );
    assert_eq!(new.count(), 1);
}

#[tokio::test]
async fn a_full_store_refuses_and_takes_again_when_there_is_room() {
    let receiver = Receiver::answering(200).await;
    let bounds = MemoryBounds {
        deliveries_max: 3,
        ..MemoryBounds::default()
    };
    let builder = Postrider::builder()
        .egress(loopback())
        .store(MemoryStore::bounded(bounds));
    let postrider = builder.start().await.unwrap();
    let endpoint = postrider
        .register_endpoint(&receiver.url(), SECRET)
        .await
        .unwrap();
    postrider.pause_endpoint(&endpoint).await.unwrap();
    for _ in 0..3 {
        postrider.submit_event(&endpoint, "a.b", "x").await.unwrap();
    }
    let full = postrider.submit_event(&endpoint, "a.b", "x").await;
    assert_eq!(full, Err(PublishError::Full(Full::Store)));
    postrider.resume_endpoint(&endpoint).await.unwrap();
    until("there is room again", || async {
        postrider.submit_event(&endpoint, "a.b", "y").await.is_ok()
    })
    .await;
    until("nothing was dropped", || async { receiver.count() == 4 }).await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_at_registration() {
    let postrider = Postrider::builder().start().await.unwrap();
    for url in [
        "ftp://example.com/",
        "http://127.0.0.1/",
        "http://user:pw@example.com/",
        "http://[::1]/",
    ] {
        let refused = postrider.register_endpoint(url, SECRET).await;
        assert!(
            matches!(refused, Err(EndpointError::Invalid(InvalidSpec::Url(_)))),
            "{url}"
        );
    }
    let local = postrider.register_endpoint("http://127.0.0.1/", SECRET);
    let refused = local.await.unwrap_err().to_string();
    assert!(refused.contains("Builder::egress"), "{refused}");
    assert!(refused.contains("allow_networks"), "{refused}");
    assert!(
        postrider
            .register_endpoint("https://example.com/", "")
            .await
            .is_err()
    );
    let mut spec = EndpointSpec::new("https://example.com/");
    spec.headers = vec![("host".into(), "elsewhere".into())];
    assert!(postrider.register(spec, None).await.is_err());
}

#[tokio::test]
async fn a_restart_on_the_same_store_goes_on_where_it_stopped() {
    let store = Arc::new(MemoryStore::default());
    let start = || {
        Postrider::builder()
            .egress(loopback())
            .shared_store(Arc::clone(&store) as _)
            .start()
    };
    let receiver = Receiver::start(|n, _| Reply::Status(if n == 0 { 500 } else { 200 })).await;
    let first = start().await.unwrap();
    let mut spec = hasty(&receiver.url(), 5);
    spec.ordering = Ordering::Fifo;
    let endpoint = first.register(spec, None).await.unwrap().id;
    let event = first.submit_event(&endpoint, "a.b", "1").await.unwrap();
    let next = first.submit_event(&endpoint, "a.b", "2").await.unwrap();
    until("one attempt was made", || async {
        first.event_status(&event).await.unwrap().attempts == 1
    })
    .await;
    first.shutdown().await;

    let second = start().await.unwrap();
    assert_eq!(end_of(&second, &next).await.state, EventState::Delivered);
    assert_eq!(
        second.event_status(&event).await.unwrap().state,
        EventState::Delivered
    );
    assert_eq!(*receiver.bodies().last().unwrap(), "2");
}

#[tokio::test]
async fn a_ping_tells_how_a_disabled_endpoint_answers() {
    let receiver = Receiver::answering(418).await;
    let postrider = postrider().await;
    let mut spec = EndpointSpec::new(receiver.url());
    spec.payload_form = PayloadForm::Envelope;
    let secret = Secret::parse(SECRET).unwrap();
    let endpoint = postrider.register(spec, Some(secret)).await.unwrap().id;
    postrider.disable_endpoint(&endpoint).await.unwrap();
    let ping = Submission::new("postrider.ping", r#"{"n":1}"#);
    let attempt = postrider.ping(&endpoint, ping.clone()).await.unwrap();
    let Outcome::Response(response) = &attempt.outcome else {
        panic!("{:?}", attempt.outcome);
    };
    assert_eq!(response.status, 418);
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].is_signed_with(SECRET));
    assert!(received[0].body.ends_with(br#""data":{"n":1}}"#));
    let mut sent = attempt.sent.headers.iter();
    let event_id = sent.find(|(name, _)| *name == "x-event-id").unwrap().1;
    assert_eq!(received[0].header("webhook-id"), event_id);
    let ledger = postrider.ledger(&endpoint).await.unwrap();
    assert_eq!(ledger.accepted, 0, "nothing is recorded");
    let event_id = event_id.parse().unwrap();
    assert!(postrider.event_status(&event_id).await.is_err());

    postrider.delete_endpoint(&endpoint).await.unwrap();
    let refused = postrider.ping(&endpoint, ping).await;
    assert_eq!(refused, Err(PingError::NoSuchEndpoint(endpoint)));
}

#[tokio::test]
async fn a_ping_of_what_is_not_registered_goes_where_an_endpoint_may_be() {
    let receiver = Receiver::answering(204).await;
    let postrider = postrider().await;
    let secret = Secret::parse(SECRET).unwrap();
    let ping = |url: &str| {
        let ping = Submission::new("postrider.ping", "{}");
        postrider.ping_unregistered(EndpointSpec::new(url), secret.clone(), ping)
    };
    let attempt = ping(&receiver.url()).await.unwrap();
    assert!(matches!(attempt.outcome, Outcome::Response(it) if it.status == 204));
    assert!(receiver.received()[0].is_signed_with(SECRET));
    assert_eq!(postrider.endpoints().await.unwrap().len(), 0);
    let inside = ping("http://169.254.169.254/").await;
    assert!(matches!(
        inside,
        Err(PingError::Invalid(InvalidSpec::Url(_)))
    ));
}

#[tokio::test]
async fn what_a_template_and_a_filter_make_of_an_event_arrives() {
    let receiver = Receiver::answering(200).await;
    let postrider = postrider().await;
    let mut spec = EndpointSpec::new(receiver.url());
    let text = r#"{"text": "{{data.name}} paid {{data.amount}}", "amount": "{{data.amount}}"}"#;
    spec.payload_form = PayloadForm::Template(Template::new("chat", 1, text).unwrap());
    spec.filter = Some(r#"{"amount": {"$gt": 10000}}"#.parse().unwrap());
    postrider.register(spec, None).await.unwrap();
    for amount in ["10000", "25000.50"] {
        let payload = format!(r#"{{"name": "Ann", "amount": {amount}}}"#);
        let submission = Submission::new("payment.made", payload);
        postrider.publish(submission).await.unwrap();
    }
    until("it arrives", || async { receiver.count() == 1 }).await;
    let expected = r#"{"text": "Ann paid 25000.50", "amount": 25000.50}"#;
    assert_eq!(receiver.bodies(), [expected]);
}

#[tokio::test]
async fn events_go_together_where_the_endpoint_wants_it() {
    let receiver = Receiver::answering(200).await;
    let postrider = postrider().await;
    let mut spec = EndpointSpec::new(receiver.url());
    spec.batch = Some(BatchPolicy {
        events_max: 3,
        wait: Duration::from_millis(200),
    });
    let secret = Secret::parse(SECRET).unwrap();
    let endpoint = postrider.register(spec, Some(secret)).await.unwrap().id;
    let mut events = Vec::new();
    for number in 0..5 {
        let payload = format!("{{\"n\":{number}}}");
        let event = postrider.submit_event(&endpoint, "a.b", payload).await;
        events.push(event.unwrap());
    }
    until("all arrive", || async { receiver.count() == 2 }).await;
    let bodies = [r#"[{"n":0},{"n":1},{"n":2}]"#, r#"[{"n":3},{"n":4}]"#];
    assert_eq!(receiver.bodies(), bodies);
    for received in receiver.received() {
        assert!(received.is_signed_with(SECRET));
    }
    assert_eq!(receiver.received()[1].header("x-batch-size"), "2");
    for event in events {
        assert_eq!(
            end_of(&postrider, &event).await.state,
            EventState::Delivered
        );
    }
}
