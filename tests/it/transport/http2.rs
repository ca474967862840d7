//! Many requests at once over HTTP/2.

use super::fixture::{
    PATIENT, Setup, Subject, failure, post, post_briefly, request, response, status,
};
use crate::hostile::{Authority, Http2Behaviour, Receiver};
use h2::Reason;
use postrider::transport::{HyperTransport, Transport, WireRequest};
use postrider_engine::{FailureKind, Outcome, Phase, Repeat};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const HOST: &str = "hooks.example";

const ANSWER: Http2Behaviour = Http2Behaviour::Answer { streams_max: 200 };

async fn start(behaviour: Http2Behaviour) -> (Receiver, Setup, String) {
    let authority = Authority::new();
    let receiver = Receiver::start_http2(authority.server(HOST, "h2"), behaviour).await;
    let setup = Setup {
        roots: authority.roots(),
        ..Setup::default()
    };
    let url = receiver.url("https", HOST);
    (receiver, setup, url)
}

/// Sends so many requests at once and returns how they ended.
async fn post_at_once(transport: &Arc<dyn Transport>, url: &str, requests: usize) -> Vec<Outcome> {
    let mut posts = JoinSet::new();
    for _ in 0..requests {
        let (transport, url) = (Arc::clone(transport), url.to_owned());
        posts.spawn(async move { post(&*transport, &url).await });
    }
    posts.join_all().await
}

pub(super) async fn http2_is_spoken_where_tls_negotiates_it(subject: Subject) {
    let (receiver, setup, url) = start(ANSWER).await;
    let transport = subject.with(&setup);
    for _ in 0..3 {
        assert_eq!(status(post(&*transport, &url).await), 200);
    }
    assert_eq!(receiver.connections(), 1);
    // The URI that the pseudo-headers make.
    assert_eq!(receiver.requests()[0], url);
}

pub(super) async fn a_hundred_requests_at_once_are_all_answered(subject: Subject) {
    let (receiver, setup, url) = start(ANSWER).await;
    let transport = subject.with(&setup);
    for outcome in post_at_once(&transport, &url, 100).await {
        assert_eq!(status(outcome), 200);
    }
    assert_eq!(receiver.requests().len(), 100);
    // reqwest may make more connections before it knows that one is enough.
    if subject == Subject::Hyper {
        assert_eq!(receiver.connections(), 1);
        assert!(
            receiver.streams_at_once() > 50,
            "{}",
            receiver.streams_at_once()
        );
    }
}

pub(super) async fn the_receivers_limit_on_streams_is_kept(subject: Subject) {
    let (receiver, setup, url) = start(Http2Behaviour::Answer { streams_max: 3 }).await;
    let transport = subject.with(&setup);
    // The limit arrives after the first request has left, and is noticed with the second.
    for _ in 0..2 {
        assert_eq!(status(post(&*transport, &url).await), 200);
    }
    for outcome in post_at_once(&transport, &url, 12).await {
        assert_eq!(status(outcome), 200);
    }
    if subject == Subject::Hyper {
        assert!(receiver.connections() > 1, "nobody queues for a stream");
    }
    let most = 3 * receiver.connections();
    assert!(
        receiver.streams_at_once() <= most,
        "{} > {most}",
        receiver.streams_at_once()
    );
}

pub(super) async fn a_receiver_that_goes_away_costs_no_attempt(subject: Subject) {
    let (receiver, setup, url) = start(Http2Behaviour::GoAway).await;
    let transport = subject.with(&setup);
    for _ in 0..4 {
        assert_eq!(status(post(&*transport, &url).await), 200);
    }
    assert_eq!(receiver.requests().len(), 4);
}

