//! Connections, kept and not kept.

use super::fixture::{BRIEF, PATIENT, Setup, Subject, failure, post, request, response, status};
use crate::hostile::{Authority, Behaviour, OK, Receiver};
use postrider::transport::{PoolLimits, Transport, TransportLimits, WireRequest};
use postrider_engine::{FailureKind, Outcome, Phase, Repeat};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Sends so many requests at once that each needs a connection; all succeed.
async fn open(transport: &Arc<dyn Transport>, receiver: &Receiver, connections: usize) {
    let mut posts = JoinSet::new();
    for _ in 0..connections {
        let (transport, url) = (Arc::clone(transport), receiver.http());
        posts.spawn(async move { status(post(&*transport, &url).await) });
    }
    assert_eq!(posts.join_all().await, vec![200; connections]);
}

fn pool(limits: PoolLimits) -> Setup {
    let limits = TransportLimits {
        pool: limits,
        ..TransportLimits::default()
    };
    Setup {
        limits,
        ..Setup::default()
    }
}

/// Slow enough that requests sent at once are under way at once.
fn slow() -> Behaviour {
    Behaviour::AnswerAfter(Duration::from_millis(100), OK.into())
}

pub(super) async fn requests_one_after_another_share_a_connection(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Answer(OK.into())).await;
    let transport = subject.transport();
    for _ in 0..20 {
        assert_eq!(status(post(&*transport, &receiver.http()).await), 200);
    }
    assert_eq!((receiver.connections(), receiver.requests().len()), (1, 20));
}

pub(super) async fn a_pool_of_dead_connections_costs_no_attempt(subject: Subject) {
    let receiver = Receiver::start(slow()).await;
    let transport = subject.transport();
    open(&transport, &receiver, 8).await;
    assert_eq!(receiver.connections(), 8);
    receiver.hang_up();
    receiver.until_open(0).await;
    // reqwest has to be told by its tasks.
    sleep(Duration::from_millis(50)).await;

    assert_eq!(status(post(&*transport, &receiver.http()).await), 200);
    assert_eq!((receiver.connections(), receiver.requests().len()), (9, 9));
}

pub(super) async fn a_farewell_on_an_idle_connection_is_not_the_next_answer(subject: Subject) {
    let farewell = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n";
    let speaks = Behaviour::AnswerThenSpeak(OK.into(), farewell.into());
    let receiver = Receiver::start(speaks).await;
    let transport = subject.transport();
    for sent in 1..=3 {
        assert_eq!(status(post(&*transport, &receiver.http()).await), 200);
        assert_eq!(receiver.connections(), sent);
        sleep(Duration::from_millis(150)).await;
    }
}

pub(super) async fn a_connection_whose_body_was_not_read_is_not_used_again(subject: Subject) {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Flood(head.into(), "x".repeat(1000).into())).await;
    let transport = subject.transport();
    for sent in 1..=3 {
        assert_eq!(status(post(&*transport, &receiver.http()).await), 200);
        assert_eq!(receiver.connections(), sent);
        receiver.until_open(0).await;
    }
}

pub(super) async fn a_dropped_attempt_closes_its_connection(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Silence).await;
    let transport = subject.transport();
    let url = receiver.http();
    let attempt = post(&*transport, &url);
    assert!(timeout(BRIEF, attempt).await.is_err());
    assert_eq!(receiver.requests().len(), 1);
    receiver.until_open(0).await;
}

pub(super) async fn idle_connections_stay_within_their_limit(subject: Subject) {
    let receiver = Receiver::start(slow()).await;
    let setup = pool(PoolLimits {
        idle_per_origin_max: 3,
        ..PoolLimits::default()
    });
    let transport = subject.with(&setup);
    open(&transport, &receiver, 10).await;
    assert_eq!(receiver.connections(), 10);
    receiver.until_open(3).await;
}