pub(super) async fn a_dead_http2_connection_costs_no_attempt(subject: Subject) {
    let (receiver, setup, url) = start(ANSWER).await;
    let transport = subject.with(&setup);
    for connections in 1..=3 {
        assert_eq!(status(post(&*transport, &url).await), 200);
        assert_eq!(receiver.connections(), connections);
        receiver.hang_up();
        receiver.until_open(0).await;
        // reqwest has to be told by its tasks.
        sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn a_reset_stream_is_a_reset(subject: Subject) {
    let (receiver, setup, url) = start(Http2Behaviour::Reset(Reason::INTERNAL_ERROR)).await;
    let transport = subject.with(&setup);
    for _ in 0..2 {
        assert_eq!(failure(post(&*transport, &url).await), FailureKind::Reset);
    }
    assert_eq!(
        receiver.requests().len(),
        2,
        "it counts, on a connection in use too"
    );
    assert_eq!(
        receiver.connections(),
        1,
        "and says nothing against the connection"
    );
}

pub(super) async fn a_huge_http2_head_leaves_the_status_to_decide(subject: Subject) {
    let (_receiver, setup, url) = start(Http2Behaviour::HugeHead).await;
    let outcome = post(&*subject.with(&setup), &url).await;
    match subject {
        Subject::Hyper => assert_eq!(status(outcome), 200),
        // It does not tell a head that is too large from one that is wrong.
        Subject::Reqwest => assert_eq!(failure(outcome), FailureKind::Malformed),
    }
}

/// Heads that are malformed as HTTP/2 sees it.
const UNTIDY: [&[(&str, &str)]; 10] = [
    &[
        (":status", "503"),
        ("connection", "close"),
        ("retry-after", "7"),
    ],
    &[
        (":status", "503"),
        ("transfer-encoding", "chunked"),
        ("retry-after", "7"),
    ],
    &[(":status", "503"), ("Server", "x"), ("Retry-After", "7")],
    &[
        (":status", "503"),
        ("cookie", "a\u{1}b"),
        ("retry-after", "7"),
    ],
    &[
        (":status", "503"),
        ("cookie", "a\r\nb: c"),
        ("retry-after", "7"),
    ],
    &[(":status", "503"), ("a name", "x"), ("retry-after", "7")],
    &[
        (":status", "503"),
        (":path", "/"),
        (":unknown", "x"),
        ("retry-after", "7"),
    ],
    &[(":status", "503"), (":status", "200"), ("retry-after", "7")],
    &[("retry-after", "7"), (":status", "503")],
    &[
        (":status", "503"),
        ("content-length", "x"),
        ("retry-after", "7"),
    ],
];

pub(super) async fn an_untidy_http2_head_leaves_the_status_to_decide(subject: Subject) {
    for fields in UNTIDY {
        let (receiver, setup, url) = start(Http2Behaviour::Fields(fields)).await;
        let transport = subject.with(&setup);
        for sent in 1..=2 {
            let outcome = post(&*transport, &url).await;
            if subject == Subject::Reqwest {
                assert!(
                    matches!(outcome, Outcome::Failure(_)),
                    "{fields:?}: {outcome}"
                );
                break;
            }
            let answer = response(outcome);
            assert_eq!(
                (answer.status, &answer.body[..]),
                (503, &b"ok"[..]),
                "{fields:?}"
            );
            let retry_after = ("retry-after".to_owned(), "7".to_owned());
            assert!(answer.headers.contains(&retry_after), "{fields:?}");
            assert_eq!(
                (receiver.requests().len(), receiver.connections()),
                (sent, 1)
            );
        }
    }
}

pub(super) async fn an_http2_head_without_a_status_is_malformed(subject: Subject) {
    for fields in [
        &[("a", "b")][..],
        &[(":status", "banana")],
        &[(":status", "99")],
    ] {
        let (_receiver, setup, url) = start(Http2Behaviour::Fields(fields)).await;
        let failed = failure(post(&*subject.with(&setup), &url).await);
        assert_eq!(failed, FailureKind::Malformed, "{fields:?}");
    }
}

pub(super) async fn a_silent_http2_receiver_times_out(subject: Subject) {
    let (receiver, setup, url) = start(Http2Behaviour::Silence).await;
    let transport = subject.with(&setup);
    for _ in 0..2 {
        let failed = failure(post_briefly(&*transport, &url).await);
        assert_eq!(failed, FailureKind::Timeout(Phase::Response));
    }
    // The path may have gone silent, so the next request uses another connection. reqwest goes
    // on with the first.
    assert_eq!(receiver.connections(), subject.pick(2, 1));
}

pub(super) async fn an_http2_body_that_never_comes_leaves_the_status_to_decide(subject: Subject) {
    let (_receiver, setup, url) = start(Http2Behaviour::NoBody).await;
    let answer = response(post_briefly(&*subject.with(&setup), &url).await);
    assert_eq!((answer.status, answer.body_cut), (201, true));
}

#[tokio::test]
async fn http2_is_offered_unless_the_configuration_says_otherwise() {
    let (receiver, setup, url) = start(ANSWER).await;
    let mut config = setup.config();
    config.tls.alpn_protocols.clear();
    let transport = HyperTransport::with_dial(config, setup.names.clone());
    assert_eq!(status(post(&transport, &url).await), 200);
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn hyper_sends_a_refused_stream_again() {
    let (receiver, setup, url) = start(Http2Behaviour::RefuseSecond).await;
    let transport = setup.hyper();
    for _ in 0..2 {
        assert_eq!(status(post(&transport, &url).await), 200);
    }
    assert_eq!(receiver.requests().len(), 3);
}

#[tokio::test]
async fn hyper_sends_a_misdirected_request_again_on_a_new_connection() {
    let (receiver, setup, url) = start(Http2Behaviour::MisdirectSecond).await;
    let transport = setup.hyper();
    let first = response(post(&transport, &url).await);
    assert_eq!((first.status, first.repeated), (200, None));
    let second = response(post(&transport, &url).await);
    assert_eq!(
        (second.status, second.repeated),
        (200, Some(Repeat::Misdirected))
    );
    assert_eq!((receiver.connections(), receiver.requests().len()), (2, 3));
}

#[tokio::test]
async fn hyper_sends_what_must_not_be_sent_again_over_http2_on_a_connection_of_its_own() {
    let (receiver, setup, url) = start(Http2Behaviour::MisdirectSecond).await;
    let transport = setup.hyper();
    for sent in 1..=3 {
        let request = WireRequest {
            send_again: false,
            ..request(&url)
        };
        let outcome = transport.send(request, Instant::now() + PATIENT).await;
        let outcome = response(outcome);
        assert_eq!((outcome.status, outcome.repeated), (200, None));
        assert_eq!(receiver.connections(), sent);
    }
    assert_eq!(receiver.requests().len(), 3);
    assert_eq!(transport.idle_connections(), 0);
}