pub(super) async fn idle_connections_are_closed_after_their_time(subject: Subject) {
    let (old, new) = (Receiver::start(slow()).await, Receiver::start(slow()).await);
    let idle_timeout = Duration::from_millis(300);
    let setup = pool(PoolLimits {
        idle_timeout,
        ..PoolLimits::default()
    });
    let transport = subject.with(&setup);
    open(&transport, &old, 4).await;
    assert_eq!(old.open(), 4);
    sleep(idle_timeout).await;
    // Nothing is closed by a timer alone.
    open(&transport, &new, 1).await;
    old.until_open(0).await;
}

#[tokio::test]
async fn hyper_sends_again_what_crossed_with_the_closing_of_an_idle_connection() {
    let receiver = Receiver::start(Behaviour::AnswerOnce(OK.into(), "".into())).await;
    let transport = Setup::default().hyper();
    for sent in 1..=4 {
        assert_eq!(status(post(&transport, &receiver.http()).await), 200);
        assert_eq!(receiver.connections(), sent);
    }
    assert_eq!(receiver.requests().len(), 4 + 3);
}

#[tokio::test]
async fn hyper_repeats_what_is_answered_408_or_421_on_a_used_connection() {
    for (answer, why) in [
        (
            "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n",
            Repeat::RequestTimeout,
        ),
        (
            "HTTP/1.1 408 Too : untidy\r\nx y\r\n\r\n",
            Repeat::RequestTimeout,
        ),
        (
            "HTTP/1.1 421 Misdirected\r\ncontent-length: 0\r\n\r\n",
            Repeat::Misdirected,
        ),
        ("", Repeat::ConnectionClosed),
    ] {
        let receiver = Receiver::start(Behaviour::AnswerOnce(OK.into(), answer.into())).await;
        let transport = Setup::default().hyper();
        let first = response(post(&transport, &receiver.http()).await);
        assert_eq!((first.status, first.repeated), (200, None));
        let second = response(post(&transport, &receiver.http()).await);
        assert_eq!(
            (second.status, second.repeated),
            (200, Some(why)),
            "{answer:?}"
        );
        assert_eq!((receiver.connections(), receiver.requests().len()), (2, 3));
        let told = format!("\r\nx-attempt-repeat: {}\r\n", why.name());
        let told: Vec<bool> = receiver
            .requests()
            .iter()
            .map(|it| it.contains(&told))
            .collect();
        assert_eq!(told, [false, false, true], "the second one of its attempt");
    }
}

#[tokio::test]
async fn hyper_sends_what_must_not_be_sent_again_on_a_connection_of_its_own() {
    for answer in [
        "",
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n",
    ] {
        let receiver = Receiver::start(Behaviour::AnswerOnce(OK.into(), answer.into())).await;
        let transport = Setup::default().hyper();
        assert_eq!(status(post(&transport, &receiver.http()).await), 200);
        for sent in 2..=4 {
            let request = WireRequest {
                send_again: false,
                ..request(&receiver.http())
            };
            let deadline = Instant::now() + PATIENT;
            let outcome = response(transport.send(request, deadline).await);
            assert_eq!((outcome.status, outcome.repeated), (200, None));
            assert_eq!(receiver.connections(), sent);
        }
        assert_eq!(receiver.requests().len(), 4, "nothing was sent twice");
        assert_eq!(transport.idle_connections(), 1, "that of the first request");
    }
}

#[tokio::test]
async fn hyper_repeats_once_and_then_the_answer_counts() {
    for code in [408, 421] {
        let answer = format!("HTTP/1.1 {code} No\r\ncontent-length: 0\r\n\r\n");
        let receiver = Receiver::start(Behaviour::Answer(answer.into())).await;
        let transport = Setup::default().hyper();
        let first = response(post(&transport, &receiver.http()).await);
        assert_eq!(
            (first.status, first.repeated),
            (code, None),
            "it was a new connection"
        );
        let second = response(post(&transport, &receiver.http()).await);
        assert_eq!((second.status, second.repeated.is_some()), (code, true));
        assert_eq!((receiver.connections(), receiver.requests().len()), (2, 3));
    }
}

#[tokio::test]
async fn a_repeated_request_has_the_time_that_is_left() {
    let slow = Behaviour::AnswerAfter(Duration::from_millis(200), OK.into());
    let receiver = Receiver::start(slow).await;
    let transport = Setup::default().hyper();
    assert_eq!(status(post(&transport, &receiver.http()).await), 200);
    // The connection dies with the second request on it, and the third has 100 ms.
    let second = transport.send(request(&receiver.http()), Instant::now() + BRIEF);
    let (second, ()) = tokio::join!(second, async {
        sleep(BRIEF * 2 / 3).await;
        receiver.hang_up();
    });
    let Outcome::Failure(second) = second else {
        panic!("{second}");
    };
    assert_eq!(second.kind, FailureKind::Timeout(Phase::Response));
    assert_eq!(second.repeated, Some(Repeat::ConnectionClosed));
}

#[tokio::test]
async fn hyper_does_not_use_a_connection_again_after_an_untidy_head() {
    for untidy in [
        "x : y\r\n",
        "x: y\r\n z\r\n",
        "no colon\r\n",
        "x: \u{1}\r\n",
        "x: y\n",
        "content-length: 2\r\n",
        "transfer-encoding : chunked\r\n",
    ] {
        let hidden = format!("HTTP/1.1 200 OK\r\n{untidy}content-length: 2\r\n\r\nok");
        let receiver = Receiver::start(Behaviour::Answer(hidden.into())).await;
        let transport = Setup::default().hyper();
        for sent in 1..=2 {
            assert_eq!(status(post(&transport, &receiver.http()).await), 200);
            assert_eq!(receiver.connections(), sent, "{untidy:?}");
        }
    }
}

#[tokio::test]
async fn hyper_does_not_send_again_what_was_answered_in_part() {
    let receiver = Receiver::start(Behaviour::AnswerOnce(OK.into(), "HTTP/1.1 2".into())).await;
    let transport = Setup::default().hyper();
    assert_eq!(status(post(&transport, &receiver.http()).await), 200);
    let failed = failure(post(&transport, &receiver.http()).await);
    assert_eq!(failed, FailureKind::Reset);
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test]
async fn hyper_keeps_a_bounded_number_of_idle_connections_in_all() {
    let receivers = [Receiver::start(slow()).await, Receiver::start(slow()).await];
    let setup = pool(PoolLimits {
        idle_max: 5,
        ..PoolLimits::default()
    });
    let hyper = Arc::new(setup.hyper());
    let transport: Arc<dyn Transport> = Arc::clone(&hyper) as _;
    for receiver in &receivers {
        open(&transport, receiver, 4).await;
        assert!(hyper.idle_connections() <= 5);
    }
    // The oldest made room.
    receivers[0].until_open(1).await;
    receivers[1].until_open(4).await;
    hyper.close_idle_connections();
    assert_eq!(hyper.idle_connections(), 0);
    receivers[1].until_open(0).await;
}

#[tokio::test]
async fn hyper_reads_a_short_rest_to_use_the_connection_again() {
    let body = "x".repeat(10_000);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n{body}");
    let receiver = Receiver::start(Behaviour::Answer(answer.into())).await;
    let transport = Setup::default().hyper();
    for _ in 0..3 {
        assert_eq!(status(post(&transport, &receiver.http()).await), 200);
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn hyper_leads_a_burst_on_after_the_one_that_all_wait_for_is_given_up() {
    let authority = Authority::new();
    let receiver = Receiver::start(Behaviour::Silence).await;
    let setup = Setup {
        roots: authority.roots(),
        ..Setup::default()
    };
    let transport = setup.hyper();
    let url = receiver.url("https", "hooks.example");
    let first = transport.send(request(&url), Instant::now() + BRIEF);
    let second = transport.send(request(&url), Instant::now() + 2 * BRIEF);
    let third = transport.send(request(&url), Instant::now() + PATIENT);
    let (first, second, third) = tokio::join!(first, second, async {
        timeout(3 * BRIEF, third).await.is_err()
    });
    let timed_out = FailureKind::Timeout(postrider_engine::Phase::Tls);
    assert_eq!((failure(first), failure(second)), (timed_out, timed_out));
    assert!(third, "it is still trying");
    assert_eq!(receiver.connections(), 3, "one after the other");
    receiver.until_open(0).await;
}
